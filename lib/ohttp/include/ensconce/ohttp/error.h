#pragma once

#include "ensconce/base/error.h"

namespace ensconce {

// OhttpError says why an oblivious message, its key configuration or the binary HTTP inside was not
// taken. Ids are `ohttp.*` and `bhttp.*`, stage channel.
enum class OhttpError : std::uint8_t {
  kKeyConfig,    // a key configuration does not have its form, or is of algorithms we do not know
  kForm,         // a message does not have its form
  kKeyId,        // for a key nobody here has
  kSuite,        // for algorithms the key configuration does not offer
  kDecrypt,      // does not open: changed, reordered, duplicated, or for another key
  kTruncated,    // ended without its final chunk
  kTooLarge,     // over a limit
  kSmallChunks,  // an empty chunk before the final one, or too many small ones
  kBinaryHttp,   // what is inside is no binary HTTP message
};
CodeInfo error_info(OhttpError code);

}  // namespace ensconce
