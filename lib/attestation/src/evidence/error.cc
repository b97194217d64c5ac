#include "ensconce/attestation/evidence/error.h"

#include "ensconce/base/check.h"

namespace ensconce {

CodeInfo error_info(EvidenceError code) {
  constexpr Kind kInvalid = Kind::kInvalidInput;
  switch (code) {
    case EvidenceError::kSnpLength:
      return {"snp.form.length", kInvalid, Stage::kForm};
    case EvidenceError::kSnpVersion:
      return {"snp.form.version", Kind::kUnsupported, Stage::kForm};
    case EvidenceError::kSnpReserved:
      return {"snp.form.reserved", kInvalid, Stage::kForm};
    case EvidenceError::kSnpSignatureAlgorithm:
      return {"snp.form.signature_algorithm", Kind::kUnsupported, Stage::kForm};
    case EvidenceError::kSnpSigningKey:
      return {"snp.form.signing_key", kInvalid, Stage::kForm};
    case EvidenceError::kSnpSignatureWidth:
      return {"snp.form.signature_width", kInvalid, Stage::kForm};
    case EvidenceError::kSnpGuestPolicy:
      return {"snp.form.guest_policy", kInvalid, Stage::kForm};
    case EvidenceError::kIntelLength:
      return {"intel.form.length", kInvalid, Stage::kForm};
    case EvidenceError::kIntelVersion:
      return {"intel.form.version", Kind::kUnsupported, Stage::kForm};
    case EvidenceError::kIntelKeyType:
      return {"intel.form.key_type", Kind::kUnsupported, Stage::kForm};
    case EvidenceError::kIntelTeeType:
      return {"intel.form.tee_type", kInvalid, Stage::kForm};
    case EvidenceError::kIntelReserved:
      return {"intel.form.reserved", kInvalid, Stage::kForm};
    case EvidenceError::kIntelCertification:
      return {"intel.form.certification", Kind::kUnsupported, Stage::kForm};
    case EvidenceError::kIntelTrailing:
      return {"intel.form.trailing", kInvalid, Stage::kForm};
    case EvidenceError::kIntelTdReport:
      return {"tdx.form.tdreport", Kind::kUnsupported, Stage::kForm};
    case EvidenceError::kIntelPck:
      return {"intel.form.pck_extension", kInvalid, Stage::kForm};
    case EvidenceError::kIntelTcbInfo:
      return {"intel.form.tcb_info", kInvalid, Stage::kForm};
    case EvidenceError::kIntelQeIdentity:
      return {"intel.form.qe_identity", kInvalid, Stage::kForm};
    case EvidenceError::kAzureForm:
      return {"azure.form.json", kInvalid, Stage::kForm};
    case EvidenceError::kAzureHcl:
      return {"azure.form.hcl_report", kInvalid, Stage::kForm};
    case EvidenceError::kAzureRuntimeClaims:
      return {"azure.form.runtime_claims", kInvalid, Stage::kForm};
    case EvidenceError::kAzureTpmQuote:
      return {"azure.form.tpm_quote", kInvalid, Stage::kForm};
    case EvidenceError::kEventLog:
      return {"event_log.form", kInvalid, Stage::kForm};
    case EvidenceError::kRaTls:
      return {"ratls.form", kInvalid, Stage::kForm};
    case EvidenceError::kSigstruct:
      return {"sgx.form.sigstruct", kInvalid, Stage::kForm};
    case EvidenceError::kSevReport:
      return {"sev.unsupported", Kind::kUnsupported, Stage::kForm};
    case EvidenceError::kCertTable:
      return {"cert_table.form", kInvalid, Stage::kForm};
    case EvidenceError::kStatement:
      return {"statement.form", kInvalid, Stage::kForm};
    case EvidenceError::kStatementKeyHash:
      return {"statement.pubkey_hash", kInvalid, Stage::kForm};
    case EvidenceError::kBeacon:
      return {"beacon.form", kInvalid, Stage::kForm};
    case EvidenceError::kRcar:
      return {"rcar.form", kInvalid, Stage::kForm};
    case EvidenceError::kEndorsementForm:
      return {"endorsements.form", kInvalid, Stage::kForm};
    case EvidenceError::kEndorsementDuplicate:
      return {"endorsements.duplicate", kInvalid, Stage::kForm};
    case EvidenceError::kEndorsementUnknown:
      return {"endorsements.unknown", kInvalid, Stage::kForm};
    case EvidenceError::kEndorsementMissing:
      return {"endorsements.missing", kInvalid, Stage::kForm};
    case EvidenceError::kEvidenceUnknown:
      return {"evidence.unknown", Kind::kUnsupported, Stage::kForm};
  }
  ENSC_CHECK(false);
}

}  // namespace ensconce
