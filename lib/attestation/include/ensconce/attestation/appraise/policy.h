#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "ensconce/attestation/verify/trust_anchor.h"
#include "ensconce/base/clock.h"
#include "ensconce/crypto/keys.h"

namespace ensconce {

// PolicyError says why an appraisal policy was not loaded (Stage::kUsage: the reader's own file).
enum class PolicyError : std::uint8_t {
  kSyntax,        // not TOML, or a duplicate key
  kFormat,        // another format or role
  kMissingField,  // a field is never silently skipped
  kUnknownField,
  kBadValue,
};
CodeInfo error_info(PolicyError code);

// Constraint is what a policy says of one field. There is no "absent": a field that does not matter
// is unconstrained, with a reason.
template <typename T>
struct Exactly {
  T value;
};
template <typename T>
struct OneOf {
  std::vector<T> values;  // at least one
};
template <typename T>
struct AtLeast {
  T value;
};
template <typename T>
struct AtMost {
  T value;
};
struct Unconstrained {
  std::string why;  // never empty
};
template <typename T>
using Constraint = std::variant<Unconstrained, Exactly<T>, OneOf<T>, AtLeast<T>, AtMost<T>>;

enum class PolicyRole : std::uint8_t { kClient, kBroker };

// Coverage says what the measurement reaches. Firmware alone never reaches the worker's code: such
// a policy yields a warning at best.
enum class MeasurementCoverage : std::uint8_t { kProcess, kFirmware, kKernelInitrdCmdline };
enum class CrlRule : std::uint8_t { kRequired, kIfPresent };

struct AnchorPolicy {
  bool accept_vendor = false;
  std::vector<TrustAnchor> listed;  // simulated and private roots, by key
};

struct SnpPolicy {
  Constraint<std::uint64_t> report_version;
  Constraint<Bytes> measurement;
  MeasurementCoverage measurement_covers = MeasurementCoverage::kFirmware;
  Constraint<bool> debug;
  Constraint<bool> migration_agent;
  Constraint<bool> smt;
  Constraint<std::uint64_t> vmpl;
  Constraint<std::string> signing_key;  // "vcek", "vlek"
  Constraint<std::string> product;      // "Milan", "Genoa", "Turin"
  Constraint<Bytes> host_data;
  Constraint<Bytes> id_key_digest;
  Constraint<Bytes> author_key_digest;
  Constraint<Bytes> chip_id;
  Constraint<TcbVersion> minimum_tcb;  // Unconstrained or AtLeast
  Constraint<std::uint64_t> platform_info;
  CrlRule crl = CrlRule::kRequired;
};

// SubsetOf asks that each accepted owner key is one of these.
struct SubsetOf {
  std::vector<Ed25519PublicKey> keys;  // at least one
};
using OwnerKeysConstraint =
    std::variant<Unconstrained, Exactly<std::vector<Ed25519PublicKey>>, SubsetOf>;

struct SecurityPolicy {
  Constraint<std::string> padding;
  Constraint<std::string> tenancy;
  Constraint<std::string> sandbox;
  Constraint<std::string> software;
  OwnerKeysConstraint owner_keys;  // exactly = [...] as a set; one_of = [...] is SubsetOf
  Constraint<Bytes> broker_key;
};

// HardwareFreshness asks for evidence made for this verifier's own nonce; BeaconFreshness for a
// beacon by one of these brokers, no older than that by this verifier's clock.
struct HardwareFreshness {};
struct BeaconFreshness {
  Millis at_most{};
  std::vector<Ed25519PublicKey> broker_keys;  // at least one
};
using FreshnessPolicy = std::variant<HardwareFreshness, BeaconFreshness>;

// ModelPolicy names a model a client will use, whose it must be, and from which version on.
struct ModelPolicy {
  std::string name;
  std::vector<Ed25519PublicKey> owner_keys;  // at least one; any of them
  std::uint64_t minimum_version = 0;
};

// PolicyFields is what a policy file says, field by field (docs/policy.md).
struct PolicyFields {
  PolicyRole role = PolicyRole::kClient;
  AnchorPolicy anchors;
  SnpPolicy snp;
  SecurityPolicy security;
  std::optional<FreshnessPolicy> freshness;  // client
  std::vector<ModelPolicy> models;           // client
};

// AppraisalPolicy is an appraisal policy for evidence, complete and immutable.
class AppraisalPolicy {
 public:
  // parse reads "ensconce-policy/1" (TOML). A field that is missing or not known fails, by name and
  // with a line that would mend it.
  static Result<AppraisalPolicy> parse(std::string_view toml, std::string_view source_name);

  [[nodiscard]] const PolicyFields& fields() const { return fields_; }
  [[nodiscard]] PolicyRole role() const { return fields_.role; }
  // anchors are the roots a verifier for this policy is built with.
  [[nodiscard]] std::vector<TrustAnchor> anchors() const;
  // freshness is never absent in a client's policy; in a broker's it is the RCAR nonce, always.
  [[nodiscard]] const std::optional<FreshnessPolicy>& freshness() const {
    return fields_.freshness;
  }
  // model returns what the policy says of a model, or nullptr when it does not name it.
  [[nodiscard]] const ModelPolicy* model(std::string_view name) const;
  // sha256 identifies the text this was read from, for logs and receipts.
  [[nodiscard]] const Sha256Digest& sha256() const { return sha256_; }

 private:
  AppraisalPolicy(PolicyFields fields, Sha256Digest digest)
      : fields_(std::move(fields)), sha256_(digest) {}
  PolicyFields fields_;
  Sha256Digest sha256_;
};

}  // namespace ensconce
