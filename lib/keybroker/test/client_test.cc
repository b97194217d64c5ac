#include "ensconce/keybroker/client.h"

#include <gtest/gtest.h>

#include "broker_fixture.h"
#include "ensconce/attestation/evidence/beacon.h"
#include "ensconce/channel/lease.h"
#include "ensconce/codec/base64.h"
#include "ensconce/crypto/jose.h"

namespace ensconce {
namespace {

using made::BrokerHouse;
using made::Worker;

class BrokerClient : public testing::Test {
 protected:
  void SetUp() override {
    house.set_policy();
    house.add_key();
  }
  // Answers the resource with a lease that the true broker's key signs, changed.
  void forge_lease(const std::function<void(Lease&)>& change,
                   const Ed25519PrivateKey& key = made::broker_key()) {
    house.on_response = [change, seed = to_bytes(key.seed().expose())](const WireRequest& request,
                                                                       WireResponse& response) {
      if (request.method != "GET") {
        return;
      }
      json::Value body = json::parse(as_text(response.body)).value();
      const Bytes message = base64_decode(body.find("lease")->as_text("").value()).value();
      Lease lease = verify_lease(made::broker_key().public_key(), message).value();
      change(lease);
      const auto signer = Ed25519PrivateKey::from_seed(seed).value();
      for (auto& [name, value] : std::get<json::Object>(body.variant())) {
        if (name == "lease") {
          value = base64_encode(sign_lease(signer, lease));
        }
      }
      response.body = to_bytes(json::write(body));
    };
  }
  BrokerHouse house;
  Worker worker;
};

TEST_F(BrokerClient, FetchesABeaconForThisBoot) {
  const Bytes beacon = fetch_beacon(house, made::broker_key().public_key(), worker.boot_id).value();
  EXPECT_LE(beacon.size(), kMaxBeacon);
}

TEST_F(BrokerClient, RefusesABeaconSignedByAnother) {
  EXPECT_TRUE(fetch_beacon(house, made::owner().public_key(), worker.boot_id)
                  .error()
                  .is(KeyBrokerError::kUntrustedAnswer));
}

TEST_F(BrokerClient, RefusesABeaconForAnotherBoot) {
  house.on_request = [](WireRequest& request) {
    request.body = to_bytes(R"({"boot_id":"00000000000000000000000000000001"})");
  };
  EXPECT_TRUE(fetch_beacon(house, made::broker_key().public_key(), worker.boot_id)
                  .error()
                  .is(KeyBrokerError::kUntrustedAnswer));
}

TEST_F(BrokerClient, RefusesALeaseSignedByAnother) {
  forge_lease([](Lease&) {}, made::owner());
  EXPECT_TRUE(house.obtain(worker).error().is(KeyBrokerError::kUntrustedAnswer));
}

TEST_F(BrokerClient, RefusesALeaseForAnotherBundle) {
  forge_lease([](Lease& lease) { lease.manifest_digest[0] ^= 1; });
  EXPECT_TRUE(house.obtain(worker).error().is(KeyBrokerError::kUntrustedAnswer));
}

TEST_F(BrokerClient, RefusesALeaseForAnotherSession) {
  forge_lease([](Lease& lease) { lease.session_key.bytes[0] ^= 1; });
  EXPECT_TRUE(house.obtain(worker).error().is(KeyBrokerError::kUntrustedAnswer));
}

TEST_F(BrokerClient, RefusesALeaseThatEndsBeforeItBegins) {
  forge_lease([](Lease& lease) { lease.not_after = lease.not_before; });
  EXPECT_TRUE(house.obtain(worker).error().is(KeyBrokerError::kUntrustedAnswer));
}

TEST_F(BrokerClient, RefusesALeaseThatAsksForANewerVersion) {
  forge_lease([](Lease& lease) { lease.minimum_version = 4; });
  EXPECT_TRUE(house.obtain(worker).error().is(KeyBrokerError::kRolledBack));
}

TEST_F(BrokerClient, AcceptsALeaseAsItCame) {
  forge_lease([](Lease&) {});
  EXPECT_TRUE(house.obtain(worker));
}

TEST_F(BrokerClient, RefusesAnAttestationResultSignedByAnother) {
  house.on_response = [](const WireRequest& request, WireResponse& response) {
    if (request.target == "/kbs/v0/attest") {
      response.body = to_bytes(
          json::write(json::Object{{"token", jws_sign(made::owner(), "JWT", to_bytes("{}"))}}));
    }
  };
  EXPECT_TRUE(house.obtain(worker).error().is(KeyBrokerError::kUntrustedAnswer));
}

TEST_F(BrokerClient, RefusesAKeyOfAnotherLengthOrWrappedToAnother) {
  const auto answer_with = [&](const EcPublicKey& to, const Bytes& secret) {
    house.on_response = [&, to, secret](const WireRequest& request, WireResponse& response) {
      if (request.method != "GET") {
        return;
      }
      const json::Value body = json::parse(as_text(response.body)).value();
      json::Value jwe = jwe_seal(to, secret, house.random);
      std::get<json::Object>(jwe.variant()).emplace_back("lease", *body.find("lease"));
      response.body = to_bytes(json::write(jwe));
    };
  };
  answer_with(worker.release.public_key(), Bytes(31, 1));
  EXPECT_TRUE(house.obtain(worker).error().is(KeyBrokerError::kMalformed));
  answer_with(Worker().release.public_key(), Bytes(32, 1));
  EXPECT_TRUE(house.obtain(worker).error().is(CryptoError::kDecryptFailed));
}

TEST_F(BrokerClient, SaysUnavailableWhenThereIsNoBroker) {
  class Gone final : public BrokerConnection {
    Result<WireResponse> exchange(const WireRequest&) override {
      return Error(BaseError::kIo, "gone");
    }
  };
  Gone gone;
  EXPECT_TRUE(obtain_key(gone, house.request_of(worker), worker.attest())
                  .error()
                  .is(KeyBrokerError::kUnavailable));
}

TEST_F(BrokerClient, ShowsNothingOfAPeersText) {
  const Error error = broker_error(
      {401,
       {},
       to_bytes(R"({"type":"/kbs/v0/errors/PolicyDeny","detail":"\u001b[31mHello you"})")});
  EXPECT_TRUE(error.is(KeyBrokerError::kDenied));
  EXPECT_EQ(error.detail().find("Hello"), std::string::npos);
  EXPECT_TRUE(broker_error({502, {}, to_bytes("<html>")}).is(KeyBrokerError::kUnavailable));
}

}  // namespace
}  // namespace ensconce
