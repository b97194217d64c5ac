#include "ensconce/server/openai_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ensconce/channel/evidence_document.h"
#include "ensconce/codec/json.h"
#include "ensconce/inference/sentence_labels.h"
#include "ensconce/server/error.h"

namespace ensconce {
namespace {

using ::testing::HasSubstr;

// Embeds a text as its length and 1; a token is a byte. At most kMaxSentences at a time.
class LengthModel final : public Model {
 public:
  [[nodiscard]] const std::string& task() const override { return task_; }
  [[nodiscard]] const std::vector<TensorSpec>& inputs() const override { return inputs_; }
  [[nodiscard]] const std::vector<TensorSpec>& outputs() const override { return outputs_; }
  Result<std::vector<Tensor>> infer(std::vector<Tensor> inputs,
                                    std::span<const std::string> requested) const override {
    ENSC_TRY(check_inputs(inputs_, inputs));
    ENSC_TRY(check_wanted(outputs_, requested));
    const std::size_t count = inputs[0].num_elements();
    if (count > kMaxSentences) {
      return Error(InferenceError::kTooLarge, "too many");
    }
    std::vector<float> values;
    std::vector<std::int64_t> tokens;
    for (std::size_t i = 0; i < count; ++i) {
      tokens.push_back(static_cast<std::int64_t>(inputs[0].element(i).size()));
      values.insert(values.end(), {static_cast<float>(tokens.back()), 1});
    }
    const auto rows = static_cast<std::int64_t>(count);
    std::vector<Tensor> out;
    if (wrong_rows) {
      ENSC_TRY_ASSIGN(Tensor pooled, Tensor::floats("embedding", {1, 2}, std::array<float, 2>{}));
      out.push_back(std::move(pooled));
      ENSC_TRY_ASSIGN(Tensor one, Tensor::make("tokens", DataType::kInt64, {1}, SecretBytes(8)));
      out.push_back(std::move(one));
      return out;
    }
    ENSC_TRY_ASSIGN(Tensor embedding, Tensor::floats("embedding", {rows, 2}, values));
    out.push_back(std::move(embedding));
    const ByteView bytes(reinterpret_cast<const std::uint8_t*>(tokens.data()), count * 8);
    ENSC_TRY_ASSIGN(Tensor counted,
                    Tensor::make("tokens", DataType::kInt64, {rows}, SecretBytes::copy_of(bytes)));
    out.push_back(std::move(counted));
    return out;
  }
  bool wrong_rows = false;  // gives what a graph gives that pools over its batch

 private:
  std::string task_ = "lengths";
  std::vector<TensorSpec> inputs_{{"text", DataType::kBytes, {-1}}};
  std::vector<TensorSpec> outputs_{{"embedding", DataType::kFp32, {-1, 2}},
                                   {"tokens", DataType::kInt64, {-1}}};
};

// Has an input of its own and no embedding.
class OtherModel final : public Model {
 public:
  [[nodiscard]] const std::string& task() const override { return task_; }
  [[nodiscard]] const std::vector<TensorSpec>& inputs() const override { return specs_; }
  [[nodiscard]] const std::vector<TensorSpec>& outputs() const override { return specs_; }
  Result<std::vector<Tensor>> infer(std::vector<Tensor> inputs,
                                    std::span<const std::string> /*requested*/) const override {
    return inputs;
  }

 private:
  std::string task_ = "tensor";
  std::vector<TensorSpec> specs_{{"x", DataType::kBytes, {-1}}};
};

class OpenAiServiceTest : public ::testing::Test {
 protected:
  OpenAiServiceTest() {
    manifest_.fill(7);
    registry_.put(
        {"lengths", 3, manifest_, {}, Bytes{1}, Millis(1000), std::make_shared<LengthModel>()});
    registry_.put(
        {"other", 1, manifest_, {}, Bytes{1}, Millis(2000), std::make_shared<OtherModel>()});
  }
  HttpRequest embeddings(std::string_view body) {
    HttpRequest request{"POST", "/v1/embeddings", {}, to_bytes(body)};
    request.headers.set(std::string(kBundleHeader), to_hex(manifest_));
    return request;
  }
  static HttpRequest get(std::string target) { return {"GET", std::move(target), {}, {}}; }
  static std::string text(const HttpResponse& r) { return std::string(as_text(r.body)); }
  static ::testing::AssertionResult refused(const HttpResponse& response, int status,
                                            std::string_view code) {
    const auto body = json::parse(as_text(response.body));
    const json::Value* error = body ? body->find("error") : nullptr;
    if (response.status == status && error != nullptr && error->find("code") != nullptr &&
        error->find("code")->as_text("code").value() == code && error->find("param")->is_null() &&
        error->find("message")->is_text() && error->find("type")->is_text()) {
      return ::testing::AssertionSuccess();
    }
    return ::testing::AssertionFailure() << response.status << " " << text(response);
  }

