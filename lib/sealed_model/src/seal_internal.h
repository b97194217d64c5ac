#pragma once

#include <functional>

#include "ensconce/sealed_model/seal.h"
#include "stream.h"

namespace ensconce::internal {

// SealMaterial is everything of a bundle that is drawn at random.
struct SealMaterial {
  ContentKey content_key;
  ByteArray<16> bundle_id{};
  ByteArray<16> key_id{};
  StreamHeader stream;
};

// seal_with is seal_directory after the draw. `between_readings` runs when the files were hashed
// and are about to be encrypted, which is when a test changes one.
Result<SealedResult> seal_with(SealMaterial material, const std::filesystem::path& directory,
                               const std::filesystem::path& out, const Ed25519PrivateKey& owner,
                               const SealOptions& options,
                               const std::function<void()>& between_readings = {});

}  // namespace ensconce::internal
