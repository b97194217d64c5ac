// A client given an answer by a stranger, whole and in chunks, in pieces whose lengths the input
// gives too. Then the same bytes travel there and back between a client and a gateway: what was
// sealed opens to what it was, in whatever pieces it comes, and with one bit changed it does not.

#include <algorithm>

#include "ensconce/ohttp/message.h"

namespace {
using namespace ensconce;

const OhttpKey& key_of(bool p256) {
  const auto make = [](hpke::Kem kem) {
    hpke::PrivateKey key = hpke::PrivateKey::derive(kem, Bytes(32, 1)).value();
    OhttpKeyConfig config =
        make_key_config(7, key,
                        {{hpke::Kdf::kHkdfSha256, hpke::Aead::kAes128Gcm},
                         {hpke::Kdf::kHkdfSha256, hpke::Aead::kAes256Gcm},
                         {hpke::Kdf::kHkdfSha256, hpke::Aead::kChaCha20Poly1305}});
    return OhttpKey{std::move(config), std::move(key)};
  };
  static const OhttpKey x25519 = make(hpke::Kem::kX25519);
  static const OhttpKey nist = make(hpke::Kem::kP256);
  return p256 ? nist : x25519;
}

// Input is how the fuzzer says what is to be done.
struct Input {
  bool p256 = false;
  OhttpAlgorithms algorithms;
  ByteView steps;  // lengths of pieces, over and over
  ByteView bytes;
};

OhttpRequestSealer client_of(const Input& in, bool chunked) {
  static const auto x25519 = hpke::PrivateKey::derive(hpke::Kem::kX25519, Bytes(32, 2)).value();
  static const auto nist = hpke::PrivateKey::derive(hpke::Kem::kP256, Bytes(32, 2)).value();
  return OhttpRequestSealer::start_with(key_of(in.p256).config, chunked, in.p256 ? nist : x25519,
                                        in.algorithms)
      .value();
}

std::size_t step_of(const Input& in, std::size_t i, std::size_t left) {
  const std::size_t step = in.steps.empty() ? left : in.steps[i % in.steps.size()] + 1U;
  return std::min(step, left);
}

// opened feeds a message in pieces and says what came of it.
Result<Bytes> opened(ChunkOpener& opener, const Input& in, ByteView message) {
  Bytes out;
  Result<void> fed = ok();
  for (std::size_t i = 0; fed && !message.empty(); ++i) {
    const std::size_t len = step_of(in, i, message.size());
    fed = opener.feed(message.first(len), out);
    message = message.subspan(len);
  }
  const Result<void> finished = opener.finish(out);
  ENSC_CHECK(fed || (!finished && finished.error().id() == fed.error().id()));
  const Bytes more{0};
  ENSC_CHECK(!opener.feed(more, out));  // after an error, and behind the end
  return finished ? Result<Bytes>(std::move(out)) : Result<Bytes>(finished.error());
}

// sealed writes the input as chunks of those lengths.
Bytes sealed(ChunkSealer& sealer, const Input& in) {
  Bytes out = sealer.prefix();
  ByteView left = in.bytes;
  for (std::size_t i = 0;; ++i) {
    const std::size_t len = step_of(in, i, std::min(left.size(), kMaxOhttpChunk));
    const bool final = len == left.size();
    sealer.seal(left.first(len), final, out);
    if (final) {
      return out;
    }
    left = left.subspan(len);
  }
}

void change(const Input& in, std::size_t from, Bytes& message) {
  const std::size_t at = from + in.bytes.size() % (message.size() - from);
  message[at] ^= 0x10;
}

void from_a_stranger(const Input& in) {
  const auto whole = client_of(in, false).open_response(in.bytes);
  ENSC_CHECK(!whole);
  const auto chunked = client_of(in, true);
  const auto in_pieces = opened(*chunked.response_chunks(), in, in.bytes);
  Input at_once = in;
  at_once.steps = {};
  const auto all = opened(*chunked.response_chunks(), at_once, in.bytes);
  ENSC_CHECK(!in_pieces && !all && in_pieces.error().id() == all.error().id());
}

void there_and_back(const Input& in, bool chunked) {
  SeededRandom random(1);
  OhttpRequestSealer client = client_of(in, chunked);
  const Bytes request = chunked ? sealed(client.chunks(), in) : client.seal(in.bytes);
  const OhttpRequestHead head = parse_request_head(request).value();
  OhttpRequestOpener gateway = OhttpRequestOpener::start(key_of(in.p256), head, chunked).value();
  const ByteView rest = ByteView(request).subspan(head.len);
  const auto got = chunked ? opened(gateway.chunks(), in, rest) : gateway.open(rest);
  ENSC_CHECK(got && equal(*got, in.bytes));
  Bytes answer;
  if (chunked) {
    const auto sealer = gateway.response_chunks(random);
    answer = sealed(*sealer, in);
  } else {
    answer = gateway.seal_response(in.bytes, random);
  }
  const auto open = [&](ByteView message) {
    return chunked ? opened(*client.response_chunks(), in, message) : client.open_response(message);
  };
  ENSC_CHECK(equal(open(answer).value(), in.bytes));
  ENSC_CHECK(!open(ByteView(answer).first(answer.size() - 1)));
  change(in, 0, answer);
  ENSC_CHECK(!open(answer));
}

void refused_heads(const Input& in) {
  SeededRandom random(1);
  const OhttpAlgorithms other{hpke::Kdf::kHkdfSha512, in.algorithms.aead};
  ENSC_CHECK(!OhttpRequestSealer::start(key_of(in.p256).config, true, random, other));
  const Bytes request = client_of(in, false).seal(in.bytes);
  OhttpRequestHead head = parse_request_head(request).value();
  ENSC_CHECK(!OhttpRequestOpener::start(key_of(!in.p256), head, false));
  ENSC_CHECK(!OhttpRequestOpener::start(key_of(in.p256), head, true)
                  ->chunks()
                  .finish(head.enc));  // sealed as another form
  head.suite.kdf = other.kdf;
  ENSC_CHECK(!OhttpRequestOpener::start(key_of(in.p256), head, false));
  head.suite.kdf = hpke::Kdf::kHkdfSha256;
  head.enc.pop_back();
  ENSC_CHECK(!OhttpRequestOpener::start(key_of(in.p256), head, false));
  OhttpKeyConfig broken = key_of(in.p256).config;
  broken.public_key.assign(broken.public_key.size(), 0);
  ENSC_CHECK(!OhttpRequestSealer::start(broken, true, random));
}
}  // namespace

// The first byte: KEM, algorithms, and how many bytes of lengths follow; the rest are the bytes.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView input(data, size);
  if (input.empty() || input.size() < 1U + input[0] % 8) {
    return 0;
  }
  Input in;
  in.p256 = (input[0] & 0x80) != 0;
  in.algorithms = key_of(in.p256).config.algorithms[(input[0] >> 4) % 3];
  in.steps = input.subspan(1, input[0] % 8);
  in.bytes = input.subspan(1 + in.steps.size());
  from_a_stranger(in);
  there_and_back(in, false);
  there_and_back(in, true);
  refused_heads(in);
  return 0;
}
