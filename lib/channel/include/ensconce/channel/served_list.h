#pragma once

#include <string>
#include <vector>

#include "ensconce/channel/lease.h"

namespace ensconce {

// ServedModel is one model a worker answers for.
struct ServedModel {
  std::string name;
  std::uint64_t version = 0;
  Sha256Digest manifest_digest{};
  Ed25519PublicKey owner;
  Bytes lease;  // COSE_Sign1 of the broker, see lease.h
  friend bool operator==(const ServedModel&, const ServedModel&) = default;
};

// ServedList says what this worker serves right now. It is read only inside the channel.
struct ServedList {
  Sha256Digest statement_digest{};
  std::uint64_t sequence = 0;  // grows with every change
  std::vector<ServedModel> models;
  friend bool operator==(const ServedList&, const ServedList&) = default;
};

// sign_served_list makes the COSE_Sign1 ("ensconce-served/1") by the session key.
Bytes sign_served_list(const Ed25519PrivateKey& session_key, const ServedList& list);
// verify_served_list checks the signature by the attested session key and the statement.
Result<ServedList> verify_served_list(const Ed25519PublicKey& session_key,
                                      const Sha256Digest& statement_digest, ByteView message);

// ModelExpectation is what a client's policy says of one model.
struct ModelExpectation {
  std::string name;
  std::vector<Ed25519PublicKey> owners;  // any of these
  std::uint64_t minimum_version = 0;
};

// AppraisedModel exists only for a served model that its policy and its lease allow.
class AppraisedModel {
 public:
  [[nodiscard]] const ServedModel& model() const { return model_; }
  [[nodiscard]] Instant lease_not_after() const { return lease_not_after_; }

 private:
  AppraisedModel(ServedModel model, Instant not_after)
      : model_(std::move(model)), lease_not_after_(not_after) {}
  ServedModel model_;
  Instant lease_not_after_;
  friend Result<AppraisedModel> appraise_served_model(const ServedList&, const ModelExpectation&,
                                                      const Ed25519PublicKey&,
                                                      const Ed25519PublicKey&, Instant);
};

// appraise_served_model finds the model by name and checks owner, version and lease (by the
// client's own clock). broker_key and session_key come from the attested statement.
Result<AppraisedModel> appraise_served_model(const ServedList& list,
                                             const ModelExpectation& expected,
                                             const Ed25519PublicKey& broker_key,
                                             const Ed25519PublicKey& session_key, Instant now);

}  // namespace ensconce
