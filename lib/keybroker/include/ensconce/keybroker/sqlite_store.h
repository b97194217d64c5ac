#pragma once

#include <filesystem>
#include <memory>

#include "ensconce/keybroker/store.h"

namespace ensconce {

// open_sqlite_store opens or creates a store in one SQLite file (mode 0600), for this process
// alone: a second broker on the same file is kStore. Target ensconce::keybroker_sqlite.
Result<std::unique_ptr<BrokerStore>> open_sqlite_store(const std::filesystem::path& path);

}  // namespace ensconce
