// `ensconce proxy` as the programs beside it see it: whom it serves, what it sends again, and that
// it fails closed.
#include <future>

#include "oblivious.h"

namespace ensconce::whole {
namespace {

using std::chrono::minutes;

class Proxied : public Oblivious {
 protected:
  AttestedProxy proxy(ChannelChoice choice) {
    ProxyOptions options;
    const bool tls = choice == ChannelChoice::kAttestedTls;
    options.url = test::local(tls ? "https" : "http", tls ? server_->port() : middle_.port());
    options.choice = choice;
    return {AppraisalPolicy::parse(client_policy(), "client.toml").value(), std::move(options),
            client_clock_, random_};
  }
  static HttpRequest local(HttpRequest request) {
    request.headers.set("Host", "127.0.0.1:8000");
    return request;
  }
  // Programs that know nothing of us name no bundle.
  static HttpRequest plain_infer() {
    HttpRequest out = infer_request();
    HttpHeaders headers;
    headers.set("Content-Type", "application/json");
    headers.set("Host", "localhost:8000");
    out.headers = headers;
    return out;
  }
};

TEST_F(Proxied, AnswersProgramsThatKnowNothing) {
  for (const auto choice :
       {ChannelChoice::kAttestedTls, ChannelChoice::kOblivious, ChannelChoice::kObliviousChunked}) {
    AttestedProxy one = proxy(choice);
    const HttpResponse answer = one.handle(plain_infer());
    EXPECT_EQ(answer.status, 200) << as_text(answer.body);
    EXPECT_EQ(one.handle(local(get("/v2/health/ready"))).status, 200);
    EXPECT_EQ(one.handle(local(get("/v2/models/none"))).status, 404);
    const HttpResponse status = one.handle(local(get(std::string(kProxyStatusPath))));
    EXPECT_THAT(std::string(as_text(status.body)), ::testing::HasSubstr("\"verified\":true"));
    EXPECT_THAT(std::string(as_text(status.body)), ::testing::HasSubstr("simulated"));
  }
}

TEST_F(Proxied, ServesThisMachineAlone) {
  AttestedProxy one = proxy(ChannelChoice::kAttestedTls);
  HttpRequest request = plain_infer();
  request.headers.set("Host", "attacker.example");
  EXPECT_EQ(one.handle(request).status, 403);
  request = plain_infer();
  for (const char* origin : {"https://attacker.example", "http://localhost:3000",
                             "https://localhost:8000", "http://127.0.0.1:8000", "null", ""}) {
    request.headers.set("Origin", origin);
    const HttpResponse refused = one.handle(request);
    EXPECT_EQ(refused.status, 403) << origin;
    EXPECT_THAT(std::string(as_text(refused.body)), ::testing::HasSubstr("proxy.cross_site"));
  }
  request.headers.set("Origin", "http://localhost:8000");  // as Host says
  EXPECT_EQ(one.handle(request).status, 200);
}

TEST_F(Proxied, ServesNoPageOfAnotherSite) {
  AttestedProxy one = proxy(ChannelChoice::kAttestedTls);
  const auto status_for = [&](const char* site) {
    HttpRequest request = plain_infer();
    request.headers.set("Sec-Fetch-Site", site);
    return one.handle(request).status;
  };
  EXPECT_EQ(status_for("cross-site"), 403);
  EXPECT_EQ(status_for("same-site"), 403);  // another port is another page
  EXPECT_EQ(status_for("same-origin"), 200);
  EXPECT_EQ(status_for("none"), 200);
  HttpRequest for_openai = plain_infer();
  for_openai.target = "/v1/embeddings";
  for_openai.headers.set("Sec-Fetch-Site", "cross-site");
  EXPECT_THAT(std::string(as_text(one.handle(for_openai).body)),
              ::testing::HasSubstr(R"("type":"ensconce_proxy")"));
}

// CutOff begins a body and fails.
class CutOff final : public BodySource {
 public:
  Result<bool> next(Bytes& out) override {
    if (std::exchange(begun_, true)) {
      return Error(NetError::kClosed, "as the test wants");
    }
    out = Bytes(10, 'x');
    return true;
  }

