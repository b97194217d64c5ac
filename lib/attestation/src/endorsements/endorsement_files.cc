#include "ensconce/attestation/endorsements/endorsement_files.h"

#include <algorithm>
#include <iterator>
#include <system_error>

#include "ensconce/attestation/endorsements/recognise.h"
#include "ensconce/base/printable.h"

namespace ensconce {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxNote = 512;

Result<std::vector<EndorsementItem>> read_one(const fs::path& path, std::size_t max_file) {
  ENSC_TRY_ASSIGN(const Bytes bytes, read_file(path, max_file));
  auto file = recognise(bytes);
  if (!file) {
    return file.error().with_context(path.string());
  }
  if (file->endorsements.empty()) {
    return Error(EvidenceError::kEndorsementUnknown, path.string() + " is " + file->what)
        .with_remedy("give evidence with --input and what supports it with --endorsements");
  }
  return std::move(file->endorsements);
}

Result<std::vector<fs::path>> files_of(const fs::path& directory) {
  std::vector<fs::path> files;
  std::error_code error;
  for (fs::directory_iterator it(directory, error), end; !error && it != end; it.increment(error)) {
    std::error_code unknown;  // a file that went away meanwhile is none
    if (!it->is_regular_file(unknown) || unknown) {
      continue;
    }
    files.push_back(it->path());
    if (files.size() > kMaxEndorsementFiles) {
      return Error(BaseError::kTooLarge, directory.string() + " holds more than 256 files")
          .with_remedy("give a directory of this evidence's endorsements");
    }
  }
  if (error) {
    return Error(BaseError::kIo, "cannot list " + directory.string() + ": " + error.message());
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::size_t size_of(const std::vector<EndorsementItem>& items) {
  std::size_t out = 0;
  for (const EndorsementItem& item : items) {
    out += item.data.size();
  }
  return out;
}

bool no_endorsement(const Error& error) {
  return error.is(EvidenceError::kEvidenceUnknown) || error.is(EvidenceError::kEndorsementUnknown);
}

}  // namespace

Result<EndorsementFiles> read_endorsement_files(const fs::path& path,
                                                const EndorsementFileLimits& limits) {
  EndorsementFiles out;
  std::error_code unknown;
  if (!fs::is_directory(path, unknown)) {
    ENSC_TRY_ASSIGN(out.items, read_one(path, limits.max_file));
    return out;
  }
  ENSC_TRY_ASSIGN(const std::vector<fs::path> files, files_of(path));
  std::size_t total = 0;
  for (const fs::path& file : files) {
    auto items = read_one(file, limits.max_file);
    if (!items) {
      if (!no_endorsement(items.error())) {
        out.notes.push_back("passed over " + printable(items.error().to_string(), kMaxNote));
      }
      continue;
    }
    total += size_of(*items);
    if (total > limits.max_total) {
      return Error(BaseError::kTooLarge, path.string() + " holds endorsements of more than " +
                                             std::to_string(limits.max_total) + " bytes")
          .with_remedy("give a directory of this evidence's endorsements");
    }
    std::move(items->begin(), items->end(), std::back_inserter(out.items));
  }
  return out;
}

}  // namespace ensconce
