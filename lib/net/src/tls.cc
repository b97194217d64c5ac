#include "tls.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/sha.h>
#include <openssl/x509.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdint>
#include <string>

namespace ensconce::tls {
namespace {

constexpr const char* kCipherSuites =
    "TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256";
// OpenSSL reads this through a char*.
constexpr const char* kGroups = "X25519:P-256:P-384";
constexpr std::size_t kReadBuffer = std::size_t{64} * 1024;  // several records a system call
constexpr long kMaxPeerChain = 64L * 1024;                   // of certificates, in bytes
constexpr std::string_view kOtherKey = "the private key is not the certificate's";
constexpr std::string_view kExporterLabel = "EXPORTER-Channel-Binding";

struct Pkcs8Deleter {
  void operator()(PKCS8_PRIV_KEY_INFO* p) const { PKCS8_PRIV_KEY_INFO_free(p); }
};

// OpenSSL's own socket BIO writes with write(2), which raises SIGPIPE.
int socket_of(BIO* bio) {
  return static_cast<int>(reinterpret_cast<std::intptr_t>(BIO_get_data(bio)));
}

int socket_read(BIO* bio, char* out, int len) {
  BIO_clear_retry_flags(bio);
  const ssize_t n = ::recv(socket_of(bio), out, static_cast<std::size_t>(len), MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
    BIO_set_retry_read(bio);
  }
  return static_cast<int>(n);
}

int socket_write(BIO* bio, const char* data, int len) {
  BIO_clear_retry_flags(bio);
  const ssize_t n =
      ::send(socket_of(bio), data, static_cast<std::size_t>(len), MSG_DONTWAIT | MSG_NOSIGNAL);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
    BIO_set_retry_write(bio);
  }
  return static_cast<int>(n);
}

long socket_ctrl(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

int ticket_flag_index() {
  static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

// The session callback is only called for sessions the cache would take; messages are seen always.
void note_ticket(int write, int, int content_type, const void* data, std::size_t len, SSL* ssl,
                 void*) {
  if (write == 0 && content_type == SSL3_RT_HANDSHAKE && len > 0 &&
      *static_cast<const unsigned char*>(data) == SSL3_MT_NEWSESSION_TICKET) {
    SSL_set_ex_data(ssl, ticket_flag_index(), ssl);
  }
}

Error identity_error(std::string_view what) {
  ERR_clear_error();
  return Error(NetError::kTlsIdentity, std::string(what));
}

Result<ContextPtr> make_context(const SSL_METHOD* method) {
  start_without_configuration();
  ContextPtr context(SSL_CTX_new(method));
  SSL_CTX* ctx = context.get();
  if (ctx == nullptr || SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) != 1 ||
      SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION) != 1 ||
      SSL_CTX_set_ciphersuites(ctx, kCipherSuites) != 1 ||
      SSL_CTX_set1_groups_list(ctx, const_cast<char*>(kGroups)) != 1) {
    return handshake_error().with_context("TLS context");
  }
  // A session that can be resumed would outlive the evidence it was opened under.
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
                               SSL_OP_CLEANSE_PLAINTEXT | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_max_cert_list(ctx, kMaxPeerChain);
  SSL_CTX_set_read_ahead(ctx, 1);
  SSL_CTX_set_default_read_buffer_len(ctx, kReadBuffer);
  SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  return context;
}

struct Identity {
  std::unique_ptr<X509, Deleter> certificate;
  std::unique_ptr<EVP_PKEY, Deleter> key;
};

Result<Identity> read_identity(const TlsIdentity& identity) {
  Identity out;
  const unsigned char* at = identity.certificate_der.data();
  const unsigned char* const certificate_end = at + identity.certificate_der.size();
  out.certificate.reset(d2i_X509(nullptr, &at, static_cast<long>(identity.certificate_der.size())));
  if (!out.certificate || at != certificate_end) {
    return identity_error("the certificate is not one DER certificate");
  }
  const ByteView key_der = identity.private_key_der.expose();
  at = key_der.data();
  const std::unique_ptr<PKCS8_PRIV_KEY_INFO, Pkcs8Deleter> info(
      d2i_PKCS8_PRIV_KEY_INFO(nullptr, &at, static_cast<long>(key_der.size())));
  out.key.reset(info ? EVP_PKCS82PKEY(info.get()) : nullptr);
  if (!out.key || at != key_der.data() + key_der.size()) {
    return identity_error("the private key is not one PKCS#8 key");
  }
  return out;
}

}  // namespace

void start_without_configuration() { OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG, nullptr); }

Result<ContextPtr> make_server_context(const TlsIdentity& identity, ClientCertificate asked) {
  ENSC_TRY_ASSIGN(ContextPtr context, make_context(TLS_server_method()));
  SSL_CTX* ctx = context.get();
  // A client that asks nothing costs no buffer.
  SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
  if (SSL_CTX_set_num_tickets(ctx, 0) != 1 || SSL_CTX_set_max_early_data(ctx, 0) != 1) {
    return handshake_error().with_context("TLS context");
  }
  ENSC_TRY_ASSIGN(const Identity ours, read_identity(identity));
  if (SSL_CTX_use_certificate(ctx, ours.certificate.get()) != 1 ||
      SSL_CTX_use_PrivateKey(ctx, ours.key.get()) != 1 || SSL_CTX_check_private_key(ctx) != 1) {
    return identity_error(kOtherKey);
  }
  if (asked == ClientCertificate::kAsked) {
    // The chain says nothing here either; the handshake itself holds the client's signature against
    // the certificate's key.
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, nullptr);
    SSL_CTX_set_cert_verify_callback(
        ctx, [](X509_STORE_CTX*, void*) { return 1; }, nullptr);
  }
  return context;
}

