// What time does to a worker: leases end, are renewed, and epochs change its statement.
#include <gmock/gmock.h>

#include <algorithm>

#include "ensconce/attestation/verify/error.h"
#include "whole.h"

namespace ensconce::whole {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

class Lease60 : public Whole {
 protected:
  Lease60() : Whole(60) {}
  // The client's clock goes with the worker's, so that its own checks are not what is seen.
  void advance(Millis by) {
    clock_.advance(by);
    client_clock_.advance(by);
  }
  long leases_asked() {
    return std::count_if(broker_.targets.begin(), broker_.targets.end(), [](const auto& target) {
      return target.starts_with("/kbs/v0/resource/ensconce/lease/");
    });
  }
};

TEST_F(Lease60, EndsServiceByTheBootClockWhileTheBrokerIsAway) {
  broker_.available = false;
  advance(Millis(59'999));
  worker_->maintain();
  EXPECT_EQ(exchange(infer_request()).status, 200);
  advance(Millis(1));
  worker_->maintain();
  EXPECT_TRUE(answered(exchange(infer_request()), 503, "server.lease_ended"));
  EXPECT_TRUE(answered(exchange(get("/v2/models/mixer/ready")), 503, "server.lease_ended"));
  EXPECT_TRUE(answered(exchange(get("/v2/health/ready")), 503, "server.not_ready"));
  EXPECT_EQ(exchange(get("/v2/health/live")).status, 200);
  // The broker is back: the next attempt, five seconds on, brings the worker back.
  broker_.available = true;
  advance(seconds(5));
  worker_->maintain();
  EXPECT_EQ(exchange(get("/v2/health/ready")).status, 200);
}

TEST_F(Lease60, EndsWithTheKeysOfABootAfterADay) {
  advance(kBootKeyLife - Millis(1));
  EXPECT_FALSE(worker_->keys_ended());
  advance(Millis(1));
  EXPECT_TRUE(worker_->keys_ended());
  worker_->run_maintenance({});  // returns at once: what it was for is over
  worker_->maintain();
}

TEST_F(Lease60, IsNotLengthenedByTheHostsWallClock) {
  broker_.available = false;
  clock_.set(kNow - minutes(30));
  client_clock_.set(kNow - minutes(1));
  clock_.advance(seconds(60));
  EXPECT_TRUE(answered(exchange(infer_request()), 503, "server.lease_ended"));
  broker_.available = true;
  clock_.set(kNow);
  client_clock_.set(kNow);
  worker_->maintain();
}

TEST_F(Lease60, IsRenewedAtAThird) {
  EXPECT_EQ(worker_->maintain(), seconds(20));
  advance(Millis(19'999));
  EXPECT_EQ(worker_->maintain(), Millis(10));
  EXPECT_EQ(leases_asked(), 0);
  const std::uint64_t before = worker_->registry().sequence();
  advance(Millis(1));
  EXPECT_EQ(worker_->maintain(), seconds(20));
  EXPECT_EQ(leases_asked(), 1);
  EXPECT_GT(worker_->registry().sequence(), before);
  advance(Millis(59'999));  // past the first lease's end, within the second's
  EXPECT_EQ(exchange(infer_request()).status, 200);
  advance(Millis(1));
  EXPECT_TRUE(answered(exchange(infer_request()), 503, "server.lease_ended"));
  worker_->maintain();
}

// The affirmation lasts for minutes, the list of leases it came with does not.
TEST_F(Lease60, IsFetchedAnewByTheClientWhenTheOneItKnowsHasEnded) {
  const ConnectOutcome outcome = connect();
  ASSERT_TRUE(outcome.client) << outcome.client.error().to_string();
  AttestedClient& client = **outcome.client;
  for (int i = 0; i < 4; ++i) {
    advance(seconds(20));
    worker_->maintain();
  }
  EXPECT_TRUE(infer(client));
  broker_.available = false;
  advance(seconds(61));
  worker_->maintain();
  EXPECT_TRUE(refused_with(infer(client), ChannelError::kLeaseExpired));
  broker_.available = true;
  advance(seconds(5));
  worker_->maintain();
  EXPECT_TRUE(refused_with(infer(client), ChannelError::kLeaseExpired));  // not asked every time
  advance(seconds(5));
  EXPECT_TRUE(infer(client));
}

TEST_F(Lease60, OfARevokedKeyIsNotRenewed) {
  const Sealed bundle = seal("leased.sealed", owner());
  broker_.add_key(owner(), bundle.result);
  WorkerConfig changed = config();
  changed.models = {{bundle.path, 1}};
  const auto worker = boot(changed).value();
  HttpRequest request = infer_request();
  request.headers.set(std::string(kBundleHeader), to_hex(bundle.result.manifest_digest));
  broker_.ask(owner(), "keys/" + to_hex(bundle.result.header.key_id) + "/revoke", json::Object{});
  advance(seconds(20));
  worker->maintain();
  EXPECT_EQ(leases_asked(), 1);
  EXPECT_EQ(worker->handle(request, {}).status, 200);  // until the one it has ends
  advance(seconds(40));
  worker->maintain();
  EXPECT_TRUE(answered(worker->handle(request, {}), 503, "server.lease_ended"));
  worker_->maintain();
}

TEST_F(Lease60, OfAWorkerThatChangedIsNotRenewed) {
  processor_.report.measurement[0] ^= 1;
  advance(seconds(60));
  worker_->maintain();
  EXPECT_TRUE(answered(exchange(infer_request()), 503, "server.lease_ended"));
  processor_.report.measurement[0] ^= 1;
  advance(seconds(5));
  worker_->maintain();
}

class Epoch : public Whole {
 protected:
  void advance(Millis by) {
    clock_.advance(by);
    client_clock_.advance(by);
  }
};

TEST_F(Epoch, ChangesTheStatementAndOldConnectionsGoOn) {
  const ConnectOutcome before = connect();
  ASSERT_TRUE(before.client);
  AttestedClient& old = **before.client;
  advance(minutes(10) - Millis(1));
  worker_->maintain();
  {
    const ConnectOutcome same = connect();
    ASSERT_TRUE(same.client);
    EXPECT_EQ((*same.client)->affirmed().statement_sha256(), old.affirmed().statement_sha256());
  }
  advance(Millis(1));
  worker_->maintain();
  const ConnectOutcome after = connect();
  ASSERT_TRUE(after.client) << after.client.error().to_string();
  const Affirmed& affirmed = (*after.client)->affirmed();
  EXPECT_NE(affirmed.statement_sha256(), old.affirmed().statement_sha256());
  EXPECT_EQ(affirmed.statement().epoch, old.affirmed().statement().epoch + 1);
  EXPECT_EQ(affirmed.statement().boot_id, old.affirmed().statement().boot_id);
  EXPECT_EQ(affirmed.statement().keys, old.affirmed().statement().keys);
  EXPECT_GT(affirmed.expires(), old.affirmed().expires());
  EXPECT_TRUE(infer(old));
  EXPECT_TRUE(infer(**after.client));
  EXPECT_EQ(exchange(get(std::string(kServedListPath) +
                         "?statement=" + to_hex(old.affirmed().statement_sha256())))
                .status,
            200);
}

TEST_F(Epoch, ThatCannotStartLetsTheBeaconAge) {
  broker_.available = false;
  advance(minutes(20));
  worker_->maintain();
  EXPECT_TRUE(connect().client);
  advance(Millis(1));
  EXPECT_TRUE(refused_with(connect(), AttestationError::kFreshnessAge));
  EXPECT_EQ(exchange(infer_request()).status, 200);  // the lease still runs
  broker_.available = true;
  advance(seconds(5));
  worker_->maintain();
}

}  // namespace
}  // namespace ensconce::whole
