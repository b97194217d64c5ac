#pragma once

#include <algorithm>

#include "ensconce/sim/intel_pki.h"

namespace ensconce {

struct IntelPki::State {
  IntelPkiOptions options;
  EcPrivateKey root_key;
  EcPrivateKey ca_key;
  EcPrivateKey pck_key;
  EcPrivateKey signing_key;
  EcPrivateKey attestation_key;
  Certificate root;
  Certificate pck_ca;
  Certificate pck;
  Certificate tcb_signing;
  ByteArray<16> qe_id;
};

// What quotes and collateral of one platform agree on.
namespace sim_intel {

// QuotingEnclave is Intel's, as its production identities tell it: one for SGX, one for TDX.
struct QuotingEnclave {
  std::string_view id;
  ByteArray<32> mr_signer;
  std::uint16_t isv_prod_id;
  std::uint16_t isv_svn;
};
QuotingEnclave quoting_enclave(bool tdx);

// TEE_TCB_SVN: SVN and major version of the TDX module, and the microcode loaded late.
inline constexpr std::uint8_t kTdxModuleSvn = 5;
inline constexpr std::uint8_t kTdxModuleMajor = 1;
inline constexpr std::uint8_t kTdxMicrocodeSvn = 3;

template <std::size_t N>
ByteArray<N> from_front(ByteView bytes) {
  ByteArray<N> out{};
  std::copy_n(bytes.begin(), std::min(N, bytes.size()), out.begin());
  return out;
}

}  // namespace sim_intel
}  // namespace ensconce
