#pragma once

#include <memory>
#include <string>

#include "cli.h"
#include "ensconce/crypto/keys.h"
#include "ensconce/keybroker/wire.h"

namespace ensconce::cli {

// OwnerConnection is an owner's connection to a broker whose TLS key is pinned.
class OwnerConnection {
 public:
  static Result<std::unique_ptr<OwnerConnection>> open(const std::string& url,
                                                       const std::string& pin_hex,
                                                       const Context& context);
  virtual ~OwnerConnection() = default;
  OwnerConnection(const OwnerConnection&) = delete;
  OwnerConnection& operator=(const OwnerConnection&) = delete;

  // ask signs a request with the owner's key and returns the answer; a refusal is the broker's own
  // error. `body` is wiped.
  virtual Result<Bytes> ask(const Ed25519PrivateKey& owner, const std::string& method,
                            const std::string& target, Bytes body) = 0;
  // get asks for what anybody may know.
  virtual Result<Bytes> get(const std::string& target) = 0;

 protected:
  OwnerConnection() = default;
};

}  // namespace ensconce::cli
