#pragma once

#include "cli.h"

namespace ensconce::cli {

// A verb of `ensconce receipt`.
void register_receipt_verify(CLI::App& noun, Registrar registrar);

}  // namespace ensconce::cli
