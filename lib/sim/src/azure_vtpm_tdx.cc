#include "azure_vtpm_evidence.h"
#include "ensconce/sim/azure_vtpm.h"
#include "ensconce/sim/intel_pki.h"
#include "td_report.h"

namespace ensconce {
namespace {

constexpr std::size_t kReportAreaLen = 1184;

}  // namespace

AzureEvidence AzureVtpm::on_tdx(const IntelPki& processor, IntelQuote quote,
                                const std::string& runtime_data, ByteView extra_data) const {
  TdReport& td = std::get<TdReport>(quote.body);
  td.report_data = runtime_digest(runtime_data);
  HclReport hcl;
  hcl.version = 2;
  hcl.hardware = HclReport::Hardware::kTdx;
  hcl.hardware_report = td_report(td);
  hcl.hardware_report.resize(kReportAreaLen);
  hcl.runtime_data = runtime_data;
  AzureEvidence evidence = azure_evidence(*this, hcl, extra_data);
  evidence.td_quote = write_intel_quote(processor.sign(std::move(quote)));
  return evidence;
}

}  // namespace ensconce
