#pragma once

#include <cstdint>
#include <string_view>

#include "ensconce/base/secret.h"
#include "ensconce/crypto/aead.h"

namespace ensconce::internal {

// concat_kdf is the Concat KDF (NIST SP 800-56A §5.8.1) with SHA-256 as RFC 7518 §4.6.2 fills it
// in. One round: `key_bits` is at most 256, and the key is the first key_bits / 8 bytes.
SecretArray<32> concat_kdf(ByteView shared_secret, std::string_view algorithm, ByteView apu,
                           ByteView apv, std::uint32_t key_bits);

inline constexpr std::size_t kWrappedKeyLen = 40;

// wrap_key and unwrap_key are the AES Key Wrap of RFC 3394 with a 256-bit key, for 256-bit keys.
ByteArray<kWrappedKeyLen> wrap_key(const Aes256Key& wrapping_key, const Aes256Key& key);
// unwrap_key returns CryptoError::kDecryptFailed for another key or changed bytes.
Result<Aes256Key> unwrap_key(const Aes256Key& wrapping_key, ByteView wrapped);

}  // namespace ensconce::internal
