#include <fmt/format.h>

#include <algorithm>

#include "draft_hardware.h"

namespace ensconce::internal {
namespace {

// A status that is no reason to refuse: the platform's own firmware is current, and what is left is
// for the software or its configuration to do, or for the guest to be started anew.
bool may_be_accepted(IntelTcbStatus status) {
  return status != IntelTcbStatus::kOutOfDate &&
         status != IntelTcbStatus::kOutOfDateConfigurationNeeded &&
         status != IntelTcbStatus::kRevoked;
}

std::string statuses(const IntelTcb* tcb) {
  std::vector<std::string> out{quoted(name_of(IntelTcbStatus::kUpToDate))};
  if (tcb != nullptr && tcb->status != IntelTcbStatus::kUpToDate && may_be_accepted(tcb->status)) {
    out.push_back(quoted(name_of(tcb->status)));
  }
  return one_of(out);
}

std::string advisories(const IntelTcb* tcb) {
  std::vector<std::string> out;
  if (tcb != nullptr && may_be_accepted(tcb->status)) {
    std::transform(tcb->advisories.begin(), tcb->advisories.end(), std::back_inserter(out),
                   [](const std::string& one) { return quoted(one); });
  }
  return one_of(out);
}

void draft_intel_platform(DraftWriter& out, const IntelTcb* tcb) {
  out.field("tcb_status", statuses(tcb),
            "What Intel says of the platform. Each word but \"UpToDate\" is a known weakness you "
            "accept; \"Revoked\" never is.");
  out.field("advisories", advisories(tcb), "None but these of Intel's advisories.");
  out.filled(
      "evaluation_data_number",
      tcb == nullptr ? std::nullopt : std::optional(at_least_number(tcb->evaluation_data_number)),
      "{ at_least = 18 }",
      "tcbEvaluationDataNumber: no older edition of Intel's collateral, which may not know "
      "what was found since.");
  out.field("collateral_age", "{ at_most = \"30d\" }", "Since Intel issued it.");
  out.field("pck_ca",
            tcb == nullptr ? one_of({quoted("platform"), quoted("processor")})
                           : exactly_text(tcb->platform_ca ? "platform" : "processor"),
            "Who issued the platform's certificate.");
  out.field("fmspc", tcb == nullptr ? open("any type of platform") : exactly_hex(tcb->pck.fmspc),
            "FMSPC: the type of the platform.");
  out.field("platform_id", open("any of the provider's machines"),
            tcb == nullptr
                ? std::string("PPID. One machine alone: { exactly = \"<32 hex digits>\" }.")
                : "PPID. One machine alone: " + exactly_hex(tcb->pck.ppid));
  out.field("crl", quoted("required"),
            "Intel's two revocation lists. Without them nobody knows whether the platform's key "
            "still holds; \"if_present\" takes that risk.");
}

void note_platform(const IntelTcb& tcb, bool crl_checked, Notes& notes) {
  if (!may_be_accepted(tcb.status)) {
    notes.push_back(fmt::format(
        "Intel calls this platform {}: the policy refuses it. Have its firmware updated, or accept "
        "the status and its advisories in tcb_status and advisories",
        name_of(tcb.status)));
  } else if (tcb.status != IntelTcbStatus::kUpToDate) {
    notes.push_back(
        fmt::format("Intel calls this platform {}, and the policy accepts that with {} advisories: "
                    "read them",
                    name_of(tcb.status), tcb.advisories.size()));
  }
  if (!crl_checked) {
    notes.emplace_back(
        "not both of Intel's revocation lists came with the evidence, and the policy requires "
        "them: have the worker send them, give them with --endorsements, or write crl = "
        "\"if_present\"");
  }
}

void draft_td_measurements(DraftWriter& out, const EvidenceClaims* claims, const TdReport* td) {
  const auto hex = [](const TdReport* report, const auto& member) {
    return report == nullptr ? std::nullopt : std::optional(exactly_hex(member(*report)));
  };
  const std::string example = exactly_text("<96 hex digits>");
  out.filled("measurement", hex(td, [](const TdReport& r) { return r.mr_td; }), example,
             "MRTD: the firmware the domain started with. Compare it with the one you know; a "
             "digest you only copied says that what runs is what ran.");
  out.field(
      "measurement_covers", quoted(coverage_word(claims)),
      "How far MRTD and the registers below reach. Under \"firmware\" the verdict is a warning "
      "at best. Write \"kernel+initrd+cmdline\" only where RTMR1 and RTMR2 hold the kernel, "
      "initrd and command line you know.");
  constexpr std::string_view kRtmr[] = {
      "RTMR0: the firmware's configuration; it changes with the shape of the machine.",
      "RTMR1: what the firmware started, as a rule boot loader and kernel.",
      "RTMR2: what the boot loader took, as a rule initrd and command line.",
      "RTMR3: what the running system measured, if it does."};
  for (std::size_t i = 0; i < 4; ++i) {
    out.filled(fmt::format("rtmr{}", i), hex(td, [i](const TdReport& r) { return r.rtmr[i]; }),
               i == 3 ? open("nothing measures into it") : example, kRtmr[i]);
  }
}

void draft_td_guest(DraftWriter& out, const TdReport* td) {
  out.field("debug", exactly_bool(false), "The host may read the memory of a domain under debug.");
  out.field("migratable", exactly_bool(false), "It may be taken to another machine.");
  out.field("sept_ve_disable", exactly_bool(true),
            "The host cannot make pages disappear under the guest's kernel.");
  out.field("perfmon", exactly_bool(false), "No performance counters for the guest.");
  out.field("xfam", td == nullptr ? open("any processor features") : exactly_hex(td->xfam),
            "XFAM: the processor features the domain may use.");
  out.field("mr_seam", open("Intel's TCB status judges the TDX module"),
            "MRSEAM changes with each update of the TDX module.");
  const ByteArray<48> zero{};
  out.field("mr_config_id", exactly_hex(td == nullptr ? zero : td->mr_config_id),
            "What the host set at the domain's start; zero where it sets none.");
  out.plain("mr_owner", exactly_hex(td == nullptr ? zero : td->mr_owner));
  out.plain("mr_owner_config", exactly_hex(td == nullptr ? zero : td->mr_owner_config));
  out.plain("mr_service_td", exactly_hex(td == nullptr ? zero : td->mr_service_td.value_or(zero)));
  out.field(
      "minimum_tcb_svn",
      td == nullptr ? open("tcb_status judges it") : at_least(quoted(to_hex(td->tee_tcb_svn))),
      "TEE_TCB_SVN, byte by byte.");
  out.field("event_log", quoted("if_present"), "A CCEL. One that is there is always judged.");
}

void note_td(const TdReport& td, Notes& notes) {
  if (td.debug()) {
    notes.emplace_back(
        "this domain is under debug, and the host may read its memory: the policy refuses it");
  }
  if (td.migratable()) {
    notes.emplace_back("this domain may be migrated: the policy refuses it");
  }
  if (!td.sept_ve_disable()) {
    notes.emplace_back("SEPT_VE_DISABLE is not set in this domain: the policy refuses it");
  }
  if (td.perfmon()) {
    notes.emplace_back("PERFMON is set in this domain: the policy refuses it");
  }
}

void draft_enclave(DraftWriter& out, const SgxReport* enclave) {
  out.filled(
      "measurement",
      enclave == nullptr ? std::nullopt : std::optional(exactly_hex(enclave->mr_enclave)),
      exactly_text("<64 hex digits>"),
      "MRENCLAVE: the enclave's code. Compare it with your build's; a digest you only copied "
      "says that what runs is what ran.");
  out.plain("measurement_covers", quoted("enclave"));
  out.filled("mr_signer",
             enclave == nullptr ? std::nullopt : std::optional(exactly_hex(enclave->mr_signer)),
             exactly_text("<64 hex digits>"),
             "MRSIGNER: whoever signed it. With measurement unconstrained, all its enclaves of one "
             "ISVPRODID are accepted.");
  out.filled(
      "isv_prod_id",
      enclave == nullptr ? std::nullopt : std::optional(exactly_number(enclave->isv_prod_id)),
      exactly_number(1), "Which of the signer's products.");
  out.filled("isv_svn",
             enclave == nullptr ? std::nullopt : std::optional(at_least_number(enclave->isv_svn)),
             at_least_number(1), "No older security version of it.");
  out.field("debug", exactly_bool(false), "The host may read the memory of a debug enclave.");
  const SgxReport none;
  const SgxReport& seen = enclave == nullptr ? none : *enclave;
  out.field("config_id", exactly_hex(seen.config_id),
            "Key separation and sharing (KSS); zero without.");
  out.plain("config_svn", at_least_number(seen.config_svn));
  out.plain("isv_ext_prod_id", exactly_hex(seen.isv_ext_prod_id));
  out.plain("isv_family_id", exactly_hex(seen.isv_family_id));
}

}  // namespace

void draft_tdx(DraftWriter& out, const EvidenceClaims* claims, Notes& notes) {
  const TdxFacts* facts = claims == nullptr ? nullptr : claims->tdx();
  const TdReport* td = facts == nullptr ? nullptr : &facts->report();
  out.section("[tdx]", "Evidence of Intel TDX. Sections that are not here are kinds not accepted.");
  out.field("quote_version", at_least_number(4), "Version 5 is for TDX 1.5.");
  draft_td_measurements(out, claims, td);
  draft_td_guest(out, td);
  draft_intel_platform(out, facts == nullptr ? nullptr : &facts->tcb);
  if (facts != nullptr) {
    note_td(*td, notes);
    note_platform(facts->tcb, claims->crl_checked, notes);
  }
}

void draft_sgx(DraftWriter& out, const EvidenceClaims* claims, Notes& notes) {
  const SgxFacts* facts = claims == nullptr ? nullptr : claims->sgx();
  const SgxReport* enclave = facts == nullptr ? nullptr : &facts->report();
  out.section("[sgx]", "Evidence of Intel SGX. Sections that are not here are kinds not accepted.");
  out.field("quote_version", at_least_number(3), "Version 3 is what platforms make.");
  draft_enclave(out, enclave);
  draft_intel_platform(out, facts == nullptr ? nullptr : &facts->tcb);
  if (facts != nullptr) {
    if (enclave->debug()) {
      notes.emplace_back(
          "this is a debug enclave, whose memory the host may read: the policy refuses it");
    }
    note_platform(facts->tcb, claims->crl_checked, notes);
  }
}

}  // namespace ensconce::internal
