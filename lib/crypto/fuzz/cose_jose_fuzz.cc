// COSE_Sign1, JWS, JWK and JWE from a stranger: a payload comes out only under the right key, and
// what our reader takes is what our writer writes.

#include "ensconce/crypto/cose.h"
#include "ensconce/crypto/jose.h"

namespace {
using namespace ensconce;

constexpr std::string_view kContext = "ensconce-fuzz/1";

const Ed25519PrivateKey& signing_key() {
  static const Ed25519PrivateKey instance = Ed25519PrivateKey::from_seed(Bytes(32, 1)).value();
  return instance;
}
const EcPrivateKey& opening_key() {
  static const EcPrivateKey instance = EcPrivateKey::generate(Curve::kP256);
  return instance;
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView input(data, size);
  const auto payload = cose_payload_unverified(input);
  const auto verified = cose_verify1(signing_key().public_key(), kContext, input);
  if (verified) {
    ENSC_CHECK(payload && *payload == *verified);
    ENSC_CHECK(equal(cose_sign1(signing_key(), kContext, *verified), input));
  } else if (payload) {
    ENSC_CHECK(verified.error().is(CryptoError::kBadSignature));
  }
  (void)jws_verify(signing_key().public_key(), "t", as_text(input));
  if (const auto value = json::parse(as_text(input)); value) {
    if (const auto key = ec_key_from_jwk(*value); key) {
      ENSC_CHECK(ec_key_from_jwk(jwk_of(*key)).value() == *key);
    }
    ENSC_CHECK(!jwe_open(opening_key(), *value));
  }
  return 0;
}
