#pragma once

#include <cstdint>

#include "ensconce/base/error.h"

namespace ensconce {

// NetError is the vocabulary of this library; every code has stage `channel` and id `net.*`.
enum class NetError : std::uint8_t {
  kBadUrl,           // not an http or https URL of the form we accept
  kInvalidArgument,  // a request, header or option that must not be sent
  kBind,             // the address cannot be listened on
  kResolve,          // the host name has no address
  kConnect,          // no TCP connection
  kTimeout,          // a time limit passed
  kClosed,           // the peer closed the connection, or it was given up after an earlier error
  kTlsIdentity,      // our own certificate and key cannot be used
  kTlsHandshake,     // the handshake or the record layer failed
  kTlsVersion,       // the peer does not speak TLS 1.3
  kTlsPin,           // the peer's key is not the pinned one
  kTlsResumed,       // the session was resumed: its key exchange is an older one
  kTlsTicket,        // the server sent a session ticket
  kHttpMalformed,    // the message does not follow RFC 9112
  kHttpTooLarge,     // a header or body is over its limit
};
CodeInfo error_info(NetError code);

}  // namespace ensconce
