#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ensconce/attestation/endorsements/intel_endorsements.h"
#include "ensconce/attestation/evidence/evidence_item.h"
#include "ensconce/attestation/evidence/intel_quote.h"
#include "ensconce/base/clock.h"
#include "ensconce/base/random.h"
#include "ensconce/crypto/x509.h"

namespace ensconce {

// IntelPkiOptions shapes a simulated Intel platform and its vendor. The knobs after the blank line
// break one thing each, for tests of the verifier.
struct IntelPkiOptions {
  bool processor_ca = false;  // PCK under the Processor CA: no platform id, no configuration
  bool simulated_oid = true;  // marks the root; false plays a private one
  ByteArray<6> fmspc{0x90, 0xc0, 0x6f, 0, 0, 0};
  ByteArray<2> pce_id{};
  std::array<std::uint8_t, 16> components{3, 3, 2, 2, 4, 1, 0, 5};  // SGX components of the PCK
  std::uint16_t pce_svn = 13;

  std::optional<Instant> root_not_after;
  std::optional<Instant> ca_not_after;
  std::optional<Instant> pck_not_before;
  std::optional<Instant> pck_not_after;
  std::optional<Instant> signing_not_after;
  std::optional<Bytes> pck_extension;  // extnValue of the SGX extension instead of the platform's
  std::string root_cn = "Intel SGX Root CA";
  std::string ca_cn;  // "": of the platform or processor CA
  std::string pck_cn = "Intel SGX PCK Certificate";
  std::string signing_cn = "Intel SGX TCB Signing";
  bool pck_on_p384 = false;
  bool ca_without_ca = false;
  bool pck_with_ca = false;
  bool ca_by_another_root = false;       // signed by a key that is not the root's
  bool pck_by_another_ca = false;        // signed by a key that is not the CA's
  bool signing_by_another_root = false;  // the TCB signing certificate likewise
  bool root_signature_broken = false;    // the root's signature over itself
  bool pck_critical_unknown = false;     // an unknown critical extension in the PCK certificate
};

// IntelPki plays Intel and one platform: root, PCK CA, PCK certificate and key, quoting enclave
// with its attestation key, TCB signing certificate, TCB info, QE identity, CRLs; and it signs
// quotes, byte-exact in form. Nobody trusts its root unless they say so.
class IntelPki {
 public:
  static IntelPki generate(const IntelPkiOptions& options, Random& random, Instant now);
  // save writes certificates and keys (mode 0600) into `dir`, which must exist. load gives back the
  // same vendor and platform, with the options that shape a platform; those that break one are not
  // kept.
  [[nodiscard]] Result<void> save(const std::filesystem::path& dir) const;
  static Result<IntelPki> load(const std::filesystem::path& dir);
  ~IntelPki();
  IntelPki(IntelPki&&) noexcept;
  IntelPki& operator=(IntelPki&&) noexcept;
  IntelPki(const IntelPki&) = delete;
  IntelPki& operator=(const IntelPki&) = delete;

  [[nodiscard]] const Certificate& root() const;
  [[nodiscard]] const Certificate& pck_ca() const;
  [[nodiscard]] const Certificate& pck() const;
  [[nodiscard]] const Certificate& tcb_signing() const;
  [[nodiscard]] std::string root_pem() const;
  // The issuers' keys, for tests that issue something else in their names.
  [[nodiscard]] const EcPrivateKey& root_key() const;
  [[nodiscard]] const EcPrivateKey& ca_key() const;

  // Templates: a production TD (1.5 in version 5, unless `td10`; version 4 has no form for it), and
  // an enclave, of this platform, without measurements; the quoting enclave's report fits
  // qe_identity(). TEE_TCB_SVN fits the top level, and that of TDX_01.
  [[nodiscard]] IntelQuote td_quote_template(std::uint16_t version = 4, bool td10 = false) const;
  [[nodiscard]] IntelQuote sgx_quote_template(std::uint16_t version = 3) const;
  // sign fills attestation key, QE report data, both signatures and the PCK chain (type 5, PEM leaf
  // first, unless the quote says another type). The quote may be changed afterwards, to break it.
  [[nodiscard]] IntelQuote sign(IntelQuote quote) const;
  // resign_as_is signs the QE report as it stands (after a test changed it) and the quote.
  [[nodiscard]] IntelQuote resign_as_is(IntelQuote quote) const;

  // Collateral as structs that fit this platform (top level UpToDate, issued an hour before `now`,
  // for 30 days), for tests to change, and the signer of whatever they made of it.
  [[nodiscard]] TcbInfo tcb_info(bool tdx, Instant now) const;
  [[nodiscard]] QeIdentity qe_identity(bool tdx, Instant now) const;
  // sign_tcb_info writes and signs the JSON from the fields (signed_bytes and signature of the
  // struct are ignored).
  [[nodiscard]] Bytes sign_tcb_info(const TcbInfo& info) const;
  [[nodiscard]] Bytes sign_qe_identity(const QeIdentity& identity) const;
  // sign_json signs any inner object text under that member name ("tcbInfo", "enclaveIdentity").
  [[nodiscard]] Bytes sign_json(std::string_view member, std::string_view inner) const;

  // CRLs from an hour before `now` to 30 days after; serials are big-endian magnitudes.
  [[nodiscard]] Bytes pck_crl(Instant now, const std::vector<Bytes>& revoked = {}) const;
  [[nodiscard]] Bytes root_crl(Instant now, const std::vector<Bytes>& revoked = {}) const;

  // endorsements is everything a verifier needs beside the quote, fitting it.
  [[nodiscard]] std::vector<EndorsementItem> endorsements(bool tdx, Instant now) const;

 private:
  struct State;
  explicit IntelPki(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace ensconce
