#include <gtest/gtest.h>
#include <openssl/core_names.h>
#include <openssl/param_build.h>
#include <openssl/x509v3.h>

#include <atomic>
#include <mutex>

#include "ensconce/net/client.h"
#include "ensconce/net/server.h"
#include "tls_fixture.h"

namespace ensconce {
namespace {

using test::dial;
using test::local;

using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;

TlsIdentity copy_of(const TlsIdentity& identity) {
  return {identity.certificate_der, SecretBytes::copy_of(identity.private_key_der.expose())};
}

Key key_of(const TlsIdentity& identity) {
  const unsigned char* at = identity.private_key_der.expose().data();
  return {d2i_AutoPrivateKey(nullptr, &at, static_cast<long>(identity.private_key_der.size())),
          EVP_PKEY_free};
}

// Seen keeps what a server's handler was told of its peers.
struct Seen {
  HttpHandler handler() {
    return [this](const HttpRequest&, const ConnectionInfo& info) {
      const std::lock_guard lock(mutex);
      certificates.push_back(info.peer_certificate_der);
      return HttpResponse{};
    };
  }
  std::mutex mutex;
  std::vector<Bytes> certificates;
};

std::unique_ptr<HttpServer> serve(bool ask, Seen& seen) {
  ServerOptions options;
  options.tls = test::make_identity();
  options.ask_client_certificate = ask;
  return HttpServer::start(std::move(options), seen.handler()).value();
}

HttpRequest get() { return {"GET", "/", {}, {}}; }

TEST(ClientCertificate, IsWhatTheClientShowedIfItWasAsked) {
  for (const bool ask : {false, true}) {
    for (const bool show : {false, true}) {
      Seen seen;
      const auto server = serve(ask, seen);
      const TlsIdentity identity = test::make_identity();
      ClientOptions options;
      if (show) {
        options.identity = copy_of(identity);
      }
      auto client = HttpClient::connect(local("https", server->port()), options).value();
      for (int i = 0; i < 2; ++i) {
        const auto response = client->request(get());
        ASSERT_TRUE(response.has_value()) << response.error().to_string();
      }
      const Bytes expected = ask && show ? identity.certificate_der : Bytes();
      EXPECT_EQ(seen.certificates, (std::vector<Bytes>{expected, expected}));
    }
  }
}

TEST(ClientCertificate, IsAskedForAlsoUnderANewIdentity) {
  Seen seen;
  const auto server = serve(true, seen);
  ASSERT_TRUE(server->set_identity(test::make_identity()).has_value());
  ClientOptions options;
  options.identity = test::make_identity();
  auto client = HttpClient::connect(local("https", server->port()), options).value();
  ASSERT_TRUE(client->request(get()).has_value());
  EXPECT_EQ(seen.certificates.at(0), options.identity->certificate_der);
}

TEST(ClientCertificate, ThatDoesNotFitIsNotUsed) {
  Seen seen;
  const auto server = serve(true, seen);
  TlsIdentity mixed = test::make_identity();
  mixed.private_key_der = SecretBytes::copy_of(test::make_identity().private_key_der.expose());
  TlsIdentity trailing = test::make_identity();
  trailing.certificate_der.push_back(0);
  for (TlsIdentity* bad : {&mixed, &trailing}) {
    ClientOptions options;
    options.identity = std::move(*bad);
    const auto client = HttpClient::connect(local("https", server->port()), options);
    ASSERT_FALSE(client.has_value());
    EXPECT_TRUE(client.error().is(NetError::kTlsIdentity)) << client.error().to_string();
  }
  ClientOptions options;
  options.identity = test::make_identity();
  EXPECT_TRUE(HttpClient::connect(local("http", server->port()), options)
                  .error()
                  .is(NetError::kTlsIdentity));
}

// imposter_key has the public half of one key and the private half of another, so that OpenSSL
// takes it for the first one's and signs with the second's.
Key imposter_key(const TlsIdentity& victim, const TlsIdentity& own) {
  const Key shown = key_of(victim);
  const Key used = key_of(own);
  unsigned char* point = nullptr;
  const std::size_t len = EVP_PKEY_get1_encoded_public_key(shown.get(), &point);
  BIGNUM* scalar = nullptr;
  EVP_PKEY_get_bn_param(used.get(), OSSL_PKEY_PARAM_PRIV_KEY, &scalar);
  OSSL_PARAM_BLD* builder = OSSL_PARAM_BLD_new();
  OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, "P-256", 0);
  OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, point, len);
  OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_PRIV_KEY, scalar);
  OSSL_PARAM* params = OSSL_PARAM_BLD_to_param(builder);
  EVP_PKEY_CTX* context = EVP_PKEY_CTX_new_from_name(nullptr, "EC", nullptr);
  EVP_PKEY* out = nullptr;
  EVP_PKEY_fromdata_init(context);
  EVP_PKEY_fromdata(context, &out, EVP_PKEY_KEYPAIR, params);
  EVP_PKEY_CTX_free(context);
  OSSL_PARAM_free(params);
  OSSL_PARAM_BLD_free(builder);
  BN_clear_free(scalar);
  OPENSSL_free(point);
  return {out, EVP_PKEY_free};
}

