#pragma once

#include "ensconce/base/secret.h"

namespace ensconce {

// TlsIdentity is a certificate and the PKCS#8 key that belongs to it.
struct TlsIdentity {
  Bytes certificate_der;
  SecretBytes private_key_der;
};

}  // namespace ensconce
