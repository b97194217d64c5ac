#include "model_files.h"

#include <deque>

#include "ensconce/base/file.h"

namespace ensconce::bench {

namespace fs = std::filesystem;

Result<std::unique_ptr<Model>> load_directory(const fs::path& folder, EngineFactory& engines,
                                              const EngineOptions& options) {
  constexpr std::size_t kMaxModelFile = std::size_t{2048} * 1024 * 1024;
  std::error_code error;
  std::deque<Bytes> contents;  // its elements stay where they are
  MemoryFiles files;
  for (fs::recursive_directory_iterator it(folder, error), end; !error && it != end;
       it.increment(error)) {
    if (it->is_regular_file()) {
      ENSC_TRY_ASSIGN(contents.emplace_back(), read_file(it->path(), kMaxModelFile));
      files.add(it->path().lexically_relative(folder).generic_string(), contents.back());
    }
  }
  if (error) {
    return Error(BaseError::kIo, folder.string() + ": " + error.message());
  }
  return load_model(files, engines, options);
}

}  // namespace ensconce::bench
