#include "ensconce/sealed_model/content_key.h"

namespace ensconce {

ContentKey ContentKey::generate(Random& random) {
  SecretArray<kLen> secret;
  random.fill(secret.expose_mutable());
  return ContentKey(std::move(secret));
}

Result<ContentKey> ContentKey::from(ByteView bytes) {
  auto secret = SecretArray<kLen>::from(bytes);
  if (!secret) {
    return Error(SealedModelError::kBadKey,
                 "a content key is 32 bytes, got " + std::to_string(bytes.size()));
  }
  return ContentKey(std::move(*secret));
}

ContentKey ContentKey::copy() const {
  SecretArray<kLen> secret;
  const auto from = secret_.expose();
  std::copy(from.begin(), from.end(), secret.expose_mutable().begin());
  return ContentKey(std::move(secret));
}

}  // namespace ensconce
