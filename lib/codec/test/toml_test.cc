#include "ensconce/codec/toml.h"

#include <gtest/gtest.h>

namespace ensconce::toml {
namespace {

std::string as_json(std::string_view text) {
  const auto value = parse(text, "test.toml");
  return value ? json::write(*value) : value.error().to_string();
}

TEST(Toml, BecomesTheValuesOfJson) {
  EXPECT_EQ(as_json("a = 1\nb = \"x\"\nc = true\nd = 1.5\ne = 2.0\nf = [1, \"y\"]\n"),
            R"({"a":1,"b":"x","c":true,"d":1.5,"e":2.0,"f":[1,"y"]})");
  EXPECT_EQ(as_json("[t]\nk = -1\n[t.u]\nv = {w = 0x10}\n"),
            R"({"t":{"k":-1,"u":{"v":{"w":16}}}})");
  EXPECT_EQ(as_json("[[p]]\nn = 1\n[[p]]\nn = 2\n"), R"({"p":[{"n":1},{"n":2}]})");
  EXPECT_EQ(as_json(""), "{}");
}

TEST(Toml, WritesDatesAsText) {
  EXPECT_EQ(as_json("a = 1979-05-27T07:32:00Z"), R"({"a":"1979-05-27T07:32:00Z"})");
  EXPECT_EQ(as_json("a = 1979-05-27"), R"({"a":"1979-05-27"})");
  EXPECT_EQ(as_json("a = 07:32:00"), R"({"a":"07:32:00"})");
}

TEST(Toml, NamesSourceLineAndColumn) {
  const auto value = parse("a = 1\nb = \n", "worker.toml");
  ASSERT_FALSE(value);
  EXPECT_TRUE(value.error().is(CodecError::kBadToml));
  EXPECT_TRUE(value.error().detail().starts_with("worker.toml:2:")) << value.error().detail();
}

TEST(Toml, RejectsDuplicatesInfinityAndBadUtf8) {
  for (const std::string_view text :
       {"a = 1\na = 2", "[t]\n[t]", "a = inf", "a = nan", "a = \"\xc3\x28\"", "a", "a = 1 b = 2",
        "[!]", "[[\x0b]]", "[a.!]", "a.! = 1", "\xc3\xa9 = 1", "\xca\x9e = 1"}) {
    const auto value = parse(text, "test.toml");
    ASSERT_FALSE(value) << text;
    EXPECT_TRUE(value.error().is(CodecError::kBadToml)) << text;
  }
}

TEST(Toml, BoundsDepth) {
  const auto value = parse("a = " + std::string(100'000, '['), "test.toml");
  ASSERT_FALSE(value);
  EXPECT_TRUE(value.error().is(CodecError::kBadToml));
}

TEST(TomlFile, RejectsAFileThatIsNotThere) {
  EXPECT_TRUE(parse_file("/nonexistent/worker.toml").error().is(BaseError::kIo));
}

}  // namespace
}  // namespace ensconce::toml
