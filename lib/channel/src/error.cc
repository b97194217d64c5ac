#include "ensconce/channel/error.h"

namespace ensconce {

CodeInfo error_info(ChannelError code) {
  constexpr auto kForm = [](std::string_view id) {
    return CodeInfo{id, Kind::kInvalidInput, Stage::kChannel};
  };
  constexpr auto kNo = [](std::string_view id) {
    return CodeInfo{id, Kind::kRejected, Stage::kChannel};
  };
  switch (code) {
    case ChannelError::kBadDocument:
      return kForm("channel.document");
    case ChannelError::kNoEvidence:
      return kNo("channel.no_evidence");
    case ChannelError::kNoSessionProof:
      return kNo("channel.session.absent");
    case ChannelError::kProofKind:
      return kNo("channel.session.kind");
    case ChannelError::kProofNonce:
      return kNo("channel.session.nonce");
    case ChannelError::kProofBinding:
      return kNo("channel.session.binding");
    case ChannelError::kProofStatement:
      return kNo("channel.session.statement");
    case ChannelError::kProofSignature:
      return kNo("channel.session.signature");
    case ChannelError::kForeignTlsKey:
      return kNo("channel.tls_key");
    case ChannelError::kBadServedList:
      return kForm("channel.served");
    case ChannelError::kServedSignature:
      return kNo("channel.served.signature");
    case ChannelError::kServedStatement:
      return kNo("channel.served.statement");
    case ChannelError::kBadLease:
      return kForm("channel.lease");
    case ChannelError::kLeaseSignature:
      return kNo("channel.lease.signature");
    case ChannelError::kLeaseSession:
      return kNo("channel.lease.session");
    case ChannelError::kLeaseManifest:
      return kNo("channel.lease.manifest");
    case ChannelError::kLeaseExpired:
      return kNo("channel.lease.expired");
    case ChannelError::kModelNotServed:
      return kNo("channel.model.not_served");
    case ChannelError::kModelOwner:
      return {"channel.model.owner", Kind::kRejected, Stage::kPolicy};
    case ChannelError::kModelRolledBack:
      return {"channel.model.version", Kind::kRejected, Stage::kPolicy};
    case ChannelError::kModelNotInPolicy:
      return {"channel.model.not_in_policy", Kind::kRejected, Stage::kPolicy};
    case ChannelError::kNotAffirmed:
      return {"channel.not_affirmed", Kind::kRejected, Stage::kPolicy};
    case ChannelError::kForeignOhttpKey:
      return kNo("channel.ohttp_key");
    case ChannelError::kPeerCertificate:
      return kNo("channel.peer_certificate");
    case ChannelError::kBrokerKey:
      return kNo("channel.broker_key");
    case ChannelError::kKeyGone:
      return {"channel.ohttp_key_gone", Kind::kUnavailable, Stage::kChannel};
    case ChannelError::kBadReceipt:
      return {"channel.receipt.form", Kind::kInvalidInput, Stage::kForm};
    case ChannelError::kReceiptSignature:
      return {"channel.receipt.signature", Kind::kRejected, Stage::kSignature};
    case ChannelError::kReceiptStatement:
      return kNo("channel.receipt.statement");
    case ChannelError::kReceiptMeasurement:
      return kNo("channel.receipt.measurement");
    case ChannelError::kReceiptManifest:
      return kNo("channel.receipt.manifest");
    case ChannelError::kReceiptModel:
      return kNo("channel.receipt.model");
    case ChannelError::kReceiptRequest:
      return kNo("channel.receipt.request");
    case ChannelError::kReceiptResponse:
      return kNo("channel.receipt.response");
    case ChannelError::kReceiptSequence:
      return kNo("channel.receipt.sequence");
    case ChannelError::kNoReceipt:
      return kNo("channel.receipt.absent");
    case ChannelError::kBusy:
      return {"channel.busy", Kind::kUnavailable, Stage::kChannel};
    case ChannelError::kLengthsShown:
      return kNo("channel.lengths_shown");
    case ChannelError::kUnexpectedAnswer:
      return kForm("channel.unexpected_answer");
  }
  return {"channel.unknown", Kind::kInternal, Stage::kChannel};
}

}  // namespace ensconce
