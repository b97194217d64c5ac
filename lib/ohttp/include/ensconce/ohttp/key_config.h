#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "ensconce/crypto/hpke.h"
#include "ensconce/ohttp/error.h"

namespace ensconce {

inline constexpr std::string_view kOhttpKeysType = "application/ohttp-keys";
inline constexpr std::string_view kOhttpRequestType = "message/ohttp-req";
inline constexpr std::string_view kOhttpResponseType = "message/ohttp-res";
inline constexpr std::string_view kOhttpChunkedRequestType = "message/ohttp-chunked-req";
inline constexpr std::string_view kOhttpChunkedResponseType = "message/ohttp-chunked-res";

struct OhttpAlgorithms {
  hpke::Kdf kdf = hpke::Kdf::kHkdfSha256;
  hpke::Aead aead = hpke::Aead::kAes128Gcm;
  friend bool operator==(const OhttpAlgorithms&, const OhttpAlgorithms&) = default;
};

// OhttpKeyConfig is RFC 9458 section 3.1. `encoded` are its exact bytes, which a worker's statement
// has the SHA-256 of.
struct OhttpKeyConfig {
  std::uint8_t key_id = 0;
  hpke::Kem kem = hpke::Kem::kX25519;
  Bytes public_key;
  std::vector<OhttpAlgorithms> algorithms;  // those we know, in the order offered
  Bytes encoded;
};

// make_key_config writes `encoded` from the rest; 1 to 16 algorithms.
OhttpKeyConfig make_key_config(std::uint8_t key_id, const hpke::PrivateKey& key,
                               std::vector<OhttpAlgorithms> algorithms);
// parse_key_config reads exactly one. Another form, a KEM we do not know, or no algorithm we know
// is OhttpError::kKeyConfig.
Result<OhttpKeyConfig> parse_key_config(ByteView encoded);
// The list of section 3.2 (application/ohttp-keys): those we do not know are passed over; none left
// is an error; at most 16.
Bytes write_key_configs(std::span<const OhttpKeyConfig> configs);
Result<std::vector<OhttpKeyConfig>> parse_key_configs(ByteView list);

}  // namespace ensconce
