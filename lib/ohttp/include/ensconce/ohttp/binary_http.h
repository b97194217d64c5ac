#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ensconce/base/bytes.h"
#include "ensconce/ohttp/error.h"

// Binary HTTP, RFC 9292.
namespace ensconce {

// A field name is lower case.
struct BinaryField {
  std::string name;
  std::string value;
  friend bool operator==(const BinaryField&, const BinaryField&) = default;
};
using BinaryFields = std::vector<BinaryField>;

struct BinaryRequest {
  std::string method;
  std::string scheme;
  std::string authority;
  std::string path;
  BinaryFields headers;
  Bytes content;
  BinaryFields trailers;
  friend bool operator==(const BinaryRequest&, const BinaryRequest&) = default;
};

struct BinaryResponse {
  int status = 200;  // 200 to 599
  BinaryFields headers;
  Bytes content;
  BinaryFields trailers;
  friend bool operator==(const BinaryResponse&, const BinaryResponse&) = default;
};

inline constexpr std::size_t kMaxBinaryFields = 128;
inline constexpr std::size_t kMaxBinaryFieldBytes = std::size_t{64} * 1024;  // of one section

// write gives the known-length form. Zero bytes behind a message are padding (section 3.8):
// pad_binary appends them, up to `len` bytes in all, and leaves no copy of the message behind.
Bytes write_binary_request(const BinaryRequest& request);
Bytes write_binary_response(const BinaryResponse& response);
void pad_binary(std::size_t len, Bytes& message);

// parse reads either form, with or without padding; informational responses are passed over. A
// truncated message, a byte behind it that is not zero, a name with upper case or other characters
// than RFC 9110 section 5.1's, a value with CR, LF or NUL, more than kMaxBinaryFields or
// kMaxBinaryFieldBytes are OhttpError::kBinaryHttp; RFC 9292 section 3.8 lets an empty tail
// (content, trailers) be cut off.
Result<BinaryRequest> parse_binary_request(ByteView message);
Result<BinaryResponse> parse_binary_response(ByteView message);
// take does the same in the memory of the message, which becomes that of the content; the rest of
// it, and all of one that is refused, is wiped.
Result<BinaryRequest> take_binary_request(Bytes message);
Result<BinaryResponse> take_binary_response(Bytes message);

// Padding is how lengths of messages are hidden: a field of a worker's statement.
class Padding {
 public:
  static Padding none() { return Padding(Kind::kNone, 0); }
  // padme keeps the highest log2(log2(n)) bits of a length n (Nikitin and others, "Reducing
  // Metadata Leakage from Encrypted Files and Communication with PURBs", algorithm 1): at most 12
  // %.
  static Padding padme() { return Padding(Kind::kPadme, 0); }
  // bucket makes every length a multiple of n, 1 to 64 MiB.
  static std::optional<Padding> bucket(std::uint64_t n);
  // "none", "padme", "bucket:N" in decimal without leading zeros.
  static std::optional<Padding> parse(std::string_view text);
  [[nodiscard]] std::string to_string() const;
  // padded_len is at least `len`.
  [[nodiscard]] std::uint64_t padded_len(std::uint64_t len) const;
  [[nodiscard]] bool hides() const { return kind_ != Kind::kNone; }
  friend bool operator==(const Padding&, const Padding&) = default;

 private:
  enum class Kind : std::uint8_t { kNone, kPadme, kBucket };
  Padding(Kind kind, std::uint64_t n) : kind_(kind), n_(n) {}
  Kind kind_;
  std::uint64_t n_;
};

}  // namespace ensconce
