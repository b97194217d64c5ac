#include "ensconce/openai/openai.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "ensconce/codec/base64.h"
#include "ensconce/codec/json.h"

namespace ensconce::openai {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Error refusal(std::string_view body) {
  const auto parsed = parse_embeddings_request(as_bytes(body));
  EXPECT_FALSE(parsed) << body;
  return parsed ? Error(BaseError::kIo, "accepted") : parsed.error();
}

TEST(EmbeddingsRequest, ReadsATextOrAList) {
  const auto one = parse_embeddings_request(as_bytes(R"({"model":"m","input":"a text"})"));
  ASSERT_TRUE(one);
  EXPECT_EQ(one->model, "m");
  EXPECT_THAT(one->inputs, ElementsAre("a text"));
  EXPECT_EQ(one->format, EncodingFormat::kFloat);
  const auto two = parse_embeddings_request(
      as_bytes(R"({"input":["a","b"],"model":"m","encoding_format":"base64","user":"somebody"})"));
  ASSERT_TRUE(two);
  EXPECT_THAT(two->inputs, ElementsAre("a", "b"));
  EXPECT_EQ(two->format, EncodingFormat::kBase64);
}

TEST(EmbeddingsRequest, RejectsWhatIsNoRequest) {
  for (const char* body :
       {"", "{", "[]", "7", R"({"input":"a"})", R"({"model":"","input":"a"})",
        R"({"model":7,"input":"a"})", R"({"model":"m","input":"a","encoding_format":"hex"})",
        R"({"model":"m","input":"a","encoding_format":1})"}) {
    EXPECT_TRUE(refusal(body).is(OpenAiError::kBadJson)) << body;
  }
  for (const char* body : {R"({"model":"m"})", R"({"model":"m","input":""})",
                           R"({"model":"m","input":[]})", R"({"model":"m","input":["a",""]})"}) {
    EXPECT_TRUE(refusal(body).is(OpenAiError::kBadInput)) << body;
  }
}

TEST(EmbeddingsRequest, SaysWhatItDoesNotDo) {
  for (const char* body :
       {R"({"model":"m","input":[1,2,3]})", R"({"model":"m","input":[[1],[2]]})",
        R"({"model":"m","input":null})", R"({"model":"m","input":{"text":"a"}})"}) {
    const Error error = refusal(body);
    EXPECT_TRUE(error.is(OpenAiError::kUnsupported)) << body;
    EXPECT_THAT(error.detail(), HasSubstr("tokens"));
  }
  EXPECT_TRUE(
      refusal(R"({"model":"m","input":"a","dimensions":256})").is(OpenAiError::kUnsupported));
}

TEST(EmbeddingsRequest, BoundsTheNumberOfTexts) {
  const auto with = [](std::size_t count) {
    std::string body = R"({"model":"m","input":[)";
    for (std::size_t i = 0; i < count; ++i) {
      body += i == 0 ? R"("a")" : R"(,"a")";
    }
    return body + "]}";
  };
  EXPECT_TRUE(parse_embeddings_request(as_bytes(with(kMaxInputs))));
  EXPECT_TRUE(refusal(with(kMaxInputs + 1)).is(OpenAiError::kTooLarge));
}

TEST(Embeddings, AreWrittenInTheirOrder) {
  const std::array<float, 4> values{0.1F, -2, 1e-30F, 3};
  const auto written = write_embeddings("m", values, 2, 7, EncodingFormat::kFloat);
  ASSERT_TRUE(written);
  EXPECT_EQ(as_text(*written),
            R"({"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.1,-2]},)"
            R"({"object":"embedding","index":1,"embedding":[1e-30,3]}],"model":"m",)"
            R"("usage":{"prompt_tokens":7,"total_tokens":7}})");
}

TEST(Embeddings, InBase64AreTheBytes) {
  const std::array<float, 2> values{1, -2};
  const auto written = write_embeddings("m", values, 2, 1, EncodingFormat::kBase64);
  ASSERT_TRUE(written);
  const auto root = json::parse(as_text(*written)).value();
  const auto* items = root.find("data")->as_array("data").value();
  const auto text = items->at(0).find("embedding")->as_text("embedding").value();
  EXPECT_EQ(to_hex(base64_decode(text).value()), "0000803f000000c0");
}

TEST(Embeddings, WithoutAWordInJsonAreRefused) {
  const std::array<float, 1> values{std::numeric_limits<float>::infinity()};
  EXPECT_FALSE(write_embeddings("m", values, 1, 1, EncodingFormat::kFloat));
  EXPECT_TRUE(write_embeddings("m", values, 1, 1, EncodingFormat::kBase64));
}

TEST(Embeddings, OfEveryLengthFitWhatWasReserved) {
  const std::vector<float> values(512, -std::numeric_limits<float>::min());
  const auto written = write_embeddings("m", values, 512, 1, EncodingFormat::kFloat);
  ASSERT_TRUE(written);
  EXPECT_TRUE(json::parse(as_text(*written)));
}

TEST(Models, AreAList) {
  const std::array<ModelEntry, 2> models{{{"a", "x"}, {"b", "y"}}};
  EXPECT_EQ(write_models(models),
            R"({"object":"list","data":[{"id":"a","object":"model","created":0,"owned_by":"x"},)"
            R"({"id":"b","object":"model","created":0,"owned_by":"y"}]})");
  EXPECT_EQ(write_model(models[0]), R"({"id":"a","object":"model","created":0,"owned_by":"x"})");
}

TEST(Errors, TellWhoseFaultItIs) {
  EXPECT_EQ(write_error(404, "no such model", "server.unknown_model"),
            R"({"error":{"message":"no such model","type":"invalid_request_error","param":null,)"
            R"("code":"server.unknown_model"}})");
  EXPECT_THAT(write_error(503, "later", "x"), HasSubstr(R"("type":"server_error")"));
}

}  // namespace
}  // namespace ensconce::openai