Result<void> show_identity(SSL* ssl, const TlsIdentity& identity) {
  ENSC_TRY_ASSIGN(const Identity ours, read_identity(identity));
  if (SSL_use_certificate(ssl, ours.certificate.get()) != 1 ||
      SSL_use_PrivateKey(ssl, ours.key.get()) != 1 || SSL_check_private_key(ssl) != 1) {
    return identity_error(kOtherKey);
  }
  return ok();
}

Result<ContextPtr> make_client_context() {
  ENSC_TRY_ASSIGN(ContextPtr context, make_context(TLS_client_method()));
  SSL_CTX* ctx = context.get();
  // The chain says nothing here: the caller judges the key by evidence or by a pin.
  SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, nullptr);
  SSL_CTX_set_msg_callback(ctx, note_ticket);
  return context;
}

SessionPtr make_server_session(SSL_CTX* context, int fd) {
  static const std::unique_ptr<BIO_METHOD, Deleter> method = [] {
    std::unique_ptr<BIO_METHOD, Deleter> made(
        BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "ensconce server socket"));
    BIO_meth_set_read(made.get(), socket_read);
    BIO_meth_set_write(made.get(), socket_write);
    BIO_meth_set_ctrl(made.get(), socket_ctrl);
    return made;
  }();
  SessionPtr ssl(SSL_new(context));
  BIO* bio = ssl ? BIO_new(method.get()) : nullptr;
  if (bio == nullptr) {
    return nullptr;
  }
  BIO_set_data(bio, reinterpret_cast<void*>(static_cast<std::intptr_t>(fd)));
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl.get(), bio, bio);
  return ssl;
}

Result<void> check_established(const SSL* ssl) {
  if (SSL_version(ssl) != TLS1_3_VERSION) {
    return Error(NetError::kTlsVersion, "the session is not TLS 1.3");
  }
  if (SSL_session_reused(ssl) != 0) {
    return Error(NetError::kTlsResumed, "the session was resumed");
  }
  return ok();
}

Result<void> check_pin(const SSL* ssl, const ByteArray<32>& spki_sha256) {
  const X509* certificate = SSL_get0_peer_certificate(ssl);
  unsigned char* der = nullptr;
  const int len =
      certificate == nullptr ? -1 : i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
  if (len <= 0) {
    ERR_clear_error();
    return Error(NetError::kTlsPin, "the server showed no key");
  }
  ByteArray<32> digest{};
  SHA256(der, static_cast<std::size_t>(len), digest.data());
  OPENSSL_free(der);
  if (digest != spki_sha256) {
    return Error(NetError::kTlsPin, "the server's key is SHA-256 " + to_hex(digest) +
                                        ", pinned is " + to_hex(spki_sha256));
  }
  return ok();
}

bool ticket_received(const SSL* ssl) {
  return SSL_get_ex_data(ssl, ticket_flag_index()) != nullptr;
}

Result<ByteArray<32>> channel_binding(SSL* ssl) {
  ByteArray<32> out{};
  if (SSL_export_keying_material(ssl, out.data(), out.size(), kExporterLabel.data(),
                                 kExporterLabel.size(), nullptr, 0, 0) != 1) {
    ERR_clear_error();
    return Error(NetError::kTlsHandshake, "the session gives no keying material");
  }
  return out;
}

Bytes peer_certificate(const SSL* ssl) {
  const X509* certificate = SSL_get0_peer_certificate(ssl);
  unsigned char* der = nullptr;
  const int len = certificate == nullptr ? 0 : i2d_X509(certificate, &der);
  if (len <= 0) {
    ERR_clear_error();
    return {};
  }
  Bytes out(der, der + len);
  OPENSSL_free(der);
  return out;
}

Error handshake_error() {
  NetError code = NetError::kTlsHandshake;
  std::string detail;
  while (const unsigned long error = ERR_get_error()) {
    if (ERR_GET_LIB(error) == ERR_LIB_SSL) {
      switch (ERR_GET_REASON(error)) {
        case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
        case SSL_R_UNSUPPORTED_PROTOCOL:
        case SSL_R_WRONG_SSL_VERSION:
        case SSL_R_BAD_PROTOCOL_VERSION_NUMBER:
        case SSL_R_NO_PROTOCOLS_AVAILABLE:
          code = NetError::kTlsVersion;
          break;
        default:
          break;
      }
    }
    if (detail.empty()) {
      const char* reason = ERR_reason_error_string(error);
      detail = reason == nullptr ? "no reason given" : reason;
    }
  }
  return Error(code, detail.empty() ? "TLS failed" : detail);
}

}  // namespace ensconce::tls
