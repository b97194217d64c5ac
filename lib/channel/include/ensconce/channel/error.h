#pragma once

#include "ensconce/base/error.h"

namespace ensconce {

// ChannelError says which promise of the attested channel does not hold.
enum class ChannelError : std::uint8_t {
  kBadDocument,      // the evidence document does not have its form
  kNoEvidence,       // the peer offers no evidence document
  kNoSessionProof,   // the document carries no session proof
  kProofKind,        // a proof for the other kind of channel
  kProofNonce,       // a proof for somebody else's nonce
  kProofBinding,     // a proof for another session: the evidence was relayed
  kProofStatement,   // a proof over another statement
  kProofSignature,   // not signed by the attested session key
  kForeignTlsKey,    // the connection's key is not in the statement
  kBadServedList,    // the served list does not have its form
  kServedSignature,  // not signed by the attested session key
  kServedStatement,  // a served list of another statement
  kBadLease,         // the lease does not have its form
  kLeaseSignature,   // not signed by the broker the statement names
  kLeaseSession,     // granted to another worker
  kLeaseManifest,    // granted for another bundle
  kLeaseExpired,
  kModelNotServed,      // no model of that name
  kModelOwner,          // sealed by another owner than the policy names
  kModelRolledBack,     // older than the policy's minimum version
  kModelNotInPolicy,    // the policy does not speak of this model
  kNotAffirmed,         // appraisal said no
  kForeignOhttpKey,     // the gateway's key is not in the statement
  kPeerCertificate,     // who connected showed no certificate to be bound to
  kBrokerKey,           // the attested broker does not sign by the key that was expected
  kKeyGone,             // the worker no longer has the key a request was sealed for
  kBadReceipt,          // the receipt does not have its form
  kReceiptSignature,    // not signed by the attested receipt key
  kReceiptStatement,    // of another boot than the appraised statement
  kReceiptMeasurement,  // names other code than was appraised
  kReceiptManifest,     // names another bundle than was asked
  kReceiptModel,        // names another model or version than was asked
  kReceiptRequest,      // for another request
  kReceiptResponse,     // for another answer
  kReceiptSequence,     // no later than one that came before it
  kNoReceipt,           // the answer carries none
  kBusy,                // the other side cannot answer just now
  kLengthsShown,        // lengths are to be hidden, which this channel does not
  kUnexpectedAnswer,    // the peer answered something else than the protocol
};
CodeInfo error_info(ChannelError code);

}  // namespace ensconce
