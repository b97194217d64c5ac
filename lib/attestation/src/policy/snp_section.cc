#include "hardware_sections.h"

namespace ensconce::internal {
namespace {

Result<void> read_snp_guest(Table& table, SnpPolicy& snp) {
  ENSC_TRY_ASSIGN(snp.guest_policy,
                  number(table, "guest_policy", kSame, "guest_policy = { exactly = 0x30000 }"));
  ENSC_TRY_ASSIGN(snp.guest_svn, number(table, "guest_svn", kOrdered, open_field("guest_svn")));
  ENSC_TRY_ASSIGN(snp.family_id, hex(table, "family_id", 16, open_field("family_id")));
  ENSC_TRY_ASSIGN(snp.image_id, hex(table, "image_id", 16, open_field("image_id")));
  ENSC_TRY_ASSIGN(snp.debug, flag(table, "debug", "debug = { exactly = false }"));
  ENSC_TRY_ASSIGN(snp.migration_agent,
                  flag(table, "migration_agent", "migration_agent = { exactly = false }"));
  ENSC_TRY_ASSIGN(snp.smt, flag(table, "smt", "smt = { unconstrained = \"why\" }"));
  ENSC_TRY_ASSIGN(snp.vmpl, number(table, "vmpl", kOrdered, "vmpl = { exactly = 0 }"));
  ENSC_TRY_ASSIGN(snp.host_data,
                  hex(table, "host_data", 32, "host_data = { unconstrained = \"why\" }"));
  ENSC_TRY_ASSIGN(snp.id_key_digest,
                  hex(table, "id_key_digest", 48, "id_key_digest = { unconstrained = \"why\" }"));
  ENSC_TRY_ASSIGN(snp.author_key_digest, hex(table, "author_key_digest", 48,
                                             "author_key_digest = { unconstrained = \"why\" }"));
  return ok();
}

Result<void> read_snp_platform(Table& table, SnpPolicy& snp) {
  ENSC_TRY_ASSIGN(snp.signing_key, words(table, "signing_key", {"vcek", "vlek"},
                                         "signing_key = { exactly = \"vcek\" }"));
  ENSC_TRY_ASSIGN(snp.product, words(table, "product", {"Milan", "Genoa", "Turin"},
                                     "product = { one_of = [\"Milan\", \"Genoa\", \"Turin\"] }"));
  ENSC_TRY_ASSIGN(snp.chip_id, hex(table, "chip_id", 64, "chip_id = { unconstrained = \"why\" }"));
  ENSC_TRY_ASSIGN(snp.minimum_tcb,
                  read_constraint<TcbVersion>(
                      table, "minimum_tcb", kAtLeast | kUnconstrained, read_tcb,
                      "minimum_tcb = { at_least = { bootloader = 4, tee = 0, snp = 24, microcode = "
                      "219 } }"));
  ENSC_TRY_ASSIGN(snp.platform_info, number(table, "platform_info", kSame,
                                            "platform_info = { unconstrained = \"why\" }"));
  ENSC_TRY_ASSIGN(snp.crl, presence(table, "crl", "crl = \"required\""));
  return ok();
}

}  // namespace

Result<SnpPolicy> read_snp(const json::Value& value) {
  ENSC_TRY_ASSIGN(Table table, Table::of(value, "snp"));
  SnpPolicy snp;
  ENSC_TRY_ASSIGN(snp.report_version,
                  number(table, "report_version", kOrdered, "report_version = { at_least = 2 }"));
  ENSC_TRY_ASSIGN(snp.measurement,
                  hex(table, "measurement", 48, "measurement = { exactly = \"<96 hex digits>\" }"));
  ENSC_TRY_ASSIGN(
      snp.measurement_covers,
      coverage(table, "measurement_covers", {"kernel+initrd+cmdline", "process", "firmware"}));
  ENSC_TRY(read_snp_guest(table, snp));
  ENSC_TRY(read_snp_platform(table, snp));
  ENSC_TRY(table.finish());
  return snp;
}

}  // namespace ensconce::internal
