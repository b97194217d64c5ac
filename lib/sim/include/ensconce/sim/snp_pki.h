#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

#include "ensconce/attestation/evidence/evidence_item.h"
#include "ensconce/attestation/evidence/snp_report.h"
#include "ensconce/base/clock.h"
#include "ensconce/base/random.h"
#include "ensconce/crypto/x509.h"

namespace ensconce {

// SnpPkiOptions shapes a simulated processor and its vendor. The knobs after the blank line break
// one thing each, for tests of the verifier.
struct SnpPkiOptions {
  SnpProduct product = SnpProduct::kMilan;
  SnpSigningKey key = SnpSigningKey::kVcek;
  int rsa_bits = 4096;
  bool simulated_oid = true;             // marks the root; false plays a private one
  std::optional<ByteArray<64>> chip_id;  // nothing: random (8 bytes on Turin; zero with a VLEK)
  std::optional<TcbVersion> tcb;         // nothing: a plausible one

  std::optional<Instant> vek_not_before;
  std::optional<Instant> vek_not_after;
  std::optional<Instant> ask_not_after;
  std::optional<Instant> ark_not_after;
  std::optional<Bytes> vek_hwid;      // extnValue of hwID instead of the chip's
  std::optional<TcbVersion> vek_tcb;  // SPLs of the certificate instead of the chip's
  std::string vek_product_name;       // productName1 instead of the product's
  bool vek_on_p256 = false;
  bool ask_without_ca = false;
};

// SnpPki plays AMD and one processor: root (ARK), intermediate (ASK or ASVK), the chip's own key
// (VCEK or VLEK), CRL, and report signatures, byte-exact in form. Nobody trusts its root unless
// they say so.
class SnpPki {
 public:
  // generate makes keys and certificates; RSA of 4096 bits takes some seconds.
  static SnpPki generate(const SnpPkiOptions& options, Random& random, Instant now);
  // save writes ark.pem, ask.pem, vek.pem and the keys (mode 0600) into `dir`, which must exist.
  [[nodiscard]] Result<void> save(const std::filesystem::path& dir) const;
  static Result<SnpPki> load(const std::filesystem::path& dir);

  ~SnpPki();
  SnpPki(SnpPki&&) noexcept;
  SnpPki& operator=(SnpPki&&) noexcept;
  SnpPki(const SnpPki&) = delete;
  SnpPki& operator=(const SnpPki&) = delete;

  [[nodiscard]] const Certificate& ark() const;
  [[nodiscard]] const Certificate& ask() const;
  [[nodiscard]] const Certificate& vek() const;
  [[nodiscard]] const RsaPrivateKey& ark_key() const;
  [[nodiscard]] const RsaPrivateKey& ask_key() const;
  // ark_pem is the root for a user's trust anchor file.
  [[nodiscard]] std::string ark_pem() const;
  // crl_der is a list by the root, from an hour before `now` to seven weeks after.
  [[nodiscard]] Bytes crl_der(Instant now, const std::vector<std::uint64_t>& revoked = {}) const;
  // cert_table is the configfs-tsm auxblob: root, intermediate, chip key, and the CRL if there is
  // one to give (empty: none).
  [[nodiscard]] Bytes cert_table(ByteView crl_der) const;
  [[nodiscard]] std::vector<EndorsementItem> endorsements(ByteView crl_der) const;

  // report_template is a report of this processor (version 3, guest policy 0x30000, VMPL 0) without
  // measurement, report data and signature.
  [[nodiscard]] SnpReport report_template() const;
  // sign_report returns the 1184 bytes, signed with the chip's key.
  [[nodiscard]] Bytes sign_report(SnpReport report) const;

 private:
  struct State;
  explicit SnpPki(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace ensconce
