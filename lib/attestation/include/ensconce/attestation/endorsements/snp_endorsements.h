#pragma once

#include <optional>
#include <span>

#include "ensconce/attestation/evidence/error.h"
#include "ensconce/attestation/evidence/evidence_item.h"
#include "ensconce/crypto/x509.h"

namespace ensconce {

// SnpEndorsements is one chain sorted by what each certificate is, not by where it came from: form,
// no trust.
struct SnpEndorsements {
  Certificate vek;  // VCEK or VLEK
  Certificate ask;  // ASK or ASVK
  Certificate ark;
  std::optional<RevocationList> crl;
};

// collect_snp_endorsements sorts leaf, intermediate and root by content. The same certificate twice
// is one; two that play one role are kEndorsementDuplicate; one that plays none is
// kEndorsementUnknown; a role left empty is kEndorsementMissing.
Result<SnpEndorsements> collect_snp_endorsements(std::span<const EndorsementItem> items);

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
