#pragma once

#include "openssl.h"

// What every AEAD here is made of: a context keeps the key schedule of one direction, and a call
// sets the nonce alone.
namespace ensconce::ossl {

inline constexpr std::size_t kAeadNonceLen = 12;
inline constexpr std::size_t kAeadTagLen = 16;

// aead_ctx takes a key of exactly the cipher's length.
CipherCtx aead_ctx(const EVP_CIPHER* cipher, ByteView key, bool encrypt);
// aead_seal writes ciphertext and tag to `out`, which is exactly that long. In place is allowed.
void aead_seal(EVP_CIPHER_CTX* ctx, ByteView nonce, ByteView aad, ByteView plaintext,
               MutableByteView out);
// aead_open writes the plaintext to `out`, which is exactly that long; false, with `out` wiped, on
// any failure.
bool aead_open(EVP_CIPHER_CTX* ctx, ByteView nonce, ByteView aad, ByteView sealed,
               MutableByteView out);

}  // namespace ensconce::ossl
