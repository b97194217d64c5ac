#include "ensconce/codec/cbor.h"

#include <gtest/gtest.h>

#include <limits>

namespace ensconce::cbor {
namespace {

Bytes hex(std::string_view text) { return from_hex(text).value(); }

template <typename Code>
void expect_refused(std::string_view encoded, Code code, const Limits& limits = {}) {
  const auto value = decode(hex(encoded), limits);
  ASSERT_FALSE(value) << encoded;
  EXPECT_TRUE(value.error().is(code)) << encoded << " gave " << value.error().to_string();
}

Array count_to(int n) {
  Array items;
  for (int i = 1; i <= n; ++i) {
    items.emplace_back(i);
  }
  return items;
}

// RFC 8949, appendix A: the rows of the kinds we use.
TEST(Cbor, MatchesTheExamplesOfRfc8949) {
  const std::vector<std::pair<Value, std::string_view>> examples = {
      {0, "00"},
      {1, "01"},
      {10, "0a"},
      {23, "17"},
      {24, "1818"},
      {25, "1819"},
      {100, "1864"},
      {1000, "1903e8"},
      {1000000, "1a000f4240"},
      {std::uint64_t{1000000000000}, "1b000000e8d4a51000"},
      {std::numeric_limits<std::uint64_t>::max(), "1bffffffffffffffff"},
      {-1, "20"},
      {-10, "29"},
      {-100, "3863"},
      {-1000, "3903e7"},
      {false, "f4"},
      {true, "f5"},
      {Value(), "f6"},
      {Value::tagged(0, "2013-03-21T20:04:00Z"), "c074323031332d30332d32315432303a30343a30305a"},
      {Value::tagged(1, 1363896240), "c11a514b67b0"},
      {Value::tagged(23, hex("01020304")), "d74401020304"},
      {Value::tagged(24, hex("6449455446")), "d818456449455446"},
      {Value::tagged(32, "http://www.example.com"),
       "d82076687474703a2f2f7777772e6578616d706c652e636f6d"},
      {Bytes{}, "40"},
      {hex("01020304"), "4401020304"},
      {"", "60"},
      {"a", "6161"},
      {"IETF", "6449455446"},
      {"\"\\", "62225c"},
      {"\xc3\xbc", "62c3bc"},
      {"\xe6\xb0\xb4", "63e6b0b4"},
      {"\xf0\x90\x85\x91", "64f0908591"},
      {Array{}, "80"},
      {Array{1, 2, 3}, "83010203"},
      {Array{1, Array{2, 3}, Array{4, 5}}, "8301820203820405"},
      {count_to(25), "98190102030405060708090a0b0c0d0e0f101112131415161718181819"},
      {Map{}, "a0"},
      {Map{{1, 2}, {3, 4}}, "a201020304"},
      {Map{{"a", 1}, {"b", Array{2, 3}}}, "a26161016162820203"},
      {Array{"a", Map{{"b", "c"}}}, "826161a161626163"},
      {Map{{"a", "A"}, {"b", "B"}, {"c", "C"}, {"d", "D"}, {"e", "E"}},
       "a56161614161626142616361436164614461656145"},
  };
  for (const auto& [value, encoded] : examples) {
    EXPECT_EQ(to_hex(encode(value)), encoded);
    const auto decoded = decode(hex(encoded));
    ASSERT_TRUE(decoded) << encoded;
    EXPECT_EQ(*decoded, value) << encoded;
  }
}

TEST(Cbor, WritesIntegersAtTheEdgesOfEachHead) {
  EXPECT_EQ(to_hex(encode(255)), "18ff");
  EXPECT_EQ(to_hex(encode(256)), "190100");
  EXPECT_EQ(to_hex(encode(65535)), "19ffff");
  EXPECT_EQ(to_hex(encode(65536)), "1a00010000");
  EXPECT_EQ(to_hex(encode(std::uint64_t{0xffffffff})), "1affffffff");
  EXPECT_EQ(to_hex(encode(std::uint64_t{0x100000000})), "1b0000000100000000");
  EXPECT_EQ(to_hex(encode(-24)), "37");
  EXPECT_EQ(to_hex(encode(-25)), "3818");
  EXPECT_EQ(to_hex(encode(std::numeric_limits<std::int64_t>::min())), "3b7fffffffffffffff");
}

// RFC 8949 §4.2.1: bytewise by the encoded key, so 10 before 100 before -1 before "z" before "aa".
TEST(Cbor, SortsMapKeysByTheirEncoding) {
  const Map map{{"aa", 5}, {-1, 3}, {"z", 4}, {100, 2}, {10, 1}, {Array{-1}, 7}, {false, 8}};
  EXPECT_EQ(to_hex(encode(map)),
            "a70a011864022003617a046261610581200"
            "7f408");
  EXPECT_EQ(decode(encode(map)).value(), Value(map));
}

TEST(Cbor, RejectsHeadsThatAreNotTheShortest) {
  for (const std::string_view encoded :
       {"1800", "1817", "190000", "1900ff", "1a0000ffff", "1b00000000ffffffff", "3817", "3900ff",
        "580100", "780161", "980100", "b8010102", "d81700", "5900ff", "9a0000000100"}) {
    expect_refused(encoded, CodecError::kNotDeterministic);
  }
}

TEST(Cbor, DecodesUnsortedMapsOnlyWhereAskedTo) {
  const Value map = Map{{"a", 1}, {"bb", 2}};
  EXPECT_EQ(decode_unsorted(hex("a262626202616101")).value(), map);
  EXPECT_EQ(decode_unsorted(encode(map)).value(), map);
  EXPECT_TRUE(decode_unsorted(hex("a361610162626202616103")).error().is(CodecError::kDuplicateKey));
  EXPECT_TRUE(decode_unsorted(hex("a1180102")).error().is(CodecError::kNotDeterministic));
}

TEST(Cbor, RejectsUnsortedMapKeys) {
  expect_refused("a2616201616102", CodecError::kNotDeterministic);
  expect_refused(
      "a2200100"
      "02",
      CodecError::kNotDeterministic);
  // Sorted by length first is RFC 7049's order, not ours: -1 (20) comes before 100 (1864) there.
  expect_refused("a22001186402", CodecError::kNotDeterministic);
}

TEST(Cbor, RejectsDuplicateMapKeys) {
  expect_refused("a2616101616102", CodecError::kDuplicateKey);
  expect_refused("a201010102", CodecError::kDuplicateKey);
}

TEST(Cbor, RejectsIndefiniteLengths) {
  for (const std::string_view encoded : {"5f42010243030405ff", "7f657374726561646d696e67ff", "9fff",
                                         "9f0102ff", "bf61610161629f0203ffff", "ff"}) {
    expect_refused(encoded, CodecError::kNotDeterministic);
  }
}

TEST(Cbor, RejectsFloatsAndOtherSimpleValues) {
  for (const std::string_view encoded : {"f90000", "f93c00", "fa47c35000", "fb3ff199999999999a",
                                         "f7", "f0", "e0", "f818", "f8ff", "f814"}) {
    expect_refused(encoded, CodecError::kBadCbor);
  }
}

TEST(Cbor, RejectsReservedAdditionalInformation) {
  for (const std::string_view encoded : {"1c", "1d", "1e", "5c", "9d", "fc"}) {
    expect_refused(encoded, CodecError::kBadCbor);
  }
}

TEST(Cbor, RejectsNegativeIntegersBelowInt64) {
  expect_refused("3b8000000000000000", CodecError::kBadCbor);
  expect_refused("3bffffffffffffffff", CodecError::kBadCbor);
  EXPECT_EQ(decode(hex("3b7fffffffffffffff")).value().as_int("n").value(),
            std::numeric_limits<std::int64_t>::min());
}

TEST(Cbor, RejectsTextThatIsNotUtf8) {
  for (const std::string_view encoded :
       {"61ff", "6180", "62c328", "62c0af", "62c1bf", "63e08080", "63eda080", "64f0808080",
        "64f4908080", "64f5808080", "62e282", "63f09f98"}) {
    expect_refused(encoded, CodecError::kBadCbor);
  }
  EXPECT_TRUE(decode(hex("63ed9fbf")));    // U+D7FF
  EXPECT_TRUE(decode(hex("63ee8080")));    // U+E000
  EXPECT_TRUE(decode(hex("64f48fbfbf")));  // U+10FFFF
}

TEST(Cbor, RejectsTrailingBytes) {
  expect_refused("0000", BaseError::kTrailingBytes);
  expect_refused("8001", BaseError::kTrailingBytes);
}

TEST(Cbor, RejectsTruncation) {
  const Bytes whole =
      encode(Map{{"a", Array{1000, hex("010203")}}, {"b", Value::tagged(300, "x")}});
  for (std::size_t len = 0; len < whole.size(); ++len) {
    const auto value = decode(ByteView(whole).first(len));
    ASSERT_FALSE(value);
    EXPECT_TRUE(value.error().is(BaseError::kTruncated)) << value.error().to_string();
  }
}

TEST(Cbor, RejectsLengthsBeyondTheInputBeforeAllocating) {
  for (const std::string_view encoded :
       {"5bffffffffffffffff", "7b7fffffffffffffff", "9bffffffffffffffff", "bbffffffffffffffff",
        "bb8000000000000000", "9a10000000", "8201", "a101"}) {
    expect_refused(encoded, BaseError::kTruncated, Limits{16, std::size_t{1} << 62});
  }
}

TEST(Cbor, BoundsDepth) {
  const auto nested = [](std::size_t depth, std::string_view level) {
    std::string text;
    for (std::size_t i = 0; i < depth; ++i) {
      text += level;
    }
    return text + "00";
  };
  for (const std::string_view level : {"81", "c1", "a100"}) {
    EXPECT_TRUE(decode(hex(nested(16, level)))) << level;
    expect_refused(nested(17, level), CodecError::kTooDeep);
    expect_refused(nested(50'000, level), CodecError::kTooDeep);
  }
  EXPECT_TRUE(decode(hex("00"), Limits{0, 1}));
  expect_refused("80", CodecError::kTooDeep, Limits{0, 1});
}

TEST(Cbor, BoundsTheNumberOfItems) {
  EXPECT_TRUE(decode(hex("83010203"), Limits{16, 4}));
  expect_refused("83010203", CodecError::kTooLarge, Limits{16, 3});
  EXPECT_TRUE(decode(hex("a201020304"), Limits{16, 5}));
  expect_refused("a201020304", CodecError::kTooLarge, Limits{16, 4});
  EXPECT_TRUE(decode(hex("c100"), Limits{16, 2}));
  expect_refused("c100", CodecError::kTooLarge, Limits{16, 1});
  expect_refused("828101820102", CodecError::kTooLarge, Limits{16, 5});
}

TEST(CborValue, GettersRefuseAnotherKind) {
  const Value text("a");
  EXPECT_TRUE(text.as_uint("x").error().is(CodecError::kWrongType));
  EXPECT_TRUE(text.as_int("x").error().is(CodecError::kWrongType));
  EXPECT_TRUE(text.as_bool("x").error().is(CodecError::kWrongType));
  EXPECT_TRUE(text.as_bytes("x").error().is(CodecError::kWrongType));
  EXPECT_TRUE(text.as_array("x").error().is(CodecError::kWrongType));
  EXPECT_TRUE(text.as_map("x").error().is(CodecError::kWrongType));
  EXPECT_TRUE(text.as_tagged(1, "x").error().is(CodecError::kWrongType));
  EXPECT_TRUE(Value(1).as_text("x").error().is(CodecError::kWrongType));
  EXPECT_TRUE(Value(-1).as_uint("x").error().is(CodecError::kWrongType));
  EXPECT_TRUE(Value(std::numeric_limits<std::uint64_t>::max())
                  .as_int("x")
                  .error()
                  .is(CodecError::kWrongType));
  EXPECT_TRUE(Value::tagged(2, 1).as_tagged(1, "x").error().is(CodecError::kWrongType));
  EXPECT_EQ(text.as_uint("field").error().detail(), "field: expected an unsigned integer");
}

TEST(CborValue, GettersGiveWhatIsThere) {
  EXPECT_EQ(Value(7).as_uint("x").value(), 7U);
  EXPECT_EQ(Value(7).as_int("x").value(), 7);
  EXPECT_EQ(Value(-7).as_int("x").value(), -7);
  EXPECT_TRUE(Value(true).as_bool("x").value());
  EXPECT_EQ(Value("t").as_text("x").value(), "t");
  EXPECT_EQ(Value(hex("0102")).as_bytes("x").value(), hex("0102"));
  EXPECT_EQ(Value(hex("0102")).as_fixed<2>("x").value(), (ByteArray<2>{1, 2}));
  EXPECT_EQ(*Value::tagged(18, 5).as_tagged(18, "x").value(), Value(5));
  EXPECT_TRUE(Value().is_null());
}

TEST(CborValue, FixedRefusesAnotherLength) {
  EXPECT_TRUE(Value(hex("0102")).as_fixed<3>("x").error().is(BaseError::kTruncated));
  EXPECT_TRUE(Value(hex("0102")).as_fixed<1>("x").error().is(BaseError::kTrailingBytes));
}

TEST(CborValue, ComparesMapsWithoutRegardToOrder) {
  EXPECT_EQ(Value(Map{{"a", 1}, {"b", 2}}), Value(Map{{"b", 2}, {"a", 1}}));
  EXPECT_FALSE(Value(Map{{"a", 1}, {"b", 2}}) == Value(Map{{"b", 1}, {"a", 2}}));
  EXPECT_FALSE(Value(Map{{"a", 1}}) == Value(Map{{"a", 1}, {"b", 2}}));
  EXPECT_FALSE(Value(1) == Value(true));
  EXPECT_FALSE(Value("a") == Value(to_bytes("a")));
  EXPECT_FALSE(Value::tagged(1, 2) == Value::tagged(2, 2));
}

TEST(CborDeath, WritingADuplicateKeyIsABrokenInvariant) {
  EXPECT_DEATH(encode(Map{{"a", 1}, {"a", 2}}), "");
}

TEST(CborFields, TakesEveryMemberByName) {
  const Value value(Map{{"a", 1}, {"b", 2}});
  Fields fields = Fields::of(value, "thing").value();
  EXPECT_EQ(*fields.take("a").value(), Value(1));
  EXPECT_EQ(fields.take_optional("c"), nullptr);
  EXPECT_EQ(*fields.take_optional("b"), Value(2));
  EXPECT_TRUE(fields.finish());
}

TEST(CborFields, RejectsMissingAndUnknownMembers) {
  const Value value(Map{{"a", 1}, {"b", 2}});
  Fields fields = Fields::of(value, "thing").value();
  EXPECT_TRUE(fields.take("c").error().is(CodecError::kMissingField));
  EXPECT_TRUE(fields.take("a"));
  EXPECT_TRUE(fields.finish().error().is(CodecError::kUnknownField));
  EXPECT_EQ(fields.finish().error().detail(), "thing: unknown member \"b\"");
}

TEST(CborFields, DoesNotRepeatAPeersTextInAnError) {
  const Value value(Map{{"\x1b[2J evil", 1}});
  const Fields fields = Fields::of(value, "thing").value();
  EXPECT_EQ(fields.finish().error().detail(), "thing: unknown member (a name of other characters)");
}

TEST(CborFields, RejectsWhatIsNoMapOfText) {
  EXPECT_TRUE(Fields::of(Value(1), "thing").error().is(CodecError::kWrongType));
  const Value value(Map{{1, 2}});
  EXPECT_TRUE(Fields::of(value, "thing").error().is(CodecError::kWrongType));
}

}  // namespace
}  // namespace ensconce::cbor
