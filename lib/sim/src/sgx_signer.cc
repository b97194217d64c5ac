#include "ensconce/sim/sgx_signer.h"

#include <algorithm>

#include "ensconce/base/file.h"
#include "ensconce/crypto/hash.h"

namespace ensconce {

namespace {
constexpr int kBits = 3072;
constexpr const char* kFile = "signer.key";
}  // namespace

SgxSigner SgxSigner::generate() { return SgxSigner(RsaPrivateKey::generate(kBits)); }

Result<void> SgxSigner::save(const std::filesystem::path& dir) const {
  return write_file_atomically(dir / kFile, key_.pkcs8_der().expose(), 0600);
}

Result<SgxSigner> SgxSigner::load(const std::filesystem::path& dir) {
  ENSC_TRY_ASSIGN(const SecretBytes der, read_secret_file(dir / kFile));
  ENSC_TRY_ASSIGN(RsaPrivateKey key, RsaPrivateKey::from_pkcs8_der(der.expose()));
  return SgxSigner(std::move(key));
}

ByteArray<32> SgxSigner::mr_signer() const {
  Bytes modulus = key_.modulus();
  std::reverse(modulus.begin(), modulus.end());
  return sha256(modulus);
}

}  // namespace ensconce
