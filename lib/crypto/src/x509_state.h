#pragma once

#include "ensconce/crypto/x509.h"
#include "openssl.h"

namespace ensconce {

// SignedForm is what certificates and CRLs share (RFC 5280 §4.1.1, §5.1.1):
//   SEQUENCE { tbs, signatureAlgorithm AlgorithmIdentifier, signature BIT STRING }
// cut out of the DER itself, so that what is verified is what was signed, byte for byte.
struct SignedForm {
  Bytes tbs;
  Bytes algorithm;        // the outer one, whole
  Bytes inner_algorithm;  // tbs.signature, whole
  Bytes signature;
};

struct Certificate::State {
  struct Extension {
    std::string oid;
    Bytes value;
    bool critical;
  };
  Bytes der;
  SignedForm form;
  ossl::X509Ptr x509;
  Bytes subject;  // Name, DER
  Bytes issuer;
  Bytes serial;
  Bytes spki;
  Instant not_before;
  Instant not_after;
  std::uint32_t key_usage = 0;
  bool ca = false;
  std::vector<Extension> extensions;
};

}  // namespace ensconce
