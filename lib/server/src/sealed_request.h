#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "ensconce/ohttp/message.h"
#include "ensconce/server/ohttp_gateway.h"

namespace ensconce {

// SealedRequest opens one request as it arrives: the head chooses the key, then the key is asked
// whether it was here before, and only then is anything decapsulated. A request that is refused
// before anything of it opened is forgotten again; one of which something opened is not.
class SealedRequest {
 public:
  using Keys = std::array<std::shared_ptr<GatewayKey>, 2>;  // those that may open it, or nullptr
  // `meant` is the value of Ensconce-Worker.
  SealedRequest(Keys keys, std::optional<std::string_view> meant, bool chunked);
  ~SealedRequest();
  SealedRequest(const SealedRequest&) = delete;
  SealedRequest& operator=(const SealedRequest&) = delete;

  // take appends to `body` what the next piece of the message holds: plaintext if it is chunked,
  // else what is still sealed. It is never longer than what was taken. Errors: of a message without
  // its form, kForeignKey, kReplayed, kKeyFull, OhttpError::kDecrypt.
  Result<void> take(ByteView piece, Bytes& body);
  // finish takes the end of the message and makes `body` all of its plaintext.
  Result<void> finish(Bytes& body);

  // begun says that the request is for a key of ours, was not here before, and is being opened.
  [[nodiscard]] bool begun() const { return opener_.has_value(); }
  // Of a request that was finished.
  [[nodiscard]] const OhttpRequestOpener& opener() const { return *opener_; }
  [[nodiscard]] const GatewayKey& key() const { return *key_; }

 private:
  // take_head uses the front of `piece`; afterwards the head is whole, or the piece used up.
  Result<void> take_head(ByteView& piece);
  Result<void> begin(const OhttpRequestHead& head);

  const Keys keys_;
  const std::optional<std::string> meant_;
  const bool chunked_;
  Bytes head_;                       // until it is whole
  Bytes enc_;                        // remembered by key_ while it is not empty
  std::shared_ptr<GatewayKey> key_;  // the one it is sealed for
  std::optional<OhttpRequestOpener> opener_;
  bool opened_ = false;  // something of it
};

}  // namespace ensconce
