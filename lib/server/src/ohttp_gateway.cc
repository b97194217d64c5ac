#include "ensconce/server/ohttp_gateway.h"

#include <algorithm>
#include <array>

#include "ensconce/base/log.h"
#include "ensconce/channel/evidence_document.h"
#include "ensconce/codec/json.h"
#include "ensconce/server/error.h"
#include "ensconce/server/v2_service.h"
#include "sealed_request.h"

namespace ensconce {

namespace {

constexpr std::string_view kReceiptField = "ensconce-receipt";
// Of a streamed answer that hides lengths every frame has this plaintext.
constexpr std::size_t kFrame = std::size_t{16} * 1024;

std::vector<OhttpAlgorithms> algorithms() {
  using hpke::Aead;
  using hpke::Kdf;
  return {{Kdf::kHkdfSha256, Aead::kAes128Gcm},
          {Kdf::kHkdfSha256, Aead::kAes256Gcm},
          {Kdf::kHkdfSha256, Aead::kChaCha20Poly1305}};
}

Result<HttpRequest> inner_request(Bytes bhttp) {
  ENSC_TRY_ASSIGN(BinaryRequest binary, take_binary_request(std::move(bhttp)));
  if (binary.path.empty() || binary.path.front() != '/') {
    wipe(binary.content.data(), binary.content.size());
    return Error(OhttpError::kBinaryHttp, "the path does not begin with '/'");
  }
  HttpRequest out;
  out.method = std::move(binary.method);
  out.target = std::move(binary.path);
  for (BinaryField& field : binary.headers) {
    if (!is_hop_field(field.name)) {
      out.headers.add(std::move(field.name), std::move(field.value));
    }
  }
  out.body = std::move(binary.content);
  return out;
}

// A receipt is the last field of a streamed answer, and a header of a whole one.
BinaryResponse inner_response(HttpResponse& response, bool chunked) {
  BinaryResponse out;
  out.status = response.status;
  for (const HttpHeader& header : response.headers.all()) {
    std::string name = lower_name(header.name);
    if (!is_hop_field(name)) {
      BinaryFields& to = chunked && name == kReceiptField ? out.trailers : out.headers;
      to.push_back({std::move(name), header.value});
    }
  }
  out.content = std::move(response.body);
  return out;
}

// RFC 9457; `type` is about:blank unless the standard has one.
HttpResponse problem(int status, std::string_view type, const Error& error) {
  log_failure("sealed request refused", error);
  HttpResponse out = json_response(status, json::write(json::Object{
                                               {"type", type},
                                               {"title", std::string(error.id())},
                                               {"status", status},
                                           }));
  out.headers.set("Content-Type", "application/problem+json");
  return out;
}

HttpResponse refusal(const Error& error) {
  if (error.is(ServerError::kForeignKey)) {
    return problem(400, kOhttpKeyProblem, error);
  }
  for (const ServerError code : {ServerError::kReplayed, ServerError::kKeyFull, ServerError::kBusy,
                                 ServerError::kMethod, ServerError::kMediaType}) {
    if (error.is(code)) {
      return problem(http_status_of(code), "about:blank", error);
    }
  }
  return problem(http_status_of(error.kind()), "about:blank", error);
}

// SealedFrames seals an answer as the socket takes it, frame by frame, for as long as it is taken
// fast enough; until it goes, what it holds is counted.
class SealedFrames final : public BodySource {
 public:
  SealedFrames(std::unique_ptr<ChunkSealer> sealer, Bytes plain, const Clock& clock,
               const GatewayLimits& limits, std::shared_ptr<std::atomic<std::size_t>> held)
      : sealer_(std::move(sealer)),
        plain_(std::move(plain)),
        clock_(clock),
        limits_(limits),
        began_(clock.since_boot()),
        held_(std::move(held)) {
    *held_ += plain_.size();
  }
  ~SealedFrames() override {
    wipe(plain_.data(), plain_.size());
    *held_ -= plain_.size();
  }
  SealedFrames(const SealedFrames&) = delete;
  SealedFrames& operator=(const SealedFrames&) = delete;

  Result<bool> next(Bytes& out) override {
    const Millis allowed =
        limits_.grace + Millis(static_cast<std::int64_t>(sent_ * 1000 / limits_.min_rate));
    if (clock_.since_boot() - began_ > allowed) {
      return Error(ServerError::kSlowReader, "after " + std::to_string(sent_) + " of " +
                                                 std::to_string(plain_.size()) + " bytes");
    }
    if (sent_ == 0) {
      out = sealer_->prefix();
    }
    const ByteView left = ByteView(plain_).subspan(sent_);
    const ByteView frame = left.first(std::min(left.size(), kFrame));
    sent_ += frame.size();
    const bool final = frame.size() == left.size();
    sealer_->seal(frame, final, out);
    return !final;
  }

