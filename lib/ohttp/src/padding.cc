#include <bit>
#include <charconv>

#include "ensconce/ohttp/binary_http.h"

namespace ensconce {

namespace {

constexpr std::uint64_t kMaxBucket = std::uint64_t{64} * 1024 * 1024;
constexpr std::string_view kBucketPrefix = "bucket:";

// padme_unit is what lengths near `len` are made a multiple of.
std::uint64_t padme_unit(std::uint64_t len) {
  if (len < 2) {
    return 1;
  }
  const auto exponent = static_cast<unsigned>(std::bit_width(len)) - 1;  // floor(log2(len))
  const auto kept = static_cast<unsigned>(std::bit_width(exponent));
  return std::uint64_t{1} << (exponent - kept);
}

// round_up gives `len` itself where the next multiple has more than 64 bits.
std::uint64_t round_up(std::uint64_t len, std::uint64_t unit) {
  const std::uint64_t rest = len % unit;
  if (rest == 0 || len > ~std::uint64_t{0} - (unit - rest)) {
    return len;
  }
  return len + (unit - rest);
}

}  // namespace

std::optional<Padding> Padding::bucket(std::uint64_t n) {
  return n >= 1 && n <= kMaxBucket ? std::optional(Padding(Kind::kBucket, n)) : std::nullopt;
}

std::optional<Padding> Padding::parse(std::string_view text) {
  if (text == "none") {
    return none();
  }
  if (text == "padme") {
    return padme();
  }
  if (text.substr(0, kBucketPrefix.size()) != kBucketPrefix) {
    return std::nullopt;
  }
  const std::string_view digits = text.substr(kBucketPrefix.size());
  std::uint64_t n = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), n);
  if (error != std::errc() || end != digits.data() + digits.size() || digits[0] == '0') {
    return std::nullopt;
  }
  return bucket(n);
}

std::string Padding::to_string() const {
  switch (kind_) {
    case Kind::kNone:
      return "none";
    case Kind::kPadme:
      return "padme";
    case Kind::kBucket:
      return std::string(kBucketPrefix) + std::to_string(n_);
  }
  ENSC_CHECK(false);
}

std::uint64_t Padding::padded_len(std::uint64_t len) const {
  switch (kind_) {
    case Kind::kNone:
      return len;
    case Kind::kPadme:
      return round_up(len, padme_unit(len));
    case Kind::kBucket:
      return round_up(len, n_);
  }
  ENSC_CHECK(false);
}

}  // namespace ensconce
