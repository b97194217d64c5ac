#include <fmt/format.h>

#include "draft_hardware.h"

namespace ensconce::internal {
namespace {

// What tells one boot's software from another's (TCG PC Client Platform Firmware Profile, table of
// PCR usage; 8 and 9 are the boot loader's, 11 and 12 of systemd's stub).
constexpr std::size_t kPcrsOfCode[] = {4, 7, 8, 9, 11, 12};

bool is_quoted(const VtpmFacts& vtpm, std::size_t index) {
  return index < vtpm.pcrs.size() && (vtpm.attest.pcr_select >> index & 1) != 0;
}

std::string pcr_text(std::size_t index, const ByteArray<32>& value) {
  return fmt::format("  {{ index = {}, sha256 = {} }},\n", index, exactly_hex(value));
}

std::string pcrs_text(const VtpmFacts& vtpm) {
  std::string out;
  for (const std::size_t index : kPcrsOfCode) {
    if (is_quoted(vtpm, index) && !all_zero(vtpm.pcrs[index])) {
      out += pcr_text(index, vtpm.pcrs[index]);
    }
  }
  return out.empty() ? open("the quote selects none that tells software apart") : "[\n" + out + "]";
}

std::string flag_text(const std::optional<bool>& seen, bool wanted) {
  return seen.has_value() ? exactly_bool(wanted) : open("the runtime claims do not say");
}

}  // namespace

void draft_azure(DraftWriter& out, const VtpmFacts& vtpm, Notes& notes) {
  out.section("[azure]",
              "What Azure's guest says beside its hardware: its TPM and its configuration.");
  out.field("pcrs", pcrs_text(vtpm),
            "PCRs of the SHA-256 bank: 4 boot loader, 7 Secure Boot, 8 and 9 what the boot loader "
            "measured, 11 and 12 a unified kernel image.");
  out.field("pcrs_cover", quoted("firmware"),
            "How far those reach. Write \"kernel+initrd+cmdline\" only where they hold the values "
            "you computed for your image.");
  out.field("secure_boot", flag_text(vtpm.runtime.secure_boot, true),
            "vm-configuration: what the host's tool set.");
  out.field("console", flag_text(vtpm.runtime.console_enabled, false),
            "A console lets the host type into the guest.");
  out.field("vm_unique_id", open("any of my machines"),
            vtpm.runtime.vm_unique_id.empty()
                ? std::string("One machine alone: { exactly = \"<its vmUniqueId>\" }.")
                : "One machine alone: " + exactly_text(vtpm.runtime.vm_unique_id));
  out.field("event_log", quoted("if_present"),
            "A TPM event log. One that is there is always judged.");
  if (vtpm.runtime.secure_boot == false) {
    notes.emplace_back("Secure Boot is off in this guest: the policy refuses it");
  }
  if (vtpm.runtime.console_enabled == true) {
    notes.emplace_back(
        "this guest has a console, by which the host may type into it: the policy refuses it; "
        "write console = { unconstrained = \"why\" } if you accept that");
  }
}

}  // namespace ensconce::internal