 private:
  std::unique_ptr<ChunkSealer> sealer_;
  Bytes plain_;
  const Clock& clock_;
  const GatewayLimits limits_;
  const Millis began_;
  std::shared_ptr<std::atomic<std::size_t>> held_;
  std::size_t sent_ = 0;
};

}  // namespace

// ---- Keys --------------------------------------------------------------------------------------

GatewayKey::GatewayKey(hpke::Kem kem, Random& random, std::size_t max_seen,
                       const GatewayKey* before)
    : key_{{}, hpke::PrivateKey::generate(kem, random)}, max_seen_(max_seen) {
  std::uint8_t key_id = random.array<1>()[0];
  while (before != nullptr && key_id == before->key_.config.key_id) {
    key_id = random.array<1>()[0];
  }
  key_.config = make_key_config(key_id, key_.key, algorithms());
  digest_ = sha256(key_.config.encoded);
}

std::string GatewayKey::worker_name() const { return to_hex(ByteView(digest_).first(8)); }

GatewayKey::Seen GatewayKey::remember(ByteView enc) {
  const Sha256Digest digest = sha256(enc);
  const std::lock_guard lock(mutex_);
  if (seen_.contains(digest)) {
    return Seen::kReplayed;
  }
  if (seen_.size() >= max_seen_) {
    return Seen::kFull;
  }
  seen_.insert(digest);
  return Seen::kNew;
}

void GatewayKey::forget(ByteView enc) {
  const Sha256Digest digest = sha256(enc);
  const std::lock_guard lock(mutex_);
  seen_.erase(digest);
}

bool GatewayKey::filling() const {
  const std::lock_guard lock(mutex_);
  return seen_.size() >= max_seen_ / 2;
}

// ---- Gateway -----------------------------------------------------------------------------------

OhttpGateway::OhttpGateway(const Clock& clock, Random& random, Padding padding, Inner inner,
                           const GatewayLimits& limits)
    : clock_(clock),
      random_(random),
      padding_(padding),
      inner_(std::move(inner)),
      limits_(limits),
      held_(std::make_shared<std::atomic<std::size_t>>(0)) {}

void OhttpGateway::install(std::shared_ptr<GatewayKey> current,
                           std::shared_ptr<GatewayKey> previous) {
  const std::lock_guard lock(mutex_);
  keys_ = {std::move(current), std::move(previous)};
}

OhttpGateway::Keys OhttpGateway::keys() const {
  const std::lock_guard lock(mutex_);
  return keys_;
}

bool OhttpGateway::wants_key() const {
  const Keys keys = this->keys();
  return keys.current != nullptr && keys.current->filling();
}

namespace {

// is_chunked is of the two media types that are sealed requests; nothing for others.
std::optional<bool> is_chunked(const HttpRequest& outer) {
  const std::string_view type = outer.headers.get("Content-Type").value_or("");
  return type == kOhttpChunkedRequestType ? std::optional(true)
         : type == kOhttpRequestType      ? std::optional(false)
                                          : std::nullopt;
}

}  // namespace

class OhttpGateway::Intake final : public BodyIntake {
 public:
  Intake(OhttpGateway& gateway, const HttpRequest& outer, bool chunked)
      : gateway_(gateway),
        keys_(gateway.keys()),
        request_({keys_.current, keys_.previous}, outer.headers.get(kWorkerHeader), chunked),
        chunked_(chunked) {}
  ~Intake() override { wipe(plain_.data(), plain_.size()); }

  std::unique_ptr<HttpResponse> take(ByteView piece, Bytes& body) override {
    if (!request_.begun() && *gateway_.held_ > gateway_.limits_.max_held) {
      return refused(Error(ServerError::kBusy, "answers that are slowly read hold too much memory"),
                     body);
    }
    const Result<void> taken = request_.take(piece, body);
    return taken ? nullptr : refused(taken.error(), body);
  }
  std::unique_ptr<HttpResponse> finish(Bytes& body) override {
    const Result<void> finished = request_.finish(body);
    if (!finished) {
      return refused(finished.error(), body);
    }
    plain_ = std::move(body);
    return nullptr;
  }
  [[nodiscard]] bool settled() const override { return request_.begun(); }
  // Of a request that was finished.
  [[nodiscard]] const SealedRequest& request() const { return request_; }
  [[nodiscard]] bool chunked() const { return chunked_; }
  Bytes take_plain() { return std::exchange(plain_, {}); }

