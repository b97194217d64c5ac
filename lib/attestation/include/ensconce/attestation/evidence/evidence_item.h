#pragma once

#include <string>

#include "ensconce/base/bytes.h"

namespace ensconce {

// EvidenceItem is a report or quote as the device gave it. type: "snp" (1184 bytes) for now.
struct EvidenceItem {
  std::string type;
  Bytes data;
  friend bool operator==(const EvidenceItem&, const EvidenceItem&) = default;
};

// EndorsementItem supports it. type is a media type: "application/pkix-cert" (DER certificate) or
// "application/pkix-crl" (DER CRL).
struct EndorsementItem {
  std::string type;
  Bytes data;
  friend bool operator==(const EndorsementItem&, const EndorsementItem&) = default;
};

}  // namespace ensconce
