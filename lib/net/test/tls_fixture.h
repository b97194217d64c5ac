#pragma once

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <functional>
#include <memory>
#include <string>

#include "ensconce/base/file.h"
#include "ensconce/net/client.h"
#include "ensconce/net/server.h"

namespace ensconce::test {

// make_identity returns a new P-256 key with a certificate it signed itself.
inline TlsIdentity make_identity() {
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(EVP_EC_gen("P-256"), EVP_PKEY_free);
  const std::unique_ptr<X509, decltype(&X509_free)> certificate(X509_new(), X509_free);
  X509_set_version(certificate.get(), X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -60);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 3600);
  X509_set_pubkey(certificate.get(), key.get());
  X509_sign(certificate.get(), key.get(), EVP_sha256());
  TlsIdentity out;
  unsigned char* der = nullptr;
  int len = i2d_X509(certificate.get(), &der);
  out.certificate_der.assign(der, der + len);
  OPENSSL_free(der);
  der = nullptr;
  PKCS8_PRIV_KEY_INFO* info = EVP_PKEY2PKCS8(key.get());
  len = i2d_PKCS8_PRIV_KEY_INFO(info, &der);
  PKCS8_PRIV_KEY_INFO_free(info);
  out.private_key_der = SecretBytes::copy_of({der, static_cast<std::size_t>(len)});
  OPENSSL_free(der);
  return out;
}

// spki_sha256 returns what a client pins for that identity.
inline ByteArray<32> spki_sha256(const TlsIdentity& identity) {
  const unsigned char* at = identity.certificate_der.data();
  X509* certificate = d2i_X509(nullptr, &at, static_cast<long>(identity.certificate_der.size()));
  unsigned char* der = nullptr;
  const int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
  ByteArray<32> out{};
  EVP_Digest(der, static_cast<std::size_t>(len), out.data(), nullptr, EVP_sha256(), nullptr);
  OPENSSL_free(der);
  X509_free(certificate);
  return out;
}

// use_identity puts an identity into a hand-made context.
inline void use_identity(SSL_CTX* context, const TlsIdentity& identity) {
  SSL_CTX_use_certificate_ASN1(context, static_cast<int>(identity.certificate_der.size()),
                               identity.certificate_der.data());
  const unsigned char* at = identity.private_key_der.expose().data();
  EVP_PKEY* key =
      d2i_AutoPrivateKey(nullptr, &at, static_cast<long>(identity.private_key_der.size()));
  SSL_CTX_use_PrivateKey(context, key);
  EVP_PKEY_free(key);
}

// dial opens a plain TCP connection to loopback whose reads give up after ten seconds.
Fd dial(std::uint16_t port);
// listen_on_loopback returns a listening socket and its port.
std::pair<Fd, std::uint16_t> listen_on_loopback();
// send_text sends all of it, or as much as the peer takes before it closes.
void send_text(const Fd& fd, std::string_view text);
// read_until_closed returns everything the peer sends; "(timeout)" stands at the end if it never
// closes.
std::string read_until_closed(const Fd& fd);

// streamed hands the body of a 2xx answer to `sink` as it comes, and returns the answer without it.
Result<HttpResponse> streamed(HttpClient& client, const HttpRequest& request,
                              const std::function<void(ByteView)>& sink);

inline Url local(std::string_view scheme, std::uint16_t port) {
  return {std::string(scheme), "127.0.0.1", port, "/"};
}

}  // namespace ensconce::test
