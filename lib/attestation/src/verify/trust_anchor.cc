#include "ensconce/attestation/verify/trust_anchor.h"

#include "ensconce/base/check.h"

namespace ensconce {
namespace {

struct VendorAnchor {
  std::string_view product;
  std::string_view spki_sha256;
};

// AMD's roots (AMD 57230, ARK; kdsintf.amd.com /vcek/v1/<product>/cert_chain) and Intel's (SGX PCK
// Certificate and CRL Profile, SGX Root CA), SHA-256 of the DER SubjectPublicKeyInfo. The key is
// pinned and not the certificate: Intel's has had two.
constexpr VendorAnchor kVendorAnchors[] = {
    {"Milan", "9f056bee44377e29308cb5ffa895bdfb62d18881fa6bed8d6f075b0204089cb9"},
    {"Genoa", "429a69c9422aa258ee4d8db5fcda9c6470ef15f8cd5a9cebd6cbc7d90b863831"},
    {"Turin", "4f125410563a2ab9a50356f9243f6fe0b6f73de98603f53f90339c70e9d7ad08"},
    {kIntelProduct, "a0af031289f5d5d4132f9186068a7fc13628633ba235777472e29b6b6c67a49e"},
};

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

}  // namespace ensconce
