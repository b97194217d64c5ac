#include "ensconce/crypto/hash.h"

#include "hkdf.h"
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
  internal::Hmac(ossl::backend().sha256, key).mac({message}, out);
  return out;
}

struct HmacSha256::State {
  explicit State(ByteView key) : hmac(ossl::backend().sha256, key) {}
  internal::Hmac hmac;
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

void hkdf_sha256(ByteView key, ByteView salt, ByteView info, MutableByteView out) {
  const EVP_MD* md = ossl::backend().sha256;
  SecretArray<32> prk;
  internal::hkdf_extract(md, salt, {key}, prk.expose_mutable());
  internal::hkdf_expand(md, prk.expose(), info, out);
}

}  // namespace ensconce
