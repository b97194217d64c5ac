#pragma once

#include <filesystem>
#include <string>

#include "ensconce/sealed_model/bundle_head.h"

namespace ensconce {

struct SealOptions {
  std::string name = {};
  std::uint64_t version = 1;
  unsigned num_threads = 0;         // 0: one for each core
  std::string progress_label = {};  // empty: no progress bar
  // A key used twice ties two versions to one release policy, so only tests pass one.
  const ContentKey* content_key_for_test = nullptr;
};

struct SealedResult {
  BundleHeader header;
  Sha256Digest manifest_digest{};
  ContentKey content_key;
};

// seal_directory seals every file below `directory` into one bundle at `out`, in constant memory.
// The files are read twice, for the digests and for the ciphertext, and both readings must agree.
// `out` appears whole or not at all, and never inside `directory`. Errors: kInvalidArgument (name,
// version, place of `out`), kUnsafeName, kUnsafeFile, kEmpty, kTooLarge, kChangedWhileSealing, kIo.
Result<SealedResult> seal_directory(const std::filesystem::path& directory,
                                    const std::filesystem::path& out,
                                    const Ed25519PrivateKey& owner, const SealOptions& options,
                                    Random& random);

}  // namespace ensconce
