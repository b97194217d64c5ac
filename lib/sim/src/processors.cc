#include "ensconce/sim/processors.h"

#include <chrono>

#include "ensconce/crypto/hash.h"
#include "td_report.h"

namespace ensconce {

namespace {

constexpr Millis kTableLife = std::chrono::hours(24);
constexpr std::uint64_t kSnpDebugBit = std::uint64_t{1} << 19U;  // AMD 56860, GUEST_POLICY
constexpr std::uint8_t kTdDebugBit = 0x01;                       // TDATTRIBUTES
constexpr std::uint8_t kEnclaveDebugBit = 0x02;                  // ATTRIBUTES
constexpr std::uint32_t kNumLevels = 4;

// A stale report answers a challenge that somebody else posed.
ByteArray<64> challenged(ByteArray<64> report_data, std::optional<Fault> fault) {
  if (fault == Fault::kStale) {
    report_data[0] ^= 0xff;
  }
  return report_data;
}

}  // namespace

// ---- SEV-SNP --------------------------------------------------------------------------------

SimulatedChip::SimulatedChip(const SnpPki& pki, const ByteArray<48>& measurement,
                             const Clock& clock, Random& random)
    : pki_(pki), clock_(clock), template_(pki.report_template()) {
  template_.measurement = measurement;
  template_.report_id = random.array<32>();  // one guest instance, one run
  template_.report_id_ma.fill(0xff);         // no migration agent
}

Bytes SimulatedChip::report(const ByteArray<64>& report_data, std::uint32_t level,
                            std::optional<Fault> fault) const {
  SnpReport report = template_;
  report.report_data = challenged(report_data, fault);
  report.vmpl = fault == Fault::kPrivilegeLevel ? (level + 1) % kNumLevels : level;
  if (fault == Fault::kDebug) {
    report.policy |= kSnpDebugBit;
  }
  return pki_.sign_report(report);
}

Bytes SimulatedChip::certificates() {
  const Instant now = clock_.now();
  if (table_.empty() || now - table_made_ > kTableLife || now < table_made_) {
    table_ = pki_.cert_table(pki_.crl_der(now));
    table_made_ = now;
  }
  return table_;
}

// ---- TDX ------------------------------------------------------------------------------------

SimulatedTrustDomain::SimulatedTrustDomain(const IntelPki& pki, const ByteArray<48>& mr_td)
    : pki_(pki), template_(pki.td_quote_template()) {
  std::get<TdReport>(template_.body).mr_td = mr_td;
}

Bytes SimulatedTrustDomain::report(const ByteArray<64>& report_data, std::uint32_t /*level*/,
                                   std::optional<Fault> fault) const {
  IntelQuote quote = template_;
  TdReport& td = std::get<TdReport>(quote.body);
  td.report_data = challenged(report_data, fault);
  if (fault == Fault::kDebug) {
    td.td_attributes[0] |= kTdDebugBit;
  }
  if (fault == Fault::kTdReport) {
    return td_report(td);  // as where no quoting service is behind the driver
  }
  return write_intel_quote(pki_.sign(std::move(quote)));
}

// ---- SGX ------------------------------------------------------------------------------------

SimulatedEnclave::SimulatedEnclave(const IntelPki& pki, const ByteArray<32>& mr_enclave,
                                   const ByteArray<32>& mr_signer)
    : pki_(pki), template_(pki.sgx_quote_template()) {
  SgxReport& enclave = std::get<SgxReport>(template_.body);
  enclave.mr_enclave = mr_enclave;
  enclave.mr_signer = mr_signer;
  enclave.isv_prod_id = kEnclaveProdId;
  enclave.isv_svn = kEnclaveSvn;
}

Bytes SimulatedEnclave::quote(const ByteArray<64>& report_data, std::optional<Fault> fault) const {
  IntelQuote quote = template_;
  SgxReport& enclave = std::get<SgxReport>(quote.body);
  enclave.report_data = challenged(report_data, fault);
  if (fault == Fault::kOtherEnclave) {
    enclave.mr_enclave = sha256(as_bytes("another enclave of the same signer"));
  }
  if (fault == Fault::kDebug) {
    enclave.attributes[0] |= kEnclaveDebugBit;
  }
  return write_intel_quote(pki_.sign(std::move(quote)));
}

}  // namespace ensconce
