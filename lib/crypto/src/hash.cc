#include "ensconce/crypto/hash.h"

#include <openssl/core_names.h>
#include <openssl/params.h>

#include <algorithm>
#include <array>

#include "openssl.h"

namespace ensconce {

namespace {

template <std::size_t N>
const EVP_MD* md_of() {
  static_assert(N == 32 || N == 48);
  return N == 32 ? ossl::backend().sha256 : ossl::backend().sha384;
}

template <std::size_t N>
ByteArray<N> digest(ByteView bytes) {
  ByteArray<N> out{};
  unsigned int len = 0;
  ENSC_CHECK(
      EVP_Digest(ossl::non_null(bytes), bytes.size(), out.data(), &len, md_of<N>(), nullptr) == 1);
  ENSC_CHECK(len == N);
  return out;
}

// Hmac is HMAC-SHA256 under one key, for as many messages as wanted.
class Hmac {
 public:
  explicit Hmac(ByteView key) : ctx_(EVP_MAC_CTX_new(ossl::backend().hmac)) {
    ENSC_CHECK(ctx_ != nullptr);
    char name[] = "SHA256";
    const std::array<OSSL_PARAM, 2> params = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0),
        OSSL_PARAM_construct_end()};
    ENSC_CHECK(EVP_MAC_init(ctx_.get(), ossl::non_null(key), key.size(), params.data()) == 1);
  }
  void mac(std::initializer_list<ByteView> parts, MutableByteView out32) {
    ENSC_CHECK(EVP_MAC_init(ctx_.get(), nullptr, 0, nullptr) == 1);
    for (const ByteView part : parts) {
      update(part);
    }
    finish(out32);
  }
  void update(ByteView part) {
    ENSC_CHECK(EVP_MAC_update(ctx_.get(), ossl::non_null(part), part.size()) == 1);
  }
  void finish(MutableByteView out32) {
    std::size_t len = 0;
    ENSC_CHECK(EVP_MAC_final(ctx_.get(), out32.data(), &len, out32.size()) == 1 && len == 32);
  }

 private:
  ossl::MacCtx ctx_;
};

}  // namespace

Sha256Digest sha256(ByteView bytes) { return digest<32>(bytes); }
Sha384Digest sha384(ByteView bytes) { return digest<48>(bytes); }

template <std::size_t N>
struct Hasher<N>::State {
  ossl::MdCtx ctx{EVP_MD_CTX_new()};
  bool finished = false;
};

template <std::size_t N>
Hasher<N>::Hasher() : state_(std::make_unique<State>()) {
  ENSC_CHECK(state_->ctx != nullptr);
  ENSC_CHECK(EVP_DigestInit_ex2(state_->ctx.get(), md_of<N>(), nullptr) == 1);
}
template <std::size_t N>
Hasher<N>::~Hasher() = default;
template <std::size_t N>
Hasher<N>::Hasher(Hasher&&) noexcept = default;
template <std::size_t N>
Hasher<N>& Hasher<N>::operator=(Hasher&&) noexcept = default;

template <std::size_t N>
void Hasher<N>::update(ByteView bytes) {
  ENSC_CHECK(!state_->finished);
  ENSC_CHECK(EVP_DigestUpdate(state_->ctx.get(), ossl::non_null(bytes), bytes.size()) == 1);
}

template <std::size_t N>
ByteArray<N> Hasher<N>::finish() {
  ENSC_CHECK(!state_->finished);
  state_->finished = true;
  ByteArray<N> out{};
  unsigned int len = 0;
  ENSC_CHECK(EVP_DigestFinal_ex(state_->ctx.get(), out.data(), &len) == 1 && len == N);
  return out;
}

template class Hasher<32>;
template class Hasher<48>;

Sha256Digest hmac_sha256(ByteView key, ByteView message) {
  Sha256Digest out{};
  Hmac(key).mac({message}, out);
  return out;
}

struct HmacSha256::State {
  explicit State(ByteView key) : hmac(key) {}
  Hmac hmac;
  bool finished = false;
};

HmacSha256::HmacSha256(ByteView key) : state_(std::make_unique<State>(key)) {}
HmacSha256::~HmacSha256() = default;
HmacSha256::HmacSha256(HmacSha256&&) noexcept = default;
HmacSha256& HmacSha256::operator=(HmacSha256&&) noexcept = default;

void HmacSha256::update(ByteView bytes) {
  ENSC_CHECK(!state_->finished);
  state_->hmac.update(bytes);
}

Sha256Digest HmacSha256::finish() {
  ENSC_CHECK(!state_->finished);
  state_->finished = true;
  Sha256Digest out{};
  state_->hmac.finish(out);
  return out;
}

// Written over HMAC because OpenSSL's own HKDF refuses an empty key, which RFC 5869 does not.
void hkdf_sha256(ByteView key, ByteView salt, ByteView info, MutableByteView out) {
  constexpr std::size_t kHashLen = 32;
  ENSC_CHECK(out.size() <= 255 * kHashLen);
  SecretArray<kHashLen> prk;
  Hmac(salt).mac({key}, prk.expose_mutable());
  Hmac expand(prk.expose());
  SecretArray<kHashLen> block;
  ByteView previous;
  for (std::uint8_t counter = 1; !out.empty(); ++counter) {
    expand.mac({previous, info, ByteView(&counter, 1)}, block.expose_mutable());
    previous = block.expose();
    const std::size_t len = std::min(out.size(), kHashLen);
    std::copy_n(previous.begin(), len, out.begin());
    out = out.subspan(len);
  }
}

}  // namespace ensconce
