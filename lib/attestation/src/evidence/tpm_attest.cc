#include <string>

#include "ensconce/attestation/evidence/azure_evidence.h"
#include "ensconce/base/check.h"

namespace ensconce {
namespace {

// TCG TPM 2.0 Part 2: section 6.2 (TPM_GENERATED_VALUE), 6.9 (TPM_ST_ATTEST_QUOTE), 6.3
// (TPM_ALG_SHA256), 10.6.1 (TPMS_PCR_SELECT of 24 registers).
constexpr std::uint32_t kMagic = 0xff544347;
constexpr std::uint16_t kQuoteType = 0x8018;
constexpr std::uint16_t kSha256Alg = 0x000b;
constexpr std::uint8_t kSelectLen = 3;
// TPM2B_NAME: an algorithm and the longest digest.
constexpr std::size_t kMaxName = 66;
// What a verifier may expect of a guest.
constexpr std::size_t kMaxExtraData = 64;
constexpr std::size_t kDigestLen = 32;

Error bad(std::string detail) { return Error(EvidenceError::kAzureTpmQuote, std::move(detail)); }

// A TPM2B: a length and that many bytes.
Result<Bytes> read_sized(ByteReader& reader, std::size_t max, const char* name) {
  ENSC_TRY_ASSIGN(const std::uint16_t len, reader.u16_be());
  if (len > max) {
    return bad(std::string(name) + " has " + std::to_string(len) + " bytes, at most " +
               std::to_string(max) + " are expected");
  }
  ENSC_TRY_ASSIGN(const ByteView bytes, reader.take(len));
  return to_bytes(bytes);
}

// TPML_PCR_SELECTION ::= { count u32, { hash u16, sizeofSelect u8, pcrSelect [sizeofSelect] } … }
Result<std::uint32_t> read_selection(ByteReader& reader) {
  ENSC_TRY_ASSIGN(const std::uint32_t count, reader.u32_be());
  if (count != 1) {
    return bad(std::to_string(count) + " PCR banks are quoted; one is expected");
  }
  ENSC_TRY_ASSIGN(const std::uint16_t algorithm, reader.u16_be());
  if (algorithm != kSha256Alg) {
    return bad("the quoted PCR bank is not SHA-256");
  }
  ENSC_TRY_ASSIGN(const std::uint8_t len, reader.u8());
  if (len != kSelectLen) {
    return bad("the PCR selection is not of 24 registers");
  }
  ENSC_TRY_ASSIGN(const auto bitmap, reader.array<kSelectLen>());
  return std::uint32_t{bitmap[0]} | std::uint32_t{bitmap[1]} << 8 | std::uint32_t{bitmap[2]} << 16;
}

Result<TpmAttest> read(ByteView bytes) {
  ByteReader reader(bytes);
  TpmAttest attest;
  ENSC_TRY_ASSIGN(const std::uint32_t magic, reader.u32_be());
  // A restricted key signs nothing of this magic that the TPM did not make itself.
  if (magic != kMagic) {
    return bad("not made by a TPM: the magic is another");
  }
  ENSC_TRY_ASSIGN(const std::uint16_t type, reader.u16_be());
  if (type != kQuoteType) {
    return bad("an attestation of another type than a quote");
  }
  ENSC_TRY_ASSIGN(attest.qualified_signer, read_sized(reader, kMaxName, "the qualified signer"));
  ENSC_TRY_ASSIGN(attest.extra_data, read_sized(reader, kMaxExtraData, "extraData"));
  ENSC_TRY_ASSIGN(attest.clock_info, reader.array<17>());
  ENSC_TRY_ASSIGN(attest.firmware_version, reader.u64_be());
  ENSC_TRY_ASSIGN(attest.pcr_select, read_selection(reader));
  ENSC_TRY_ASSIGN(attest.pcr_digest, read_sized(reader, kDigestLen, "the PCR digest"));
  if (attest.pcr_digest.size() != kDigestLen) {
    return bad("the PCR digest is not of SHA-256");
  }
  ENSC_TRY(reader.finish());
  return attest;
}

void write_sized(ByteWriter& writer, ByteView bytes, std::size_t max) {
  ENSC_CHECK(bytes.size() <= max);
  writer.u16_be(static_cast<std::uint16_t>(bytes.size())).raw(bytes);
}

}  // namespace

Result<TpmAttest> parse_tpm_attest(ByteView bytes) {
  Result<TpmAttest> attest = read(bytes);
  if (!attest && !attest.error().is(EvidenceError::kAzureTpmQuote)) {
    return bad(attest.error().detail());
  }
  return attest;
}

Bytes write_tpm_attest(const TpmAttest& attest) {
  ENSC_CHECK(attest.pcr_select >> 24 == 0 && attest.pcr_digest.size() == kDigestLen);
  ByteWriter writer;
  writer.u32_be(kMagic).u16_be(kQuoteType);
  write_sized(writer, attest.qualified_signer, kMaxName);
  write_sized(writer, attest.extra_data, kMaxExtraData);
  writer.raw(attest.clock_info).u64_be(attest.firmware_version);
  writer.u32_be(1).u16_be(kSha256Alg).u8(kSelectLen);
  writer.u8(static_cast<std::uint8_t>(attest.pcr_select));
  writer.u8(static_cast<std::uint8_t>(attest.pcr_select >> 8));
  writer.u8(static_cast<std::uint8_t>(attest.pcr_select >> 16));
  write_sized(writer, attest.pcr_digest, kDigestLen);
  return std::move(writer).take();
}

}  // namespace ensconce