 private:
  bool begun_ = false;
};

TEST_F(Proxied, SendsNothingAgainThatMayHaveBeenActedOn) {
  AttestedProxy one = proxy(ChannelChoice::kOblivious);
  ASSERT_EQ(one.handle(plain_infer()).status, 200);
  middle_.forget();
  middle_.on_response = [](HttpResponse& response) {
    response.stream = std::make_shared<CutOff>();
  };
  const HttpResponse answer = one.handle(plain_infer());
  EXPECT_EQ(answer.status, 502);
  EXPECT_THAT(std::string(as_text(answer.body)), ::testing::HasSubstr("may have acted on it"));
  EXPECT_EQ(middle_.requests().size(), 1U);
  middle_.on_response = nullptr;
  EXPECT_EQ(one.handle(plain_infer()).status, 200);
}

TEST_F(Proxied, TellsOfATimeOutAndDoesNotSendAgain) {
  std::promise<void> end;
  ProxyOptions options;
  options.url = test::local("http", middle_.port());
  options.choice = ChannelChoice::kOblivious;
  options.client.request_timeout = std::chrono::milliseconds(300);
  AttestedProxy one{AppraisalPolicy::parse(client_policy(), "client.toml").value(),
                    std::move(options), client_clock_, random_};
  ASSERT_EQ(one.handle(plain_infer()).status, 200);
  int asked = 0;
  middle_.on_request = [&](HttpRequest&) {
    ++asked;
    end.get_future().wait();
  };
  const HttpResponse answer = one.handle(plain_infer());
  end.set_value();
  EXPECT_EQ(answer.status, 504) << as_text(answer.body);
  EXPECT_EQ(asked, 1);
  middle_.begin_again();
  middle_.on_request = nullptr;
}

TEST_F(Proxied, AConnectionThatWasEndedMeanwhileIsReplaced) {
  AttestedProxy one = proxy(ChannelChoice::kObliviousChunked);
  ASSERT_EQ(one.handle(plain_infer()).status, 200);
  middle_.begin_again();
  EXPECT_EQ(one.handle(plain_infer()).status, 200);
}

TEST_F(Proxied, RefusesAModelThePolicyDoesNotName) {
  AttestedProxy one = proxy(ChannelChoice::kAttestedTls);
  HttpRequest request = plain_infer();
  request.target = "/v2/models/other/infer";
  const HttpResponse answer = one.handle(request);
  EXPECT_EQ(answer.status, 404);
  EXPECT_THAT(std::string(as_text(answer.body)), ::testing::HasSubstr("channel.model"));
}

TEST_F(Proxied, FailsClosedWhenTheWorkerChanged) {
  AttestedProxy one = proxy(ChannelChoice::kObliviousChunked);
  ASSERT_EQ(one.handle(plain_infer()).status, 200);
  const SnpReport report = processor_.report;
  processor_.report.measurement[0] ^= 1;
  pass(minutes(18));
  const HttpResponse answer = one.handle(plain_infer());
  EXPECT_EQ(answer.status, 502);
  EXPECT_THAT(std::string(as_text(answer.body)), ::testing::HasSubstr("snp.measurement"));
  processor_.report = report;
  pass(minutes(11));
  EXPECT_EQ(one.handle(plain_infer()).status, 200);
}

TEST_F(Proxied, SaysThatNobodyIsThere) {
  AttestedProxy one = proxy(ChannelChoice::kAttestedTls);
  server_->stop();
  const HttpResponse answer = one.handle(plain_infer());
  EXPECT_EQ(answer.status, 503) << as_text(answer.body);
  restart();
}

}  // namespace
}  // namespace ensconce::whole
