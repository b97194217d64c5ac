#include "ensconce/attestation/endorsements/intel_endorsements.h"
#include "hardware_sections.h"

namespace ensconce::internal {
namespace {

Result<std::string> read_tcb_status(const json::Value& value, const std::string& where) {
  const auto word = value.as_text(where);
  const auto status = word ? intel_tcb_status_from_name(*word) : std::nullopt;
  if (!status.has_value() || *status == IntelTcbStatus::kRevoked) {
    return bad_value(where,
                     "a TCB status as Intel writes it, such as \"UpToDate\" or "
                     "\"SWHardeningNeeded\" (\"Revoked\" is never accepted),");
  }
  return *word;
}

Result<AdvisoriesConstraint> read_advisories(Table& table) {
  ENSC_TRY_ASSIGN(const Chosen chosen, choose(table, "advisories", kOneOf | kUnconstrained,
                                              "advisories = { one_of = [] }"));
  if (chosen.op == kUnconstrained) {
    ENSC_TRY_ASSIGN(Unconstrained reason, read_reason(chosen));
    return AdvisoriesConstraint(std::move(reason));
  }
  ENSC_TRY_ASSIGN(const json::Array* items, read_array(*chosen.value, chosen.where, 0, kMaxValues));
  NoneBut out;
  for (const json::Value& item : *items) {
    ENSC_TRY_ASSIGN(std::string one, read_text(item, chosen.where));
    out.values.push_back(std::move(one));
  }
  return AdvisoriesConstraint(std::move(out));
}

Result<IntelPlatformPolicy> read_intel_platform(Table& table) {
  IntelPlatformPolicy out;
  ENSC_TRY_ASSIGN(out.tcb_status, read_constraint<std::string>(
                                      table, "tcb_status", kExactly | kOneOf, read_tcb_status,
                                      "tcb_status = { one_of = [\"UpToDate\"] }"));
  ENSC_TRY_ASSIGN(out.advisories, read_advisories(table));
  ENSC_TRY_ASSIGN(out.evaluation_data_number,
                  number(table, "evaluation_data_number", kAtLeast | kUnconstrained,
                         "evaluation_data_number = { at_least = 18 }"));
  ENSC_TRY_ASSIGN(out.collateral_age,
                  read_constraint<Millis>(table, "collateral_age", kAtMost | kUnconstrained,
                                          read_duration, "collateral_age = { at_most = \"30d\" }"));
  ENSC_TRY_ASSIGN(out.pck_ca, words(table, "pck_ca", {"platform", "processor"},
                                    "pck_ca = { one_of = [\"platform\", \"processor\"] }"));
  ENSC_TRY_ASSIGN(out.fmspc, hex(table, "fmspc", 6, open_field("fmspc")));
  ENSC_TRY_ASSIGN(out.platform_id, hex(table, "platform_id", 16, open_field("platform_id")));
  ENSC_TRY_ASSIGN(out.crl, presence(table, "crl", "crl = \"required\""));
  return out;
}

Result<Svn16> read_svn16(const json::Value& value, const std::string& where) {
  ENSC_TRY_ASSIGN(const Bytes bytes, read_hex(value, where, 16));
  Svn16 out{};
  std::copy(bytes.begin(), bytes.end(), out.begin());
  return out;
}

Result<void> read_td_attributes(Table& table, TdxPolicy& tdx) {
  ENSC_TRY_ASSIGN(tdx.debug, flag(table, "debug", "debug = { exactly = false }"));
  ENSC_TRY_ASSIGN(tdx.migratable, flag(table, "migratable", "migratable = { exactly = false }"));
  ENSC_TRY_ASSIGN(tdx.sept_ve_disable,
                  flag(table, "sept_ve_disable", "sept_ve_disable = { exactly = true }"));
  ENSC_TRY_ASSIGN(tdx.perfmon, flag(table, "perfmon", "perfmon = { exactly = false }"));
  ENSC_TRY_ASSIGN(tdx.xfam, hex(table, "xfam", 8, open_field("xfam")));
  return ok();
}

}  // namespace

Result<TdxPolicy> read_tdx(const json::Value& value) {
  ENSC_TRY_ASSIGN(Table table, Table::of(value, "tdx"));
  TdxPolicy tdx;
  ENSC_TRY_ASSIGN(tdx.quote_version,
                  number(table, "quote_version", kOrdered, "quote_version = { at_least = 4 }"));
  ENSC_TRY_ASSIGN(tdx.measurement,
                  hex(table, "measurement", 48, "measurement = { exactly = \"<96 hex digits>\" }"));
  ENSC_TRY_ASSIGN(
      tdx.measurement_covers,
      coverage(table, "measurement_covers", {"kernel+initrd+cmdline", "process", "firmware"}));
  for (std::size_t i = 0; i < 4; ++i) {
    const std::string key = "rtmr" + std::to_string(i);
    ENSC_TRY_ASSIGN(tdx.rtmr[i], hex(table, key, 48, open_field(key)));
  }
  ENSC_TRY(read_td_attributes(table, tdx));
  ENSC_TRY_ASSIGN(tdx.mr_seam, hex(table, "mr_seam", 48, open_field("mr_seam")));
  ENSC_TRY_ASSIGN(tdx.mr_config_id, hex(table, "mr_config_id", 48, open_field("mr_config_id")));
  ENSC_TRY_ASSIGN(tdx.mr_owner, hex(table, "mr_owner", 48, open_field("mr_owner")));
  ENSC_TRY_ASSIGN(tdx.mr_owner_config,
                  hex(table, "mr_owner_config", 48, open_field("mr_owner_config")));
  ENSC_TRY_ASSIGN(tdx.mr_service_td, hex(table, "mr_service_td", 48, open_field("mr_service_td")));
  ENSC_TRY_ASSIGN(tdx.minimum_tcb_svn,
                  read_constraint<Svn16>(table, "minimum_tcb_svn", kAtLeast | kUnconstrained,
                                         read_svn16, open_field("minimum_tcb_svn")));
  ENSC_TRY_ASSIGN(tdx.event_log, presence(table, "event_log", "event_log = \"if_present\""));
  ENSC_TRY_ASSIGN(tdx.platform, read_intel_platform(table));
  ENSC_TRY(table.finish());
  return tdx;
}

Result<SgxPolicy> read_sgx(const json::Value& value) {
  ENSC_TRY_ASSIGN(Table table, Table::of(value, "sgx"));
  SgxPolicy sgx;
  ENSC_TRY_ASSIGN(sgx.quote_version,
                  number(table, "quote_version", kOrdered, "quote_version = { at_least = 3 }"));
  ENSC_TRY_ASSIGN(sgx.measurement,
                  hex(table, "measurement", 32, "measurement = { exactly = \"<64 hex digits>\" }"));
  ENSC_TRY_ASSIGN(sgx.measurement_covers, coverage(table, "measurement_covers", {"enclave"}));
  ENSC_TRY_ASSIGN(sgx.mr_signer, hex(table, "mr_signer", 32, open_field("mr_signer")));
  ENSC_TRY_ASSIGN(sgx.isv_prod_id,
                  number(table, "isv_prod_id", kSame, "isv_prod_id = { exactly = 1 }"));
  ENSC_TRY_ASSIGN(sgx.isv_svn, number(table, "isv_svn", kOrdered, "isv_svn = { at_least = 1 }"));
  ENSC_TRY_ASSIGN(sgx.debug, flag(table, "debug", "debug = { exactly = false }"));
  ENSC_TRY_ASSIGN(sgx.config_id, hex(table, "config_id", 64, open_field("config_id")));
  ENSC_TRY_ASSIGN(sgx.config_svn, number(table, "config_svn", kOrdered, open_field("config_svn")));
  ENSC_TRY_ASSIGN(sgx.isv_ext_prod_id,
                  hex(table, "isv_ext_prod_id", 16, open_field("isv_ext_prod_id")));
  ENSC_TRY_ASSIGN(sgx.isv_family_id, hex(table, "isv_family_id", 16, open_field("isv_family_id")));
  ENSC_TRY_ASSIGN(sgx.platform, read_intel_platform(table));
  ENSC_TRY(table.finish());
  return sgx;
}

}  // namespace ensconce::internal
