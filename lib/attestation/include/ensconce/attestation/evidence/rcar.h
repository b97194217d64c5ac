#pragma once

#include <string>
#include <string_view>

#include "ensconce/attestation/evidence/error.h"
#include "ensconce/base/bytes.h"
#include "ensconce/codec/json.h"
#include "ensconce/crypto/keys.h"

namespace ensconce {

// The binding CoCo's RCAR protocol 0.4.0 gives to a request for keys: report data =
// SHA-384(JCS({"additional-evidence", "nonce", "tee-pubkey"})) ‖ 16 zero bytes.

// rcar_additional_evidence is the text our worker sends to our broker:
// {"ensconce":{"statement":"<base64>"}}. To a foreign broker it is "".
std::string rcar_additional_evidence(ByteView statement);
// rcar_runtime_data is the JCS text whose hash the hardware signs. `tee_pubkey` is the JWK as sent.
Result<std::string> rcar_runtime_data(std::string_view additional_evidence, std::string_view nonce,
                                      const json::Value& tee_pubkey);
ByteArray<64> rcar_report_data(std::string_view runtime_data);

// RcarRequest is what runtime data of our worker says. Form only: verify/binding.h judges it.
struct RcarRequest {
  Bytes statement;
  std::string nonce;
  EcPublicKey tee_pubkey;
};
Result<RcarRequest> parse_rcar_runtime_data(std::string_view runtime_data);

}  // namespace ensconce
