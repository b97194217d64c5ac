#pragma once

#include "cli.h"

namespace ensconce::cli {

// The verbs of `ensconce evidence`.
void register_evidence_verify(CLI::App& noun, Registrar registrar);
void register_evidence_show(CLI::App& noun, Registrar registrar);

}  // namespace ensconce::cli
