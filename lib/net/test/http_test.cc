#include "ensconce/net/http.h"

#include <gtest/gtest.h>

namespace ensconce {
namespace {

TEST(HttpHeaders, ComparesNamesWithoutCaseAndKeepsOrder) {
  HttpHeaders headers{{"B", "1"}, {"a", "2"}, {"b", "3"}};
  EXPECT_EQ(headers.get("b"), "1");
  EXPECT_EQ(headers.count("B"), 2U);
  EXPECT_FALSE(headers.get("c").has_value());
  headers.set("B", "4");
  ASSERT_EQ(headers.all().size(), 2U);
  EXPECT_EQ(headers.all()[0].name, "a");
  EXPECT_EQ(headers.get("b"), "4");
}

TEST(PathOf, EndsAtTheQuery) {
  EXPECT_EQ(path_of("/a/b?c=d"), "/a/b");
  EXPECT_EQ(path_of("/a"), "/a");
}

TEST(PercentDecode, DecodesEscapesAndNothingElse) {
  EXPECT_EQ(percent_decode("a%2Fb+%c3%A9").value(), "a/b+\xc3\xa9");
}

TEST(PercentDecode, RejectsBrokenEscapesAndNul) {
  for (const char* bad : {"%", "%4", "%4g", "%g4", "a%", "%00"}) {
    const auto result = percent_decode(bad);
    ASSERT_FALSE(result.has_value()) << bad;
    EXPECT_TRUE(result.error().is(NetError::kHttpMalformed));
  }
}

TEST(QueryOf, ReturnsDecodedPairs) {
  EXPECT_EQ(query_of("/a?x=1&y=%20&z").value(), (Query{{"x", "1"}, {"y", " "}, {"z", ""}}));
  EXPECT_TRUE(query_of("/a").value().empty());
  EXPECT_TRUE(query_of("/a?").value().empty());
}

TEST(QueryOf, RejectsRepeatedEmptyAndTooManyNames) {
  std::string many = "/?a0=";
  for (int i = 1; i <= 64; ++i) {
    many += "&a" + std::to_string(i) + "=";
  }
  for (const std::string& bad : {std::string("/?a=1&a=2"), std::string("/?=1"),
                                 std::string("/?a=1&"), std::string("/?a=%zz"), many}) {
    const auto result = query_of(bad);
    ASSERT_FALSE(result.has_value()) << bad;
    EXPECT_TRUE(result.error().is(NetError::kHttpMalformed));
  }
}

TEST(ParseUrl, ReadsSchemeHostPortAndPath) {
  const Url url = parse_url("HTTPS://Broker.Example:8443/kbs/v0?x=1").value();
  EXPECT_EQ(url.scheme, "https");
  EXPECT_EQ(url.host, "broker.example");
  EXPECT_EQ(url.port, 8443);
  EXPECT_EQ(url.path, "/kbs/v0?x=1");
  EXPECT_EQ(url.to_string(), "https://broker.example:8443/kbs/v0?x=1");
  EXPECT_EQ(parse_url("http://h").value().port, 80);
  EXPECT_EQ(parse_url("https://h").value().to_string(), "https://h/");
  EXPECT_EQ(parse_url("http://h?q").value().path, "/?q");
  const Url v6 = parse_url("http://[::1]:81/").value();
  EXPECT_EQ(v6.host, "::1");
  EXPECT_EQ(v6.authority(), "[::1]:81");
}

TEST(ParseUrl, RejectsWhatIsNotPlainHttp) {
  for (const char* bad :
       {"", "h", "ftp://h/", "http://", "http:///a", "http://u@h/", "http://u:p@h/", "http://h:0/",
        "http://h:65536/", "http://h:/", "http://h:1a/", "http://h/#f", "http://h#f",
        "http://h/a b", "http://[::1/", "http://[::1]x/", "http://h\r\nX: y/", "http://h/\r\n",
        "http://h/\xc3\xa9"}) {
    const auto result = parse_url(bad);
    ASSERT_FALSE(result.has_value()) << bad;
    EXPECT_TRUE(result.error().is(NetError::kBadUrl)) << bad;
  }
  EXPECT_TRUE(parse_url("http://h/" + std::string(8192, 'a')).error().is(NetError::kBadUrl));
}

TEST(JsonError, StaysJsonWhateverTheMessage) {
  EXPECT_EQ(as_text(json_error(400, "a\"b\\c\n").body), "{\"error\":\"a?b?c?\"}");
}

}  // namespace
}  // namespace ensconce
