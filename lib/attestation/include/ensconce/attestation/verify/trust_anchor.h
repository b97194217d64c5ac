#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "ensconce/attestation/evidence/snp_report.h"
#include "ensconce/crypto/hash.h"
#include "ensconce/crypto/x509.h"

namespace ensconce {

// AnchorOrigin says whose word a root is. It is taken from the anchor, never from evidence, and
// stands in every verdict.
enum class AnchorOrigin : std::uint8_t { kVendor, kSimulated, kPrivate };
std::string_view name_of(AnchorOrigin origin);  // "vendor", "simulated", "private"

// kSimulatedRootOid marks the root certificate of a simulated processor (a UUID of ours under
// ITU-T X.667; value: UTF8String "ensconce simulated").
inline constexpr std::string_view kSimulatedRootOid = "2.25.75365650290442272240323753511806695581";

// kIntelProduct is the product of Intel's root, which vouches for every platform of SGX and TDX.
inline constexpr std::string_view kIntelProduct = "Intel";
inline constexpr std::string_view kIntelRootName = "Intel SGX Root CA";

// TrustAnchor is a root key one chose to believe, for one product line: "Milan", "Genoa" and
// "Turin" of AMD, or kIntelProduct.
struct TrustAnchor {
  Sha256Digest spki_sha256{};
  std::string product;
  AnchorOrigin origin = AnchorOrigin::kPrivate;
  friend bool operator==(const TrustAnchor&, const TrustAnchor&) = default;
};

// vendor_anchors are the roots of AMD and Intel, pinned by key.
std::vector<TrustAnchor> vendor_anchors();
// is_marked_simulated tells whether a root carries our OID.
bool is_marked_simulated(const Certificate& root);

}  // namespace ensconce
