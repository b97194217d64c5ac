#include "ensconce/codec/der.h"

#include <gtest/gtest.h>

namespace ensconce::der {
namespace {

Bytes hex(std::string_view text) { return from_hex(text).value(); }

template <typename Code>
void expect_element_refused(std::string_view encoded, Code code) {
  const Bytes bytes = hex(encoded);
  ByteReader reader(bytes);
  const auto element = read_element(reader);
  ASSERT_FALSE(element) << encoded;
  EXPECT_TRUE(element.error().is(code)) << encoded << " gave " << element.error().to_string();
  EXPECT_EQ(reader.offset(), 0U);
}

template <typename Code>
void expect_uint_refused(std::string_view encoded, Code code) {
  const auto value = read_small_uint(hex(encoded));
  ASSERT_FALSE(value) << encoded;
  EXPECT_TRUE(value.error().is(code)) << encoded << " gave " << value.error().to_string();
}

TEST(DerElement, TakesOneOffTheFront) {
  const Bytes bytes =
      hex("3003020105"
          "0400");
  ByteReader reader(bytes);
  const Element sequence = read_element(reader).value();
  EXPECT_EQ(sequence.tag, kSequence);
  EXPECT_EQ(to_hex(sequence.content), "020105");
  EXPECT_EQ(to_hex(sequence.whole), "3003020105");
  const Element octets = read_element(reader).value();
  EXPECT_EQ(octets.tag, kOctetString);
  EXPECT_TRUE(octets.content.empty());
  EXPECT_TRUE(reader.finish());
}

TEST(DerElement, RoundTripsAtTheEdgesOfEachLength) {
  for (const std::size_t len : {0, 1, 127, 128, 255, 256, 65535, 65536}) {
    const Bytes content(len, 0x5a);
    const Bytes whole = write_element(kOctetString, content);
    ByteReader reader(whole);
    const Element element = read_element(reader).value();
    EXPECT_EQ(to_bytes(element.content), content);
    EXPECT_EQ(to_bytes(element.whole), whole);
    EXPECT_TRUE(reader.finish());
  }
}

TEST(DerElement, RejectsLengthsThatAreNotMinimalOrNotDefinite) {
  expect_element_refused("30800000", CodecError::kBadDer);
  expect_element_refused("04810101", CodecError::kBadDer);
  expect_element_refused("04817f", CodecError::kBadDer);
  expect_element_refused("04820001", CodecError::kBadDer);
  expect_element_refused("048200ff", CodecError::kBadDer);
  expect_element_refused("04850000000001", CodecError::kBadDer);
  expect_element_refused("04850100000000", CodecError::kBadDer);
  expect_element_refused("04ff", CodecError::kBadDer);
}

TEST(DerElement, RejectsLongTagsAndTagZero) {
  expect_element_refused("1f810100", CodecError::kBadDer);
  expect_element_refused("bf0100", CodecError::kBadDer);
  expect_element_refused("0000", CodecError::kBadDer);
}

TEST(DerElement, RejectsTruncation) {
  for (const std::string_view encoded :
       {"", "04", "0401", "0481", "048180", "0482", "048201", "0484ffffffff"}) {
    expect_element_refused(encoded, BaseError::kTruncated);
  }
}

TEST(DerSmallUint, RoundTripsTheEdges) {
  const std::pair<std::uint32_t, std::string_view> examples[] = {
      {0, "020100"},
      {1, "020101"},
      {127, "02017f"},
      {128, "02020080"},
      {255, "020200ff"},
      {256, "02020100"},
      {32767, "02027fff"},
      {32768, "0203008000"},
      {0x00ffffff, "020400ffffff"},
      {0x7fffffff, "02047fffffff"},
      {0xffffffff, "020500ffffffff"},
  };
  for (const auto& [value, encoded] : examples) {
    EXPECT_EQ(to_hex(write_small_uint(value)), encoded);
    EXPECT_EQ(read_small_uint(hex(encoded)).value(), value) << encoded;
  }
}

TEST(DerSmallUint, RejectsNegativeNumbers) {
  expect_uint_refused("020180", CodecError::kBadDer);
  expect_uint_refused("0201ff", CodecError::kBadDer);
}

TEST(DerSmallUint, RejectsEmptyAndPaddedNumbers) {
  expect_uint_refused("0200", CodecError::kBadDer);
  expect_uint_refused("0202007f", CodecError::kBadDer);
  expect_uint_refused("02020000", CodecError::kBadDer);
}

TEST(DerSmallUint, RejectsMoreThan32Bits) {
  expect_uint_refused("02050100000000", CodecError::kTooLarge);
  expect_uint_refused("020600ffffffffff", CodecError::kTooLarge);
}

TEST(DerSmallUint, RejectsAnotherTypeAndTrailingBytes) {
  expect_uint_refused("040101", CodecError::kWrongType);
  expect_uint_refused("02010000", BaseError::kTrailingBytes);
  expect_uint_refused("0202ff", BaseError::kTruncated);
}

TEST(DerIa5String, RoundTrips) {
  EXPECT_EQ(to_hex(write_ia5_string("Milan-B0")), "16084d696c616e2d4230");
  EXPECT_EQ(read_ia5_string(hex("16084d696c616e2d4230")).value(), "Milan-B0");
  EXPECT_EQ(read_ia5_string(hex("1600")).value(), "");
  EXPECT_EQ(read_ia5_string(write_ia5_string(std::string(256, 'a'))).value().size(), 256U);
}

TEST(DerIa5String, RejectsMoreThan256Bytes) {
  EXPECT_TRUE(
      read_ia5_string(write_ia5_string(std::string(257, 'a'))).error().is(CodecError::kTooLarge));
}

TEST(DerIa5String, RejectsWhatIsNotPrintable) {
  for (const std::string_view encoded : {"160100", "16011f", "16017f", "160180", "160141"}) {
    const auto text = read_ia5_string(hex(encoded));
    EXPECT_EQ(text.has_value(), encoded == "160141") << encoded;
    if (!text) {
      EXPECT_TRUE(text.error().is(CodecError::kBadDer)) << encoded;
    }
  }
}

TEST(DerIa5String, RejectsAnotherTypeAndTrailingBytes) {
  EXPECT_TRUE(read_ia5_string(hex("0c0141")).error().is(CodecError::kWrongType));
  EXPECT_TRUE(read_ia5_string(hex("16014100")).error().is(BaseError::kTrailingBytes));
}

}  // namespace
}  // namespace ensconce::der
