// What parses is encoded back byte for byte: a statement has one encoding.

#include "ensconce/attestation/evidence/statement.h"

#include "ensconce/attestation/evidence/beacon.h"
#include "ensconce/attestation/evidence/rcar.h"
#include "ensconce/crypto/cose.h"
#include "ensconce/crypto/jose.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ensconce;
  const ByteView input(data, size);
  const auto statement = parse_statement(input);
  if (statement) {
    ENSC_CHECK(equal(encode_statement(*statement), input));
  }
  // The two other forms that arrive beside it.
  if (const auto beacon = parse_beacon_payload(input); beacon) {
    static const Ed25519PrivateKey key = Ed25519PrivateKey::from_seed(Bytes(32, 1)).value();
    const Bytes message = sign_beacon(*beacon, key);
    ENSC_CHECK(equal(cose_payload_unverified(message).value(), input));
    ENSC_CHECK(beacon_challenge(message) == sha256(message));
  }
  if (const auto rcar = parse_rcar_runtime_data(as_text(input)); rcar) {
    const auto again = rcar_runtime_data(rcar_additional_evidence(rcar->statement), rcar->nonce,
                                         jwk_of(rcar->tee_pubkey));
    ENSC_CHECK(parse_rcar_runtime_data(again.value()).value().statement == rcar->statement);
    ENSC_CHECK(all_zero(ByteView(rcar_report_data(*again)).subspan(48)));
  }
  return 0;
}
