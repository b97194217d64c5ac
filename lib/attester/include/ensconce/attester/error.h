#pragma once

#include "ensconce/base/error.h"

namespace ensconce {

// AttesterError says why a question for evidence was not answered.
enum class AttesterError : std::uint8_t {
  kQuestion,   // no nonce of 64 hex digits, or what is asked for does not exist here
  kMethod,     // the path takes GET
  kThrottled,  // too many reports were asked for
  kDevice,     // the secure processor made none
};
CodeInfo error_info(AttesterError code);
// http_status_of an attester's error is its own where HTTP has a better word than the kind's.
int http_status_of(AttesterError code);

}  // namespace ensconce
