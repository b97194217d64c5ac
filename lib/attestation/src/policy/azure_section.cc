#include "hardware_sections.h"

namespace ensconce::internal {
namespace {

constexpr std::size_t kNumPcrs = 24;

Result<PcrPolicy> read_pcr(const json::Value& value) {
  ENSC_TRY_ASSIGN(Table table, Table::of(value, "azure.pcrs"));
  PcrPolicy pcr;
  ENSC_TRY_ASSIGN(const json::Value* index, table.take("index", "index = 4"));
  ENSC_TRY_ASSIGN(pcr.index, read_uint(*index, table.where("index")));
  if (pcr.index >= kNumPcrs) {
    return bad_value(table.where("index"), "a number from 0 to 23");
  }
  ENSC_TRY_ASSIGN(pcr.value, read_constraint<Bytes>(
                                 table, "sha256", kExactly | kOneOf,
                                 [](const json::Value& one, const std::string& where) {
                                   return read_hex(one, where, 32);
                                 },
                                 "sha256 = { exactly = \"<64 hex digits>\" }"));
  ENSC_TRY(table.finish());
  return pcr;
}

// pcrs is { unconstrained = "why" }, or a list of { index, sha256 }.
Result<PcrsConstraint> read_pcrs(Table& table) {
  constexpr std::string_view kHelp =
      "pcrs = [{ index = 4, sha256 = { exactly = \"<64 hex digits>\" } }]";
  ENSC_TRY_ASSIGN(const json::Value* value, table.take("pcrs", kHelp));
  if (value->is_object()) {
    ENSC_TRY_ASSIGN(const Chosen chosen, choose(table, "pcrs", kUnconstrained, kHelp));
    ENSC_TRY_ASSIGN(Unconstrained reason, read_reason(chosen));
    return PcrsConstraint(std::move(reason));
  }
  ENSC_TRY_ASSIGN(const json::Array* items, read_array(*value, table.where("pcrs"), 1, kNumPcrs));
  std::vector<PcrPolicy> out;
  for (const json::Value& item : *items) {
    ENSC_TRY_ASSIGN(PcrPolicy pcr, read_pcr(item));
    if (std::any_of(out.begin(), out.end(),
                    [&](const PcrPolicy& other) { return other.index == pcr.index; })) {
      return bad_value(table.where("pcrs"), "each PCR once");
    }
    out.push_back(std::move(pcr));
  }
  return PcrsConstraint(std::move(out));
}

}  // namespace

Result<AzurePolicy> read_azure(const json::Value& value) {
  ENSC_TRY_ASSIGN(Table table, Table::of(value, "azure"));
  AzurePolicy azure;
  ENSC_TRY_ASSIGN(azure.pcrs, read_pcrs(table));
  ENSC_TRY_ASSIGN(azure.pcrs_cover,
                  coverage(table, "pcrs_cover", {"kernel+initrd+cmdline", "process", "firmware"}));
  ENSC_TRY_ASSIGN(azure.secure_boot,
                  flag(table, "secure_boot", "secure_boot = { exactly = true }"));
  ENSC_TRY_ASSIGN(azure.console, flag(table, "console", "console = { exactly = false }"));
  ENSC_TRY_ASSIGN(azure.vm_unique_id, text(table, "vm_unique_id", open_field("vm_unique_id")));
  ENSC_TRY_ASSIGN(azure.event_log, presence(table, "event_log", "event_log = \"if_present\""));
  ENSC_TRY(table.finish());
  return azure;
}

}  // namespace ensconce::internal
