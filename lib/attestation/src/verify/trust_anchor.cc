#include "ensconce/attestation/verify/trust_anchor.h"

#include <algorithm>

#include "ensconce/attestation/evidence/error.h"
#include "ensconce/base/check.h"

namespace ensconce {
namespace {

struct VendorAnchor {
  std::string_view product;
  std::string_view spki_sha256;
};

// AMD's roots (AMD 57230, ARK; kdsintf.amd.com /vcek/v1/<product>/cert_chain), SHA-256 of the DER
// SubjectPublicKeyInfo. The key is pinned and not the certificate.
constexpr VendorAnchor kVendorAnchors[] = {
    {"Milan", "9f056bee44377e29308cb5ffa895bdfb62d18881fa6bed8d6f075b0204089cb9"},
    {"Genoa", "429a69c9422aa258ee4d8db5fcda9c6470ef15f8cd5a9cebd6cbc7d90b863831"},
    {"Turin", "4f125410563a2ab9a50356f9243f6fe0b6f73de98603f53f90339c70e9d7ad08"},
};

constexpr std::string_view kRootPrefix = "ARK-";

// The reasons end in one place, so that a test can see there is no other.
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

std::string_view name_of(AnchorOrigin origin) {
  switch (origin) {
    case AnchorOrigin::kVendor:
      return "vendor";
    case AnchorOrigin::kSimulated:
      return "simulated";
    case AnchorOrigin::kPrivate:
      return "private";
  }
  ENSC_CHECK(false);
}

std::vector<TrustAnchor> vendor_anchors() {
  std::vector<TrustAnchor> anchors;
  for (const VendorAnchor& vendor : kVendorAnchors) {
    const auto digest = from_hex(vendor.spki_sha256);
    ENSC_CHECK(digest.has_value());
    anchors.push_back(
        {to_array<32>(*digest).value(), std::string(vendor.product), AnchorOrigin::kVendor});
  }
  return anchors;
}

bool is_marked_simulated(const Certificate& root) {
  return root.extension(kSimulatedRootOid).has_value();
}

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
    const auto product = cn.starts_with(kRootPrefix)
                             ? snp_product_from_name(cn.substr(kRootPrefix.size()))
                             : std::nullopt;
    if (!product.has_value()) {
      return refuse("\"" + cn +
                    "\" names no product; ARK-Milan, ARK-Genoa or ARK-Turin is expected");
    }
    anchors.push_back({root.spki_sha256(), std::string(name_of(*product)), origin_of(root)});
  }
  return anchors;
}

}  // namespace ensconce
