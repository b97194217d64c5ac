#include "openssl.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/obj_mac.h>
#include <openssl/x509.h>

#include <array>
#include <string>

namespace ensconce::ossl {
namespace {

EVP_PKEY* key_without_point(std::string group) {
  std::array<OSSL_PARAM, 2> params = {
      OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group.data(), group.size()),
      OSSL_PARAM_construct_end()};
  const PkeyCtx ctx(EVP_PKEY_CTX_new_from_name(nullptr, "EC", nullptr));
  EVP_PKEY* key = nullptr;
  ENSC_CHECK(ctx != nullptr && EVP_PKEY_fromdata_init(ctx.get()) == 1);
  ENSC_CHECK(EVP_PKEY_fromdata(ctx.get(), &key, EVP_PKEY_KEY_PARAMETERS, params.data()) == 1);
  return key;
}

}  // namespace

const Backend& backend() {
  static const Backend instance = [] {
    ENSC_CHECK(OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, nullptr) == 1);
    Backend b{
        .sha256 = EVP_MD_fetch(nullptr, "SHA256", nullptr),
        .sha384 = EVP_MD_fetch(nullptr, "SHA384", nullptr),
        .sha512 = EVP_MD_fetch(nullptr, "SHA512", nullptr),
        .hmac = EVP_MAC_fetch(nullptr, "HMAC", nullptr),
        .aes_128_gcm = EVP_CIPHER_fetch(nullptr, "AES-128-GCM", nullptr),
        .aes_256_gcm = EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr),
        .chacha20_poly1305 = EVP_CIPHER_fetch(nullptr, "ChaCha20-Poly1305", nullptr),
        .aes_256_wrap = EVP_CIPHER_fetch(nullptr, "AES-256-WRAP", nullptr),
        .p256 = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1),
        .p384 = EC_GROUP_new_by_curve_name(NID_secp384r1),
        .p256_key = key_without_point(SN_X9_62_prime256v1),
        .p384_key = key_without_point(SN_secp384r1),
    };
    ENSC_CHECK(b.sha256 != nullptr && b.sha384 != nullptr && b.sha512 != nullptr);
    ENSC_CHECK(b.hmac != nullptr && b.aes_256_wrap != nullptr);
    ENSC_CHECK(b.aes_128_gcm != nullptr && b.aes_256_gcm != nullptr);
    ENSC_CHECK(b.chacha20_poly1305 != nullptr);
    ENSC_CHECK(b.p256 != nullptr && b.p384 != nullptr);
    return b;
  }();
  return instance;
}

SecretBytes pkcs8_of(EVP_PKEY* key) {
  const Pkcs8Ptr info(EVP_PKEY2PKCS8(key));
  ENSC_CHECK(info != nullptr);
  const int len = i2d_PKCS8_PRIV_KEY_INFO(info.get(), nullptr);
  ENSC_CHECK(len > 0);
  SecretBytes out(static_cast<std::size_t>(len));
  unsigned char* p = out.expose_mutable().data();
  ENSC_CHECK(i2d_PKCS8_PRIV_KEY_INFO(info.get(), &p) == len);
  return out;
}

Pkey pkey_from_pkcs8(ByteView der) {
  constexpr std::size_t kMaxPkcs8Len = 16384;
  if (der.empty() || der.size() > kMaxPkcs8Len) {
    return nullptr;
  }
  const unsigned char* p = der.data();
  const Pkcs8Ptr info(d2i_PKCS8_PRIV_KEY_INFO(nullptr, &p, static_cast<long>(der.size())));
  if (info == nullptr || p != der.data() + der.size()) {
    return nullptr;
  }
  return Pkey(EVP_PKCS82PKEY(info.get()));
}

}  // namespace ensconce::ossl
