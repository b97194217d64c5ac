// bench_verify: verifies one piece of evidence over and over, on command, so that bench/run can
// have it alternate with another verifier of the same evidence. Everything is read before the first
// command; nothing is fetched.
//
//   bench_verify --type snp|tdx|sgx --at RFC3339 --evidence FILE
//     [--certificate DER]… [--chain PEM]… [--crl DER]… [--tcb-info JSON] [--qe-identity JSON]
//     [--policy TOML]
//
// It prints one line of JSON, then answers each line on standard input with one:
//   cold N     nanoseconds of N verifications, each by a verifier that has seen nothing
//   warm N     the same by verifiers that remember the endorsements' signatures, as those of a
//   platform
//              whose evidence came before, and never the evidence's own
//   policy N   nanoseconds of N appraisals of the verified evidence
//   altered    "refused" if the evidence with one bit flipped is, by the warm verifier

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <iostream>
#include <optional>
#include <string>
#include <vector>

#include "../options.h"
#include "ensconce/attestation/appraise/appraise.h"
#include "ensconce/attestation/verify/evidence_verifier.h"
#include "ensconce/attestation/verify/signature_memo.h"
#include "ensconce/base/file.h"
#include "ensconce/codec/json.h"

namespace ensconce::bench {
namespace {

constexpr std::array<std::string_view, 9> kKnown{
    "--type", "--at",       "--evidence",    "--certificate", "--chain",
    "--crl",  "--tcb-info", "--qe-identity", "--policy",
};
constexpr std::array<std::pair<std::string_view, std::string_view>, 4> kOfOneItem{{
    {"--certificate", kCertificateType},
    {"--crl", kCrlType},
    {"--tcb-info", kTcbInfoType},
    {"--qe-identity", kQeIdentityType},
}};

struct Inputs {
  EvidenceItem evidence;
  std::vector<EndorsementItem> pool;
  Instant at;
  std::optional<AppraisalPolicy> policy;
};

Result<std::vector<EndorsementItem>> read_pool(const Options& options) {
  std::vector<EndorsementItem> pool;
  for (const auto& [option, type] : kOfOneItem) {
    for (const std::string& path : options.all(option)) {
      ENSC_TRY_ASSIGN(Bytes bytes, read_file(path));
      pool.push_back({std::string(type), std::move(bytes)});
    }
  }
  for (const std::string& path : options.all("--chain")) {
    ENSC_TRY_ASSIGN(const std::string pem, read_text_file(path));
    ENSC_TRY_ASSIGN(const auto certificates, Certificate::many_from_pem(pem));
    for (const Certificate& certificate : certificates) {
      pool.push_back({std::string(kCertificateType), certificate.der()});
    }
  }
  return pool;
}

Result<Inputs> read_inputs(const Options& options) {
  Inputs out;
  ENSC_TRY_ASSIGN(out.evidence.type, options.one("--type"));
  ENSC_TRY_ASSIGN(const std::string at, options.one("--at"));
  ENSC_TRY_ASSIGN(out.at, from_rfc3339(at));
  ENSC_TRY_ASSIGN(const std::string evidence, options.one("--evidence"));
  ENSC_TRY_ASSIGN(out.evidence.data, read_file(evidence));
  ENSC_TRY_ASSIGN(out.pool, read_pool(options));
  for (const std::string& path : options.all("--policy")) {
    ENSC_TRY_ASSIGN(const std::string text, read_text_file(path));
    ENSC_TRY_ASSIGN(out.policy, AppraisalPolicy::parse(text, path));
  }
  return out;
}

// Bench holds the inputs and answers commands.
class Bench {
 public:
  explicit Bench(Inputs inputs) : in_(std::move(inputs)) {}

  // ready verifies once and says what came of it. Evidence whose lists were not checked is no
  // comparison.
  Result<std::string> ready();
  Result<std::string> answer(const std::string& line);

 private:
  using Taken = Result<std::chrono::nanoseconds>;
  [[nodiscard]] Verification verify(const EvidenceItem& evidence, SignatureMemo* memo) const {
    return EvidenceVerifier(anchors_, memo).verify(evidence, in_.pool, std::nullopt, in_.at);
  }
  [[nodiscard]] Taken cold(std::size_t times) const;
  [[nodiscard]] Taken warm(std::size_t times) const;
  [[nodiscard]] Taken policy(std::size_t times) const;

