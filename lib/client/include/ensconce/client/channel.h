#pragma once

#include <memory>
#include <optional>

#include "ensconce/attestation/appraise/appraise.h"
#include "ensconce/base/random.h"
#include "ensconce/channel/evidence_document.h"
#include "ensconce/net/client.h"

namespace ensconce {

// ChannelChoice is how a client reaches a worker: both give the same guarantee.
enum class ChannelChoice : std::uint8_t {
  kAttestedTls,       // TLS 1.3 that the worker itself ends
  kOblivious,         // sealed requests through whoever ends TLS outside
  kObliviousChunked,  // the same, in chunks with an authenticated end
};

// AnswerBody is the rest of an answer whose head is known. It borrows its channel, on which nothing
// else is asked until the end.
class AnswerBody {
 public:
  AnswerBody() = default;
  virtual ~AnswerBody() = default;
  AnswerBody(const AnswerBody&) = delete;
  AnswerBody& operator=(const AnswerBody&) = delete;

  // next waits for what comes next, appends it and returns whether more may follow. What it gave
  // may have been cut off until false came: the end is authenticated as every piece is.
  virtual Result<bool> next(Bytes& out) = 0;
  // trailers are the fields behind the body, after false.
  [[nodiscard]] virtual const HttpHeaders& trailers() const = 0;
};

// StreamedAnswer is an answer as far as it is known. Without a rest it is whole, trailers and all.
struct StreamedAnswer {
  HttpResponse head;
  std::unique_ptr<AnswerBody> rest;
};

// WorkerChannel carries requests to one worker. What it gives before `bind` succeeded is believed
// by nobody; afterwards what is sent reaches the attested worker or nobody. Used by one thread at a
// time.
class WorkerChannel {
 public:
  virtual ~WorkerChannel() = default;

  // fetch_document asks for evidence with a nonce, in the open where the channel is not bound yet.
  // `raw` gets the document as it came. An oblivious channel whose connection was closed connects
  // anew for it: nothing rests on that connection.
  virtual Result<EvidenceDocument> fetch_document(const ByteArray<32>& nonce, bool hardware,
                                                  Bytes& raw) = 0;
  // bind checks that this channel ends where the affirmed statement says, by the session proof of
  // its own kind over its own nonce; the codes of docs/protocols/evidence-document.md section 5.
  virtual Result<void> bind(const EvidenceDocument& document, const Affirmed& affirmed,
                            const ByteArray<32>& nonce) = 0;
  // exchange sends a request inside the channel. After an error the channel may be closed. A worker
  // that no longer has the key it was sealed for is ChannelError::kKeyGone. That nothing was opened
  // then is said outside the envelope, by the worker or by somebody between: the caller may verify
  // anew and send again, once.
  virtual Result<HttpResponse> exchange(const HttpRequest& request) = 0;
  // begin is exchange that returns when the head of the answer is known, where the channel streams;
  // elsewhere with the whole answer. An answer that is short comes whole all the same.
  virtual Result<StreamedAnswer> begin(const HttpRequest& request);
  [[nodiscard]] virtual bool open() const = 0;
  // sent_whole says of the last exchange whether the request left whole. If not, the worker cannot
  // have acted on it.
  [[nodiscard]] virtual bool sent_whole() const = 0;
  // exporter is the TLS session's (RFC 9266); nothing where another ends TLS.
  [[nodiscard]] virtual std::optional<ByteArray<32>> exporter() const { return std::nullopt; }
};

// open_channel connects and sends nothing. The randomness is borrowed. Attested TLS wants https.
Result<std::unique_ptr<WorkerChannel>> open_channel(const Url& url, ChannelChoice choice,
                                                    const ClientOptions& options, Random& random);

}  // namespace ensconce