  ManualClock clock_{Instant{0}};
  Sha256Digest manifest_{};
  ModelRegistry registry_;
  OpenAiService service_{registry_, clock_};
};

TEST_F(OpenAiServiceTest, ListsWhatIsServed) {
  const HttpResponse list = service_.handle(get("/v1/models"));
  EXPECT_EQ(list.status, 200);
  EXPECT_THAT(text(list), HasSubstr(R"({"id":"lengths","object":"model","created":0)"));
  EXPECT_THAT(text(list), HasSubstr(R"("id":"other")"));
  EXPECT_EQ(service_.handle(get("/v1/models/lengths")).status, 200);
  EXPECT_TRUE(refused(service_.handle(get("/v1/models/none")), 404, "server.unknown_model"));
  clock_.advance(Millis(1000));  // the first one's lease ends
  EXPECT_EQ(text(service_.handle(get("/v1/models"))).find("lengths"), std::string::npos);
}

TEST_F(OpenAiServiceTest, Embeds) {
  const HttpResponse answer =
      service_.handle(embeddings(R"({"model":"lengths","input":["a","four"]})"));
  ASSERT_EQ(answer.status, 200) << text(answer);
  EXPECT_EQ(text(answer),
            R"({"object":"list","data":[{"object":"embedding","index":0,"embedding":[1,1]},)"
            R"({"object":"embedding","index":1,"embedding":[4,1]}],"model":"lengths",)"
            R"("usage":{"prompt_tokens":5,"total_tokens":5}})");
  EXPECT_EQ(answer.headers.get(kBundleHeader), to_hex(manifest_));
}

TEST_F(OpenAiServiceTest, EmbedsMoreThanTheModelTakesAtOnce) {
  std::string body = R"({"model":"lengths","encoding_format":"float","input":["first")";
  for (std::size_t i = 0; i < 2 * kMaxSentences; ++i) {
    body += R"(,"x")";
  }
  const HttpResponse answer = service_.handle(embeddings(body + "]}"));
  ASSERT_EQ(answer.status, 200) << text(answer);
  const auto root = json::parse(as_text(answer.body)).value();
  EXPECT_EQ(root.find("data")->as_array("data").value()->size(), 2 * kMaxSentences + 1);
  EXPECT_THAT(text(answer), HasSubstr(R"("index":128,"embedding":[1,1])"));
}

// A graph may give anything, whatever it says of its outputs.
TEST_F(OpenAiServiceTest, RefusesWhatIsNotOneEmbeddingAText) {
  auto pooling = std::make_shared<LengthModel>();
  pooling->wrong_rows = true;
  ServedEntry entry = *registry_.find("lengths");
  entry.name = "pooling";
  entry.model = pooling;
  registry_.put(std::move(entry));
  const std::string_view body = R"({"model":"pooling","input":["a","b","c"]})";
  EXPECT_TRUE(refused(service_.handle(embeddings(body)), 500, "inference.engine"));
}

TEST_F(OpenAiServiceTest, WantsTheBundleAndALease) {
  const std::string_view body = R"({"model":"lengths","input":"a"})";
  HttpRequest request = embeddings(body);
  request.headers = {};
  EXPECT_TRUE(refused(service_.handle(request), 428, "server.bundle_required"));
  request.headers.set(std::string(kBundleHeader), std::string(64, '0'));
  EXPECT_TRUE(refused(service_.handle(request), 412, "server.bundle_changed"));
  clock_.advance(Millis(1000));
  EXPECT_TRUE(refused(service_.handle(embeddings(body)), 503, "server.lease_ended"));
}

TEST_F(OpenAiServiceTest, RefusesInTheShapeOfTheApi) {
  EXPECT_TRUE(refused(service_.handle(embeddings("{")), 400, "openai.json"));
  EXPECT_TRUE(refused(service_.handle(embeddings(R"({"model":"lengths","input":[[1]]})")), 400,
                      "openai.unsupported"));
  EXPECT_TRUE(refused(service_.handle(embeddings(R"({"model":"none","input":"a"})")), 404,
                      "server.unknown_model"));
  EXPECT_TRUE(refused(service_.handle(embeddings(R"({"model":"other","input":"a"})")), 400,
                      "server.no_embeddings"));
  EXPECT_TRUE(refused(service_.handle(get("/v1/embeddings")), 405, "server.method"));
  EXPECT_TRUE(refused(service_.handle(get("/v1/chat/completions")), 404, "server.not_found"));
  EXPECT_TRUE(refused(service_.handle(get("/v1/modelsx")), 404, "server.not_found"));
  const Error error(ServerError::kBadReceiptKey, "expected");
  EXPECT_TRUE(refused(response_to(get("/v1/models"), error), 400, "server.receipt_key"));
  EXPECT_THAT(text(response_to(get("/v2/models"), error)), HasSubstr(R"({"error":"server)"));
}

}  // namespace
}  // namespace ensconce
