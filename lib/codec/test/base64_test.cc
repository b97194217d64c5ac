#include "ensconce/codec/base64.h"

#include <gtest/gtest.h>

namespace ensconce {
namespace {

struct Vector {
  std::string_view plain;
  std::string_view padded;
  std::string_view bare;
};

// RFC 4648 §10, and what §5 makes of them.
constexpr Vector kVectors[] = {
    {"", "", ""},
    {"f", "Zg==", "Zg"},
    {"fo", "Zm8=", "Zm8"},
    {"foo", "Zm9v", "Zm9v"},
    {"foob", "Zm9vYg==", "Zm9vYg"},
    {"fooba", "Zm9vYmE=", "Zm9vYmE"},
    {"foobar", "Zm9vYmFy", "Zm9vYmFy"},
};

TEST(Base64, MatchesRfc4648) {
  for (const Vector& v : kVectors) {
    EXPECT_EQ(base64_encode(as_bytes(v.plain)), v.padded);
    EXPECT_EQ(base64_decode(v.padded).value(), to_bytes(v.plain));
    EXPECT_EQ(base64url_encode(as_bytes(v.plain)), v.bare);
    EXPECT_EQ(base64url_decode(v.bare).value(), to_bytes(v.plain));
  }
}

TEST(Base64, RoundTripsEveryOctetAtEachOffset) {
  for (std::size_t len = 0; len < 260; ++len) {
    Bytes bytes(len);
    for (std::size_t i = 0; i < len; ++i) {
      bytes[i] = static_cast<std::uint8_t>(i * 167 + len);
    }
    EXPECT_EQ(base64_decode(base64_encode(bytes)).value(), bytes);
    EXPECT_EQ(base64url_decode(base64url_encode(bytes)).value(), bytes);
  }
}

TEST(Base64, KeepsTheTwoAlphabetsApart) {
  const Bytes bytes{0xfb, 0xff, 0xfe};
  EXPECT_EQ(base64_encode(bytes), "+//+");
  EXPECT_EQ(base64url_encode(bytes), "-__-");
  EXPECT_TRUE(base64_decode("-__-").error().is(CodecError::kBadBase64));
  EXPECT_TRUE(base64url_decode("+//+").error().is(CodecError::kBadBase64));
}

TEST(Base64, RejectsWrongPadding) {
  for (const std::string_view text :
       {"Zg", "Zg=", "Zm8", "Z===", "====", "=", "Zg==Zg==", "Zm9v=", "Zm9v====", "Z=g="}) {
    const auto decoded = base64_decode(text);
    ASSERT_FALSE(decoded) << text;
    EXPECT_TRUE(decoded.error().is(CodecError::kBadBase64)) << text;
  }
}

TEST(Base64Url, RejectsPaddingAndALoneDigit) {
  for (const std::string_view text : {"Zg==", "Zm8=", "Z", "Zm9vY"}) {
    const auto decoded = base64url_decode(text);
    ASSERT_FALSE(decoded) << text;
    EXPECT_TRUE(decoded.error().is(CodecError::kBadBase64)) << text;
  }
}

TEST(Base64, RejectsTrailingBitsThatAreNotZero) {
  EXPECT_TRUE(base64_decode("Zh==").error().is(CodecError::kBadBase64));
  EXPECT_TRUE(base64_decode("Zm9=").error().is(CodecError::kBadBase64));
  EXPECT_TRUE(base64url_decode("Zh").error().is(CodecError::kBadBase64));
  EXPECT_TRUE(base64url_decode("Zm9").error().is(CodecError::kBadBase64));
}

TEST(Base64, RejectsWhiteSpaceAndOtherCharacters) {
  constexpr std::string_view kTexts[] = {"Zm9\n",   "Zm 9", "Zm9v\r\nYg",
                                         "Zm9\xc3", "Zm9.", {"Zm9\0", 4}};
  for (const std::string_view text : kTexts) {
    EXPECT_FALSE(base64_decode(text)) << text;
  }
}

}  // namespace
}  // namespace ensconce
