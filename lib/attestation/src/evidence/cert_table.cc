#include "ensconce/attestation/evidence/cert_table.h"

#include <algorithm>

#include "snp_roles.h"

namespace ensconce {

const Guid kCertTableArk{0xc0, 0xb4, 0x06, 0xa4, 0xa8, 0x03, 0x49, 0x52,
                         0x97, 0x43, 0x3f, 0xb6, 0x01, 0x4c, 0xd0, 0xae};
const Guid kCertTableAsk{0x4a, 0xb7, 0xb3, 0x79, 0xbb, 0xac, 0x4f, 0xe4,
                         0xa0, 0x2f, 0x05, 0xae, 0xf3, 0x27, 0xc7, 0x82};
const Guid kCertTableVcek{0x63, 0xda, 0x75, 0x8d, 0xe6, 0x64, 0x45, 0x64,
                          0xad, 0xc5, 0xf4, 0xb9, 0x3b, 0xe8, 0xac, 0xcd};
const Guid kCertTableVlek{0xa8, 0x07, 0x4b, 0xc2, 0xa2, 0x5a, 0x48, 0x3e,
                          0xaa, 0xe6, 0x39, 0xc0, 0x45, 0xa0, 0xb8, 0xa1};
const Guid kCertTableCrl{0x92, 0xf8, 0x1b, 0xc3, 0x58, 0x11, 0x4d, 0x3d,
                         0x97, 0xff, 0xd1, 0x9f, 0x88, 0xdc, 0x67, 0xea};

namespace {

constexpr std::size_t kHeadLen = 24;  // GUID, offset u32, length u32

struct Head {
  Guid guid;
  std::uint32_t offset;
  std::uint32_t len;
};

Error bad(std::string detail) { return Error(EvidenceError::kCertTable, std::move(detail)); }

// The heads end with one that is all zero.
Result<std::vector<Head>> read_heads(ByteView bytes) {
  ByteReader reader(bytes);
  std::vector<Head> heads;
  while (true) {
    if (reader.remaining() < kHeadLen) {
      return bad("the table has no end");
    }
    Head head{};
    ENSC_TRY_ASSIGN(head.guid, reader.array<16>());
    ENSC_TRY_ASSIGN(head.offset, reader.u32_le());
    ENSC_TRY_ASSIGN(head.len, reader.u32_le());
    if (all_zero(head.guid)) {
      if (head.offset != 0 || head.len != 0) {
        return bad("the entry that ends the table is not all zero");
      }
      return heads;
    }
    if (heads.size() == kMaxCertTableEntries) {
      return bad("more than 16 entries");
    }
    heads.push_back(head);
  }
}

// One certificate or list as DER, whatever the host put: PEM was seen in real tables.
Result<Bytes> der_of(ByteView data) {
  if (!as_text(data).starts_with("-----BEGIN ")) {
    return to_bytes(data);
  }
  auto certificates = Certificate::many_from_pem(as_text(data));
  if (!certificates) {
    return bad("an entry's PEM: " + certificates.error().detail());
  }
  if (certificates->size() != 1) {
    return bad("an entry's PEM holds " + std::to_string(certificates->size()) + " certificates");
  }
  return certificates->front().der();
}

}  // namespace

Result<std::vector<CertTableEntry>> parse_cert_table(ByteView bytes) {
  std::vector<CertTableEntry> entries;
  if (bytes.empty()) {
    return entries;
  }
  if (bytes.size() > kMaxCertTable) {
    return bad("a table has at most 131072 bytes, this has " + std::to_string(bytes.size()));
  }
  ENSC_TRY_ASSIGN(const std::vector<Head> heads, read_heads(bytes));
  const std::size_t heads_len = (heads.size() + 1) * kHeadLen;
  std::size_t total = 0;
  for (const Head& head : heads) {
    if (head.offset < heads_len || head.offset > bytes.size() ||
        head.len > bytes.size() - head.offset) {
      return bad("an entry lies outside the table");
    }
    // Entries that overlap could make many copies of a large blob.
    total += head.len;
    if (total > bytes.size()) {
      return bad("entries overlap");
    }
    entries.push_back({head.guid, to_bytes(bytes.subspan(head.offset, head.len))});
  }
  return entries;
}

Bytes write_cert_table(std::span<const CertTableEntry> entries) {
  ByteWriter writer;
  std::size_t offset = (entries.size() + 1) * kHeadLen;
  for (const CertTableEntry& entry : entries) {
    writer.raw(entry.guid);
    writer.u32_le(static_cast<std::uint32_t>(offset));
    writer.u32_le(static_cast<std::uint32_t>(entry.data.size()));
    offset += entry.data.size();
  }
  writer.raw(ByteArray<kHeadLen>{});
  for (const CertTableEntry& entry : entries) {
    writer.raw(entry.data);
  }
  ENSC_CHECK(offset <= kMaxCertTable && entries.size() <= kMaxCertTableEntries);
  return std::move(writer).take();
}

Result<std::vector<EndorsementItem>> endorsements_from_cert_table(ByteView bytes) {
  ENSC_TRY_ASSIGN(const std::vector<CertTableEntry> entries, parse_cert_table(bytes));
  std::vector<EndorsementItem> items;
  for (const CertTableEntry& entry : entries) {
    if (entry.guid == kCertTableCrl) {
      items.push_back({"application/pkix-crl", entry.data});
    } else if (entry.guid == kCertTableArk || entry.guid == kCertTableAsk ||
               entry.guid == kCertTableVcek || entry.guid == kCertTableVlek) {
      ENSC_TRY_ASSIGN(Bytes der, der_of(entry.data));
      items.push_back({"application/pkix-cert", std::move(der)});
    }
  }
  return items;
}

std::vector<std::string> missing_snp_endorsements(std::span<const EndorsementItem> items) {
  bool vek = false;
  bool intermediate = false;
  bool root = false;
  bool crl = false;
  for (const EndorsementItem& item : items) {
    if (item.type == "application/pkix-crl") {
      crl = crl || RevocationList::from_der(item.data).has_value();
      continue;
    }
    const auto certificate = Certificate::from_der(item.data);
    if (!certificate) {
      continue;
    }
    const internal::SnpRole role = internal::snp_role_of(*certificate);
    vek = vek || role == internal::SnpRole::kLeaf;
    intermediate = intermediate || role == internal::SnpRole::kIntermediate;
    root = root || role == internal::SnpRole::kRoot;
  }
  std::vector<std::string> missing;
  for (const auto& [there, name] : {std::pair{vek, "vek"}, std::pair{intermediate, "intermediate"},
                                    std::pair{root, "root"}, std::pair{crl, "crl"}}) {
    if (!there) {
      missing.emplace_back(name);
    }
  }
  return missing;
}

}  // namespace ensconce
