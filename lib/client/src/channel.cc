#include "ensconce/client/channel.h"

#include <algorithm>
#include <chrono>

#include "ensconce/base/printable.h"
#include "ensconce/channel/tls_binding.h"
#include "ensconce/codec/json.h"
#include "ensconce/ohttp/binary_http.h"
#include "ensconce/ohttp/binary_reader.h"
#include "ensconce/ohttp/message.h"

namespace ensconce {

namespace {

constexpr std::size_t kChunk = std::size_t{16} * 1024;
// An answer has the time of a request to come in, and as long again as what came takes at this
// rate: what a gateway allows its readers.
constexpr std::int64_t kMinRate = 32'768;                  // bytes a second
constexpr std::size_t kChunkOverhead = 8 + hpke::kTagLen;  // at most: length and tag

Result<EvidenceDocument> read_document(const HttpResponse& response, Bytes& raw) {
  ENSC_TRY_ASSIGN(EvidenceDocument document, read_evidence_answer(response.status, response.body));
  raw = response.body;
  return document;
}

HttpRequest document_request(const ByteArray<32>& nonce, bool hardware, bool ohttp) {
  return {"GET", evidence_target(nonce, hardware) + (ohttp ? "&channel=ohttp" : ""), {}, {}};
}

// ---- Attested TLS ------------------------------------------------------------------------------

class TlsChannel final : public WorkerChannel {
 public:
  explicit TlsChannel(std::unique_ptr<HttpClient> http) : http_(std::move(http)) {}

  Result<EvidenceDocument> fetch_document(const ByteArray<32>& nonce, bool hardware,
                                          Bytes& raw) override {
    ENSC_TRY_ASSIGN(const HttpResponse response,
                    http_->request(document_request(nonce, hardware, false)));
    return read_document(response, raw);
  }

  Result<void> bind(const EvidenceDocument& document, const Affirmed& affirmed,
                    const ByteArray<32>& nonce) override {
    const ConnectionInfo& info = http_->info();
    hides_lengths_ = affirmed.statement().security.padding != "none";
    return bind_to_tls(document, affirmed, ChannelKind::kTlsExporter, nonce,
                       {info.peer_certificate_der, info.exporter});
  }

  Result<HttpResponse> exchange(const HttpRequest& request) override {
    begun_ = false;
    if (hides_lengths_ && request.method == "POST") {
      return Error(ChannelError::kLengthsShown,
                   "the worker's statement says that lengths are hidden, which TLS records do not")
          .with_remedy("use the oblivious channel: --channel ohttp");
    }
    begun_ = true;
    return http_->request(request);
  }
  [[nodiscard]] bool open() const override { return http_->open(); }
  [[nodiscard]] bool sent_whole() const override { return begun_ && http_->sent_whole(); }
  [[nodiscard]] std::optional<ByteArray<32>> exporter() const override {
    return http_->info().exporter;
  }

 private:
  std::unique_ptr<HttpClient> http_;
  bool hides_lengths_ = false;
  bool begun_ = false;  // the last exchange came to a request
};

// ---- Oblivious HTTP ----------------------------------------------------------------------------

// Outside is where connections of the oblivious channel go. TLS there is whoever's, and what they
// say of their sessions concerns nothing.
struct Outside {
  Url url;
  ClientOptions options;

