#pragma once

#include <initializer_list>
#include <string>

#include "ensconce/base/result.h"
#include "ensconce/crypto/x509.h"

// What the verifiers of AMD's and Intel's chains say and ask alike.
namespace ensconce::internal {

// quoted is what a certificate says of itself: its maker's word, of any length and any bytes.
std::string quoted(const std::string& text);
std::string outcome(const Result<void>& result);      // "holds", or why not
std::string ca_text(const Certificate& certificate);  // "CA", "no CA"
// unknown_critical_extensions lists those but keyUsage and basicConstraints; "" where there is none
// (RFC 5280 section 4.2).
std::string unknown_critical_extensions(std::initializer_list<const Certificate*> chain);

}  // namespace ensconce::internal
