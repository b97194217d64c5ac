#pragma once

#include <openssl/ssl.h>

#include <cstdint>
#include <memory>

#include "ensconce/net/http.h"
#include "ensconce/net/tls_identity.h"

namespace ensconce::tls {

struct Deleter {
  void operator()(SSL_CTX* p) const { SSL_CTX_free(p); }
  void operator()(SSL* p) const { SSL_free(p); }
  void operator()(X509* p) const { X509_free(p); }
  void operator()(EVP_PKEY* p) const { EVP_PKEY_free(p); }
  void operator()(BIO_METHOD* p) const { BIO_meth_free(p); }
};
using ContextPtr = std::unique_ptr<SSL_CTX, Deleter>;
using SessionPtr = std::unique_ptr<SSL, Deleter>;

// start_without_configuration starts OpenSSL before anything reads openssl.cnf: that file is not
// measured, and it can replace providers and algorithms.
void start_without_configuration();

// make_server_context and make_client_context hold every rule we have for TLS. With kAsked a
// client's certificate is asked for; its key is proved and nothing else of it is judged.
enum class ClientCertificate : std::uint8_t { kNotAsked, kAsked };
Result<ContextPtr> make_server_context(const TlsIdentity& identity, ClientCertificate asked);
Result<ContextPtr> make_client_context();
// show_identity gives one client session what to show (kTlsIdentity).
Result<void> show_identity(SSL* ssl, const TlsIdentity& identity);

// make_server_session returns a session on a socket it borrows, which must outlive it. Its calls
// never block and never raise SIGPIPE. Null when memory is short.
SessionPtr make_server_session(SSL_CTX* context, int fd);

// check_established refuses a finished handshake that is not TLS 1.3 (kTlsVersion) or that resumed
// an earlier session (kTlsResumed).
Result<void> check_established(const SSL* ssl);
// check_pin compares the peer's SubjectPublicKeyInfo with its SHA-256 (kTlsPin).
Result<void> check_pin(const SSL* ssl, const ByteArray<32>& spki_sha256);
// ticket_received says whether the peer sent a NewSessionTicket on a client connection.
bool ticket_received(const SSL* ssl);

// channel_binding returns the exporter of RFC 9266.
Result<ByteArray<32>> channel_binding(SSL* ssl);
Bytes peer_certificate(const SSL* ssl);

// handshake_error empties this thread's OpenSSL error queue into one error: kTlsVersion when the
// two sides have no version in common, else kTlsHandshake.
Error handshake_error();

}  // namespace ensconce::tls
