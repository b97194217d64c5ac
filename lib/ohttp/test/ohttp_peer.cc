// Lets another implementation talk to ours (tests/peers/pyhpke_test.py): words in hex on stdin, "-"
// for no bytes, and a line in hex on stdout for each answer.
//
//   keygen-from-seed   KEM SEED KEY_ID ALGORITHMS                             -> key configuration
//   gateway            KEM SEED KEY_ID ALGORITHMS FORM MESSAGE RESPONSE       -> request, answer
//   client             CONFIGURATION FORM REQUEST  -> message,  then ANSWER   -> response
//   hpke-sender        SUITE PUBLIC_KEY INFO AAD PLAINTEXT CONTEXT LEN        -> enc, sealed,
//   export hpke-receiver      SUITE SEED INFO AAD ENC SEALED CONTEXT LEN             -> plaintext,
//   export
//
// KEM has 2 bytes, SUITE 6, ALGORITHMS 4 each, LEN 1; FORM is "whole" or "chunked". What does not
// succeed is said on stderr and ends the program with 1.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>

#include "ensconce/ohttp/message.h"

namespace {
using namespace ensconce;

constexpr std::size_t kChunk = 7;  // small, so that a short text makes several

std::string word() {
  std::string out;
  std::cin >> out;
  return out;
}
Bytes bytes() {
  const std::string text = word();
  return text == "-" ? Bytes() : from_hex(text).value();
}
void print(ByteView out) {
  std::puts(to_hex(out).c_str());
  (void)std::fflush(stdout);
}

template <typename T>
T want(Result<T> result) {
  if (!result) {
    std::fprintf(stderr, "ohttp_peer: %s\n", result.error().to_string().c_str());
    std::exit(1);  // NOLINT(concurrency-mt-unsafe)
  }
  return *std::move(result);
}
void want(const Result<void>& result) {
  if (!result) {
    want<int>(result.error());
  }
}

hpke::Kem read_kem(ByteReader& reader) { return hpke::kem_from(reader.u16_be().value()).value(); }
OhttpAlgorithms read_algorithms(ByteReader& reader) {
  const auto kdf = hpke::kdf_from(reader.u16_be().value()).value();
  return {kdf, hpke::aead_from(reader.u16_be().value()).value()};
}
hpke::Suite read_suite() {
  const Bytes encoded = bytes();
  ByteReader reader(encoded);
  const hpke::Kem kem = read_kem(reader);
  const OhttpAlgorithms algorithms = read_algorithms(reader);
  return {kem, algorithms.kdf, algorithms.aead};
}

OhttpKey read_key() {
  const Bytes kem = bytes();
  ByteReader reader(kem);
  hpke::PrivateKey key = want(hpke::PrivateKey::derive(read_kem(reader), bytes()));
  const Bytes key_id = bytes();
  const Bytes offered = bytes();
  std::vector<OhttpAlgorithms> algorithms;
  for (ByteReader list(offered); list.remaining() > 0;) {
    algorithms.push_back(read_algorithms(list));
  }
  OhttpKeyConfig config = make_key_config(key_id.at(0), key, std::move(algorithms));
  return {std::move(config), std::move(key)};
}

Bytes seal_chunks(ChunkSealer& sealer, ByteView plaintext) {
  Bytes out = sealer.prefix();
  while (plaintext.size() > kChunk) {
    sealer.seal(plaintext.first(kChunk), false, out);
    plaintext = plaintext.subspan(kChunk);
  }
  sealer.seal(plaintext, true, out);
  return out;
}
Bytes open_chunks(ChunkOpener& opener, ByteView message) {
  Bytes out;
  while (!message.empty()) {
    const std::size_t len = std::min<std::size_t>(message.size(), 5);
    want(opener.feed(message.first(len), out));
    message = message.subspan(len);
  }
  want(opener.finish(out));
  return out;
}

void gateway() {
  SystemRandom random;
  const OhttpKey key = read_key();
  const bool chunked = word() == "chunked";
  const Bytes message = bytes();
  const Bytes response = bytes();
  const OhttpRequestHead head = want(parse_request_head(message));
  OhttpRequestOpener opener = want(OhttpRequestOpener::start(key, head, chunked));
  const ByteView rest = ByteView(message).subspan(head.len);
  if (chunked) {
    print(open_chunks(opener.chunks(), rest));
    print(seal_chunks(*opener.response_chunks(random), response));
  } else {
    print(want(opener.open(rest)));
    print(opener.seal_response(response, random));
  }
}

void client() {
  SystemRandom random;
  const OhttpKeyConfig config = want(parse_key_config(bytes()));
  const bool chunked = word() == "chunked";
  OhttpRequestSealer sealer = want(OhttpRequestSealer::start(config, chunked, random));
  const Bytes request = bytes();
  print(chunked ? seal_chunks(sealer.chunks(), request) : sealer.seal(request));
  const Bytes answer = bytes();
  print(chunked ? open_chunks(*sealer.response_chunks(), answer)
                : want(sealer.open_response(answer)));
}

void print_export(const hpke::Context& context) {
  const Bytes exporter_context = bytes();
  print(context.export_secret(exporter_context, bytes().at(0)).expose());
}

void hpke_sender() {
  SystemRandom random;
  const hpke::Suite suite = read_suite();
  const Bytes public_key = bytes();
  hpke::Sender sender = want(hpke::Sender::start(suite, public_key, bytes(), random));
  print(sender.enc());
  const Bytes aad = bytes();
  Bytes sealed;
  sender.seal(aad, bytes(), sealed);
  print(sealed);
  print_export(sender);
}

void hpke_receiver() {
  const hpke::Suite suite = read_suite();
  const hpke::PrivateKey key = want(hpke::PrivateKey::derive(suite.kem, bytes()));
  const Bytes info = bytes();
  const Bytes aad = bytes();
  hpke::Receiver receiver = want(hpke::Receiver::start(suite, key, bytes(), info));
  Bytes plaintext;
  want(receiver.open(aad, bytes(), plaintext));
  print(plaintext);
  print_export(receiver);
}
}  // namespace

int main(int argc, char** argv) {
  const std::string mode = argc == 2 ? argv[1] : "";
  if (mode == "keygen-from-seed") {
    print(read_key().config.encoded);
  } else if (mode == "gateway") {
    gateway();
  } else if (mode == "client") {
    client();
  } else if (mode == "hpke-sender") {
    hpke_sender();
  } else if (mode == "hpke-receiver") {
    hpke_receiver();
  } else {
    std::fputs("usage: ohttp_peer keygen-from-seed|gateway|client|hpke-sender|hpke-receiver\n",
               stderr);
    return 2;
  }
  return 0;
}
