#pragma once

#include <memory>

#include "ensconce/base/bytes.h"
#include "ensconce/base/secret.h"
#include "ensconce/crypto/error.h"

namespace ensconce {

using Sha256Digest = ByteArray<32>;
using Sha384Digest = ByteArray<48>;

Sha256Digest sha256(ByteView bytes);
Sha384Digest sha384(ByteView bytes);

// Hasher hashes what comes in pieces. finish may be called once.
template <std::size_t N>
class Hasher {
 public:
  Hasher();
  ~Hasher();
  Hasher(Hasher&&) noexcept;
  Hasher& operator=(Hasher&&) noexcept;
  Hasher(const Hasher&) = delete;
  Hasher& operator=(const Hasher&) = delete;
  void update(ByteView bytes);
  ByteArray<N> finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};
using Sha256 = Hasher<32>;
using Sha384 = Hasher<48>;
extern template class Hasher<32>;
extern template class Hasher<48>;

// hkdf_sha256 is RFC 5869 extract and expand to N bytes.
void hkdf_sha256(ByteView key, ByteView salt, ByteView info, MutableByteView out);
Sha256Digest hmac_sha256(ByteView key, ByteView message);

// HmacSha256 is hmac_sha256 of a message that comes in pieces. finish may be called once.
class HmacSha256 {
 public:
  explicit HmacSha256(ByteView key);
  ~HmacSha256();
  HmacSha256(HmacSha256&&) noexcept;
  HmacSha256& operator=(HmacSha256&&) noexcept;
  HmacSha256(const HmacSha256&) = delete;
  HmacSha256& operator=(const HmacSha256&) = delete;
  void update(ByteView bytes);
  Sha256Digest finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ensconce
