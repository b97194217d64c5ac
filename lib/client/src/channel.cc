#include "ensconce/client/channel.h"

#include <algorithm>

#include "ensconce/base/printable.h"
#include "ensconce/channel/tls_binding.h"
#include "ensconce/codec/json.h"
#include "ensconce/ohttp/binary_http.h"
#include "ensconce/ohttp/message.h"

namespace ensconce {

namespace {

constexpr std::size_t kChunk = std::size_t{16} * 1024;
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

class ObliviousChannel final : public WorkerChannel {
 public:
  ObliviousChannel(std::unique_ptr<HttpClient> http, std::string authority, bool chunked,
                   Random& random)
      : http_(std::move(http)),
        authority_(std::move(authority)),
        chunked_(chunked),
        random_(random) {}

  Result<EvidenceDocument> fetch_document(const ByteArray<32>& nonce, bool hardware,
                                          Bytes& raw) override {
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
    ENSC_CHECK(key_.has_value());  // nothing is sealed before bind
    begun_ = false;
    ENSC_TRY_ASSIGN(OhttpRequestSealer sealer, OhttpRequestSealer::start(*key_, chunked_, random_));
    HttpRequest outer;
    outer.method = "POST";
    outer.target = std::string(kGatewayPath);
    outer.headers.set("Content-Type",
                      std::string(chunked_ ? kOhttpChunkedRequestType : kOhttpRequestType));
    outer.headers.set(std::string(kWorkerHeader), worker_);
    if (chunked_) {
      outer.headers.set("Incremental", "?1");
    }
    outer.body = sealed(sealer, request);
    begun_ = true;
    ENSC_TRY_ASSIGN(const HttpResponse response, http_->request(outer));
    if (response.status != 200) {
      return refused_outside(response);
    }
    const std::string_view expected = chunked_ ? kOhttpChunkedResponseType : kOhttpResponseType;
    if (response.headers.get("Content-Type") != expected) {
      return Error(ChannelError::kUnexpectedAnswer,
                   "expected a sealed answer, got another content type");
    }
    ENSC_TRY_ASSIGN(Bytes plain, opened(sealer, response.body));
    ENSC_TRY_ASSIGN(BinaryResponse binary, take_binary_response(std::move(plain)));
    return from_binary(std::move(binary));
  }
  [[nodiscard]] bool open() const override { return http_->open(); }
  [[nodiscard]] bool sent_whole() const override { return begun_ && http_->sent_whole(); }

 private:
  [[nodiscard]] Bytes sealed(OhttpRequestSealer& sealer, const HttpRequest& request) const {
    BinaryRequest binary = to_binary(request, authority_);
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

  [[nodiscard]] Result<Bytes> opened(const OhttpRequestSealer& sealer, ByteView message) const {
    if (!chunked_) {
      return sealer.open_response(message);
    }
    const std::unique_ptr<ChunkOpener> chunks = sealer.response_chunks();
    Bytes out;
    out.reserve(message.size());  // growing would leave copies of what was opened behind
    Result<void> read = chunks->feed(message, out);
    if (read) {
      read = chunks->finish(out);
    }
    if (!read) {
      wipe(out.data(), out.size());
      return read.error();
    }
    return out;
  }

  std::unique_ptr<HttpClient> http_;
  std::string authority_;
  bool chunked_;
  Random& random_;
  bool begun_ = false;  // the last exchange came to a request
  std::optional<OhttpKeyConfig> key_;
  Padding padding_ = Padding::none();
  std::string worker_;
};

}  // namespace

Result<std::unique_ptr<WorkerChannel>> open_channel(const Url& url, ChannelChoice choice,
                                                    const ClientOptions& options, Random& random) {
  const bool tls = choice == ChannelChoice::kAttestedTls;
  if (tls && url.scheme != "https") {
    return Error(NetError::kBadUrl, "attested TLS is reached by https only");
  }
  // Outside the envelope TLS is whoever's, and what they say of their sessions concerns nothing.
  const ServerTickets tickets = tls ? ServerTickets::kRefused : ServerTickets::kIgnored;
  ENSC_TRY_ASSIGN(std::unique_ptr<HttpClient> http, HttpClient::connect(url, options, tickets));
  if (tls) {
    return std::unique_ptr<WorkerChannel>(std::make_unique<TlsChannel>(std::move(http)));
  }
  return std::unique_ptr<WorkerChannel>(std::make_unique<ObliviousChannel>(
      std::move(http), url.authority(), choice == ChannelChoice::kObliviousChunked, random));
}

}  // namespace ensconce
