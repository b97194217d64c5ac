#include <fmt/format.h>

#include <algorithm>

#include "ensconce/attestation/result/render.h"
#include "ensconce/base/printable.h"

namespace ensconce {
namespace {

constexpr std::string_view kGreen = "\033[32m";
constexpr std::string_view kYellow = "\033[33m";
constexpr std::string_view kRed = "\033[1;31m";
constexpr std::string_view kReset = "\033[0m";

constexpr std::string_view kSimulatedBanner =
    "+--------------------------------------------------------------------+\n"
    "|  SIMULATED   no secure hardware vouches for this. Whoever runs the  |\n"
    "|              simulator can read everything. Never for real data.    |\n"
    "+--------------------------------------------------------------------+\n";

class Painter {
 public:
  explicit Painter(bool color) : color_(color) {}
  [[nodiscard]] std::string operator()(std::string_view paint, std::string_view text) const {
    return color_ ? fmt::format("{}{}{}", paint, text, kReset) : std::string(text);
  }

 private:
  bool color_;
};

struct Mark {
  std::string_view text;
  std::string_view paint;
};

Mark mark_of(const Check& check) {
  if (!check.holds.has_value()) {
    return {"-", kYellow};
  }
  if (*check.holds) {
    return {"✓", kGreen};
  }
  return check.is_warning ? Mark{"!", kYellow} : Mark{"✗", kRed};
}

std::string shortened(const std::string& text) {
  constexpr std::size_t kWidth = 64;
  return text.size() <= kWidth ? printable(text) : printable(text, kWidth - 3);
}

// What failed is told in full, but for what no one reads.
std::string in_full(const std::string& text) {
  constexpr std::size_t kMaxText = 4096;
  return printable(text, kMaxText);
}

void append_check(std::string& out, const Check& check, std::size_t width, const Painter& paint) {
  const Mark mark = mark_of(check);
  out += fmt::format("  {} {:<{}}  ", paint(mark.paint, mark.text), check.id, width);
  if (check.holds.value_or(false)) {
    out += shortened(check.got) + "\n";
    return;
  }
  if (!check.holds.has_value()) {
    out += "not applied: " + shortened(check.got) + "\n";
    return;
  }
  const std::string indent(width + 6, ' ');
  out += fmt::format("{}\n", check.rule);
  out += fmt::format("{}expected  {}\n", indent, in_full(check.expected));
  out += fmt::format("{}got       {}\n", indent, in_full(check.got));
  out += fmt::format("{}remedy    {}\n", indent, check.remedy);
}

std::string processor_of(const EvidenceClaims& claims) {
  if (const SnpFacts* snp = claims.snp()) {
    return "AMD " + std::string(name_of(snp->product));
  }
  return "Intel, FMSPC " + to_hex(claims.intel_tcb()->pck.fmspc);
}

std::string advisories_of(const IntelTcb& tcb) {
  std::string out;
  for (const std::string& advisory : tcb.advisories) {
    out += (out.empty() ? " (" : ", ") + printable(advisory);
  }
  return out.empty() ? out : out + ")";
}

std::string headline(const AttestationResult& result, const Painter& paint) {
  const std::string kind = result.kind().empty() ? "evidence" : result.kind();
  switch (result.outcome()) {
    case Outcome::kAffirming:
      return paint(kGreen, "AFFIRMING") + "  " + kind + ": verified, and all the policy asks for";
    case Outcome::kWarning:
      return paint(kYellow, "WARNING") + "  " + kind +
             ": verified, but the policy reaches too little; no key is released, no input is sent";
    case Outcome::kNone:
      return paint(kYellow, "NONE") + "  " + kind + ": verified, and no policy to hold it against";
    case Outcome::kContraindicated:
      break;
  }
  return paint(kRed, "CONTRAINDICATED") + "  " + kind +
         (result.verified() ? ": verified, and refused by the policy" : ": not verified");
}

}  // namespace

std::string checks_to_text(std::span<const Check> checks, bool color) {
  const Painter paint(color);
  std::size_t width = 0;
  for (const Check& check : checks) {
    width = std::max(width, check.id.size());
  }
  std::string out;
  for (const Check& check : checks) {
    append_check(out, check, width, paint);
  }
  return out;
}

std::string result_to_text(const AttestationResult& result, bool color) {
  const Painter paint(color);
  std::string out;
  if (result.claims().has_value() && result.claims()->anchor.origin == AnchorOrigin::kSimulated) {
    out += paint(kYellow, kSimulatedBanner);
  }
  out += headline(result, paint) + "\n";
  if (result.claims().has_value()) {
    const EvidenceClaims& claims = *result.claims();
    out += fmt::format("  processor    {} ({} root)\n", processor_of(claims),
                       name_of(claims.anchor.origin));
    out += fmt::format("  measurement  {}\n", to_hex(claims.measurement()));
    if (const IntelTcb* tcb = claims.intel_tcb()) {
      out += fmt::format("  TCB status   {}{}\n", name_of(tcb->status), advisories_of(*tcb));
    }
    out += fmt::format("  endorsed     until {}\n", to_rfc3339(claims.endorsed_until));
  }
  if (result.error().has_value()) {
    out += fmt::format("  {}  {} ({})\n", paint(kRed, "refused by"), result.error()->id(),
                       name_of(result.error()->stage()));
    if (result.checks().empty()) {
      out += fmt::format("  {}\n", in_full(result.error()->detail()));
      if (!result.error()->remedy().empty()) {
        out += fmt::format("  remedy    {}\n", in_full(result.error()->remedy()));
      }
    }
  }
  return out + checks_to_text(result.checks(), color);
}

}  // namespace ensconce
