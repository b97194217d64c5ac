#pragma once

#include "ensconce/base/random.h"
#include "ensconce/base/secret.h"
#include "ensconce/sealed_model/error.h"

namespace ensconce {

// ContentKey encrypts one version of one model: 32 secret bytes that only derive other keys.
class ContentKey {
 public:
  static constexpr std::size_t kLen = 32;
  static ContentKey generate(Random& random);
  // from copies exactly 32 bytes; another length is SealedModelError::kBadKey.
  static Result<ContentKey> from(ByteView bytes);

  // copy is for a holder that answers more than once; each copy wipes itself.
  [[nodiscard]] ContentKey copy() const;
  [[nodiscard]] std::span<const std::uint8_t, kLen> expose() const { return secret_.expose(); }
  [[nodiscard]] bool equals(const ContentKey& other) const { return secret_.equals(other.secret_); }

 private:
  explicit ContentKey(SecretArray<kLen> secret) : secret_(std::move(secret)) {}
  SecretArray<kLen> secret_;
};

}  // namespace ensconce