  static Outside of(const Url& url, const ClientOptions& options) {
    Outside out{url, {}};
    out.options.connect_timeout = options.connect_timeout;
    out.options.request_timeout = options.request_timeout;
    out.options.max_response_header = options.max_response_header;
    out.options.max_response_body = options.max_response_body;
    out.options.pinned_spki_sha256 = options.pinned_spki_sha256;
    if (options.identity) {
      out.options.identity =
          TlsIdentity{options.identity->certificate_der,
                      SecretBytes::copy_of(options.identity->private_key_der.expose())};
    }
    return out;
  }
  [[nodiscard]] Result<std::unique_ptr<HttpClient>> connect() const {
    return HttpClient::connect(url, options, ServerTickets::kIgnored);
  }
};

BinaryRequest to_binary(const HttpRequest& request, const std::string& authority) {
  BinaryRequest out{request.method, "https", authority, request.target, {}, request.body, {}};
  for (const HttpHeader& header : request.headers.all()) {
    if (!is_hop_field(header.name)) {
      out.headers.push_back({lower_name(header.name), header.value});
    }
  }
  return out;
}

HttpResponse from_binary(BinaryResponse binary) {
  HttpResponse out;
  out.status = binary.status;
  for (auto* fields : {&binary.headers, &binary.trailers}) {
    for (BinaryField& field : *fields) {
      out.headers.add(std::move(field.name), std::move(field.value));
    }
  }
  out.body = std::move(binary.content);
  return out;
}

// append grows `out` without leaving a copy of what it held behind.
void append(ByteView piece, Bytes& out) {
  const std::size_t len = out.size() + piece.size();
  if (len > out.capacity()) {
    Bytes grown;
    grown.reserve(std::max(len, 2 * out.capacity()));
    grown.assign(out.begin(), out.end());
    wipe(out.data(), out.size());
    out = std::move(grown);
  }
  out.insert(out.end(), piece.begin(), piece.end());
}

// What a gateway refuses in the open was not opened; so says RFC 9458 section 5.2 of its problem
// type, and our gateway of its own codes. Whoever is in between can say it too, which is why a
// caller tries again once and not for ever.
Error refused_outside(const HttpResponse& response) {
  std::string type;
  std::string title;
  json::Limits limits;
  limits.max_bytes = 4096;
  if (const auto body = json::parse(as_text(response.body), limits); body && body->is_object()) {
    const auto text_of = [&](const char* name) {
      const json::Value* member = body->find(name);
      const auto text = member != nullptr ? member->as_text(name) : Result<std::string>("");
      return text ? text->substr(0, 128) : std::string();
    };
    type = text_of("type");
    title = text_of("title");
  }
  if (response.status >= 400 && response.status < 500 && type == kOhttpKeyProblem) {
    return {ChannelError::kKeyGone,
            "the request was sealed for a key that the worker which got it "
            "does not have"};
  }
  return Error(ChannelError::kUnexpectedAnswer, "outside the envelope, status " +
                                                    std::to_string(response.status) +
                                                    (title.empty() ? "" : ": " + printable(title)))
      .with_remedy("this answer is of a gateway or of somebody between: it is believed in nothing");
}

// ChunkedAnswer opens an answer as it comes. Held are a piece of what came and what of a chunk is
// not whole yet.
class ChunkedAnswer final : public AnswerBody {
 public:
  ChunkedAnswer(std::shared_ptr<HttpClient> http, std::unique_ptr<ChunkOpener> opener,
                Millis patience)
      : http_(std::move(http)), opener_(std::move(opener)), patience_(patience) {}
  ~ChunkedAnswer() override { wipe(content_.data(), content_.size()); }

  // read_head waits until the head is known.
  Result<void> read_head() {
    while (!ended_ && !reader_.head_known()) {
      ENSC_TRY(pull());
    }
    return ok();
  }
  [[nodiscard]] bool ended() const { return ended_; }
  [[nodiscard]] HttpResponse head() const {
    HttpResponse out;
    out.status = reader_.status();
    for (const BinaryField& field : reader_.headers()) {
      out.headers.add(field.name, field.value);
    }
    return out;
  }
  // whole is the answer that ended while its head was waited for.
  HttpResponse whole() {
    HttpResponse out = head();
    for (const HttpHeader& field : trailers_.all()) {
      out.headers.add(field.name, field.value);
    }
    out.body = std::exchange(content_, {});
    return out;
  }

  Result<bool> next(Bytes& out) override {
    while (!ended_ && content_.empty()) {
      ENSC_TRY(pull());
    }
    append(content_, out);
    wipe(content_.data(), content_.size());
    content_.clear();
    return !ended_;
  }
  [[nodiscard]] const HttpHeaders& trailers() const override { return trailers_; }

 private:
  // pull takes the next piece from the connection.
  Result<void> pull() {
    Bytes sealed;
    const auto asked = std::chrono::steady_clock::now();
    ENSC_TRY_ASSIGN(const bool more, http_->next_piece(sealed));
    waited_ += std::chrono::steady_clock::now() - asked;
    came_ += static_cast<std::int64_t>(sealed.size());
    if (more && waited_ > patience_ + Millis(came_ * 1000 / kMinRate)) {
      return Error(NetError::kTimeout,
                   "the answer trickles: " + std::to_string(came_) + " bytes came in " +
                       std::to_string(waited_ / std::chrono::milliseconds(1)) + " ms");
    }
    Bytes plain;
    plain.reserve(sealed.size() + kMaxOhttpChunk + hpke::kTagLen);  // with what was held
    const Result<void> read = open(sealed, more, plain);
    wipe(plain.data(), plain.size());
    return read;
  }

  Result<void> open(ByteView sealed, bool more, Bytes& plain) {
    ENSC_TRY(opener_->feed(sealed, plain));
    if (!more) {
      ENSC_TRY(opener_->finish(plain));
    }
    content_.reserve(content_.size() + plain.size());
    ENSC_TRY(reader_.feed(plain, content_));
    if (more) {
      return ok();
    }
    ENSC_TRY(reader_.finish());
    for (const BinaryField& field : reader_.trailers()) {
      trailers_.add(field.name, field.value);
    }
    ended_ = true;
    return ok();
  }

