#include "ensconce/channel/served_list.h"

#include <algorithm>

#include "ensconce/crypto/cose.h"

namespace ensconce {

namespace {

constexpr std::string_view kContext = "ensconce-served/1";
constexpr std::size_t kMaxModels = 256;

Result<ServedModel> read_model(const cbor::Value& value) {
  ENSC_TRY_ASSIGN(cbor::Fields fields, cbor::Fields::of(value, "model"));
  ServedModel out;
  ENSC_TRY_ASSIGN(const cbor::Value* name, fields.take("name"));
  ENSC_TRY_ASSIGN(out.name, name->as_text("name"));
  ENSC_TRY_ASSIGN(const cbor::Value* version, fields.take("version"));
  ENSC_TRY_ASSIGN(out.version, version->as_uint("version"));
  ENSC_TRY_ASSIGN(const cbor::Value* manifest, fields.take("manifest"));
  ENSC_TRY_ASSIGN(out.manifest_digest, manifest->as_fixed<32>("manifest"));
  ENSC_TRY_ASSIGN(const cbor::Value* owner, fields.take("owner"));
  ENSC_TRY_ASSIGN(out.owner.bytes, owner->as_fixed<32>("owner"));
  ENSC_TRY_ASSIGN(const cbor::Value* lease, fields.take("lease"));
  ENSC_TRY_ASSIGN(out.lease, lease->as_bytes("lease"));
  ENSC_TRY(fields.finish());
  return out;
}

Result<ServedList> read_list(ByteView payload) {
  ENSC_TRY_ASSIGN(const cbor::Value root, cbor::decode(payload));
  ENSC_TRY_ASSIGN(cbor::Fields fields, cbor::Fields::of(root, "served list"));
  ServedList out;
  ENSC_TRY_ASSIGN(const cbor::Value* statement, fields.take("statement"));
  ENSC_TRY_ASSIGN(out.statement_digest, statement->as_fixed<32>("statement"));
  ENSC_TRY_ASSIGN(const cbor::Value* sequence, fields.take("sequence"));
  ENSC_TRY_ASSIGN(out.sequence, sequence->as_uint("sequence"));
  ENSC_TRY_ASSIGN(const cbor::Value* models, fields.take("models"));
  ENSC_TRY_ASSIGN(const cbor::Array* array, models->as_array("models"));
  ENSC_TRY(fields.finish());
  if (array->size() > kMaxModels) {
    return Error(ChannelError::kBadServedList, "more than 256 models");
  }
  for (const cbor::Value& value : *array) {
    ENSC_TRY_ASSIGN(ServedModel model, read_model(value));
    const bool again = std::any_of(out.models.begin(), out.models.end(),
                                   [&](const ServedModel& m) { return m.name == model.name; });
    if (again) {
      return Error(ChannelError::kBadServedList, "the model " + model.name + " is listed twice");
    }
    out.models.push_back(std::move(model));
  }
  return out;
}

}  // namespace

Bytes sign_served_list(const Ed25519PrivateKey& session_key, const ServedList& list) {
  cbor::Array models;
  for (const ServedModel& m : list.models) {
    models.emplace_back(cbor::Map{{"name", m.name},
                                  {"version", m.version},
                                  {"manifest", m.manifest_digest},
                                  {"owner", m.owner.bytes},
                                  {"lease", m.lease}});
  }
  return cose_sign1(session_key, kContext,
                    cbor::encode(cbor::Map{{"statement", list.statement_digest},
                                           {"sequence", list.sequence},
                                           {"models", std::move(models)}}));
}

Result<ServedList> verify_served_list(const Ed25519PublicKey& session_key,
                                      const Sha256Digest& statement_digest, ByteView message) {
  const Result<Bytes> payload = cose_verify1(session_key, kContext, message);
  if (!payload) {
    if (payload.error().is(CryptoError::kBadSignature)) {
      return Error(ChannelError::kServedSignature,
                   "the served list is not signed by the session key of the statement");
    }
    return Error(ChannelError::kBadServedList, payload.error().to_string());
  }
  Result<ServedList> list = read_list(*payload);
  if (!list) {
    return Error(ChannelError::kBadServedList, list.error().to_string());
  }
  if (!equal(list->statement_digest, statement_digest)) {
    return Error(ChannelError::kServedStatement,
                 "the served list belongs to statement " + to_hex(list->statement_digest) +
                     ", this channel's is " + to_hex(statement_digest));
  }
  return list;
}

Result<AppraisedModel> appraise_served_model(const ServedList& list,
                                             const ModelExpectation& expected,
                                             const Ed25519PublicKey& broker_key,
                                             const Ed25519PublicKey& session_key, Instant now) {
  const auto found = std::find_if(list.models.begin(), list.models.end(),
                                  [&](const ServedModel& m) { return m.name == expected.name; });
  if (found == list.models.end()) {
    return Error(ChannelError::kModelNotServed, "the worker serves no model " + expected.name);
  }
  // A genuine worker that serves somebody else's bundle is an attack on whoever trusts the answer.
  if (std::find(expected.owners.begin(), expected.owners.end(), found->owner) ==
      expected.owners.end()) {
    return Error(ChannelError::kModelOwner, "the model " + expected.name + " was sealed by owner " +
                                                to_hex(found->owner.bytes) +
                                                ", which the policy does not name")
        .with_remedy(
            "ask the model's owner for the key; add it to [[model]] owner_key only if "
            "you trust who gave it to you");
  }
  if (found->version < expected.minimum_version) {
    return Error(ChannelError::kModelRolledBack,
                 "the model " + expected.name + ": expected version " +
                     std::to_string(expected.minimum_version) + " or later, got " +
                     std::to_string(found->version));
  }
  ENSC_TRY_ASSIGN(const Lease lease, verify_lease(broker_key, found->lease));
  if (lease.session_key != session_key) {
    return Error(ChannelError::kLeaseSession, "the lease was granted to another worker");
  }
  if (!equal(lease.manifest_digest, found->manifest_digest)) {
    return Error(ChannelError::kLeaseManifest,
                 "the lease is for bundle " + to_hex(lease.manifest_digest) +
                     ", the worker serves " + to_hex(found->manifest_digest));
  }
  if (now > lease.not_after) {
    return Error(ChannelError::kLeaseExpired, "the lease ended at " + to_rfc3339(lease.not_after) +
                                                  ", it is " + to_rfc3339(now) +
                                                  " by this machine's clock");
  }
  if (found->version < lease.minimum_version) {
    return Error(ChannelError::kModelRolledBack,
                 "the broker's minimum version is " + std::to_string(lease.minimum_version) +
                     ", the worker serves " + std::to_string(found->version));
  }
  return AppraisedModel(*found, lease.not_after);
}

}  // namespace ensconce
