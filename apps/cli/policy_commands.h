#pragma once

#include "cli.h"

namespace ensconce::cli {

// The verbs of `ensconce policy`.
void register_policy_init(CLI::App& noun, Registrar registrar);

}  // namespace ensconce::cli
