#pragma once

#include <string>
#include <string_view>

#include "ensconce/base/bytes.h"

namespace ensconce {

// EvidenceItem is a report or quote as the device gave it. type: the name of an EvidenceKind.
struct EvidenceItem {
  std::string type;
  Bytes data;
  friend bool operator==(const EvidenceItem&, const EvidenceItem&) = default;
};

// EndorsementItem supports it. type is one of the media types below.
struct EndorsementItem {
  std::string type;
  Bytes data;
  friend bool operator==(const EndorsementItem&, const EndorsementItem&) = default;
};

inline constexpr std::string_view kCertificateType = "application/pkix-cert";  // one, DER
inline constexpr std::string_view kCrlType = "application/pkix-crl";           // one, DER
// Intel's JSON as its service sends it, byte for byte, signature included.
inline constexpr std::string_view kTcbInfoType = "application/vnd.ensconce.intel-tcb-info+json";
inline constexpr std::string_view kQeIdentityType =
    "application/vnd.ensconce.intel-qe-identity+json";
// A TCG crypto-agile event log: a CCEL, or a TPM's.
inline constexpr std::string_view kEventLogType = "application/vnd.ensconce.tcg-event-log";

}  // namespace ensconce
