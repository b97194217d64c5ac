#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ensconce/base/bytes.h"
#include "ensconce/crypto/hash.h"
#include "ensconce/crypto/keys.h"

namespace ensconce {

// WorkerKeys are the public keys a worker made inside its TEE. tls and ohttp list the current one
// first, then the previous one while it overlaps.
struct WorkerKeys {
  std::vector<Sha384Digest> tls;    // SHA-384 of each DER SubjectPublicKeyInfo, 1 or 2
  std::vector<Sha256Digest> ohttp;  // SHA-256 of each OHTTP key configuration, 0 to 2
  Ed25519PublicKey session;
  Bytes release;  // P-256 point, uncompressed, 65 bytes: keys are wrapped to it and to nothing else
  Ed25519PublicKey receipt;
  friend bool operator==(const WorkerKeys&, const WorkerKeys&) = default;
};

// kWholeSandbox is what `sandbox` says where every part holds (docs/protocols/statement.md,
// section 7).
inline constexpr std::string_view kWholeSandbox = "files+network+calls+locked";

// SecurityConfiguration is what a relying party may want to pin of how a worker was set up.
struct SecurityConfiguration {
  std::string padding;                       // "none" in this version
  std::string tenancy;                       // "shared" or "single"
  std::string sandbox;                       // kWholeSandbox, parts of it, or "none"
  std::vector<Ed25519PublicKey> owner_keys;  // whose bundles it opens, 1 to 16
  Ed25519PublicKey broker_key;               // whose beacons and leases it believes
  friend bool operator==(const SecurityConfiguration&, const SecurityConfiguration&) = default;
};

// Statement is what a worker says of itself; hardware evidence carries its hash.
struct Statement {
  Sha384Digest tls_key_hash{};  // of the current TLS key; equals keys.tls[0]
  ByteArray<32> challenge{};    // SHA-256(beacon), or a verifier's own nonce
  ByteArray<16> boot_id{};
  std::uint64_t epoch = 0;
  WorkerKeys keys;
  std::string software;  // "ensconce-worker 0.1.0"
  SecurityConfiguration security;
  Sha256Digest deployment_digest{};
  friend bool operator==(const Statement&, const Statement&) = default;
};

inline constexpr std::size_t kMaxStatement = 16384;

// encode_statement writes the deterministic CBOR claims buffer of docs/protocols/statement.md.
Bytes encode_statement(const Statement& statement);
// parse_statement reads it: exactly three members, exactly the deterministic form.
Result<Statement> parse_statement(ByteView bytes);
// is_of_broker says that a statement is a broker's: the key that signs for it is the one whose
// beacons and leases it believes. A worker names its broker's key as somebody else's
// (docs/protocols/statement.md, section 6).
bool is_of_broker(const Statement& statement);
// report_data_for is SHA-256(statement) ‖ 32 zero bytes: what the hardware signs.
ByteArray<64> report_data_for(ByteView statement);

}  // namespace ensconce
