#pragma once

#include <filesystem>

#include "ensconce/base/clock.h"
#include "ensconce/base/random.h"
#include "ensconce/crypto/aead.h"
#include "ensconce/crypto/keys.h"
#include "ensconce/net/server.h"

namespace ensconce::broker {

// State is what a broker is: the keys in its state directory (docs/config-broker.md, "State").
struct State {
  std::filesystem::path directory;
  Aes256Key root_key;
  Ed25519PrivateKey signing_key;
  TlsIdentity tls;
  Sha256Digest tls_spki_sha256{};  // what peers pin
  Sha384Digest tls_key_hash{};     // of the same key, as a statement names it
};

// open_state reads the directory, and makes whatever is not there yet: each secret in its own file
// of mode 0600, the directory 0700. A file that others may read is refused.
Result<State> open_state(const std::filesystem::path& directory, const Clock& clock,
                         Random& random);

// identity_json is what the broker's peers need to know: {"key","tls_pin"}.
std::string identity_json(const State& state);

}  // namespace ensconce::broker
