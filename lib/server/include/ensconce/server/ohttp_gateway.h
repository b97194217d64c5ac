#pragma once

#include <atomic>
#include <cstring>
#include <functional>
#include <memory>
#include <mutex>
#include <unordered_set>

#include "ensconce/base/clock.h"
#include "ensconce/base/random.h"
#include "ensconce/crypto/hash.h"
#include "ensconce/net/http.h"
#include "ensconce/ohttp/binary_http.h"
#include "ensconce/ohttp/message.h"

namespace ensconce {

// GatewayKey is one key of the oblivious gateway with every request it ever opened, so that none is
// opened twice. It never leaves the process.
class GatewayKey {
 public:
  // At most `max_seen` requests are remembered; then the key opens nothing more. A successor has
  // another key_id than the key it comes after: by that alone a request finds its key where nothing
  // else says which is meant.
  GatewayKey(hpke::Kem kem, Random& random, std::size_t max_seen,
             const GatewayKey* before = nullptr);

  [[nodiscard]] const OhttpKey& key() const { return key_; }
  [[nodiscard]] const Sha256Digest& digest() const { return digest_; }  // of the configuration
  // worker_name is the value of Ensconce-Worker for this key.
  [[nodiscard]] std::string worker_name() const;

  enum class Seen : std::uint8_t { kNew, kReplayed, kFull };
  // remember counts a request by its encapsulated key, before anything of it is opened. Until it is
  // forgotten every other with the same one is kReplayed.
  Seen remember(ByteView enc);
  // forget is for whom remember said kNew, once it is sure that nothing of the request opened: so
  // what strangers make up takes no room for long, and what was opened stays.
  void forget(ByteView enc);
  // filling says that half of what may be seen was: time for the next key.
  [[nodiscard]] bool filling() const;

 private:
  struct FirstBytes {  // of a digest: as good as any hash of it
    std::size_t operator()(const Sha256Digest& digest) const {
      std::size_t out = 0;
      std::memcpy(&out, digest.data(), sizeof(out));
      return out;
    }
  };
  OhttpKey key_;
  Sha256Digest digest_{};
  const std::size_t max_seen_;
  mutable std::mutex mutex_;
  std::unordered_set<Sha256Digest, FirstBytes> seen_;
};

// GatewayLimits bound what slow readers of streamed answers keep in memory.
struct GatewayLimits {
  // Answers that are on their way out, all together; while they hold more, nothing is opened (503).
  std::size_t max_held = std::size_t{256} * 1024 * 1024;
  // A reader has that long, and as long again as what it took takes at that many bytes a second;
  // one that is slower is cut off, without the final chunk.
  Millis grace = std::chrono::seconds(30);
  std::size_t min_rate = std::size_t{32} * 1024;
};

// OhttpGateway opens sealed requests inside the TEE and seals the answers (RFC 9458 and chunked
// OHTTP; docs/protocols/oblivious-http.md). Of the outer request it looks at method, content type,
// Ensconce-Worker and body; nothing of the outer headers enters and nothing of the inner ones
// leaves. Every answer names the worker in Ensconce-Worker, so that a balancer can learn which one
// it asked. Safe to use from several threads.
class OhttpGateway {
 public:
  using Inner = std::function<HttpResponse(const HttpRequest&)>;
  // Clock (since_boot alone) and randomness are borrowed; `inner` answers what was sealed.
  OhttpGateway(const Clock& clock, Random& random, Padding padding, Inner inner,
               const GatewayLimits& limits = {});

  // install makes a key the current one. The previous one, if any, still opens requests.
  void install(std::shared_ptr<GatewayKey> current, std::shared_ptr<GatewayKey> previous);
  // wants_key says that the current key should be replaced before its time.
  [[nodiscard]] bool wants_key() const;

  // intake opens a sealed request as it arrives: a foreign key, a replay, and a first chunk that
  // does not open are refused before the rest is read, and of one in chunks only the plaintext is
  // held. Null for what is no sealed request. handle answers what it took. It borrows the gateway.
  [[nodiscard]] std::shared_ptr<BodyIntake> intake(const HttpRequest& head);

  // handle answers GET (the key configurations) and POST (a sealed request, whole or taken in).
  // What it refuses in the open are a foreign or full key, a replay and what does not decrypt;
  // every other answer is sealed.
  [[nodiscard]] HttpResponse handle(const HttpRequest& outer);

 private:
  struct Keys {
    std::shared_ptr<GatewayKey> current;
    std::shared_ptr<GatewayKey> previous;
  };
  class Intake;
  [[nodiscard]] Keys keys() const;
  HttpResponse refuse(const Error& error, const Keys& keys);
  HttpResponse answer_taken(Intake& intake);
  HttpResponse answer(Bytes bhttp);
  HttpResponse seal(const OhttpRequestOpener& opener, HttpResponse inner, bool chunked);

  const Clock& clock_;
  Random& random_;
  const Padding padding_;
  const Inner inner_;
  const GatewayLimits limits_;
  const std::shared_ptr<std::atomic<std::size_t>> held_;  // shared with answers on their way out
  mutable std::mutex mutex_;
  Keys keys_;
};

}  // namespace ensconce
