// What a worker refuses of its peers, each by its own status and id; it serves on after all of them
// (Whole::TearDown).
#include <gmock/gmock.h>

#include <cmath>
#include <csignal>

#include "ensconce/codec/json.h"
#include "ensconce/oip/oip.h"
#include "ensconce/server/error.h"
#include "tls_fixture.h"
#include "whole.h"

namespace ensconce::whole {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

// RawTls is a TLS client that sends whatever bytes it is given.
class RawTls {
 public:
  RawTls(std::uint16_t port, int max_version)
      : context_(SSL_CTX_new(TLS_client_method()), SSL_CTX_free), fd_(test::dial(port)) {
    std::signal(SIGPIPE, SIG_IGN);
    SSL_CTX_set_max_proto_version(context_.get(), max_version);
    SSL_CTX_set_session_cache_mode(context_.get(),
                                   SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    ssl_.reset(SSL_new(context_.get()));
    SSL_set_fd(ssl_.get(), fd_.get());
    ERR_clear_error();
    connected_ = SSL_connect(ssl_.get()) == 1;
    reason_ = connected_ ? 0 : ERR_GET_REASON(ERR_peek_last_error());
  }
  [[nodiscard]] bool connected() const { return connected_; }
  [[nodiscard]] int reason() const { return reason_; }
  [[nodiscard]] bool resumable() const {
    return SSL_SESSION_is_resumable(SSL_get0_session(ssl_.get())) == 1;
  }
  // talk sends all of it, and returns everything until the peer closes.
  std::string talk(std::string_view text) {
    SSL_write(ssl_.get(), text.data(), static_cast<int>(text.size()));
    std::string out;
    char block[4096];
    for (int n = 0; (n = SSL_read(ssl_.get(), block, sizeof(block))) > 0;) {
      out.append(block, static_cast<std::size_t>(n));
    }
    return out;
  }

 private:
  std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context_;
  Fd fd_;
  std::unique_ptr<SSL, decltype(&SSL_free)> ssl_{nullptr, SSL_free};
  bool connected_ = false;
  int reason_ = 0;
};

class WorkerRefuses : public Whole {
 protected:
  std::string talk(std::string_view text) {
    RawTls raw(server_->port(), TLS1_3_VERSION);
    EXPECT_TRUE(raw.connected());
    return raw.talk(text);
  }
  HttpResponse infer_with(std::string_view body) { return exchange(infer_request(body)); }
  // infer_binary sends a body of which the first `header_length` bytes are said to be JSON.
  HttpResponse infer_binary(std::string_view body, const std::string& header_length) {
    HttpRequest request = infer_request(body);
    request.headers.set(std::string(oip::kHeaderLengthName), header_length);
    return exchange(request);
  }
};

// ---- What it does not refuse -------------------------------------------------------------------

TEST_F(WorkerRefuses, NothingOfAGoodRequestAndAnswersAsTheEngineDoes) {
  const ConnectOutcome outcome = connect();
  ASSERT_TRUE(outcome.client) << outcome.client.error().to_string();
  EXPECT_EQ(outcome.appraisal->outcome(), Outcome::kAffirming);
  EXPECT_EQ((*outcome.client)->affirmed().origin(), AnchorOrigin::kSimulated);
  const auto answer = infer(**outcome.client);
  ASSERT_TRUE(answer) << answer.error().to_string();
  EXPECT_EQ(answer->manifest_digest, genuine().result.manifest_digest);
  EXPECT_EQ(answer->model_version, "1");

  const auto engine = engines().load(as_bytes(graph()), {}, {}, {}).value();
  const std::vector<Tensor> expected = engine->run(inputs(), {}).value();
  ASSERT_EQ(answer->outputs.size(), 1U);
  EXPECT_EQ(answer->outputs[0].name(), expected[0].name());
  ASSERT_EQ(answer->outputs[0].shape(), expected[0].shape());
  const auto got = answer->outputs[0].values<float>();
  const auto wanted = expected[0].values<float>();
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    EXPECT_NEAR(got[i], wanted[i], 1e-4) << i;
  }
  // And as arithmetic does: the first row of x·W + b.
  EXPECT_NEAR(wanted[0], std::tanh(0.25 * 0.5 - 0.5 * 0.125 + 0.125 * 1.5 + 1.0 * 1.0 + 0.1), 1e-4);
}

TEST_F(WorkerRefuses, NothingOfAGoodRequestInJsonAndEchoesTheBundle) {
  const HttpResponse response = infer_with(good_body());
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.headers.get(kBundleHeader), to_hex(genuine().result.manifest_digest));
}

