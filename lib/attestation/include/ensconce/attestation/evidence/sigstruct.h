#pragma once

#include "ensconce/attestation/evidence/error.h"
#include "ensconce/base/bytes.h"
#include "ensconce/crypto/hash.h"

namespace ensconce {

inline constexpr std::size_t kSigstructLen = 1808;

// SigstructDebug is what a SIGSTRUCT says of ATTRIBUTES.DEBUG: the processor compares the bits that
// the attribute mask names, and leaves the others to whoever launches the enclave.
enum class SigstructDebug : std::uint8_t { kOff, kOn, kLaunchersChoice };

// Sigstruct is what an enclave is signed with before it is launched (Intel SDM vol. 3D, table
// "Layout of Enclave Signature Structure (SIGSTRUCT)"), 1808 bytes. Big numbers are little-endian,
// as they lie there. Headers, the exponent (3) and the reserved zeros are not kept:
// write_sigstruct puts them back.
struct Sigstruct {
  std::uint32_t vendor = 0;  // 0x8086 for Intel's own enclaves, 0 for all others
  std::uint32_t date = 0;  // BCD yyyymmdd, or what the signing tool took for that; nobody checks it
  std::uint32_t sw_defined = 0;
  ByteArray<384> modulus{};
  ByteArray<384> signature{};
  std::uint32_t misc_select = 0;
  std::uint32_t misc_mask = 0;
  std::uint8_t cet_attributes = 0;
  std::uint8_t cet_attributes_mask = 0;
  ByteArray<16> isv_family_id{};
  ByteArray<16> attributes{};  // flags u64 LE, XFRM u64 LE
  ByteArray<16> attribute_mask{};
  ByteArray<32> mr_enclave{};
  ByteArray<16> isv_ext_prod_id{};
  std::uint16_t isv_prod_id = 0;
  std::uint16_t isv_svn = 0;
  // Quotients that spare EINIT a division. They are not signed, and not looked at here.
  ByteArray<384> q1{};
  ByteArray<384> q2{};

  // mr_signer is what reports and quotes call MRSIGNER: SHA-256 of the modulus as it lies there.
  [[nodiscard]] Sha256Digest mr_signer() const;
  [[nodiscard]] SigstructDebug debug() const;
  friend bool operator==(const Sigstruct&, const Sigstruct&) = default;
};

// parse_sigstruct reads exactly one SIGSTRUCT and holds it to what EINIT demands of its form:
// headers, vendor, exponent, reserved zeros. Errors are EvidenceError::kSigstruct.
Result<Sigstruct> parse_sigstruct(ByteView bytes);
Bytes write_sigstruct(const Sigstruct& sigstruct);
// sigstruct_signed_part is what its key signs: bytes 0 to 127 and 900 to 1027.
Bytes sigstruct_signed_part(const Sigstruct& sigstruct);
// verify_sigstruct returns CryptoError::kBadSignature unless the signature holds under the modulus
// beside it. That says that the file is whole; who signed it is for whoever compares MRSIGNER.
Result<void> verify_sigstruct(const Sigstruct& sigstruct);

}  // namespace ensconce
