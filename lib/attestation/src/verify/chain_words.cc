#include "chain_words.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "ensconce/base/printable.h"

namespace ensconce::internal {

std::string quoted(const std::string& text) { return "\"" + printable(text) + "\""; }

std::string outcome(const Result<void>& result) {
  return result ? "holds" : result.error().to_string();
}

std::string ca_text(const Certificate& certificate) {
  return std::string(certificate.is_ca() ? "CA" : "no CA") +
         (certificate.may_sign_certificates() ? "" : " (may not sign certificates)");
}

std::string unknown_critical_extensions(std::initializer_list<const Certificate*> chain) {
  constexpr std::array<std::string_view, 2> kKnown{"2.5.29.15", "2.5.29.19"};  // keyUsage, basic…
  std::string unknown;
  for (const Certificate* certificate : chain) {
    for (const std::string& oid : certificate->critical_extensions()) {
      if (std::find(kKnown.begin(), kKnown.end(), oid) == kKnown.end()) {
        unknown += (unknown.empty() ? "" : ", ") + oid;
      }
    }
  }
  return unknown;
}

}  // namespace ensconce::internal
