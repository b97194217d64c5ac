#include "ensconce/tee/endorsed_provider.h"

#include <algorithm>
#include <utility>

#include "endorsement_items.h"
#include "ensconce/attestation/endorsements/intel_endorsements.h"
#include "ensconce/attestation/endorsements/snp_endorsements.h"
#include "ensconce/attestation/evidence/cert_table.h"
#include "ensconce/attestation/evidence/snp_report.h"

namespace ensconce {

namespace {

void add(std::vector<EndorsementItem> more, std::vector<EndorsementItem>& to) {
  for (EndorsementItem& item : more) {
    if (std::find(to.begin(), to.end(), item) == to.end()) {
      to.push_back(std::move(item));
    }
  }
}

}  // namespace

EndorsedProvider::EndorsedProvider(std::unique_ptr<EvidenceProvider> provider,
                                   std::filesystem::path directory)
    : provider_(std::move(provider)), directory_(std::move(directory)) {}

Result<HardwareEvidence> EndorsedProvider::attest(const ByteArray<64>& report_data) {
  ENSC_TRY_ASSIGN(HardwareEvidence out, provider_->attest(report_data));
  ENSC_TRY_ASSIGN(std::vector<EndorsementItem> items, internal::read_endorsement_items(directory_));
  add(std::move(items), out.endorsements);
  const auto report = parse_snp_report(out.evidence.data);
  const auto quote = parse_intel_quote(out.evidence.data);
  if (out.evidence.type == "snp" && report) {
    out.endorsements = select_snp_endorsements(*report, out.endorsements);
    out.missing = missing_snp_endorsements(out.endorsements);
  } else if (quote) {
    out.missing = missing_intel_endorsements(*quote, out.endorsements);
  }
  if (out.endorsements.size() > kMaxEndorsementItems) {
    return internal::unusable_endorsements("more than " + std::to_string(kMaxEndorsementItems) +
                                           " endorsements");
  }
  return out;
}

}  // namespace ensconce
