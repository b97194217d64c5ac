#pragma once

#include <initializer_list>

#include "openssl.h"

// HMAC (RFC 2104) and HKDF (RFC 5869) with any hash of the backend.
namespace ensconce::internal {

inline constexpr std::size_t kMaxHashLen = 64;

std::size_t hash_len(const EVP_MD* md);

// Hmac is HMAC under one key, for as many messages as wanted.
class Hmac {
 public:
  Hmac(const EVP_MD* md, ByteView key);
  // mac writes exactly hash_len bytes, of the parts one after the other.
  void mac(std::initializer_list<ByteView> parts, MutableByteView out);
  // update and finish are mac in pieces, once: the key is fresh after the constructor.
  void update(ByteView part);
  void finish(MutableByteView out);

 private:
  ossl::MacCtx ctx_;
};

// hkdf_extract takes the input keying material in parts, so that nobody joins secrets to pass them.
// `prk` has exactly hash_len bytes; hkdf_expand gives at most 255 times that.
void hkdf_extract(const EVP_MD* md, ByteView salt, std::initializer_list<ByteView> ikm,
                  MutableByteView prk);
void hkdf_expand(const EVP_MD* md, ByteView prk, ByteView info, MutableByteView out);

}  // namespace ensconce::internal
