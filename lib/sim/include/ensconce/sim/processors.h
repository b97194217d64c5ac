#pragma once

#include <optional>
#include <string_view>

#include "ensconce/sim/faults.h"
#include "ensconce/sim/intel_pki.h"
#include "ensconce/sim/snp_pki.h"

namespace ensconce {

// TsmProcessor is the part of a processor that configfs-tsm shows. Its evidence is byte-exact in
// form, signed under a root that nobody trusts unless they say so.
class TsmProcessor {
 public:
  TsmProcessor() = default;
  virtual ~TsmProcessor() = default;
  TsmProcessor(const TsmProcessor&) = delete;
  TsmProcessor& operator=(const TsmProcessor&) = delete;

  [[nodiscard]] virtual std::string_view provider() const = 0;  // "sev_guest", "tdx_guest"
  // has_levels: privilege levels, and certificates of its own.
  [[nodiscard]] virtual bool has_levels() const = 0;
  // report is what outblob has. Of faults it knows those that are in the evidence.
  [[nodiscard]] virtual Bytes report(const ByteArray<64>& report_data, std::uint32_t level,
                                     std::optional<Fault> fault) const = 0;
  // certificates is what auxblob has.
  [[nodiscard]] virtual Bytes certificates() = 0;
};

// SimulatedChip makes SNP reports for one launch. Everything borrowed must outlive it, here and
// below.
class SimulatedChip final : public TsmProcessor {
 public:
  SimulatedChip(const SnpPki& pki, const ByteArray<48>& measurement, const Clock& clock,
                Random& random);
  [[nodiscard]] std::string_view provider() const override { return "sev_guest"; }
  [[nodiscard]] bool has_levels() const override { return true; }
  [[nodiscard]] Bytes report(const ByteArray<64>& report_data, std::uint32_t level,
                             std::optional<Fault> fault = std::nullopt) const override;
  // certificates is the certificate table with a CRL that is current.
  [[nodiscard]] Bytes certificates() override;

 private:
  const SnpPki& pki_;
  const Clock& clock_;
  SnpReport template_;
  Bytes table_;
  Instant table_made_;
};

// SimulatedTrustDomain makes quotes (version 4) of a trust domain with this MRTD, as a quoting
// service behind the guest's driver would.
class SimulatedTrustDomain final : public TsmProcessor {
 public:
  SimulatedTrustDomain(const IntelPki& pki, const ByteArray<48>& mr_td);
  [[nodiscard]] std::string_view provider() const override { return "tdx_guest"; }
  [[nodiscard]] bool has_levels() const override { return false; }
  [[nodiscard]] Bytes report(const ByteArray<64>& report_data, std::uint32_t level,
                             std::optional<Fault> fault = std::nullopt) const override;
  [[nodiscard]] Bytes certificates() override { return {}; }

 private:
  const IntelPki& pki_;
  IntelQuote template_;
};

// SimulatedEnclave makes quotes (version 3) of an enclave with this MRENCLAVE and MRSIGNER,
// ISVPRODID 1, ISVSVN 1.
class SimulatedEnclave {
 public:
  SimulatedEnclave(const IntelPki& pki, const ByteArray<32>& mr_enclave,
                   const ByteArray<32>& mr_signer);
  [[nodiscard]] Bytes quote(const ByteArray<64>& report_data,
                            std::optional<Fault> fault = std::nullopt) const;

 private:
  const IntelPki& pki_;
  IntelQuote template_;
};

inline constexpr std::uint16_t kEnclaveProdId = 1;
inline constexpr std::uint16_t kEnclaveSvn = 1;

}  // namespace ensconce
