#pragma once

#include <map>
#include <string>

#include "ensconce/base/bytes.h"

namespace ensconce {

// WireRequest and WireResponse are the protocol's messages without a transport: this library does
// no I/O. Header names are lower case.
struct WireRequest {
  std::string method;
  std::string target;  // path and query
  std::map<std::string, std::string> headers;
  Bytes body;
};

struct WireResponse {
  int status = 200;
  std::map<std::string, std::string> headers;
  Bytes body;
};

// BrokerConnection carries one request to a broker and its answer back. apps joins it to net.
class BrokerConnection {
 public:
  BrokerConnection() = default;
  virtual ~BrokerConnection() = default;
  BrokerConnection(const BrokerConnection&) = delete;
  BrokerConnection& operator=(const BrokerConnection&) = delete;
  virtual Result<WireResponse> exchange(const WireRequest& request) = 0;
};

}  // namespace ensconce
