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

// PolicyRole says who judges: a client before it sends an input, a broker before it releases a key,
// or one worker or broker that meets another (a client's policy without models).
enum class PolicyRole : std::uint8_t { kClient, kBroker, kPeer };
std::string_view name_of(PolicyRole role);  // "client", "broker", "peer"

// Coverage says what the measurement reaches. Firmware alone never reaches the worker's code: such
// a policy yields a warning at best.
enum class MeasurementCoverage : std::uint8_t {
  kProcess,
  kFirmware,
  kKernelInitrdCmdline,
  kEnclave
};
// Presence is a rule for what may come with evidence: revocation lists, event logs. What is there
// is always judged.
enum class Presence : std::uint8_t { kRequired, kIfPresent };

struct AnchorPolicy {
  bool accept_vendor = false;
  std::vector<TrustAnchor> listed;  // simulated and private roots, by key
};

struct SnpPolicy {
  Constraint<std::uint64_t> report_version;
  Constraint<Bytes> measurement;
  MeasurementCoverage measurement_covers = MeasurementCoverage::kFirmware;
  Constraint<std::uint64_t> guest_policy;  // all 64 bits; the next three single one out
  Constraint<bool> debug;
  Constraint<bool> migration_agent;
  Constraint<bool> smt;
  Constraint<std::uint64_t> vmpl;
  Constraint<std::uint64_t> guest_svn;
  Constraint<Bytes> family_id;
  Constraint<Bytes> image_id;
  Constraint<std::string> signing_key;  // "vcek", "vlek"
  Constraint<std::string> product;      // "Milan", "Genoa", "Turin"
  Constraint<Bytes> host_data;
  Constraint<Bytes> id_key_digest;
  Constraint<Bytes> author_key_digest;
  Constraint<Bytes> chip_id;
  Constraint<TcbVersion> minimum_tcb;  // Unconstrained or AtLeast
  Constraint<std::uint64_t> platform_info;
  Presence crl = Presence::kRequired;
};

// Svn16 is sixteen security version numbers, compared one by one and never as one number.
using Svn16 = ByteArray<16>;
// NoneBut asks that each value is one of these; there may be none at all.
struct NoneBut {
  std::vector<std::string> values;
};
using AdvisoriesConstraint = std::variant<Unconstrained, NoneBut>;

// IntelPlatformPolicy is what [tdx] and [sgx] both say of the platform below.
struct IntelPlatformPolicy {
  Constraint<std::string> tcb_status;  // Exactly or OneOf; never "Revoked"
  AdvisoriesConstraint advisories;
  Constraint<std::uint64_t> evaluation_data_number;
  Constraint<Millis> collateral_age;  // Unconstrained or AtMost
  Constraint<std::string> pck_ca;     // "platform", "processor"
  Constraint<Bytes> fmspc;
  Constraint<Bytes> platform_id;  // PPID
  Presence crl = Presence::kRequired;
};

struct TdxPolicy {
  Constraint<std::uint64_t> quote_version;
  Constraint<Bytes> measurement;  // MRTD
  MeasurementCoverage measurement_covers = MeasurementCoverage::kFirmware;
  Constraint<Bytes> rtmr[4];
  Constraint<bool> debug;
  Constraint<bool> migratable;
  Constraint<bool> sept_ve_disable;
  Constraint<bool> perfmon;
  Constraint<Bytes> xfam;
  Constraint<Bytes> mr_seam;
  Constraint<Bytes> mr_config_id;
  Constraint<Bytes> mr_owner;
  Constraint<Bytes> mr_owner_config;
  Constraint<Bytes> mr_service_td;    // TDX 1.5; zero in older reports
  Constraint<Svn16> minimum_tcb_svn;  // TEE_TCB_SVN; Unconstrained or AtLeast
  Presence event_log = Presence::kIfPresent;
  IntelPlatformPolicy platform;
};

struct SgxPolicy {
  Constraint<std::uint64_t> quote_version;
  Constraint<Bytes> measurement;  // MRENCLAVE
  MeasurementCoverage measurement_covers = MeasurementCoverage::kEnclave;
  Constraint<Bytes> mr_signer;
  Constraint<std::uint64_t> isv_prod_id;
  Constraint<std::uint64_t> isv_svn;
  Constraint<bool> debug;
  Constraint<Bytes> config_id;
  Constraint<std::uint64_t> config_svn;
  Constraint<Bytes> isv_ext_prod_id;
  Constraint<Bytes> isv_family_id;
  IntelPlatformPolicy platform;
};

// PcrPolicy is what one PCR of the SHA-256 bank may be.
struct PcrPolicy {
  std::size_t index = 0;
  Constraint<Bytes> value;  // Exactly or OneOf
};
using PcrsConstraint = std::variant<Unconstrained, std::vector<PcrPolicy>>;

// AzurePolicy is what an Azure guest must satisfy beside [snp] or [tdx].
struct AzurePolicy {
  PcrsConstraint pcrs;
  MeasurementCoverage pcrs_cover = MeasurementCoverage::kFirmware;
  Constraint<bool> secure_boot;
  Constraint<bool> console;
  Constraint<std::string> vm_unique_id;
  Presence event_log = Presence::kIfPresent;
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
  // At least one of these three: evidence of another kind is refused.
  std::optional<SnpPolicy> snp;
  std::optional<TdxPolicy> tdx;
  std::optional<SgxPolicy> sgx;
  std::optional<AzurePolicy> azure;  // beside [snp] or [tdx]; without it Azure's is refused
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
