#pragma once

#include "ensconce/base/error.h"

namespace ensconce {

// AttestationError names every rule of verify/ and appraise/; refusing by a rule is the error of
// its name. src/verify/check.cc holds the id, stage, rule, gain and remedy of each.
enum class AttestationError : std::uint8_t {
  // Chain.
  kArkPinned,
  kArkSelfSigned,
  kArkOrigin,
  kChainNames,
  kChainCa,
  kChainCriticalExtensions,
  kIntermediateSignature,
  kVekSignature,
  // Certificate and report.
  kVekExtensions,
  kVekKey,
  kReportSignature,
  kVekKind,
  kVekProduct,
  kVekTcb,
  kVekChipId,
  kReportData,
  // Validity and revocation.
  kCertNotYetValid,
  kCertExpired,
  kCrlSignature,
  kCrlTime,
  kCrlRevoked,
  // Bindings.
  kStatementBinding,
  kStatementForm,
  kRcarBinding,
  kRcarForm,
  kRcarNonce,
  kRcarTeePubkey,
  kBeaconSignature,
  kBeaconForm,
  // Appraisal: anchors and hardware.
  kAnchorAccepted,
  kEndorsementsCurrent,
  kReportVersion,
  kMeasurement,
  kMeasurementCovers,
  kDebug,
  kMigrationAgent,
  kSmt,
  kVmpl,
  kSigningKey,
  kProduct,
  kHostData,
  kIdKeyDigest,
  kAuthorKeyDigest,
  kChipId,
  kMinimumTcb,
  kPlatformInfo,
  kCrlRequired,
  // Appraisal: the statement.
  kStatementGiven,
  kSecurityPadding,
  kSecurityTenancy,
  kSecuritySandbox,
  kSecuritySoftware,
  kSecurityOwnerKeys,
  kSecurityBrokerKey,
  // Appraisal: freshness.
  kFreshnessBinding,
  kFreshnessKnown,
  kFreshnessChallenge,
  kFreshnessBootId,
  kFreshnessBrokerKey,
  kFreshnessFuture,
  kFreshnessAge,
  kCount,  // not a code
};
CodeInfo error_info(AttestationError code);

}  // namespace ensconce
