#include "hkdf.h"

#include <openssl/core_names.h>

#include <algorithm>
#include <array>
#include <string>

namespace ensconce::internal {

std::size_t hash_len(const EVP_MD* md) { return static_cast<std::size_t>(EVP_MD_get_size(md)); }

Hmac::Hmac(const EVP_MD* md, ByteView key) : ctx_(EVP_MAC_CTX_new(ossl::backend().hmac)) {
  ENSC_CHECK(ctx_ != nullptr);
  std::string name = EVP_MD_get0_name(md);
  const std::array<OSSL_PARAM, 2> params = {
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name.data(), 0),
      OSSL_PARAM_construct_end()};
  ENSC_CHECK(EVP_MAC_init(ctx_.get(), ossl::non_null(key), key.size(), params.data()) == 1);
}

void Hmac::mac(std::initializer_list<ByteView> parts, MutableByteView out) {
  ENSC_CHECK(EVP_MAC_init(ctx_.get(), nullptr, 0, nullptr) == 1);
  for (const ByteView part : parts) {
    update(part);
  }
  finish(out);
}

void Hmac::update(ByteView part) {
  ENSC_CHECK(EVP_MAC_update(ctx_.get(), ossl::non_null(part), part.size()) == 1);
}

void Hmac::finish(MutableByteView out) {
  std::size_t len = 0;
  ENSC_CHECK(EVP_MAC_final(ctx_.get(), out.data(), &len, out.size()) == 1 && len == out.size());
}

// Written over HMAC because OpenSSL's own HKDF refuses an empty key, which RFC 5869 does not.
void hkdf_extract(const EVP_MD* md, ByteView salt, std::initializer_list<ByteView> ikm,
                  MutableByteView prk) {
  Hmac(md, salt).mac(ikm, prk);
}

void hkdf_expand(const EVP_MD* md, ByteView prk, ByteView info, MutableByteView out) {
  const std::size_t step = hash_len(md);
  ENSC_CHECK(step <= kMaxHashLen && out.size() <= 255 * step);
  Hmac expand(md, prk);
  SecretArray<kMaxHashLen> block;
  ByteView previous;
  for (std::uint8_t counter = 1; !out.empty(); ++counter) {
    expand.mac({previous, info, ByteView(&counter, 1)}, block.expose_mutable().first(step));
    previous = block.expose().first(step);
    const std::size_t len = std::min(out.size(), step);
    std::copy_n(previous.begin(), len, out.begin());
    out = out.subspan(len);
  }
}

}  // namespace ensconce::internal
