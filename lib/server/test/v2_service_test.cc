#include "ensconce/server/v2_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ensconce/channel/evidence_document.h"
#include "ensconce/codec/json.h"
#include "ensconce/oip/oip.h"

namespace ensconce {
namespace {

using ::testing::HasSubstr;

// Doubles an FP32 vector; behaves like the real ones at its edges.
class DoublingModel final : public Model {
 public:
  [[nodiscard]] const std::string& task() const override { return task_; }
  [[nodiscard]] const std::vector<TensorSpec>& inputs() const override { return inputs_; }
  [[nodiscard]] const std::vector<TensorSpec>& outputs() const override { return outputs_; }
  Result<std::vector<Tensor>> infer(std::vector<Tensor> inputs,
                                    std::span<const std::string> requested) const override {
    ENSC_TRY(check_inputs(inputs_, inputs));
    ENSC_TRY(check_wanted(outputs_, requested));
    std::vector<float> values;
    for (const float v : inputs.front().values<float>()) {
      values.push_back(2 * v);
    }
    std::vector<Tensor> out;
    ENSC_TRY_ASSIGN(Tensor y, Tensor::floats("y", inputs.front().shape(), values));
    out.push_back(std::move(y));
    return out;
  }

 private:
  std::string task_ = "tensor";
  std::vector<TensorSpec> inputs_{{"x", DataType::kFp32, {-1}}};
  std::vector<TensorSpec> outputs_{{"y", DataType::kFp32, {-1}}};
};

class V2ServiceTest : public ::testing::Test {
 protected:
  V2ServiceTest() {
    manifest_.fill(7);
    registry_.put(
        {"double", 3, manifest_, {}, Bytes{1}, Millis(1000), std::make_shared<DoublingModel>()});
  }

  HttpRequest infer_request(std::string_view body) {
    HttpRequest request;
    request.method = "POST";
    request.target = "/v2/models/double/infer";
    request.headers.set(std::string(kBundleHeader), to_hex(manifest_));
    request.body = to_bytes(body);
    return request;
  }
  static HttpRequest get(std::string target) { return {"GET", std::move(target), {}, {}}; }
  static std::string text(const HttpResponse& r) { return std::string(as_text(r.body)); }

  static constexpr std::string_view kBody =
      R"({"inputs":[{"name":"x","shape":[2],"datatype":"FP32","data":[1,2.5]}]})";