// ---- Open Inference Protocol -------------------------------------------------------------------

TEST_F(WorkerRefuses, AnUnknownModelVersionPathAndMethod) {
  HttpRequest request = infer_request();
  request.target = "/v2/models/other/infer";
  EXPECT_TRUE(answered(exchange(request), 404, "server.unknown_model"));
  request.target = "/v2/models/mixer/versions/2/infer";
  EXPECT_TRUE(answered(exchange(request), 404, "server.unknown_version"));
  request.target = "/v3";
  EXPECT_TRUE(answered(exchange(request), 404, "server.not_found"));
  EXPECT_TRUE(answered(exchange(get("/v2/models/mixer/infer")), 405, "server.method"));
}

TEST_F(WorkerRefuses, AReceiptKeyThatIsNone) {
  HttpRequest request = infer_request();
  request.headers.set(std::string(kReceiptKeyHeader), std::string(63, '0'));
  EXPECT_TRUE(answered(exchange(request), 400, "server.receipt_key"));
  request.headers.set(std::string(kReceiptKeyHeader), std::string(64, '0'));
  const HttpResponse response = exchange(request);
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.headers.count(kReceiptHeader), 1U);
  EXPECT_EQ(exchange(infer_request()).headers.count(kReceiptHeader), 0U);
}

TEST_F(WorkerRefuses, ARequestThatNamesNoBundle) {
  HttpRequest request = infer_request();
  request.headers = {{"Content-Type", "application/json"}};
  EXPECT_TRUE(answered(exchange(request), 428, "server.bundle_required"));
}

TEST_F(WorkerRefuses, ARequestForAnotherBundle) {
  HttpRequest request = infer_request();
  request.headers.set(std::string(kBundleHeader), std::string(64, '0'));
  EXPECT_TRUE(answered(exchange(request), 412, "server.bundle_changed"));
}

TEST_F(WorkerRefuses, AnotherDatatype) {
  EXPECT_TRUE(answered(
      infer_with(R"({"inputs":[{"name":"x","shape":[1,4],"datatype":"INT32","data":[1,2,3,4]}]})"),
      400, "inference.wrong_type"));
  EXPECT_TRUE(answered(
      infer_with(R"({"inputs":[{"name":"x","shape":[1,4],"datatype":"FP33","data":[1,2,3,4]}]})"),
      400, "oip.datatype"));
}

TEST_F(WorkerRefuses, AnotherShape) {
  EXPECT_TRUE(answered(
      infer_with(R"({"inputs":[{"name":"x","shape":[4,1],"datatype":"FP32","data":[1,2,3,4]}]})"),
      400, "inference.wrong_shape"));
  EXPECT_TRUE(answered(
      infer_with(R"({"inputs":[{"name":"x","shape":[4],"datatype":"FP32","data":[1,2,3,4]}]})"),
      400, "inference.wrong_shape"));
  EXPECT_TRUE(answered(
      infer_with(R"({"inputs":[{"name":"x","shape":[-1,4],"datatype":"FP32","data":[1,2,3,4]}]})"),
      400, "oip.shape"));
}

TEST_F(WorkerRefuses, MissingAndUnknownTensors) {
  EXPECT_TRUE(answered(infer_with(R"({"inputs":[]})"), 400, "inference.missing_input"));
  EXPECT_TRUE(answered(
      infer_with(R"({"inputs":[{"name":"z","shape":[1,4],"datatype":"FP32","data":[1,2,3,4]}]})"),
      400, "inference.unknown_input"));
  EXPECT_TRUE(answered(infer_with(R"({"inputs":[{"name":"x","shape":[1,4],"datatype":"FP32",)"
                                  R"("data":[1,2,3,4]}],"outputs":[{"name":"z"}]})"),
                       400, "inference.unknown_output"));
}

