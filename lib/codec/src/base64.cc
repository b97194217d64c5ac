#include "ensconce/codec/base64.h"

#include <algorithm>
#include <array>

namespace ensconce {
namespace {

constexpr std::string_view kStandard =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view kUrl =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr std::uint8_t kNotADigit = 0xff;

constexpr std::array<std::uint8_t, 256> digits_of(std::string_view alphabet) {
  std::array<std::uint8_t, 256> digits{};
  digits.fill(kNotADigit);
  for (std::size_t i = 0; i < alphabet.size(); ++i) {
    digits[static_cast<std::uint8_t>(alphabet[i])] = static_cast<std::uint8_t>(i);
  }
  return digits;
}

constexpr auto kStandardDigits = digits_of(kStandard);
constexpr auto kUrlDigits = digits_of(kUrl);

std::string encode(ByteView bytes, std::string_view alphabet, bool padded) {
  const std::size_t rest = bytes.size() % 3;
  const std::size_t last = rest == 0 ? 0 : padded ? 4 : rest + 1;
  std::string out(bytes.size() / 3 * 4 + last, '=');
  char* to = out.data();
  std::size_t i = 0;
  for (; bytes.size() - i >= 3; i += 3) {
    const std::uint32_t group = std::uint32_t{bytes[i]} << 16 | std::uint32_t{bytes[i + 1]} << 8 |
                                std::uint32_t{bytes[i + 2]};
    *to++ = alphabet[group >> 18];
    *to++ = alphabet[group >> 12 & 63];
    *to++ = alphabet[group >> 6 & 63];
    *to++ = alphabet[group & 63];
  }
  if (rest > 0) {
    const std::uint32_t group = std::uint32_t{bytes[i]} << 16 |
                                (rest == 2 ? std::uint32_t{bytes[i + 1]} << 8 : std::uint32_t{0});
    *to++ = alphabet[group >> 18];
    *to++ = alphabet[group >> 12 & 63];
    if (rest == 2) {
      *to = alphabet[group >> 6 & 63];
    }
  }
  return out;
}

// decode_digits reads text that has no padding (any more).
Result<Bytes> decode_digits(std::string_view text, const std::array<std::uint8_t, 256>& digits) {
  const std::size_t rest = text.size() % 4;
  if (rest == 1) {
    return Error(CodecError::kBadBase64, "a last group of one digit");
  }
  Bytes out;
  out.reserve(text.size() / 4 * 3 + 2);
  out.resize(text.size() / 4 * 3);
  const auto* in = reinterpret_cast<const std::uint8_t*>(text.data());
  std::uint8_t* to = out.data();
  std::uint8_t seen = 0;  // has the highest bit if any of them was no digit
  std::uint32_t group = 0;
  const auto take = [&](std::size_t n) {
    group = 0;
    for (std::size_t k = 0; k < n; ++k) {
      const std::uint8_t digit = digits[in[k]];
      seen = static_cast<std::uint8_t>(seen | digit);
      group = group << 6 | (digit & 0x3f);
    }
    in += n;
  };
  for (std::size_t groups = text.size() / 4; groups > 0; --groups) {
    take(4);
    *to++ = static_cast<std::uint8_t>(group >> 16);
    *to++ = static_cast<std::uint8_t>(group >> 8);
    *to++ = static_cast<std::uint8_t>(group);
  }
  take(rest);
  if ((seen & 0x80) != 0) {
    const auto bad = std::ranges::find_if(
        text, [&](char c) { return digits[static_cast<std::uint8_t>(c)] == kNotADigit; });
    return Error(CodecError::kBadBase64,
                 "not a digit at offset " + std::to_string(bad - text.begin()));
  }
  if (rest == 2) {
    if ((group & 0x0f) != 0) {
      return Error(CodecError::kBadBase64, "trailing bits are not zero");
    }
    out.push_back(static_cast<std::uint8_t>(group >> 4));
  } else if (rest == 3) {
    if ((group & 0x03) != 0) {
      return Error(CodecError::kBadBase64, "trailing bits are not zero");
    }
    out.push_back(static_cast<std::uint8_t>(group >> 10));
    out.push_back(static_cast<std::uint8_t>(group >> 2));
  }
  return out;
}

}  // namespace

std::string base64_encode(ByteView bytes) { return encode(bytes, kStandard, true); }

std::string base64url_encode(ByteView bytes) { return encode(bytes, kUrl, false); }

Result<Bytes> base64_decode(std::string_view text) {
  if (text.size() % 4 != 0) {
    return Error(CodecError::kBadBase64, "length is no multiple of four");
  }
  for (int i = 0; i < 2 && text.ends_with('='); ++i) {
    text.remove_suffix(1);
  }
  return decode_digits(text, kStandardDigits);
}

Result<Bytes> base64url_decode(std::string_view text) { return decode_digits(text, kUrlDigits); }

}  // namespace ensconce
