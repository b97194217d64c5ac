#include "ensconce/codec/json.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

namespace ensconce::json {
namespace {

void expect_refused(std::string_view text, CodecError code, const Limits& limits = {}) {
  const auto value = parse(text, limits);
  ASSERT_FALSE(value) << text.substr(0, 80);
  EXPECT_TRUE(value.error().is(code))
      << text.substr(0, 80) << " gave " << value.error().to_string();
}

std::string rewritten(std::string_view text) {
  const auto value = parse(text);
  return value ? write(*value) : value.error().to_string();
}

TEST(Json, KeepsOrderKindAndText) {
  const std::string_view text =
      R"({"z":[1,-2,1.5,true,false,null,"",{}],"a":{"b":[]},"\u0001":"\"\\\b\f\n\r\t"})";
  EXPECT_EQ(rewritten(text), text);
}

TEST(Json, SkipsWhiteSpaceAroundTokensOnly) {
  EXPECT_EQ(rewritten(" \t\r\n{ \"a\" : [ 1 , 2 ] } \n"), R"({"a":[1,2]})");
}

TEST(Json, WritesIndentedForPeople) {
  EXPECT_EQ(write_pretty(parse(R"({"a":[1,{}],"b":[]})").value()),
            "{\n  \"a\": [\n    1,\n    {}\n  ],\n  \"b\": []\n}\n");
}

