#include "worker_certificate.h"

#include "ensconce/attestation/evidence/ra_tls.h"
#include "ensconce/crypto/x509.h"

namespace ensconce {

namespace {

constexpr Millis kLife = std::chrono::hours(24);

}  // namespace

Bytes make_worker_certificate(const EcPrivateKey& key, const Clock& clock,
                              const EvidenceItem& evidence, ByteView statement) {
  CertificateBuilder builder;
  // Nobody looks at these dates: the key is what the evidence vouches for.
  builder.subject_cn("ensconce-worker")
      .serial(1)
      .validity(clock.now() - std::chrono::hours(1), clock.now() + kLife)
      .key(key.public_key());
  // Not critical, although DICE asks for it: TLS libraries refuse what is critical and unknown.
  if (auto value = ra_tls_extension_of(evidence, statement)) {
    builder.extension(std::string(kTaggedEvidenceOid), *std::move(value));
  }
  return builder.self_sign(key).der();
}

}  // namespace ensconce
