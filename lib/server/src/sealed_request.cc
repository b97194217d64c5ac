#include "sealed_request.h"

#include <algorithm>

#include "ensconce/base/secret.h"
#include "ensconce/server/error.h"

namespace ensconce {

namespace {
const std::size_t kMaxHead = 7 + hpke::enc_len(hpke::Kem::kP256);  // the longest
}  // namespace

SealedRequest::SealedRequest(Keys keys, std::optional<std::string_view> meant, bool chunked)
    : keys_(std::move(keys)), meant_(meant), chunked_(chunked) {}

SealedRequest::~SealedRequest() {
  if (!enc_.empty() && !opened_) {
    key_->forget(enc_);
  }
}

Result<void> SealedRequest::take(ByteView piece, Bytes& body) {
  if (!opener_) {
    ENSC_TRY(take_head(piece));
  }
  if (piece.empty()) {
    return ok();
  }
  if (!chunked_) {
    body.insert(body.end(), piece.begin(), piece.end());
    return ok();
  }
  const std::size_t before = body.size();
  const Result<void> fed = opener_->chunks().feed(piece, body);
  opened_ = opened_ || body.size() > before;
  return fed;
}

Result<void> SealedRequest::take_head(ByteView& piece) {
  const std::size_t had = head_.size();
  const std::size_t more = std::min(piece.size(), kMaxHead - had);
  head_.insert(head_.end(), piece.begin(), piece.begin() + static_cast<std::ptrdiff_t>(more));
  const Result<OhttpRequestHead> head = parse_request_head(head_);
  if (!head) {
    const bool short_of_it = head.error().is(OhttpError::kForm) && head_.size() < kMaxHead;
    piece = piece.subspan(more);
    return short_of_it ? ok() : Result<void>(head.error());
  }
  piece = piece.subspan(head->len - had);
  return begin(*head);
}

Result<void> SealedRequest::begin(const OhttpRequestHead& head) {
  for (const auto& key : keys_) {
    if (key_ == nullptr && key != nullptr && key->key().config.key_id == head.key_id &&
        (!meant_ || *meant_ == key->worker_name())) {
      key_ = key;
    }
  }
  if (key_ == nullptr) {
    return Error(ServerError::kForeignKey, "sealed for a key that is not this worker's now");
  }
  // Before anything is opened: what is opened twice is answered twice.
  switch (key_->remember(head.enc)) {
    case GatewayKey::Seen::kReplayed:
      return Error(ServerError::kReplayed, "this request was here before");
    case GatewayKey::Seen::kFull:
      return Error(ServerError::kKeyFull, "the key has served as many requests as it may");
    case GatewayKey::Seen::kNew:
      break;
  }
  enc_ = head.enc;
  ENSC_TRY_ASSIGN(opener_, OhttpRequestOpener::start(key_->key(), head, chunked_));
  return ok();
}

Result<void> SealedRequest::finish(Bytes& body) {
  if (!opener_) {
    return Error(OhttpError::kForm, "no whole head of a request");
  }
  if (chunked_) {
    ENSC_TRY(opener_->chunks().finish(body));
  } else {
    ENSC_TRY_ASSIGN(Bytes plain, opener_->open(body));
    body = std::move(plain);
  }
  opened_ = true;
  return ok();
}

}  // namespace ensconce