// long_certificate returns a certificate for that key with `len` bytes of comment in it.
Bytes long_certificate(EVP_PKEY* key, std::size_t len) {
  X509* certificate = X509_new();
  X509_set_version(certificate, X509_VERSION_3);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
  X509_set_pubkey(certificate, key);
  const std::string comment(len, 'c');
  X509_EXTENSION* extension =
      X509V3_EXT_conf_nid(nullptr, nullptr, NID_netscape_comment, comment.c_str());
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
  X509_sign(certificate, key, EVP_sha256());
  unsigned char* der = nullptr;
  const int der_len = i2d_X509(certificate, &der);
  Bytes out(der, der + der_len);
  OPENSSL_free(der);
  X509_free(certificate);
  return out;
}

// answer_with asks over TLS as a client made with OpenSSL alone, which shows that certificate and
// signs with that key. Empty where the server ended the connection instead.
std::string answer_with(std::uint16_t port, const Bytes& certificate, EVP_PKEY* key) {
  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  EXPECT_EQ(SSL_CTX_use_certificate_ASN1(context, static_cast<int>(certificate.size()),
                                         certificate.data()),
            1);
  EXPECT_EQ(SSL_CTX_use_PrivateKey(context, key), 1);
  SSL* ssl = SSL_new(context);
  const Fd fd = dial(port);
  SSL_set_fd(ssl, fd.get());
  std::string out;
  if (SSL_connect(ssl) == 1) {
    const std::string request = "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    SSL_write(ssl, request.data(), static_cast<int>(request.size()));
    char block[4096];
    for (int n = 0; (n = SSL_read(ssl, block, sizeof(block))) > 0;) {
      out.append(block, static_cast<std::size_t>(n));
    }
  }
  SSL_free(ssl);
  SSL_CTX_free(context);
  ERR_clear_error();
  return out;
}

TEST(ClientCertificate, WhoseKeyTheClientDoesNotHaveEndsTheHandshake) {
  Seen seen;
  const auto server = serve(true, seen);
  const TlsIdentity victim = test::make_identity();
  const Key imposter = imposter_key(victim, test::make_identity());
  ASSERT_TRUE(imposter);
  EXPECT_EQ(answer_with(server->port(), victim.certificate_der, imposter.get()), "");
  EXPECT_TRUE(seen.certificates.empty());
  const Key own = key_of(victim);
  EXPECT_TRUE(
      answer_with(server->port(), victim.certificate_der, own.get()).starts_with("HTTP/1.1 200"));
  EXPECT_EQ(seen.certificates, std::vector<Bytes>{victim.certificate_der});
}

TEST(ClientCertificate, OfMoreThanItsLimitEndsTheHandshake) {
  Seen seen;
  const auto server = serve(true, seen);
  const Key key = key_of(test::make_identity());
  EXPECT_TRUE(answer_with(server->port(), long_certificate(key.get(), 60'000), key.get())
                  .starts_with("HTTP/1.1 200"));
  EXPECT_EQ(answer_with(server->port(), long_certificate(key.get(), 70'000), key.get()), "");
  EXPECT_EQ(seen.certificates.size(), 1U);
}

}  // namespace
}  // namespace ensconce
