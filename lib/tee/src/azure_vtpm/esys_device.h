#pragma once

#include <functional>
#include <memory>

#include "checked_tcti.h"
#include "ensconce/tee/azure_vtpm.h"

namespace ensconce::internal {

using OpenTcti = std::function<Result<Tcti>()>;

// make_esys_device speaks to the TPM that `open` opens, anew for each request.
std::unique_ptr<VtpmDevice> make_esys_device(OpenTcti open);

}  // namespace ensconce::internal
