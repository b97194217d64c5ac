#include <fmt/format.h>

#include <algorithm>

#include "draft_hardware.h"

namespace ensconce::internal {
namespace {

constexpr std::uint64_t kUsualGuestPolicy = 0x30000;  // SMT, and the bit that is always set
constexpr std::uint64_t kMigrationBit = std::uint64_t{1} << 18;
constexpr std::uint64_t kDebugBit = std::uint64_t{1} << 19;
constexpr std::uint64_t kSmtBit = std::uint64_t{1} << 16;
constexpr std::uint32_t kLastVmpl = 3;

std::string tcb_text(const TcbVersion& tcb) {
  return at_least(fmt::format("{{ {}bootloader = {}, tee = {}, snp = {}, microcode = {} }}",
                              tcb.fmc.has_value() ? fmt::format("fmc = {}, ", *tcb.fmc) : "",
                              tcb.bootloader, tcb.tee, tcb.snp, tcb.microcode));
}

// Zero means that nobody set it; whoever sets it gains nothing.
template <std::size_t N>
std::string if_set(const ByteArray<N>& bytes, std::string_view why) {
  return all_zero(bytes) ? open(why) : exactly_hex(bytes);
}

void draft_measurement(DraftWriter& out, const EvidenceClaims* claims, const SnpReport* report) {
  out.filled("measurement",
             report == nullptr ? std::nullopt : std::optional(exactly_hex(report->measurement)),
             exactly_text("<96 hex digits>"),
             "MEASUREMENT: the launch digest. Compare it with the one you computed for the image "
             "you deployed; a digest you only copied says that what runs is what ran.");
  out.field(
      "measurement_covers", quoted(coverage_word(claims)),
      "How far that reaches. On most clouds it is the provider's firmware alone: under "
      "\"firmware\" the verdict is a warning at best, no key is released and no input is sent. "
      "Write \"kernel+initrd+cmdline\" only where the measurement was computed from those "
      "(measured direct boot), \"process\" for a simulated processor.");
}

void draft_guest(DraftWriter& out, const SnpReport* report) {
  const std::uint64_t policy =
      (report == nullptr ? kUsualGuestPolicy : report->policy) & ~(kDebugBit | kMigrationBit);
  out.field("guest_policy", exactly(fmt::format("0x{:x}", policy)),
            "GUEST_POLICY, all 64 bits; the three fields after it single out one each.");
  out.field("debug", exactly_bool(false), "The host may read the memory of a debug guest.");
  out.field("migration_agent", exactly_bool(false), "A migration agent may take it elsewhere.");
  out.plain("smt", exactly_bool((policy & kSmtBit) != 0));
  out.field("vmpl",
            exactly_number(report == nullptr || report->vmpl > kLastVmpl ? 0 : report->vmpl),
            "The privilege level the report was asked for at; 0 is the highest.");
  out.field("guest_svn",
            report == nullptr || report->guest_svn == 0 ? open("no ID block")
                                                        : at_least_number(report->guest_svn),
            "Of the ID block, which signs an image; where there is none these are zero.");
  out.plain("family_id",
            report == nullptr ? open("no ID block") : if_set(report->family_id, "no ID block"));
  out.plain("image_id",
            report == nullptr ? open("no ID block") : if_set(report->image_id, "no ID block"));
  out.plain("id_key_digest",
            report == nullptr ? open("no ID block") : if_set(report->id_key_digest, "no ID block"));
  out.plain("author_key_digest", report == nullptr
                                     ? open("no ID block")
                                     : if_set(report->author_key_digest, "no ID block"));
  out.field("host_data", exactly_hex(report == nullptr ? ByteArray<32>{} : report->host_data),
            "HOST_DATA: what the host set at launch; zero where it sets none.");
}

void draft_platform(DraftWriter& out, const SnpFacts* facts) {
  const SnpReport* report = facts == nullptr ? nullptr : &facts->report;
  out.field("signing_key",
            exactly_text(name_of(report == nullptr ? SnpSigningKey::kVcek : report->signing_key)),
            "\"vcek\" is one chip's own key; a \"vlek\" is shared by a provider's chips, so one "
            "broken chip speaks for all.");
  out.field("product",
            facts == nullptr ? one_of({quoted("Milan"), quoted("Genoa"), quoted("Turin")})
                             : exactly_text(name_of(facts->product)),
            "The processor.");
  out.field("chip_id", open("any of the provider's machines"),
            report == nullptr || all_zero(report->chip_id)
                ? std::string("One machine alone: { exactly = \"<128 hex digits>\" }.")
                : "One machine alone: " + exactly_hex(report->chip_id));
  out.filled("minimum_tcb",
             facts == nullptr ? std::nullopt : std::optional(tcb_text(facts->reported_tcb)),
             "{ at_least = { bootloader = 4, tee = 0, snp = 24, microcode = 219 } }",
             "No older firmware, component by component. Raise it with each security bulletin.");
  out.field("platform_info", open("settings of the host that the TCB does not speak of"),
            "PLATFORM_INFO; the host's firmware may set bits this version does not know." +
                (report == nullptr ? std::string()
                                   : fmt::format(" Seen: 0x{:x}.", report->platform_info)));
  out.field("crl", quoted("required"),
            "AMD's revocation list. Without one nobody knows whether the intermediate still holds; "
            "\"if_present\" takes that risk.");
}

void note_what_was_seen(const SnpReport& report, bool crl_checked, Notes& notes) {
  if (report.debug_allowed()) {
    notes.emplace_back(
        "this is a debug guest, whose memory the host may read: the policy refuses it");
  }
  if (report.migration_agent_allowed()) {
    notes.emplace_back("this guest may be migrated by an agent: the policy refuses it");
  }
  if (report.vmpl > kLastVmpl) {
    notes.emplace_back("the host asked for this report, not the guest: the policy refuses it");
  }
  if (!crl_checked) {
    notes.emplace_back(
        "no revocation list came with the evidence, and the policy requires one: have the worker "
        "send AMD's, give it with --endorsements, or write crl = \"if_present\"");
  }
}

}  // namespace

void draft_snp(DraftWriter& out, const EvidenceClaims* claims, Notes& notes) {
  const SnpFacts* facts = claims == nullptr ? nullptr : claims->snp();
  const SnpReport* report = facts == nullptr ? nullptr : &facts->report;
  out.section("[snp]",
              "Evidence of AMD SEV-SNP. Sections that are not here are kinds not accepted.");
  const std::uint32_t version = report == nullptr ? 3 : std::min(report->version, 3U);
  out.field("report_version", at_least_number(version),
            "Version 3 names the processor; version 2 leaves it to the certificate.");
  draft_measurement(out, claims, report);
  draft_guest(out, report);
  draft_platform(out, facts);
  if (report != nullptr) {
    note_what_was_seen(*report, claims->crl_checked, notes);
  }
}

}  // namespace ensconce::internal
