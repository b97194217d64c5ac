#pragma once

#include <memory>

#include "ensconce/base/bytes.h"
#include "ensconce/base/secret.h"
#include "ensconce/crypto/error.h"

namespace ensconce {

using Aes256Key = SecretArray<32>;

// Aes256Gcm is AES-256-GCM (NIST SP 800-38D) with 12-byte nonces and 16-byte tags, the key schedule
// made once. One object serves one thread. The nonce is the caller's to keep unique.
class Aes256Gcm {
 public:
  static constexpr std::size_t kNonceLen = 12;
  static constexpr std::size_t kTagLen = 16;
  explicit Aes256Gcm(const Aes256Key& key);
  ~Aes256Gcm();
  Aes256Gcm(const Aes256Gcm&) = delete;
  Aes256Gcm& operator=(const Aes256Gcm&) = delete;
  Aes256Gcm(Aes256Gcm&&) noexcept;
  Aes256Gcm& operator=(Aes256Gcm&&) noexcept;

  // seal writes plaintext.size() + 16 bytes to `out`, which must be exactly that long. In-place
  // (out starting at plaintext) is allowed.
  void seal(ByteView nonce, ByteView aad, ByteView plaintext, MutableByteView out);
  // open writes sealed.size() - 16 bytes to `out`, which must be exactly that long; on any
  // failure `out` is wiped and the error is CryptoError::kDecryptFailed.
  Result<void> open(ByteView nonce, ByteView aad, ByteView sealed, MutableByteView out);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ensconce
