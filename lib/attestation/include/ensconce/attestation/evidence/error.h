#pragma once

#include "ensconce/base/error.h"

namespace ensconce {

// EvidenceError says why evidence, a statement or an endorsement is not of its form. All are of
// Stage::kForm: nothing was trusted yet.
enum class EvidenceError : std::uint8_t {
  kSnpLength,              // not exactly 1184 bytes
  kSnpVersion,             // a report version this code does not know
  kSnpReserved,            // a reserved field is not zero
  kSnpSignatureAlgorithm,  // not ECDSA P-384 with SHA-384
  kSnpSigningKey,          // unsigned, or a signing key of a reserved kind
  kSnpSignatureWidth,      // r or s wider than 48 bytes
  kSnpGuestPolicy,         // reserved bits of the guest policy
  kIntelLength,            // cut off, lengths that do not fit each other, or longer than any quote
  kIntelVersion,           // a quote version this code does not know
  kIntelKeyType,           // not ECDSA P-256
  kIntelTeeType,           // neither SGX nor TDX, or a body that does not fit
  kIntelReserved,          // a reserved field is not zero
  kIntelCertification,     // certification data of a form or type we do not know
  kIntelTrailing,          // bytes other than zero behind the quote
  kIntelTdReport,          // a TDREPORT (for the local machine alone) in place of a quote
  kIntelPck,               // the PCK certificate's SGX extension
  kIntelTcbInfo,
  kIntelQeIdentity,
  kAzureForm,
  kAzureHcl,
  kAzureRuntimeClaims,
  kAzureTpmQuote,
  kEventLog,
  kRaTls,      // a certificate with evidence in it
  kSigstruct,  // what an enclave is signed with
  kSevReport,  // a SEV or SEV-ES report, which no guest asked for
  kCertTable,
  kStatement,
  kStatementKeyHash,  // pubkey-hash is not keys.tls[0]
  kBeacon,
  kRcar,
  kEndorsementForm,
  kEndorsementDuplicate,
  kEndorsementUnknown,
  kEndorsementMissing,
  kEvidenceUnknown,  // bytes of no kind we recognise
};
CodeInfo error_info(EvidenceError code);

}  // namespace ensconce
