#pragma once

#include <mutex>

#include "ensconce/crypto/x509.h"
#include "openssl.h"
#include "x509_form.h"

namespace ensconce {

struct Certificate::State {
  Bytes der;
  internal::CertificateForm form;
  // backend_key is made when a signature is first held against it (certificates are shared by
  // threads); null for a key of a kind we do not verify with.
  [[nodiscard]] EVP_PKEY* backend_key() const;

 private:
  mutable std::once_flag key_once_;
  mutable ossl::Pkey key_;
};

namespace internal {
// backend_x509 is the backend's own object, for building what a certificate signs.
ossl::X509Ptr backend_x509(const Bytes& der);
}  // namespace internal

}  // namespace ensconce
