#include "ensconce/attestation/policy/trust_anchor_file.h"

#include <algorithm>

#include "ensconce/attestation/evidence/error.h"

namespace ensconce {
namespace {

constexpr std::string_view kRootPrefix = "ARK-";

// product_of_root is what a root's name says it vouches for; "" where it says nothing we know.
std::string product_of_root(const std::string& cn) {
  if (cn == kIntelRootName) {
    return std::string(kIntelProduct);
  }
  const auto product = cn.starts_with(kRootPrefix)
                           ? snp_product_from_name(cn.substr(kRootPrefix.size()))
                           : std::nullopt;
  return product.has_value() ? std::string(name_of(*product)) : std::string();
}

Error refuse(std::string detail) {
  return Error(EvidenceError::kEndorsementForm, std::move(detail));
}

AnchorOrigin origin_of(const Certificate& root) {
  const std::vector<TrustAnchor> vendor = vendor_anchors();
  const Sha256Digest key = root.spki_sha256();
  if (std::any_of(vendor.begin(), vendor.end(),
                  [&](const TrustAnchor& anchor) { return anchor.spki_sha256 == key; })) {
    return AnchorOrigin::kVendor;
  }
  return is_marked_simulated(root) ? AnchorOrigin::kSimulated : AnchorOrigin::kPrivate;
}

}  // namespace

Result<std::vector<TrustAnchor>> trust_anchors_from_pem(std::string_view pem) {
  const auto certificates = Certificate::many_from_pem(pem);
  if (!certificates) {
    return refuse(certificates.error().to_string());
  }
  if (certificates->empty()) {
    return refuse("a trust anchor file holds at least one certificate");
  }
  std::vector<TrustAnchor> anchors;
  for (const Certificate& root : *certificates) {
    const std::string cn = root.subject_cn();
    if (!root.self_issued() || !root.is_ca()) {
      return refuse("\"" + cn + "\" is not a root: only roots are trust anchors");
    }
    const std::string product = product_of_root(cn);
    if (product.empty()) {
      return refuse("\"" + cn + "\" names no product; ARK-Milan, ARK-Genoa, ARK-Turin or " +
                    std::string(kIntelRootName) + " is expected");
    }
    anchors.push_back({root.spki_sha256(), product, origin_of(root)});
  }
  return anchors;
}

}  // namespace ensconce
