#include "ensconce/attestation/evidence/sigstruct.h"

#include <algorithm>
#include <array>
#include <string>

#include "ensconce/crypto/keys.h"

namespace ensconce {
namespace {

// Intel SDM vol. 3D, table "Layout of Enclave Signature Structure (SIGSTRUCT)": two byte streams.
constexpr ByteArray<16> kHeader{0x06, 0, 0, 0, 0xe1, 0, 0, 0, 0, 0, 0x01, 0, 0, 0, 0, 0};
constexpr ByteArray<16> kHeader2{0x01, 0x01, 0, 0, 0x60, 0, 0, 0, 0x60, 0, 0, 0, 0x01, 0, 0, 0};
constexpr std::uint32_t kVendorIntel = 0x8086;
constexpr std::uint32_t kExponent = 3;
constexpr std::array<std::uint8_t, 1> kExponentBytes{3};
constexpr std::uint8_t kDebugBit = 1U << 1;

// What is reserved, and the two ranges that are signed.
constexpr std::size_t kReservedAfterSwDefined = 84;  // 44
constexpr std::size_t kReservedAfterCet = 2;         // 910
constexpr std::size_t kReservedAfterHash = 16;       // 992
constexpr std::size_t kReservedAfterIsvSvn = 12;     // 1028
constexpr std::size_t kFirstSigned = 128;
constexpr std::size_t kSecondSignedAt = 900;
constexpr std::size_t kSecondSigned = 128;

Error bad(std::string detail) { return Error(EvidenceError::kSigstruct, std::move(detail)); }

Result<void> expect_header(ByteReader& reader, const ByteArray<16>& expected, const char* name) {
  ENSC_TRY_ASSIGN(const auto header, reader.array<16>());
  if (header != expected) {
    return bad(std::string(name) + " is " + to_hex(header) + ", expected " + to_hex(expected))
        .with_remedy("give the signature file alone: Gramine's NAME.sig, for example");
  }
  return ok();
}

Result<void> expect_zero(ByteReader& reader, std::size_t len) {
  const std::size_t at = reader.offset();
  ENSC_TRY_ASSIGN(const ByteView bytes, reader.take(len));
  if (!all_zero(bytes)) {
    return bad("the reserved bytes at " + std::to_string(at) + " are not all zero");
  }
  return ok();
}

// Bytes 0 to 127: what names the structure.
Result<void> read_head(ByteReader& reader, Sigstruct& out) {
  ENSC_TRY(expect_header(reader, kHeader, "HEADER"));
  ENSC_TRY_ASSIGN(out.vendor, reader.u32_le());
  if (out.vendor != 0 && out.vendor != kVendorIntel) {
    return bad("VENDOR is " + std::to_string(out.vendor) + ", neither 0 nor Intel's 0x8086");
  }
  ENSC_TRY_ASSIGN(out.date, reader.u32_le());
  ENSC_TRY(expect_header(reader, kHeader2, "HEADER2"));
  ENSC_TRY_ASSIGN(out.sw_defined, reader.u32_le());
  return expect_zero(reader, kReservedAfterSwDefined);
}

// Bytes 900 to 1027: what names the enclave.
Result<void> read_body(ByteReader& reader, Sigstruct& out) {
  ENSC_TRY_ASSIGN(out.misc_select, reader.u32_le());
  ENSC_TRY_ASSIGN(out.misc_mask, reader.u32_le());
  ENSC_TRY_ASSIGN(out.cet_attributes, reader.u8());
  ENSC_TRY_ASSIGN(out.cet_attributes_mask, reader.u8());
  ENSC_TRY(expect_zero(reader, kReservedAfterCet));
  ENSC_TRY_ASSIGN(out.isv_family_id, reader.array<16>());
  ENSC_TRY_ASSIGN(out.attributes, reader.array<16>());
  ENSC_TRY_ASSIGN(out.attribute_mask, reader.array<16>());
  ENSC_TRY_ASSIGN(out.mr_enclave, reader.array<32>());
  ENSC_TRY(expect_zero(reader, kReservedAfterHash));
  ENSC_TRY_ASSIGN(out.isv_ext_prod_id, reader.array<16>());
  ENSC_TRY_ASSIGN(out.isv_prod_id, reader.u16_le());
  ENSC_TRY_ASSIGN(out.isv_svn, reader.u16_le());
  return ok();
}

Bytes big_endian(const ByteArray<384>& number) { return {number.rbegin(), number.rend()}; }

}  // namespace

Sha256Digest Sigstruct::mr_signer() const { return sha256(modulus); }

SigstructDebug Sigstruct::debug() const {
  if ((attribute_mask[0] & kDebugBit) == 0) {
    return SigstructDebug::kLaunchersChoice;
  }
  return (attributes[0] & kDebugBit) != 0 ? SigstructDebug::kOn : SigstructDebug::kOff;
}

Result<Sigstruct> parse_sigstruct(ByteView bytes) {
  if (bytes.size() != kSigstructLen) {
    return bad("a SIGSTRUCT has 1808 bytes, this has " + std::to_string(bytes.size()))
        .with_remedy("give the signature file alone: Gramine's NAME.sig, for example");
  }
  ByteReader reader(bytes);
  Sigstruct out;
  ENSC_TRY(read_head(reader, out));
  ENSC_TRY_ASSIGN(out.modulus, reader.array<384>());
  ENSC_TRY_ASSIGN(const std::uint32_t exponent, reader.u32_le());
  if (exponent != kExponent) {
    return bad("EXPONENT is " + std::to_string(exponent) + "; enclaves are signed with 3");
  }
  ENSC_TRY_ASSIGN(out.signature, reader.array<384>());
  ENSC_TRY(read_body(reader, out));
  ENSC_TRY(expect_zero(reader, kReservedAfterIsvSvn));
  ENSC_TRY_ASSIGN(out.q1, reader.array<384>());
  ENSC_TRY_ASSIGN(out.q2, reader.array<384>());
  ENSC_TRY(reader.finish());
  return out;
}

Bytes write_sigstruct(const Sigstruct& s) {
  const auto zeros = [](std::size_t len) { return Bytes(len); };
  ByteWriter out;
  out.raw(kHeader).u32_le(s.vendor).u32_le(s.date).raw(kHeader2).u32_le(s.sw_defined);
  out.raw(zeros(kReservedAfterSwDefined));
  out.raw(s.modulus).u32_le(kExponent).raw(s.signature);
  out.u32_le(s.misc_select).u32_le(s.misc_mask);
  out.u8(s.cet_attributes).u8(s.cet_attributes_mask).raw(zeros(kReservedAfterCet));
  out.raw(s.isv_family_id).raw(s.attributes).raw(s.attribute_mask).raw(s.mr_enclave);
  out.raw(zeros(kReservedAfterHash)).raw(s.isv_ext_prod_id);
  out.u16_le(s.isv_prod_id).u16_le(s.isv_svn).raw(zeros(kReservedAfterIsvSvn));
  out.raw(s.q1).raw(s.q2);
  return std::move(out).take();
}

Bytes sigstruct_signed_part(const Sigstruct& sigstruct) {
  const Bytes whole = write_sigstruct(sigstruct);
  const ByteView view(whole);
  return concat({view.first(kFirstSigned), view.subspan(kSecondSignedAt, kSecondSigned)});
}

Result<void> verify_sigstruct(const Sigstruct& sigstruct) {
  const auto key = RsaPublicKey::from_modulus(big_endian(sigstruct.modulus), kExponentBytes);
  const Result<void> holds = key ? rsa_pkcs1_sha256_verify(*key, sigstruct_signed_part(sigstruct),
                                                           big_endian(sigstruct.signature))
                                 : Result<void>(key.error());
  if (!holds) {
    return Error(CryptoError::kBadSignature, "the SIGSTRUCT is not signed by the key in it: " +
                                                 std::string(holds.error().detail()))
        .with_remedy("sign the enclave again; the processor would not launch it either");
  }
  return ok();
}

}  // namespace ensconce
