#pragma once

#include <openssl/asn1.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/params.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>

#include "ensconce/base/bytes.h"
#include "ensconce/crypto/keys.h"

// Owners for OpenSSL's objects, and the few helpers that every source of this library needs.
namespace ensconce::ossl {

template <auto kFree>
struct Deleter {
  template <typename T>
  void operator()(T* p) const noexcept {
    kFree(p);
  }
};
template <typename T, auto kFree>
using Owned = std::unique_ptr<T, Deleter<kFree>>;

inline void free_buffer(unsigned char* p) noexcept { OPENSSL_free(p); }

using Pkey = Owned<EVP_PKEY, EVP_PKEY_free>;
using PkeyCtx = Owned<EVP_PKEY_CTX, EVP_PKEY_CTX_free>;
using MdCtx = Owned<EVP_MD_CTX, EVP_MD_CTX_free>;
using MacCtx = Owned<EVP_MAC_CTX, EVP_MAC_CTX_free>;
using CipherCtx = Owned<EVP_CIPHER_CTX, EVP_CIPHER_CTX_free>;
using Bn = Owned<BIGNUM, BN_free>;
using SecretBn = Owned<BIGNUM, BN_clear_free>;
using ParamBuilder = Owned<OSSL_PARAM_BLD, OSSL_PARAM_BLD_free>;
using Params = Owned<OSSL_PARAM, OSSL_PARAM_free>;
using EcPoint = Owned<EC_POINT, EC_POINT_free>;
using EcdsaSig = Owned<ECDSA_SIG, ECDSA_SIG_free>;
using X509Ptr = Owned<X509, X509_free>;
using X509CrlPtr = Owned<X509_CRL, X509_CRL_free>;
using X509NamePtr = Owned<X509_NAME, X509_NAME_free>;
using X509ExtensionPtr = Owned<X509_EXTENSION, X509_EXTENSION_free>;
using X509RevokedPtr = Owned<X509_REVOKED, X509_REVOKED_free>;
using Asn1IntegerPtr = Owned<ASN1_INTEGER, ASN1_INTEGER_free>;
using Asn1TimePtr = Owned<ASN1_TIME, ASN1_TIME_free>;
using Asn1OctetStringPtr = Owned<ASN1_OCTET_STRING, ASN1_OCTET_STRING_free>;
using Asn1ObjectPtr = Owned<ASN1_OBJECT, ASN1_OBJECT_free>;
using Pkcs8Ptr = Owned<PKCS8_PRIV_KEY_INFO, PKCS8_PRIV_KEY_INFO_free>;
using Buffer = Owned<unsigned char, free_buffer>;

// Backend holds the algorithms, fetched once: a fetch by name for each call costs more than a
// small hash does. They live as long as the process.
struct Backend {
  EVP_MD* sha256;
  EVP_MD* sha384;
  EVP_MD* sha512;
  EVP_MAC* hmac;
  EVP_CIPHER* aes_128_gcm;
  EVP_CIPHER* aes_256_gcm;
  EVP_CIPHER* chacha20_poly1305;
  EVP_CIPHER* aes_256_wrap;
  EC_GROUP* p256;
  EC_GROUP* p384;
  EVP_PKEY* p256_key;  // the curve alone, to copy: far quicker than to build its group anew
  EVP_PKEY* p384_key;
};
// backend starts OpenSSL without the system's openssl.cnf, which could bring in engines and
// providers that nobody measured. Everything here calls it before anything else of OpenSSL.
const Backend& backend();

// QuietErrors drops what a failing call leaves on the thread's error queue, where the next TLS
// read would take it for its own.
class QuietErrors {
 public:
  QuietErrors() { ERR_set_mark(); }
  ~QuietErrors() { ERR_pop_to_mark(); }
  QuietErrors(const QuietErrors&) = delete;
  QuietErrors& operator=(const QuietErrors&) = delete;
};

// non_null stands in for the pointer of an empty view, which OpenSSL reads as "not given".
inline const unsigned char* non_null(ByteView bytes) {
  static constexpr unsigned char kNothing = 0;
  return bytes.data() == nullptr ? &kNothing : bytes.data();
}

// encode runs one of OpenSSL's i2d functions.
template <typename I2d, typename T>
Bytes encode(I2d i2d, T* object) {
  const int len = i2d(object, nullptr);
  ENSC_CHECK(len > 0);
  Bytes out(static_cast<std::size_t>(len));
  unsigned char* p = out.data();
  ENSC_CHECK(i2d(object, &p) == len);
  return out;
}

SecretBytes pkcs8_of(EVP_PKEY* key);
// pkey_from_pkcs8 reads exactly one PrivateKeyInfo; null otherwise.
Pkey pkey_from_pkcs8(ByteView der);
// pkey_of gives a backend key for a point that from_point has checked.
Pkey pkey_of(const EcPublicKey& key);
Pkey pkey_of(const RsaPublicKey& key);

}  // namespace ensconce::ossl
