#pragma once

#include <functional>
#include <vector>

#include "ensconce/attestation/evidence/evidence_item.h"
#include "ensconce/attestation/evidence/statement.h"
#include "ensconce/base/secret.h"
#include "ensconce/keybroker/error.h"
#include "ensconce/keybroker/wire.h"

namespace ensconce {

// AttestFunction asks the secure processor for evidence with this report data.
struct ReleaseEvidence {
  EvidenceItem evidence;
  std::vector<EndorsementItem> endorsements;
};
using AttestFunction = std::function<Result<ReleaseEvidence>(const ByteArray<64>& report_data)>;

// fetch_beacon asks the broker for a beacon for this boot and checks that `broker_key` signed it
// and that it names this boot. Returns the COSE_Sign1 as it came (docs/protocols/key-release.md).
Result<Bytes> fetch_beacon(BrokerConnection& broker, const Ed25519PublicKey& broker_key,
                           const ByteArray<16>& boot_id);

// ReleaseRequest is one worker asking for one content key.
struct ReleaseRequest {
  std::string key_id;                // of the bundle header, lower-case hex
  Sha256Digest manifest_digest{};    // the bundle the lease will name
  std::uint64_t bundle_version = 0;  // said, for the log; the lease names the broker's minimum
  Bytes statement;                   // the worker's current statement
  const EcPrivateKey& release_key;   // its public half stands in the statement
  Ed25519PublicKey broker_key;
};

struct Grant {
  SecretBytes key;  // 32 bytes; empty when only the lease was asked for
  Bytes lease;      // COSE_Sign1 of the broker, signature checked, session and manifest checked
};

// obtain_key runs RCAR: auth, attest, resource. renew_lease runs it again for the lease alone.
Result<Grant> obtain_key(BrokerConnection& broker, const ReleaseRequest& request,
                         const AttestFunction& attest);
Result<Grant> renew_lease(BrokerConnection& broker, const ReleaseRequest& request,
                          const AttestFunction& attest);

// broker_error reads an answer that is not 200: the broker's own code, with the id it gave as the
// detail; kUnavailable where it gave none.
Error broker_error(const WireResponse& response);

}  // namespace ensconce
