#pragma once

#include "ensconce/sandbox/plan.h"
#include "ensconce/tee/settings.h"

namespace ensconce {

// processor_paths are those that an attester of these settings opens: of one interface where the
// settings name it, of every one where they do not.
ProcessorPaths processor_paths(const AttesterSettings& settings);

}  // namespace ensconce
