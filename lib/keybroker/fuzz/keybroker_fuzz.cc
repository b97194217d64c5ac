// What strangers and owners may send a broker: the first byte picks which message the rest is.

#include <memory>

#include "../test/memory_store.h"
#include "ensconce/base/log.h"
#include "ensconce/keybroker/admin.h"
#include "ensconce/keybroker/key_broker.h"
#include "ensconce/keybroker/release_log.h"

namespace {

using namespace ensconce;

struct House {
  ManualClock clock{Instant{1'790'000'000'000}};
  SeededRandom random{1};
  MemoryStore store;
  Ed25519PrivateKey owner = Ed25519PrivateKey::from_seed(Bytes(32, 0x43)).value();
  std::unique_ptr<KeyBroker> broker =
      KeyBroker::open({{owner.public_key()}, Sha256Digest{}, 3600},
                      Ed25519PrivateKey::from_seed(Bytes(32, 0x42)).value(),
                      Aes256Key::from(Bytes(32, 0x77)).value(), store, clock, random, {})
          .value();

  void attest(ByteView body) {
    clock.advance(Millis(100));
    const WireResponse auth = broker->handle(
        {"POST", "/kbs/v0/auth", {}, to_bytes(R"({"version":"0.4.0","tee":"snp"})")});
    const std::string cookie = auth.headers.at("set-cookie");
    broker->handle({"POST",
                    "/kbs/v0/attest",
                    {{"cookie", cookie.substr(0, cookie.find(';'))}},
                    to_bytes(body)});
  }
  void admin(const char* path, ByteView body) {
    broker->handle(
        sign_admin_request({"POST", std::string("/ensconce/v1/admin/") + path, {}, to_bytes(body)},
                           owner, Sha256Digest{}, clock.now(), random));
    clock.advance(Millis(100));
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static std::unique_ptr<House> house;
  static int rounds = 0;
  if (house == nullptr || ++rounds % 256 == 0) {
    set_log_level(LogLevel::kError);
    house = std::make_unique<House>();
  }
  if (size == 0) {
    return 0;
  }
  const ByteView rest(data + 1, size - 1);
  switch (data[0]) {
    case 'a':
      house->attest(rest);
      break;
    case 'k':
      house->admin("keys", rest);
      break;
    case 'p':
      house->admin("policies", rest);
      break;
    case 'm':
      house->admin("models/m/minimum-version", rest);
      break;
    case 's':
      house->broker->handle({"POST", "/kbs/v0/auth", {}, to_bytes(rest)});
      break;
    case 'b':
      house->broker->handle({"POST", "/ensconce/v1/beacon", {}, to_bytes(rest)});
      break;
    case 'l':
      if (const Result<LogEntry> entry = parse_log_entry(rest)) {
        ENSC_CHECK(equal(encode_log_entry(*entry), rest));
      }
      break;
    default:
      break;
  }
  return 0;
}
