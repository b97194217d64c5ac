#include "broker_fixture.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "ensconce/attestation/evidence/beacon.h"
#include "ensconce/codec/base64.h"

namespace ensconce::made {

namespace {

SnpPki make_pki(std::uint64_t seed) {
  SnpPkiOptions options;
  options.rsa_bits = 2048;
  SeededRandom random(seed);
  return SnpPki::generate(options, random, kNow);
}

}  // namespace

const SnpPki& shared_pki() {
  static const SnpPki pki = make_pki(7);
  return pki;
}

const SnpPki& other_pki() {
  static const SnpPki pki = make_pki(8);
  return pki;
}

Ed25519PrivateKey broker_key() { return Ed25519PrivateKey::from_seed(Bytes(32, 0x42)).value(); }
Ed25519PrivateKey owner() { return Ed25519PrivateKey::from_seed(Bytes(32, 0x43)).value(); }
Ed25519PrivateKey other_owner() { return Ed25519PrivateKey::from_seed(Bytes(32, 0x44)).value(); }

ByteArray<48> measurement() {
  ByteArray<48> out{};
  out.fill(0xa5);
  return out;
}

std::string policy(const SnpPki& pki) {
  return R"(format = "ensconce-policy/1"
role = "broker"
[anchors]
[[anchors.listed]]
spki_sha256 = ")" +
         to_hex(pki.ark().spki_sha256()) + R"("
origin = "simulated"
product = "Milan"
[snp]
report_version = { at_least = 3 }
measurement = { exactly = ")" +
         to_hex(measurement()) + R"(" }
measurement_covers = "process"
guest_policy = { exactly = 0x30000 }
guest_svn = { unconstrained = "a test" }
family_id = { unconstrained = "a test" }
image_id = { unconstrained = "a test" }
debug = { exactly = false }
migration_agent = { exactly = false }
smt = { unconstrained = "a test" }
vmpl = { exactly = 0 }
signing_key = { exactly = "vcek" }
product = { exactly = "Milan" }
host_data = { unconstrained = "a test" }
id_key_digest = { unconstrained = "a test" }
author_key_digest = { unconstrained = "a test" }
chip_id = { unconstrained = "a test" }
minimum_tcb = { unconstrained = "a test" }
platform_info = { unconstrained = "a test" }
crl = "required"
[security]
padding = { exactly = "none" }
tenancy = { exactly = "shared" }
sandbox = { exactly = "none" }
software = { unconstrained = "a test" }
owner_keys = { one_of = [")" +
         to_hex(owner().public_key().bytes) + R"("] }
broker_key = { exactly = ")" +
         to_hex(broker_key().public_key().bytes) + R"(" }
)";
}

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

Worker::Worker() : report(pki->report_template()) { report.measurement = measurement(); }

Bytes Worker::statement() const {
  Statement s;
  s.tls_key_hash.fill(0x11);
  s.challenge.fill(0x22);
  s.boot_id = boot_id;
  s.epoch = 1;
  s.keys.tls = {s.tls_key_hash};
  s.keys.session = session.public_key();
  s.keys.release = release.public_key().point();
  s.keys.receipt = Ed25519PrivateKey::from_seed(Bytes(32, 0x51)).value().public_key();
  s.software = "ensconce-worker 0.1.0";
  s.security = {"none", "shared", "none", {owner().public_key()}, broker_key().public_key()};
  return encode_statement(s);
}

AttestFunction Worker::attest() const {
  return [this](const ByteArray<64>& report_data) -> Result<ReleaseEvidence> {
    SnpReport signed_report = report;
    signed_report.report_data = report_data;
    return ReleaseEvidence{{"snp", pki->sign_report(signed_report)},
                           pki->endorsements(pki->crl_der(kNow))};
  };
}

BrokerHouse::BrokerHouse(BrokerStore* other_store)
    : store(other_store == nullptr ? &memory : other_store) {
  const Result<void> opened = reopen();
  EXPECT_TRUE(opened) << opened.error().to_string();
}

Result<void> BrokerHouse::reopen(std::uint8_t root_byte) {
  broker.reset();
  ENSC_TRY_ASSIGN(
      broker,
      KeyBroker::open(
          {{owner().public_key(), other_owner().public_key()}, audience, 3600}, broker_key(),
          Aes256Key::from(Bytes(32, root_byte)).value(), *store, clock, random,
          [this](const LogEntry& entry, const AttestationResult*) { observed.push_back(entry); }));
  return ok();
}

Result<WireResponse> BrokerHouse::exchange(const WireRequest& request) {
  WireRequest sent = request;
  if (on_request) {
    on_request(sent);
  }
  WireResponse response = broker->handle(sent);
  if (on_response) {
    on_response(sent, response);
  }
  return response;
}

WireRequest BrokerHouse::signed_by(const Ed25519PrivateKey& key, std::string method,
                                   std::string path, const json::Value& body) {
  WireRequest request{std::move(method), "/ensconce/v1/admin/" + path, {}, {}};
  if (!body.is_null()) {
    request.body = to_bytes(json::write(body));
  }
  return sign_admin_request(std::move(request), key, audience, clock.now(), random);
}

WireResponse BrokerHouse::ask(const Ed25519PrivateKey& key, std::string method, std::string path,
                              const json::Value& body) {
  return broker->handle(signed_by(key, std::move(method), std::move(path), body));
}

void BrokerHouse::set_policy(const std::string& name, const std::string& toml) {
  const WireResponse answer =
      ask(owner(), "POST", "policies", json::Object{{"name", name}, {"toml", toml}});
  ASSERT_EQ(answer.status, 200) << as_text(answer.body);
}

json::Object BrokerHouse::key_body(const json::Object& changes) const {
  json::Object body{{"key_id", kKeyId},
                    {"key", base64_encode(content_key.expose())},
                    {"name", "line-reader"},
                    {"version", 3},
                    {"manifest", to_hex(manifest)},
                    {"owner", to_hex(owner().public_key().bytes)},
                    {"policy", "line-reader"},
                    {"lease_seconds", 600},
                    {"max_uses", nullptr},
                    {"not_after", nullptr}};
  for (const auto& [name, value] : changes) {
    const auto found = std::find_if(body.begin(), body.end(),
                                    [&](const auto& member) { return member.first == name; });
    if (found == body.end()) {
      body.emplace_back(name, value);
    } else {
      found->second = value;
    }
  }
  return body;
}

void BrokerHouse::add_key(const json::Object& changes) {
  const WireResponse answer = ask(owner(), "POST", "keys", key_body(changes));
  ASSERT_EQ(answer.status, 200) << as_text(answer.body);
}

ReleaseRequest BrokerHouse::request_of(const Worker& worker) const {
  return {kKeyId, manifest, 3, worker.statement(), worker.release, broker_key().public_key()};
}

Result<Grant> BrokerHouse::obtain(const Worker& worker) {
  return obtain_key(*this, request_of(worker), worker.attest());
}

std::vector<LogEntry> BrokerHouse::entries() {
  std::vector<LogEntry> out;
  const std::vector<Bytes> all = store->log(0, 1000).value();
  for (const Bytes& bytes : all) {
    out.push_back(parse_log_entry(bytes).value());
  }
  return out;
}

Error refusal(const WireResponse& response) {
  EXPECT_NE(response.status, 200);
  return broker_error(response);
}

}  // namespace ensconce::made