  // Shared with the channel, which lets go of it when it connects anew.
  const std::shared_ptr<HttpClient> http_;
  std::unique_ptr<ChunkOpener> opener_;
  const Millis patience_;
  std::chrono::steady_clock::duration waited_{};  // for what came; not for who asks for it
  std::int64_t came_ = 0;                         // bytes
  BinaryResponseReader reader_;
  Bytes content_;  // opened, and not asked for yet
  HttpHeaders trailers_;
  bool ended_ = false;
};

class ObliviousChannel final : public WorkerChannel {
 public:
  ObliviousChannel(Outside outside, std::shared_ptr<HttpClient> http, bool chunked, Random& random)
      : outside_(std::move(outside)), http_(std::move(http)), chunked_(chunked), random_(random) {}

  // Evidence begins everything anew, so it may come over another connection: nothing that was known
  // of the last one is taken for this one.
  Result<EvidenceDocument> fetch_document(const ByteArray<32>& nonce, bool hardware,
                                          Bytes& raw) override {
    if (!http_->open()) {
      ENSC_TRY_ASSIGN(http_, outside_.connect());
    }
    ENSC_TRY_ASSIGN(const HttpResponse response,
                    http_->request(document_request(nonce, hardware, true)));
    return read_document(response, raw);
  }

  Result<void> bind(const EvidenceDocument& document, const Affirmed& affirmed,
                    const ByteArray<32>& nonce) override {
    if (!document.ohttp_key) {
      return Error(ChannelError::kForeignOhttpKey, "the evidence document carries no gateway key");
    }
    const Statement& statement = affirmed.statement();
    const Sha256Digest digest = sha256(*document.ohttp_key);
    const std::vector<Sha256Digest>& named = statement.keys.ohttp;
    if (std::find(named.begin(), named.end(), digest) == named.end()) {
      return Error(ChannelError::kForeignOhttpKey, "the gateway key has SHA-256 " + to_hex(digest) +
                                                       ", which the attested "
                                                       "statement does not name")
          .with_remedy("somebody put a key of their own in the worker's place");
    }
    if (!document.session) {
      return Error(ChannelError::kNoSessionProof, "the evidence document carries no session proof");
    }
    ENSC_TRY(
        verify_session(*document.session, {ChannelKind::kOhttpKey, nonce, digest,
                                           affirmed.statement_sha256(), statement.keys.session}));
    ENSC_TRY_ASSIGN(key_, parse_key_config(*document.ohttp_key));
    const auto padding = Padding::parse(statement.security.padding);
    if (!padding) {
      return Error(ChannelError::kUnexpectedAnswer,
                   "the worker pads by a rule this version does not know");
    }
    padding_ = *padding;
    worker_ = to_hex(ByteView(digest).first(8));
    return ok();
  }

  Result<HttpResponse> exchange(const HttpRequest& request) override {
    if (chunked_) {
      ENSC_TRY_ASSIGN(StreamedAnswer answer, begin(request));
      return whole(std::move(answer));
    }
    ENSC_TRY_ASSIGN(const OhttpRequestSealer sealer, seal(request));
    ENSC_TRY_ASSIGN(const HttpResponse response, http_->request(std::exchange(outer_, {})));
    ENSC_TRY(check_outside(response));
    ENSC_TRY_ASSIGN(Bytes plain, sealer.open_response(response.body));
    ENSC_TRY_ASSIGN(BinaryResponse binary, take_binary_response(std::move(plain)));
    return from_binary(std::move(binary));
  }

  Result<StreamedAnswer> begin(const HttpRequest& request) override {
    if (!chunked_) {
      return WorkerChannel::begin(request);
    }
    ENSC_TRY_ASSIGN(const OhttpRequestSealer sealer, seal(request));
    ENSC_TRY_ASSIGN(const HttpResponse response, http_->begin(std::exchange(outer_, {})));
    ENSC_TRY(check_outside(response));
    auto answer = std::make_unique<ChunkedAnswer>(http_, sealer.response_chunks(),
                                                  outside_.options.request_timeout);
    ENSC_TRY(answer->read_head());
    if (answer->ended()) {
      return StreamedAnswer{answer->whole(), nullptr};
    }
    HttpResponse head = answer->head();
    return StreamedAnswer{std::move(head), std::move(answer)};
  }
  [[nodiscard]] bool open() const override { return http_->open(); }
  [[nodiscard]] bool sent_whole() const override { return begun_ && http_->sent_whole(); }

