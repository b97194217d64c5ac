#pragma once

#include <mutex>

#include "ensconce/attester/broker_attester.h"
#include "ensconce/broker_link/pinned_broker.h"
#include "ensconce/crypto/x509.h"
#include "whole.h"

// A broker behind real TLS that shows evidence of its own, as apps/broker joins it.
namespace ensconce::whole {

inline ByteArray<48> broker_measurement() {
  ByteArray<48> out{};
  out.fill(0xbb);
  return out;
}

// ShownBroker writes down what reached it. A test may put another in the attester's place, or
// change what the processor says before it is asked.
class ShownBroker {
 public:
  // Everything is borrowed. `tls` is the key its callers pin.
  ShownBroker(Broker& inside, const EcPrivateKey& tls, const Clock& clock, Random& random,
              const SnpPki& chip = pki())
      : inside_(inside), tls_(tls), clock_(clock), random_(random), processor(chip, clock.now()) {
    processor.report.measurement = broker_measurement();
    attest_as(broker_key().public_key());
    ServerOptions options;
    options.limits.max_body = kMaxBrokerBody;
    options.tls = identity();
    server_ = HttpServer::start(std::move(options), [this](const HttpRequest& request,
                                                           const ConnectionInfo& connection) {
                return answer(request, connection);
              }).value();
  }
  // attest_as makes the evidence of a broker that signs by that key.
  void attest_as(const Ed25519PublicKey& signing_key) {
    attester = BrokerAttester::start({sha384(tls_.public_key().spki_der()),
                                      signing_key,
                                      {owner().public_key()},
                                      Sha256Digest{7},
                                      std::string(kWholeSandbox)},
                                     processor, clock_, random_)
                   .value();
  }
  [[nodiscard]] TlsIdentity identity() const {
    CertificateBuilder builder;
    builder.subject_cn("broker").serial(1).validity(clock_.now(),
                                                    clock_.now() + std::chrono::hours(1));
    return {builder.key(tls_.public_key()).self_sign(tls_).der(), tls_.pkcs8_der()};
  }
  [[nodiscard]] std::uint16_t port() const { return server_->port(); }
  [[nodiscard]] Sha256Digest pin() const { return sha256(tls_.public_key().spki_der()); }

  // asked is the method and path of everything that reached the broker, in order.
  std::vector<std::string> asked() {
    const std::lock_guard lock(mutex_);
    return asked_;
  }
  void forget_what_was_asked() {
    const std::lock_guard lock(mutex_);
    asked_.clear();
  }

 private:
  HttpResponse answer(const HttpRequest& request, const ConnectionInfo& connection) {
    const std::lock_guard lock(mutex_);  // the broker inside writes down what it is asked, too
    const std::string_view path = path_of(request.target);
    asked_.push_back(request.method + " " + std::string(path));
    if (path == kEvidencePath && (instead || attester != nullptr)) {
      return instead ? instead(request, connection) : attester->answer(request, connection);
    }
    WireRequest in{request.method, request.target, {}, request.body};
    for (const HttpHeader& header : request.headers.all()) {
      in.headers[lower_name(header.name)] = header.value;
    }
    WireResponse wire = inside_.exchange(in).value();
    HttpResponse out;
    out.status = wire.status;
    for (auto& [name, value] : wire.headers) {
      out.headers.set(name, std::move(value));
    }
    out.body = std::move(wire.body);
    return out;
  }

  Broker& inside_;
  const EcPrivateKey& tls_;
  const Clock& clock_;
  Random& random_;
  std::mutex mutex_;
  std::vector<std::string> asked_;

 public:
  Processor processor;
  std::unique_ptr<BrokerAttester> attester;  // reset: the broker shows no evidence
  HttpHandler instead;                       // of the attester

 private:
  std::unique_ptr<HttpServer> server_;
};

}  // namespace ensconce::whole