  Inputs in_;
  std::vector<TrustAnchor> anchors_ = vendor_anchors();
  EvidenceItem altered_;
  std::optional<Verified<EvidenceClaims>> claims_;
};

// taken_by is the time that so many calls took; the first error ends them.
template <typename Call>
Result<std::chrono::nanoseconds> taken_by(std::size_t times, const Call& call) {
  const auto start = std::chrono::steady_clock::now();
  for (std::size_t i = 0; i < times; ++i) {
    ENSC_TRY(call(i));
  }
  return std::chrono::nanoseconds(std::chrono::steady_clock::now() - start);
}

// with_altered_data flips a bit of the report data, which hardware signs and form leaves free.
Result<EvidenceItem> with_altered_data(EvidenceItem evidence, const ByteArray<64>& report_data) {
  const auto found = std::search(evidence.data.begin(), evidence.data.end(), report_data.begin(),
                                 report_data.end());
  if (found == evidence.data.end()) {
    return Error(BaseError::kInvalidArgument, "the report data does not stand in the evidence");
  }
  *found ^= 1;
  return evidence;
}

Result<std::string> Bench::ready() {
  Verification verification = verify(in_.evidence, nullptr);
  ENSC_TRY_ASSIGN(Verified<EvidenceClaims> claims, std::move(verification.claims));
  claims_.emplace(std::move(claims));
  ENSC_TRY_ASSIGN(altered_, with_altered_data(in_.evidence, (*claims_)->report_data));
  if (!(*claims_)->crl_checked) {
    return Error(BaseError::kInvalidArgument, "no revocation list was checked");
  }
  const IntelTcb* tcb = (*claims_)->intel_tcb();
  json::Object out{
      {"ready", true},
      {"status", std::string(tcb == nullptr ? "verified, not revoked" : name_of(tcb->status))},
      {"checks", static_cast<std::uint64_t>(verification.checks.size())}};
  if (in_.policy.has_value()) {
    const AttestationResult result = appraise_evidence_only(*claims_, *in_.policy, in_.at);
    out.emplace_back("appraisal", std::string(name_of(result.outcome())));
  }
  return json::write(out);
}

Bench::Taken Bench::cold(std::size_t times) const {
  return taken_by(times, [this](std::size_t) { return verify(in_.evidence, nullptr).claims; });
}

// Each verification has a memo that saw the altered evidence, whose signatures all hold but its
// own.
Bench::Taken Bench::warm(std::size_t times) const {
  std::vector<SignatureMemo> memos(times);
  for (SignatureMemo& memo : memos) {
    (void)verify(altered_, &memo);
  }
  return taken_by(times, [&](std::size_t i) { return verify(in_.evidence, &memos[i]).claims; });
}

Bench::Taken Bench::policy(std::size_t times) const {
  if (!in_.policy.has_value()) {
    return Error(BaseError::kInvalidArgument, "no policy was given");
  }
  return taken_by(times, [this](std::size_t) {
    const AttestationResult result = appraise_evidence_only(*claims_, *in_.policy, in_.at);
    return result.error().has_value() ? Result<void>(*result.error()) : ok();
  });
}

Result<std::string> Bench::answer(const std::string& line) {
  if (line == "altered") {
    return std::string(verify(altered_, nullptr).claims.has_value() ? "accepted" : "refused");
  }
  const std::size_t space = std::min(line.find(' '), line.size());
  const std::string name = line.substr(0, space);
  std::size_t times = 0;
  std::from_chars(line.data() + std::min(space + 1, line.size()), line.data() + line.size(), times);
  Taken taken = Error(BaseError::kInvalidArgument, "no such command: " + line);
  if (name == "cold") {
    taken = cold(times);
  } else if (name == "warm") {
    taken = warm(times);
  } else if (name == "policy") {
    taken = policy(times);
  }
  ENSC_TRY(taken);
  return std::to_string(taken->count());
}

Result<void> run(std::span<char*> arguments) {
  ENSC_TRY_ASSIGN(const Options options, Options::parse(arguments, kKnown));
  ENSC_TRY_ASSIGN(Inputs inputs, read_inputs(options));
  Bench bench(std::move(inputs));
  ENSC_TRY_ASSIGN(const std::string ready, bench.ready());
  std::cout << ready << std::endl;
  for (std::string line; std::getline(std::cin, line);) {
    ENSC_TRY_ASSIGN(const std::string answer, bench.answer(line));
    std::cout << answer << std::endl;
  }
  return {};
}

}  // namespace
}  // namespace ensconce::bench

int main(int argc, char** argv) {
  const auto done =
      ensconce::bench::run(std::span<char*>(argv, static_cast<std::size_t>(argc)).subspan(1));
  if (!done) {
    std::fprintf(stderr, "%s\n", done.error().to_string().c_str());
    return 1;
  }
  return 0;
}