 private:
  // seal makes the outer request.
  Result<OhttpRequestSealer> seal(const HttpRequest& request) {
    ENSC_CHECK(key_.has_value());  // nothing is sealed before bind
    begun_ = false;
    ENSC_TRY_ASSIGN(OhttpRequestSealer sealer, OhttpRequestSealer::start(*key_, chunked_, random_));
    outer_ = {};
    outer_.method = "POST";
    outer_.target = std::string(kGatewayPath);
    outer_.headers.set("Content-Type",
                       std::string(chunked_ ? kOhttpChunkedRequestType : kOhttpRequestType));
    outer_.headers.set(std::string(kWorkerHeader), worker_);
    if (chunked_) {
      outer_.headers.set("Incremental", "?1");
    }
    outer_.body = sealed(sealer, request);
    outer_.on_sent = request.on_sent;
    begun_ = true;
    return sealer;
  }

  [[nodiscard]] Result<void> check_outside(const HttpResponse& response) const {
    if (response.status != 200) {
      return refused_outside(response);
    }
    const std::string_view expected = chunked_ ? kOhttpChunkedResponseType : kOhttpResponseType;
    if (response.headers.get("Content-Type") != expected) {
      return Error(ChannelError::kUnexpectedAnswer,
                   "expected a sealed answer, got another content type");
    }
    return ok();
  }

  static Result<HttpResponse> whole(StreamedAnswer answer) {
    HttpResponse& out = answer.head;
    for (bool more = answer.rest != nullptr; more;) {
      const Result<bool> next = answer.rest->next(out.body);
      if (!next) {
        wipe(out.body.data(), out.body.size());
        return next.error();
      }
      more = *next;
    }
    if (answer.rest != nullptr) {
      for (const HttpHeader& field : answer.rest->trailers().all()) {
        out.headers.add(field.name, field.value);
      }
    }
    return std::move(out);
  }

  [[nodiscard]] Bytes sealed(OhttpRequestSealer& sealer, const HttpRequest& request) const {
    BinaryRequest binary = to_binary(request, outside_.url.authority());
    Bytes plain = write_binary_request(binary);
    wipe(binary.content.data(), binary.content.size());
    for (BinaryField& field : binary.headers) {
      wipe(field.value.data(), field.value.size());
    }
    std::size_t len = padding_.padded_len(plain.size());
    if (chunked_ && padding_.hides()) {
      len = (len + kChunk - 1) / kChunk * kChunk;
    }
    pad_binary(len, plain);
    Bytes out;
    if (chunked_) {
      ChunkSealer& chunks = sealer.chunks();
      out = chunks.prefix();
      out.reserve(out.size() + plain.size() + (plain.size() / kChunk + 1) * kChunkOverhead);
      for (ByteView left(plain); !left.empty();) {
        const ByteView chunk = left.first(std::min(left.size(), kChunk));
        left = left.subspan(chunk.size());
        chunks.seal(chunk, left.empty(), out);
      }
    } else {
      out = sealer.seal(plain);
    }
    wipe(plain.data(), plain.size());
    return out;
  }

  const Outside outside_;
  std::shared_ptr<HttpClient> http_;  // shared with the answer that is being read
  bool chunked_;
  Random& random_;
  bool begun_ = false;  // the last exchange came to a request
  HttpRequest outer_;   // from seal to being sent
  std::optional<OhttpKeyConfig> key_;
  Padding padding_ = Padding::none();
  std::string worker_;
};

}  // namespace

Result<StreamedAnswer> WorkerChannel::begin(const HttpRequest& request) {
  ENSC_TRY_ASSIGN(HttpResponse answer, exchange(request));
  return StreamedAnswer{std::move(answer), nullptr};
}

Result<std::unique_ptr<WorkerChannel>> open_channel(const Url& url, ChannelChoice choice,
                                                    const ClientOptions& options, Random& random) {
  if (choice == ChannelChoice::kAttestedTls) {
    if (url.scheme != "https") {
      return Error(NetError::kBadUrl, "attested TLS is reached by https only");
    }
    ENSC_TRY_ASSIGN(std::unique_ptr<HttpClient> http, HttpClient::connect(url, options));
    return std::unique_ptr<WorkerChannel>(std::make_unique<TlsChannel>(std::move(http)));
  }
  Outside outside = Outside::of(url, options);
  ENSC_TRY_ASSIGN(std::unique_ptr<HttpClient> http, outside.connect());
  return std::unique_ptr<WorkerChannel>(std::make_unique<ObliviousChannel>(
      std::move(outside), std::move(http), choice == ChannelChoice::kObliviousChunked, random));
}

}  // namespace ensconce
