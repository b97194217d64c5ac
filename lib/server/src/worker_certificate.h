#pragma once

#include "ensconce/attestation/evidence/evidence_item.h"
#include "ensconce/base/clock.h"
#include "ensconce/crypto/keys.h"

namespace ensconce {

// make_worker_certificate makes a self-signed certificate (DER) of the worker's TLS key that
// carries the evidence and the statement it is about, for the verifiers of others
// (docs/protocols/ra-tls-certificate.md). It carries none where there is no form for it. Our own
// clients read the key of a certificate alone.
Bytes make_worker_certificate(const EcPrivateKey& key, const Clock& clock,
                              const EvidenceItem& evidence, ByteView statement);

}  // namespace ensconce
