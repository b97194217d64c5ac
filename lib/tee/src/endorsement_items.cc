#include "endorsement_items.h"

#include <utility>

#include "ensconce/attestation/endorsements/endorsement_files.h"
#include "ensconce/base/log.h"
#include "ensconce/tee/endorsed_provider.h"

namespace ensconce::internal {

Error unusable_endorsements(std::string detail) {
  return Error(TeeError::kEndorsements, std::move(detail))
      .with_remedy(
          "endorsements: name a directory with this platform's certificates, revocation lists and "
          "collateral alone");
}

Result<std::vector<EndorsementItem>> read_endorsement_items(
    const std::filesystem::path& directory) {
  auto files = read_endorsement_files(directory, {kMaxEndorsementBytes, kMaxEndorsementBytes});
  if (!files) {
    return unusable_endorsements(files.error().to_string());
  }
  for (const std::string& note : files->notes) {
    log_warning("endorsements: " + note);
  }
  return std::move(files->items);
}

}  // namespace ensconce::internal