 private:
  std::unique_ptr<HttpResponse> refused(const Error& error, Bytes& body) {
    wipe(body.data(), body.size());
    body.clear();
    return std::make_unique<HttpResponse>(gateway_.refuse(error, keys_));
  }

  OhttpGateway& gateway_;
  const Keys keys_;
  SealedRequest request_;
  const bool chunked_;
  Bytes plain_;
};

HttpResponse OhttpGateway::refuse(const Error& error, const Keys& keys) {
  HttpResponse out = refusal(error);
  out.headers.set(std::string(kWorkerHeader), keys.current->worker_name());
  return out;
}

std::shared_ptr<BodyIntake> OhttpGateway::intake(const HttpRequest& head) {
  const std::optional<bool> chunked = is_chunked(head);
  if (head.method != "POST" || !chunked) {
    return nullptr;  // handle says why
  }
  return std::make_shared<Intake>(*this, head, *chunked);
}

HttpResponse OhttpGateway::handle(const HttpRequest& outer) {
  if (auto* taken = dynamic_cast<Intake*>(outer.intake.get()); taken != nullptr) {
    return answer_taken(*taken);
  }
  const Keys keys = this->keys();
  if (outer.method == "GET") {
    HttpResponse out;
    out.headers.set(std::string(kWorkerHeader), keys.current->worker_name());
    out.headers.set("Content-Type", std::string(kOhttpKeysType));
    out.headers.set("Cache-Control", "no-store");
    out.body = write_key_configs({&keys.current->key().config, 1});
    return out;
  }
  if (outer.method != "POST") {
    return refuse(Error(ServerError::kMethod, "this path takes GET and POST"), keys);
  }
  const std::optional<bool> chunked = is_chunked(outer);
  if (!chunked) {
    return refuse(
        Error(ServerError::kMediaType, "expected " + std::string(kOhttpRequestType) + " or " +
                                           std::string(kOhttpChunkedRequestType)),
        keys);
  }
  Intake whole(*this, outer, *chunked);
  Bytes body;
  body.reserve(outer.body.size());  // growing would leave copies of what was opened behind
  std::unique_ptr<HttpResponse> refused = whole.take(outer.body, body);
  if (refused == nullptr) {
    refused = whole.finish(body);
  }
  return refused != nullptr ? std::move(*refused) : answer_taken(whole);
}

HttpResponse OhttpGateway::answer_taken(Intake& intake) {
  HttpResponse inner = answer(intake.take_plain());
  HttpResponse out = seal(intake.request().opener(), std::move(inner), intake.chunked());
  // The key that opened it, also when it is the previous one: by that name the client asks on.
  out.headers.set(std::string(kWorkerHeader), intake.request().key().worker_name());
  return out;
}

HttpResponse OhttpGateway::answer(Bytes bhttp) {
  Result<HttpRequest> request = inner_request(std::move(bhttp));
  if (!request) {
    return response_of(request.error());
  }
  HttpResponse out = inner_(*request);
  wipe(request->body.data(), request->body.size());
  request->headers.wipe();
  return out;
}

HttpResponse OhttpGateway::seal(const OhttpRequestOpener& opener, HttpResponse inner,
                                bool chunked) {
  BinaryResponse binary = inner_response(inner, chunked);
  Bytes plain = write_binary_response(binary);
  wipe(binary.content.data(), binary.content.size());
  std::size_t len = padding_.padded_len(plain.size());
  if (chunked && padding_.hides()) {
    len = (len + kFrame - 1) / kFrame * kFrame;
  }
  pad_binary(len, plain);
  HttpResponse out;
  out.headers.set("Content-Type",
                  std::string(chunked ? kOhttpChunkedResponseType : kOhttpResponseType));
  out.headers.set("Cache-Control", "no-store");
  if (chunked) {
    out.headers.set("Incremental", "?1");
    out.stream = std::make_shared<SealedFrames>(opener.response_chunks(random_), std::move(plain),
                                                clock_, limits_, held_);
    return out;
  }
  out.body = opener.seal_response(plain, random_);
  wipe(plain.data(), plain.size());
  return out;
}

}  // namespace ensconce
