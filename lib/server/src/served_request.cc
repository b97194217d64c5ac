#include "served_request.h"

#include "ensconce/channel/evidence_document.h"
#include "ensconce/server/error.h"

namespace ensconce {

Result<void> expect_method(const HttpRequest& request, std::string_view method) {
  if (request.method != method) {
    return Error(ServerError::kMethod, "this path takes " + std::string(method));
  }
  return ok();
}

Result<void> check_lease(const ServedEntry& entry, const Clock& clock) {
  if (entry.lease_ends && clock.since_boot() >= *entry.lease_ends) {
    return Error(ServerError::kLeaseEnded, "the lease of " + entry.name + " has ended");
  }
  return ok();
}

Result<void> check_bundle(const HttpRequest& request, const ServedEntry& entry) {
  const auto meant = request.headers.get(kBundleHeader);
  if (!meant) {
    return Error(ServerError::kBundleRequired,
                 "the header Ensconce-Bundle must name the manifest digest this request is for");
  }
  if (*meant != to_hex(entry.manifest_digest)) {
    return Error(ServerError::kBundleChanged,
                 "the model is another bundle than Ensconce-Bundle names");
  }
  return ok();
}

}  // namespace ensconce