TEST(Json, KeepsIntegersWhole) {
  EXPECT_EQ(parse("9223372036854775807").value().as_int("n").value(),
            std::numeric_limits<std::int64_t>::max());
  EXPECT_EQ(parse("-9223372036854775808").value().as_int("n").value(),
            std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(parse("18446744073709551615").value().as_uint("n").value(),
            std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(rewritten("[9223372036854775807,-9223372036854775808,18446744073709551615]"),
            "[9223372036854775807,-9223372036854775808,18446744073709551615]");
  EXPECT_EQ(rewritten("18446744073709551616"), "18446744073709551616.0");
  EXPECT_EQ(Value(std::uint64_t{5}), Value(5));
}

TEST(Json, ReadsTheNearestDouble) {
  // Halfway cases and long mantissas, where multiplying by a power of ten is off by one bit.
  for (const double d :
       {0.1, 0.3, 1.0 / 3, 123.456, 5e-324, 2.2250738585072011e-308, 1e23, 8.41789631855865e-5,
        9007199254740993.0, 1.7976931348623157e308, 0.10000000149011612, -2.718281828459045}) {
    const std::string text = write(Value(d));
    const double again = parse(text).value().as_double("d").value();
    EXPECT_EQ(again, d) << text;
  }
  EXPECT_EQ(parse("0.30000000000000004441").value().as_double("d").value(), 0.1 + 0.2);
  EXPECT_EQ(parse("123456789012345678901234567890").value().as_double("d").value(),
            123456789012345678901234567890.0);
}

TEST(Json, RoundTripsManyDoubles) {
  std::uint64_t state = 42;
  for (int i = 0; i < 20'000; ++i) {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    double d;
    static_assert(sizeof(d) == sizeof(state));
    std::memcpy(&d, &state, sizeof(d));
    if (!std::isfinite(d)) {
      continue;
    }
    ASSERT_EQ(parse(write(Value(d))).value(), Value(d));
  }
}

TEST(Json, KeepsADoubleADouble) {
  EXPECT_EQ(write(Value(1.0)), "1.0");
  EXPECT_EQ(rewritten("[1.0,-0.0,-0,1e2,0.5]"), "[1.0,-0.0,-0.0,100.0,0.5]");
  EXPECT_TRUE(parse("1.0").value().as_int("n").error().is(CodecError::kWrongType));
}

TEST(Json, NeverWritesNanOrInfinity) {
  EXPECT_EQ(write(Array{std::nan(""), std::numeric_limits<double>::infinity(),
                        -std::numeric_limits<double>::infinity()}),
            "[null,null,null]");
}

TEST(Json, RejectsNumbersOutOfRange) {
  expect_refused("1e400", CodecError::kBadJson);
  expect_refused("-1e400", CodecError::kBadJson);
  expect_refused("1" + std::string(400, '0'), CodecError::kBadJson);
  EXPECT_EQ(parse("1e-400").value(), Value(0.0));
}

TEST(Json, RejectsWhatIsNotJson) {
  for (const std::string_view text : {"",
                                      " ",
                                      "[1,]",
                                      "{\"a\":1,}",
                                      "[1 2]",
                                      "{\"a\" 1}",
                                      "{a:1}",
                                      "'a'",
                                      "01",
                                      "-",
                                      "+1",
                                      ".5",
                                      "1.",
                                      "1e",
                                      "0x10",
                                      "NaN",
                                      "Infinity",
                                      "tru",
                                      "nul",
                                      "[",
                                      "{",
                                      "\"a",
                                      "[1",
                                      "{\"a\":",
                                      "//x\n1",
                                      "1//x",
                                      "/* */1",
                                      "]",
                                      "\xef\xbb\xbf"
                                      "1",
                                      "\"\\x\"",
                                      "\"\\u12\"",
                                      "\"\t\"",
                                      "\"\n\"",
                                      "True"}) {
    expect_refused(text, CodecError::kBadJson);
  }
}

TEST(Json, RejectsTrailingBytes) {
  for (const std::string_view text : {"1 2", "{} {}", "[]]", "nullx", "\"a\"b"}) {
    expect_refused(text, CodecError::kBadJson);
  }
  expect_refused(std::string_view("1\0", 2), CodecError::kBadJson);
}

TEST(Json, RejectsTextThatIsNotUtf8) {
  for (const std::string_view text :
       {"\"\xff\"", "\"\x80\"", "\"\xc3\x28\"", "\"\xc0\xaf\"", "\"\xe0\x80\x80\"",
        "\"\xed\xa0\x80\"", "\"\xf0\x80\x80\x80\"", "\"\xf4\x90\x80\x80\"", "\"\xf5\x80\x80\x80\"",
        "{\"\xff\":1}", "\"\\ud800\"", "\"\\udc00\"", "\"\\ud800\\u0041\"", "\"\\ud800x\""}) {
    expect_refused(text, CodecError::kBadJson);
  }
  EXPECT_EQ(rewritten("\"\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf\""),
            "\"\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf\"");
}

TEST(Json, DecodesEscapes) {
  EXPECT_EQ(parse(R"("\u20ac\ud83d\ude00\/A\u0000")").value().as_text("t").value(),
            std::string("\xe2\x82\xac\xf0\x9f\x98\x80/A\0", 10));
}

TEST(Json, WritesValidUtf8WhateverTheText) {
  EXPECT_EQ(write(Value("a\xff"
                        "b\xe2\x82")),
            "\"a\xef\xbf\xbd"
            "b\xef\xbf\xbd\xef\xbf\xbd\"");
  EXPECT_EQ(write(Value(std::string("\0\x1f\x7f", 3))), "\"\\u0000\\u001f\x7f\"");
}

TEST(Json, RejectsDuplicateNames) {
  expect_refused(R"({"a":1,"a":2})", CodecError::kDuplicateKey);
  expect_refused(R"({"a":1,"\u0061":2})", CodecError::kDuplicateKey);
  expect_refused(R"([{"x":{"a":1,"b":2,"a":3}}])", CodecError::kDuplicateKey);
  std::string many = "{";
  for (int i = 0; i < 1000; ++i) {
    many += "\"k" + std::to_string(i) + "\":0,";
  }
  EXPECT_TRUE(parse(many + "\"k\":0}"));
  expect_refused(many + "\"k500\":0}", CodecError::kDuplicateKey);
}

TEST(Json, BoundsDepth) {
  EXPECT_TRUE(parse(std::string(32, '[') + std::string(32, ']')));
  expect_refused(std::string(33, '[') + std::string(33, ']'), CodecError::kTooDeep);
  expect_refused(std::string(100'000, '['), CodecError::kTooDeep);
  std::string objects;
  for (int i = 0; i < 100'000; ++i) {
    objects += "{\"a\":";
  }
  expect_refused(objects, CodecError::kTooDeep);
  Limits flat;
  flat.max_depth = 0;
  EXPECT_TRUE(parse("1", flat));
  expect_refused("[]", CodecError::kTooDeep, flat);
}

TEST(Json, BoundsBytesAndValues) {
  Limits limits;
  limits.max_bytes = 7;
  EXPECT_TRUE(parse("[1,2,3]", limits));
  expect_refused("[1,2,3] ", CodecError::kTooLarge, limits);
  limits = {};
  limits.max_values = 4;
  EXPECT_TRUE(parse("[1,2,3]", limits));
  EXPECT_TRUE(parse(R"({"a":[],"b":{},"c":0})", limits));
  expect_refused("[1,2,3,4]", CodecError::kTooLarge, limits);
}

TEST(JsonCanonical, SortsByUtf16AsInRfc8785) {
  const Value value = parse(R"({
    "\u20ac": "Euro Sign",
    "\r": "Carriage Return",
    "\ufb33": "Hebrew Letter Dalet With Dagesh",
    "1": "One",
    "\ud83d\ude00": "Emoji: Grinning Face",
    "\u0080": "Control",
    "\u00f6": "Latin Small Letter O With Diaeresis"
  })")
                          .value();
  const std::string canonical = write_canonical(value).value();
  const Value sorted = parse(canonical).value();
  std::vector<std::string> order;
  for (const auto& [name, content] : *sorted.as_object("example").value()) {
    order.push_back(content.as_text("description").value());
  }
  EXPECT_EQ(order, (std::vector<std::string>{
                       "Carriage Return", "One", "Control", "Latin Small Letter O With Diaeresis",
                       "Euro Sign", "Emoji: Grinning Face", "Hebrew Letter Dalet With Dagesh"}));
  EXPECT_TRUE(canonical.starts_with("{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\xc2\x80\":"));
}

TEST(JsonCanonical, SortsEveryLevelAndAPrefixFirst) {
  EXPECT_EQ(write_canonical(parse(R"({"b":[{"z":1,"y":null}],"aa":true,"a":"\u000f/\""})").value())
                .value(),
            R"({"a":"\u000f/\"","aa":true,"b":[{"y":null,"z":1}]})");
}

TEST(JsonCanonical, RejectsWhatHasNoCanonicalForm) {
  EXPECT_TRUE(write_canonical(Value(1.0)).error().is(CodecError::kWrongType));
  EXPECT_TRUE(write_canonical(Array{Object{{"a", 0.5}}}).error().is(CodecError::kWrongType));
  EXPECT_TRUE(write_canonical(Object{{"a", 1}, {"a", 2}}).error().is(CodecError::kDuplicateKey));
  EXPECT_TRUE(write_canonical(Value("\xff")).error().is(CodecError::kBadJson));
  EXPECT_EQ(write_canonical(Value(std::int64_t{9007199254740991})).value(), "9007199254740991");
  EXPECT_TRUE(
      write_canonical(Value(std::int64_t{9007199254740992})).error().is(CodecError::kTooLarge));
  EXPECT_TRUE(
      write_canonical(Value(std::int64_t{-9007199254740992})).error().is(CodecError::kTooLarge));
  EXPECT_TRUE(write_canonical(Value(std::numeric_limits<std::uint64_t>::max()))
                  .error()
                  .is(CodecError::kTooLarge));
}

TEST(JsonValue, GettersRefuseAnotherKind) {
  const Value text("a");
  EXPECT_TRUE(text.as_bool("x").error().is(CodecError::kWrongType));
  EXPECT_TRUE(text.as_int("x").error().is(CodecError::kWrongType));
  EXPECT_TRUE(text.as_uint("x").error().is(CodecError::kWrongType));
  EXPECT_TRUE(text.as_double("x").error().is(CodecError::kWrongType));
  EXPECT_TRUE(text.as_array("x").error().is(CodecError::kWrongType));
  EXPECT_TRUE(text.as_object("x").error().is(CodecError::kWrongType));
  EXPECT_TRUE(Value(1).as_text("x").error().is(CodecError::kWrongType));
  EXPECT_TRUE(Value(-1).as_uint("x").error().is(CodecError::kWrongType));
  EXPECT_TRUE(Value(std::numeric_limits<std::uint64_t>::max())
                  .as_int("x")
                  .error()
                  .is(CodecError::kWrongType));
  EXPECT_EQ(text.as_int("field").error().detail(), "field: expected a signed 64-bit integer");
}

TEST(JsonValue, FindsMembers) {
  const Value value = parse(R"({"a":1})").value();
  ASSERT_NE(value.find("a"), nullptr);
  EXPECT_EQ(value.find("a")->as_double("a").value(), 1.0);
  EXPECT_EQ(value.find("b"), nullptr);
  EXPECT_EQ(Value(1).find("a"), nullptr);
}

TEST(JsonFields, RejectsMissingAndUnknownMembers) {
  const Value value = parse(R"({"a":1,"b":2,"c":3})").value();
  Fields fields = Fields::of(value, "policy").value();
  EXPECT_TRUE(fields.take("d").error().is(CodecError::kMissingField));
  EXPECT_EQ(fields.take_optional("d"), nullptr);
  EXPECT_EQ(*fields.take("a").value(), Value(1));
  EXPECT_EQ(*fields.take_optional("c"), Value(3));
  EXPECT_TRUE(fields.finish().error().is(CodecError::kUnknownField));
  EXPECT_EQ(fields.finish().error().detail(), "policy: unknown member \"b\"");
  EXPECT_TRUE(fields.take("b"));
  EXPECT_TRUE(fields.finish());
  EXPECT_TRUE(Fields::of(Value(1), "policy").error().is(CodecError::kWrongType));
}

TEST(JsonFields, DoesNotRepeatAPeersTextInAnError) {
  const Value value = parse(R"({"\u001b[2J secret":1})").value();
  EXPECT_EQ(Fields::of(value, "request").value().finish().error().detail(),
            "request: unknown member (a name of other characters)");
}

}  // namespace
}  // namespace ensconce::json
