// A gateway given a request by a stranger: head, then the whole message, then chunks fed in pieces
// whose lengths the input gives too. In whatever pieces they come, the outcome is one.

#include <algorithm>

#include "ensconce/ohttp/message.h"

namespace {
using namespace ensconce;

OhttpKey make_key(hpke::Kem kem, std::uint8_t key_id) {
  hpke::PrivateKey key = hpke::PrivateKey::derive(kem, Bytes(32, 1)).value();
  OhttpKeyConfig config =
      make_key_config(key_id, key,
                      {{hpke::Kdf::kHkdfSha256, hpke::Aead::kAes128Gcm},
                       {hpke::Kdf::kHkdfSha256, hpke::Aead::kChaCha20Poly1305}});
  return {std::move(config), std::move(key)};
}

const OhttpKey& key_for(const OhttpRequestHead& head) {
  static const OhttpKey x25519 = make_key(hpke::Kem::kX25519, 1);
  static const OhttpKey p256 = make_key(hpke::Kem::kP256, 2);
  return head.suite.kem == hpke::Kem::kX25519 ? x25519 : p256;
}

struct Outcome {
  Bytes plaintext;
  std::string_view error;  // empty when there is none
};

// feed takes the length of each piece from `steps`, over and over.
Outcome feed(OhttpRequestOpener& gateway, ByteView message, ByteView steps) {
  Outcome out;
  ChunkOpener& chunks = gateway.chunks();
  Result<void> fed = ok();
  for (std::size_t i = 0; fed && !message.empty(); ++i) {
    const std::size_t step = steps.empty() ? message.size() : steps[i % steps.size()] + 1U;
    const std::size_t len = std::min(step, message.size());
    fed = chunks.feed(message.first(len), out.plaintext);
    message = message.subspan(len);
  }
  const auto finished = chunks.finish(out.plaintext);
  ENSC_CHECK(fed || (!finished && finished.error().id() == fed.error().id()));
  out.error = finished ? std::string_view() : finished.error().id();
  return out;
}
}  // namespace

// The first byte says how many bytes of lengths follow; the rest is the message.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView input(data, size);
  if (input.empty() || input.size() < 1U + input[0] % 8) {
    return 0;
  }
  const ByteView steps = input.subspan(1, input[0] % 8);
  const ByteView message = input.subspan(1 + steps.size());
  const auto head = parse_request_head(message);
  if (!head) {
    return 0;
  }
  ENSC_CHECK(head->len == 7 + head->enc.size() && head->len <= message.size());
  ENSC_CHECK(equal(head->enc, message.subspan(7, head->enc.size())));
  const ByteView rest = message.subspan(head->len);
  auto whole = OhttpRequestOpener::start(key_for(*head), *head, false);
  if (!whole) {
    return 0;
  }
  if (const auto opened = whole->open(rest); opened) {
    ENSC_CHECK(opened->size() + hpke::kTagLen == rest.size());
    SeededRandom random(1);
    ENSC_CHECK(!whole->seal_response(*opened, random).empty());
  }
  auto in_pieces = OhttpRequestOpener::start(key_for(*head), *head, true).value();
  auto at_once = OhttpRequestOpener::start(key_for(*head), *head, true).value();
  const Outcome a = feed(in_pieces, rest, steps);
  const Outcome b = feed(at_once, rest, {});
  ENSC_CHECK(a.plaintext == b.plaintext && a.error == b.error);
  return 0;
}