TEST_F(WorkerRefuses, MalformedJson) {
  EXPECT_TRUE(answered(infer_with(""), 400, "oip.json"));
  EXPECT_TRUE(answered(infer_with("{"), 400, "oip.json"));
  EXPECT_TRUE(answered(infer_with("[]"), 400, "oip.json"));
  EXPECT_TRUE(answered(infer_with("{}"), 400, "oip.json"));
  EXPECT_TRUE(answered(infer_with("\xff\xfe"), 400, "oip.json"));
  EXPECT_TRUE(answered(infer_with(std::string(good_body()) + "{}"), 400, "oip.json"));
  EXPECT_TRUE(answered(infer_with(R"({"inputs":[],"inputs":[]})"), 400, "oip.json"));
  EXPECT_TRUE(answered(infer_with(std::string(100'000, '[')), 400, "oip.json"));
  EXPECT_TRUE(answered(infer_with(R"({"inputs":[{"name":"x","shape":[1,4],"datatype":"FP32",)"
                                  R"("data":[1,2,3,"4"]}]})"),
                       400, "oip.data"));
  EXPECT_TRUE(answered(
      infer_with(R"({"inputs":[{"name":"x","shape":[1,4],"datatype":"FP32","data":[1,2,3]}]})"),
      400, "oip.data_length"));
}

TEST_F(WorkerRefuses, MalformedLengthsOfBinaryTensors) {
  const auto head = [](const std::string& size, const std::string& shape) {
    return R"({"inputs":[{"name":"x","shape":)" + shape +
           R"(,"datatype":"FP32","parameters":{"binary_data_size":)" + size + "}}]}";
  };
  const std::string good = head("16", "[1,4]");
  const std::string length = std::to_string(good.size());
  const std::string sixteen(16, '\0');
  EXPECT_EQ(infer_binary(good + sixteen, length).status, 200);

  EXPECT_TRUE(answered(infer_binary(good + sixteen, "100000"), 400, "oip.header_length"));
  EXPECT_TRUE(answered(infer_binary(good + sixteen, "-1"), 400, "oip.header_length"));
  EXPECT_TRUE(
      answered(infer_binary(good + sixteen, "99999999999999999999"), 400, "oip.header_length"));
  EXPECT_TRUE(answered(infer_binary(good + sixteen, length + "x"), 400, "oip.header_length"));
  EXPECT_TRUE(
      answered(infer_binary(good + sixteen, std::to_string(good.size() - 1)), 400, "oip.json"));

  EXPECT_TRUE(answered(infer_binary(good + sixteen.substr(1), length), 400, "oip.data_length"));
  EXPECT_TRUE(answered(infer_binary(good + sixteen + "x", length), 400, "oip.data_length"));
  const std::string short_size = head("12", "[1,4]");
  EXPECT_TRUE(
      answered(infer_binary(short_size + std::string(12, '\0'), std::to_string(short_size.size())),
               400, "oip.data_length"));
  const std::string huge_size = head("18446744073709551615", "[1,4]");
  EXPECT_TRUE(answered(infer_binary(huge_size + sixteen, std::to_string(huge_size.size())), 400,
                       "oip.data_length"));
  const std::string huge_shape = head("16", "[4294967296,4294967296]");
  EXPECT_TRUE(answered(infer_binary(huge_shape + sixteen, std::to_string(huge_shape.size())), 413,
                       "oip.too_large"));
}

// ---- HTTP and TLS ------------------------------------------------------------------------------

TEST_F(WorkerRefuses, AnOversizedBodyBeforeItComes) {
  EXPECT_THAT(talk("POST /v2/models/mixer/infer HTTP/1.1\r\nHost: h\r\nContent-Length: 1048577\r\n"
                   "\r\n"),
              StartsWith("HTTP/1.1 413 "));
}

TEST_F(WorkerRefuses, AnOversizedHeader) {
  EXPECT_THAT(talk("GET /v2 HTTP/1.1\r\nHost: h\r\nA: " + std::string(70'000, 'a') + "\r\n\r\n"),
              StartsWith("HTTP/1.1 431 "));
}

TEST_F(WorkerRefuses, MalformedHttp) {
  for (const std::string_view text : {
           "\r\n\r\n\r\n\r\n",
           "GARBAGE\r\n\r\n",
           "GET /v2\r\n\r\n",
           "GET  /v2 HTTP/1.1\r\nHost: h\r\n\r\n",
           "GET v2 HTTP/1.1\r\nHost: h\r\n\r\n",
           "GET /v2 HTTP/1.1\r\n\r\n",
           "GET /v2 HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n",
           "GET /v2 HTTP/1.1\r\nHost: h\r\nBad Name: v\r\n\r\n",
           "POST /v2 HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n",
           "POST /v2 HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
           "POST /v2 HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n"
           "\r\n0\r\n\r\n",
           "POST /v2 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
       }) {
    EXPECT_THAT(talk(text), StartsWith("HTTP/1.1 400 ")) << text;
  }
  EXPECT_THAT(talk("GET /v2 HTTP/1.0\r\nHost: h\r\n\r\n"), StartsWith("HTTP/1.1 505 "));
  EXPECT_THAT(talk("POST /v2 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"
                   "0\r\n\r\n"),
              StartsWith("HTTP/1.1 501 "));
}

TEST_F(WorkerRefuses, Tls12) {
  const RawTls old(server_->port(), TLS1_2_VERSION);
  EXPECT_FALSE(old.connected());
  EXPECT_EQ(old.reason(), SSL_R_TLSV1_ALERT_PROTOCOL_VERSION);
}

TEST_F(WorkerRefuses, ToGiveTicketsForLater) {
  RawTls raw(server_->port(), TLS1_3_VERSION);
  ASSERT_TRUE(raw.connected());
  EXPECT_THAT(raw.talk("GET /v2/health/live HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"),
              HasSubstr(R"({"live":true})"));
  EXPECT_FALSE(raw.resumable());
}

TEST_F(WorkerRefuses, PlainTextOnItsTlsPort) {
  const Fd fd = test::dial(server_->port());
  test::send_text(fd, "GET /v2 HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_THAT(test::read_until_closed(fd), ::testing::Not(HasSubstr("HTTP/1.1")));
}

// ---- Evidence ----------------------------------------------------------------------------------

TEST_F(WorkerRefuses, EvidenceWithoutAGoodNonce) {
  const std::string path(kEvidencePath);
  for (const std::string& query :
       {std::string(), std::string("?nonce="), "?nonce=" + std::string(63, '0'),
        "?nonce=" + std::string(66, '0'), "?nonce=" + std::string(64, 'g'),
        "?other=" + std::string(64, '0')}) {
    EXPECT_TRUE(answered(exchange(get(path + query)), 400, "server.nonce")) << query;
  }
  const std::string nonce = "nonce=" + std::string(64, '0');
  EXPECT_TRUE(answered(exchange(get(path + "?" + nonce + "&" + nonce)), 400, "net.http_malformed"));
  HttpRequest post = get(path + "?" + nonce);
  post.method = "POST";
  EXPECT_TRUE(answered(exchange(post), 405, "server.method"));
}

TEST_F(WorkerRefuses, AServedListForAnUnknownStatement) {
  EXPECT_TRUE(
      answered(exchange(get(std::string(kServedListPath) + "?statement=" + std::string(64, '0'))),
               409, "server.unknown_statement"));
  EXPECT_TRUE(answered(exchange(get(std::string(kServedListPath))), 400, "server.nonce"));
}

// Without this, whoever reaches the port could end service for every client that takes a beacon.
TEST_F(WorkerRefuses, ToForgetItsEpochForTheSakeOfHardwareEvidence) {
  const Sha256Digest statement = sha256(fetch_document({}).statement);
  const HttpRequest hardware =
      get(std::string(kEvidencePath) + "?nonce=" + std::string(64, '1') + "&freshness=hardware");
  for (int i = 0; i < 70; ++i) {
    clock_.advance(std::chrono::seconds(2));
    ASSERT_EQ(exchange(hardware).status, 200) << i;
  }
  const HttpResponse list =
      exchange(get(std::string(kServedListPath) + "?statement=" + to_hex(statement)));
  EXPECT_EQ(list.status, 200);
}

TEST_F(WorkerRefuses, HardwareEvidenceTwiceInTwoSeconds) {
  const HttpRequest request =
      get(std::string(kEvidencePath) + "?nonce=" + std::string(64, '0') + "&freshness=hardware");
  EXPECT_EQ(exchange(request).status, 200);
  EXPECT_TRUE(answered(exchange(request), 429, "server.throttled"));
  clock_.advance(Millis(1999));
  EXPECT_TRUE(answered(exchange(request), 429, "server.throttled"));
  clock_.advance(Millis(1));
  EXPECT_EQ(exchange(request).status, 200);
}

}  // namespace
}  // namespace ensconce::whole
