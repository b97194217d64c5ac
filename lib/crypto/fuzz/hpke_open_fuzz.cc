// HPKE as a recipient meets it: an encapsulated key and a message from a stranger, in every suite.
// Nothing opens that was not sealed to the key, and a failure appends nothing.

#include "ensconce/crypto/hpke.h"

namespace {
using namespace ensconce;

const hpke::PrivateKey& key_of(hpke::Kem kem) {
  static const auto p256 = hpke::PrivateKey::derive(hpke::Kem::kP256, Bytes(32, 1)).value();
  static const auto x25519 = hpke::PrivateKey::derive(hpke::Kem::kX25519, Bytes(32, 1)).value();
  return kem == hpke::Kem::kP256 ? p256 : x25519;
}

void open_message(const hpke::Suite& suite, ByteReader& reader) {
  const auto enc = reader.take(hpke::enc_len(suite.kem));
  if (!enc) {
    return;
  }
  auto receiver = hpke::Receiver::start(suite, key_of(suite.kem), *enc, as_bytes("info"));
  if (!receiver) {
    ENSC_CHECK(receiver.error().is(CryptoError::kBadKey));
    return;
  }
  const ByteView sealed = reader.take(reader.remaining()).value();
  Bytes out = {7};
  const auto opened = receiver->open(as_bytes("aad"), sealed, out);
  ENSC_CHECK(out.size() == 1 + (opened ? sealed.size() - hpke::kTagLen : 0));
  ENSC_CHECK(opened || opened.error().is(CryptoError::kDecryptFailed));
  if (opened) {  // the same bytes are not the next message
    ENSC_CHECK(!receiver->open(as_bytes("aad"), sealed, out));
  }
}
}  // namespace

// kem_id, kdf_id, aead_id, enc, ciphertext; and what it would be as private keys.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView input(data, size);
  for (const hpke::Kem kem : {hpke::Kem::kP256, hpke::Kem::kX25519}) {
    if (const auto key = hpke::PrivateKey::from_bytes(kem, input); key) {
      ENSC_CHECK(key->public_key().size() == hpke::public_key_len(kem));
    }
  }
  if (input.size() < 6) {
    return 0;
  }
  ByteReader reader(input);
  const auto kem = hpke::kem_from(reader.u16_be().value());
  const auto kdf = hpke::kdf_from(reader.u16_be().value());
  const auto aead = hpke::aead_from(reader.u16_be().value());
  if (kem && kdf && aead) {
    open_message({*kem, *kdf, *aead}, reader);
  }
  return 0;
}
