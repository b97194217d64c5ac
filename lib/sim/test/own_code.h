#pragma once

#include <filesystem>
#include <vector>

namespace ensconce {

// own_code lists the files this very process maps as code: a gate armed for it admits it.
std::vector<std::filesystem::path> own_code();

}  // namespace ensconce
