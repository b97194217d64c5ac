#pragma once

#include <string_view>

#include "ensconce/base/clock.h"
#include "ensconce/net/http.h"
#include "ensconce/server/model_registry.h"

// What is asked of every request for a served model, whichever protocol it speaks.
namespace ensconce {

// expect_method is ServerError::kMethod for another one.
Result<void> expect_method(const HttpRequest& request, std::string_view method);
// check_lease is ServerError::kLeaseEnded once the lease is over by the boot clock.
Result<void> check_lease(const ServedEntry& entry, const Clock& clock);
// check_bundle holds Ensconce-Bundle against the bundle that is served:
// ServerError::kBundleRequired, kBundleChanged.
Result<void> check_bundle(const HttpRequest& request, const ServedEntry& entry);

}  // namespace ensconce
