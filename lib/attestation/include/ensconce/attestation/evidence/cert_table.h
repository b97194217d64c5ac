#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "ensconce/attestation/evidence/error.h"
#include "ensconce/attestation/evidence/evidence_item.h"

namespace ensconce {

using Guid = ByteArray<16>;  // in the order it is printed (RFC 4122)

// GUIDs of GHCB (AMD 56421), "SNP Extended Guest Request".
extern const Guid kCertTableArk;
extern const Guid kCertTableAsk;  // ASK, or ASVK beside a VLEK
extern const Guid kCertTableVcek;
extern const Guid kCertTableVlek;
extern const Guid kCertTableCrl;

// CertTableEntry is one entry of the table a host hands to its guest (configfs-tsm `auxblob`).
struct CertTableEntry {
  Guid guid{};
  Bytes data;  // DER or PEM, as the host put it
  friend bool operator==(const CertTableEntry&, const CertTableEntry&) = default;
};

inline constexpr std::size_t kMaxCertTable = 131072;
inline constexpr std::size_t kMaxCertTableEntries = 16;

// parse_cert_table reads the table: at most 16 entries, each inside the blob and after the heads.
// No bytes at all is an empty table. Errors are EvidenceError::kCertTable.
Result<std::vector<CertTableEntry>> parse_cert_table(ByteView bytes);
Bytes write_cert_table(std::span<const CertTableEntry> entries);

// endorsements_from_cert_table keeps certificates and CRLs, as DER; other entries are left out.
Result<std::vector<EndorsementItem>> endorsements_from_cert_table(ByteView bytes);

// missing_snp_endorsements names what a verifier will need and `items` lack: "vek",
// "intermediate", "root", "crl".
std::vector<std::string> missing_snp_endorsements(std::span<const EndorsementItem> items);

}  // namespace ensconce
