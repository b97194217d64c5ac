#pragma once

#include <filesystem>

#include "ensconce/base/bytes.h"
#include "ensconce/crypto/x509.h"

namespace ensconce {

// SgxSigner is who signs the enclaves of a simulated machine: one RSA key of 3072 bits, as
// SIGSTRUCT takes it.
class SgxSigner {
 public:
  static SgxSigner generate();
  // save writes signer.key (mode 0600) into `dir`, which must exist.
  [[nodiscard]] Result<void> save(const std::filesystem::path& dir) const;
  static Result<SgxSigner> load(const std::filesystem::path& dir);

  // mr_signer is SHA-256 of the modulus, little-endian (Intel SDM vol. 3D, "MRSIGNER").
  [[nodiscard]] ByteArray<32> mr_signer() const;

 private:
  explicit SgxSigner(RsaPrivateKey key) : key_(std::move(key)) {}
  RsaPrivateKey key_;
};

}  // namespace ensconce
