#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ensconce/attestation/evidence/error.h"
#include "ensconce/attestation/evidence/evidence_item.h"
#include "ensconce/attestation/evidence/snp_report.h"
#include "ensconce/crypto/x509.h"

namespace ensconce {

// SnpEndorsements is one chain sorted by what each certificate is, not by where it came from: form,
// no trust.
struct SnpEndorsements {
  Certificate vek;  // VCEK or VLEK
  Certificate ask;  // ASK or ASVK
  Certificate ark;
  std::vector<RevocationList> crls;  // of the ARK, latest first
};

// collect_snp_endorsements sorts leaf, intermediate and root by content. The same certificate twice
// is one; two that play one role are kEndorsementDuplicate; one that plays none is
// kEndorsementUnknown; a role left empty is kEndorsementMissing.
Result<SnpEndorsements> collect_snp_endorsements(std::span<const EndorsementItem> items);

// select_snp_endorsements keeps, of a pool such as a directory of certificates, those that lead by
// name from the report's chip to a root, and the lists of that root; of a pool that is no pool,
// nothing. It drops and never judges: hand what is left to collect_snp_endorsements.
std::vector<EndorsementItem> select_snp_endorsements(const SnpReport& report,
                                                     std::span<const EndorsementItem> pool);

// snp_endorsements_for selects of a pool and collects; where the chip's certificate is missing the
// remedy says where the vendor has it. A revocation list that does not parse, and more than 64
// items, are kEndorsementForm; a list whose issuer no certificate of the pool is, is
// kEndorsementUnknown.
Result<SnpEndorsements> snp_endorsements_for(const SnpReport& report,
                                             std::span<const EndorsementItem> pool);

// kds_vcek_path is where the vendor's key service has the report's VCEK (AMD 57230), for remedies.
// Nothing for a VLEK, a masked chip, or where the product is not known.
std::optional<std::string> kds_vcek_path(const SnpReport& report);

// SnpVekExtensions are the extensions of a VCEK or VLEK (AMD 57230, table "VCEK certificate
// extensions", arc 1.3.6.1.4.1.3704.1).
struct SnpVekExtensions {
  std::uint32_t struct_version = 0;
  std::string product_name;  // "Milan-B0", "Genoa", "Turin"
  std::uint8_t bootloader = 0;
  std::uint8_t tee = 0;
  std::uint8_t snp = 0;
  std::uint8_t microcode = 0;
  std::optional<std::uint8_t> fmc;   // Turin
  std::optional<std::uint8_t> spl4;  // absent on Turin
  std::uint8_t spl5 = 0;
  std::uint8_t spl6 = 0;
  std::uint8_t spl7 = 0;
  std::optional<Bytes> hwid;          // 8 or 64 bytes; VCEK only
  std::optional<std::string> csp_id;  // VLEK only
};
Result<SnpVekExtensions> parse_snp_vek_extensions(const Certificate& vek);

}  // namespace ensconce