  ManualClock clock_{Instant{0}};
  Sha256Digest manifest_{};
  ModelRegistry registry_;
  V2Service service_{registry_, clock_, BundleRule::kRequired};
};

TEST_F(V2ServiceTest, AnswersInference) {
  const HttpResponse response = service_.handle(infer_request(kBody));
  ASSERT_EQ(response.status, 200) << text(response);
  const auto parsed = oip::parse_infer_response(response.body, std::nullopt);
  ASSERT_TRUE(parsed.has_value());
  EXPECT_EQ(parsed->model_name, "double");
  EXPECT_EQ(parsed->model_version, "3");
  EXPECT_THAT(parsed->outputs.at(0).values<float>(), ::testing::ElementsAre(2, 5));
  EXPECT_EQ(response.headers.get(kBundleHeader), to_hex(manifest_));
}

TEST_F(V2ServiceTest, AnswersInBinaryWhenAsked) {
  oip::InferRequest request;
  const std::array<float, 2> values{1, 2};
  request.inputs.push_back(Tensor::floats("x", {2}, values).value());
  const oip::Message message = oip::write_infer_request(request);
  HttpRequest http = infer_request("");
  http.body = message.body;
  http.headers.set(std::string(oip::kHeaderLengthName), std::to_string(*message.header_length));
  const HttpResponse response = service_.handle(http);
  ASSERT_EQ(response.status, 200) << text(response);
  const auto length =
      oip::parse_header_length(*response.headers.get(oip::kHeaderLengthName)).value();
  EXPECT_EQ(response.body.size(), length + 8);
}

TEST_F(V2ServiceTest, TellsHealthAndMetadata) {
  EXPECT_EQ(service_.handle(get("/v2/health/live")).status, 200);
  EXPECT_EQ(service_.handle(get("/v2/health/ready")).status, 200);
  EXPECT_THAT(text(service_.handle(get("/v2"))), HasSubstr("binary_tensor_data"));
  EXPECT_THAT(text(service_.handle(get("/v2/models/double"))), HasSubstr(R"("datatype":"FP32")"));
  EXPECT_EQ(service_.handle(get("/v2/models/double/versions/3/ready")).status, 200);
}

TEST_F(V2ServiceTest, TellsTheConfigurationAsTritonDoes) {
  for (const char* target : {"/v2/models/double/config", "/v2/models/double/versions/3/config"}) {
    const HttpResponse response = service_.handle(get(target));
    ASSERT_EQ(response.status, 200);
    EXPECT_EQ(text(response), R"({"name":"double","platform":"ensconce_tensor","max_batch_size":0,)"
                              R"("input":[{"name":"x","data_type":"TYPE_FP32","dims":[-1]}],)"
                              R"("output":[{"name":"y","data_type":"TYPE_FP32","dims":[-1]}]})");
  }
  HttpRequest post = get("/v2/models/double/config");
  post.method = "POST";
  EXPECT_EQ(service_.handle(post).status, 405);
}

TEST_F(V2ServiceTest, ListsTheRepositoryAndChangesNothing) {
  HttpRequest index{"POST", "/v2/repository/index", {}, {}};
  EXPECT_EQ(text(service_.handle(index)),
            R"([{"name":"double","version":"3","state":"READY","reason":""}])");
  index.body = to_bytes(R"({"ready":true})");
  EXPECT_THAT(text(service_.handle(index)), HasSubstr("READY"));
  clock_.advance(Millis(1000));
  EXPECT_EQ(text(service_.handle(index)), "[]");
  index.body = to_bytes("{}");
  EXPECT_THAT(text(service_.handle(index)),
              HasSubstr(R"("state":"UNAVAILABLE","reason":"the lease has ended")"));
  for (const char* bad : {"{", R"({"ready":1})"}) {
    index.body = to_bytes(bad);
    const HttpResponse response = service_.handle(index);
    EXPECT_EQ(response.status, 400) << bad;
    EXPECT_THAT(text(response), HasSubstr("oip.json")) << bad;
  }
  EXPECT_EQ(service_.handle(get("/v2/repository/index")).status, 405);
  for (const char* target :
       {"/v2/repository/models/double/load", "/v2/repository/models/double/unload",
        "/v2/repository", "/v2/repository/index/more"}) {
    EXPECT_EQ(service_.handle({"POST", target, {}, {}}).status, 404) << target;
  }
}

TEST_F(V2ServiceTest, RejectsUnknownPathsModelsAndVersions) {
  EXPECT_EQ(service_.handle(get("/v1/models")).status, 404);
  EXPECT_EQ(service_.handle(get("/v2/nothing")).status, 404);
  EXPECT_EQ(service_.handle(get("/v2/models/other")).status, 404);
  EXPECT_EQ(service_.handle(get("/v2/models")).status, 404);
  EXPECT_EQ(service_.handle(get("/v2/models/double/versions/4")).status, 404);
  EXPECT_EQ(service_.handle(get("/v2/models/double/more")).status, 404);
  EXPECT_THAT(text(service_.handle(get("/v2/models/other"))), HasSubstr("server.unknown_model"));
  EXPECT_THAT(text(service_.handle(get("/v2/models/double/versions/4"))),
              HasSubstr("server.unknown_version"));
}

TEST_F(V2ServiceTest, RejectsOtherMethods) {
  HttpRequest request = infer_request(kBody);
  request.method = "GET";
  EXPECT_EQ(service_.handle(request).status, 405);
  HttpRequest health = get("/v2/health/live");
  health.method = "POST";
  EXPECT_EQ(service_.handle(health).status, 405);
}

TEST_F(V2ServiceTest, RequiresTheBundleToBeNamed) {
  HttpRequest request = infer_request(kBody);
  request.headers = {};
  const HttpResponse response = service_.handle(request);
  EXPECT_EQ(response.status, 428);
  EXPECT_THAT(text(response), HasSubstr("server.bundle_required"));
}

TEST_F(V2ServiceTest, RejectsARequestMeantForAnotherBundle) {
  HttpRequest request = infer_request(kBody);
  Sha256Digest other{};
  request.headers.set(std::string(kBundleHeader), to_hex(other));
  EXPECT_EQ(service_.handle(request).status, 412);
}

TEST_F(V2ServiceTest, ServesWithoutBundlesOnlyWhereTheyAreIgnored) {
  const V2Service plain(registry_, clock_, BundleRule::kIgnored);
  HttpRequest request = infer_request(kBody);
  request.headers = {};
  EXPECT_EQ(plain.handle(request).status, 200);
}

TEST_F(V2ServiceTest, StopsWhenTheLeaseEndsByTheBootClock) {
  clock_.advance(Millis(999));
  EXPECT_EQ(service_.handle(infer_request(kBody)).status, 200);
  clock_.advance(Millis(1));
  const HttpResponse response = service_.handle(infer_request(kBody));
  EXPECT_EQ(response.status, 503);
  EXPECT_THAT(text(response), HasSubstr("server.lease_ended"));
  EXPECT_EQ(service_.handle(get("/v2/health/ready")).status, 503);
  registry_.renew_lease("double", manifest_, Bytes{2}, Millis(2000));
  EXPECT_EQ(service_.handle(infer_request(kBody)).status, 200);
}

TEST_F(V2ServiceTest, RenewsNoLeaseForAnotherBundle) {
  clock_.advance(Millis(1000));
  registry_.renew_lease("double", Sha256Digest{}, Bytes{2}, Millis(2000));
  EXPECT_EQ(service_.handle(infer_request(kBody)).status, 503);
}

TEST_F(V2ServiceTest, RejectsMalformedRequestsAndServesOn) {
  const std::vector<std::pair<std::string, std::string>> bad = {
      {"", "oip.json"},
      {"{", "oip.json"},
      {R"({"inputs":[{"name":"x","shape":[2],"datatype":"FP32","data":[1]}]})", "oip.data_length"},
      {R"({"inputs":[{"name":"z","shape":[1],"datatype":"FP32","data":[1]}]})",
       "inference.unknown_input"},
      {R"({"inputs":[]})", "inference.missing_input"},
      {R"({"inputs":[{"name":"x","shape":[1],"datatype":"INT32","data":[1]}]})",
       "inference.wrong_type"},
      {R"({"inputs":[{"name":"x","shape":[1,1],"datatype":"FP32","data":[1]}]})",
       "inference.wrong_shape"},
      {R"({"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":[1]}],"outputs":[{"name":"q"}]})",
       "inference.unknown_output"},
  };
  for (const auto& [body, id] : bad) {
    const HttpResponse response = service_.handle(infer_request(body));
    EXPECT_EQ(response.status, 400) << body;
    EXPECT_THAT(text(response), HasSubstr(id)) << body;
    EXPECT_EQ(service_.handle(infer_request(kBody)).status, 200);
  }
}

TEST_F(V2ServiceTest, RejectsABadHeaderLength) {
  HttpRequest request = infer_request(kBody);
  request.headers.set(std::string(oip::kHeaderLengthName), "-1");
  const HttpResponse response = service_.handle(request);
  EXPECT_EQ(response.status, 400);
  EXPECT_THAT(text(response), HasSubstr("oip.header_length"));
}

TEST_F(V2ServiceTest, CountsChangesOfTheList) {
  const std::uint64_t before = registry_.sequence();
  registry_.remove("double");
  EXPECT_GT(registry_.sequence(), before);
  EXPECT_FALSE(registry_.find("double").has_value());
  EXPECT_EQ(service_.handle(get("/v2/health/ready")).status, 503);
}

}  // namespace
}  // namespace ensconce
