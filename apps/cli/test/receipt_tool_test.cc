// `ensconce receipt`, started as an auditor starts it, on made evidence and receipts in files.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "ensconce/base/file.h"
#include "ensconce/channel/evidence_document.h"
#include "ensconce/channel/receipt.h"
#include "made_snp.h"
#include "run_tool.h"

namespace ensconce {
namespace {

namespace fs = std::filesystem;
using made::kNow;
using testing::HasSubstr;
using testing::Not;

using Strings = std::vector<std::string>;

constexpr std::string_view kBody = R"({"inputs":[]})";
constexpr std::string_view kAnswer = R"({"outputs":[]})";

class ReceiptTool : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    std::string pattern = (fs::temp_directory_path() / "ensc-receipt-test-XXXXXX").string();
    scratch_ = mkdtemp(pattern.data());
    write("client.toml", made::client_policy());
    write("broker.toml", made::broker_policy());
    write("other.toml", made::with(made::client_policy(), "[snp]", "measurement",
                                   "measurement = { exactly = \"" + std::string(96, 'b') + "\" }"));
    write("evidence.json", write_evidence_document(document(made::statement())));
    EvidenceDocument forged = document(made::statement());
    forged.statement.back() ^= 1;
    write("forged.json", write_evidence_document(forged));
    write("request.http", request());
    write("response.http", response(kAnswer));
    EXPECT_TRUE(
        write_file_atomically(path("key.hex"), as_bytes(to_hex(key().expose()) + "\n"), 0600));
  }
  static void TearDownTestSuite() { fs::remove_all(scratch_); }

  static std::string path(std::string_view name) { return (scratch_ / name).string(); }
  static void write(std::string_view name, ByteView bytes) {
    EXPECT_TRUE(write_file_atomically(path(name), bytes));
  }
  static void write(std::string_view name, std::string_view text) { write(name, as_bytes(text)); }

  static ReceiptKey key() { return ReceiptKey::from(Bytes(32, 0x4b)).value(); }
  // What made::statement names.
  static Ed25519PrivateKey receipt_key() {
    return Ed25519PrivateKey::from_seed(Bytes(32, 0x51)).value();
  }
  static std::string bundle() { return std::string(64, '7'); }
  static std::string request() {
    return "POST /v2/models/line-reader/infer HTTP/1.1\r\nHost: worker\r\ncontent-type: "
           "application/json\r\nEnsconce-Bundle: " +
           bundle() + "\r\n\r\n" + std::string(kBody);
  }
  static std::string response(std::string_view body) {
    return "HTTP/1.1 200 OK\nContent-Type:application/json\nEnsconce-Bundle:  " + bundle() +
           " \n\n" + std::string(body);
  }

  // document is evidence a beacon of a minute ago dates, for a statement whose challenge is filled
  // in.
  static EvidenceDocument document(Statement statement) {
    Beacon beacon;
    beacon.time = kNow - Millis(60'000);
    beacon.boot_id = statement.boot_id;
    EvidenceDocument out;
    out.beacon = sign_beacon(beacon, made::broker_key());
    statement.challenge = beacon_challenge(*out.beacon);
    return with_hardware(std::move(out), statement);
  }
  static EvidenceDocument with_hardware(EvidenceDocument out, const Statement& statement) {
    const SnpPki& pki = made::shared_pki();
    out.statement = encode_statement(statement);
    out.evidence = {
        {"snp", pki.sign_report(made::report_for(pki, report_data_for(out.statement)))}};
    out.endorsements = pki.endorsements(pki.crl_der(kNow));
    return out;
  }

  static Receipt good() {
    Receipt out;
    std::fill(out.manifest_digest.begin(), out.manifest_digest.end(), std::uint8_t{0x77});
    out.statement_digest = sha256(document(made::statement()).statement);
    out.measurement = to_bytes(ByteView(made::measurement()));
    out.model_name = "line-reader";
    out.model_version = 3;
    out.request_digest = request_digest(
        key(), {"POST", "/v2/models/line-reader/infer", "", "application/json", bundle()},
        as_bytes(kBody));
    out.response_digest =
        response_digest(key(), {200, "", "application/json", bundle()}, as_bytes(kAnswer));
    out.time = kNow;
    out.sequence = 4;
    out.boot_id = made::statement().boot_id;
    return out;
  }

  // verify judges one receipt; --evidence and --policy where `more` does not say them.
  static Ran verify(const Receipt& receipt, Strings more = {},
                    const Ed25519PrivateKey& signer = receipt_key()) {
    write("receipt.cose", sign_receipt(signer, receipt));
    return verify_file(std::move(more));
  }
  static Ran verify_file(Strings more = {}) {
    const auto says = [&](const char* option) {
      return std::find(more.begin(), more.end(), option) != more.end();
    };
    Strings arguments{"receipt", "verify", "--json", "--receipt", path("receipt.cose")};
    if (!says("--evidence")) {
      more.insert(more.end(), {"--evidence", path("evidence.json")});
    }
    if (!says("--policy")) {
      more.insert(more.end(), {"--policy", path("client.toml")});
    }
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_tool(scratch_, std::move(arguments));
  }
  static Strings messages(std::string_view request = "request.http",
                          std::string_view response = "response.http") {
    return {"--key", path("key.hex"), "--request", path(request), "--response", path(response)};
  }
  static void expect_refused(const Ran& ran, int code, std::string_view id) {
    EXPECT_EQ(ran.code, code) << ran.err;
    EXPECT_EQ(ran.text("code"), id);
    EXPECT_EQ(ran.json().find("holds")->as_bool("holds").value(), false);
    EXPECT_THAT(ran.err, Not(HasSubstr("RECEIPT HOLDS")));
  }
  // What a list of checks says of an id: holds, fails, not applied, absent.
  static std::string check(const Ran& ran, std::string_view id) {
    const json::Value out = ran.json();
    for (const json::Value& item : **out.find("checks")->as_array("checks")) {
      if (item.find("id")->as_text("id").value() == id) {
        const json::Value& holds = *item.find("holds");
        return holds.is_null() ? "not applied" : *holds.as_bool("holds") ? "holds" : "fails";
      }
    }
    return "absent";
  }

  static fs::path scratch_;
};
fs::path ReceiptTool::scratch_;

TEST_F(ReceiptTool, HoldsAndSaysWhatItRestsOn) {
  const Ran ran = verify(good());
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_TRUE(ran.json().find("holds")->as_bool("holds").value());
  EXPECT_EQ(ran.text("judged_at"), to_rfc3339(kNow));
  EXPECT_EQ(ran.json().find("evidence")->find("outcome")->as_text("").value(), "affirming");
  EXPECT_EQ(ran.json().find("evidence")->find("origin")->as_text("").value(), "simulated");
  EXPECT_EQ(ran.json().find("receipt")->find("model")->as_text("").value(), "line-reader");
  EXPECT_THAT(ran.err, HasSubstr("RECEIPT HOLDS"));
  EXPECT_THAT(ran.err, HasSubstr("THE WORKER'S WORD"));
  EXPECT_THAT(ran.err, HasSubstr("signed after " + to_rfc3339(kNow - Millis(60'000))));
  EXPECT_THAT(ran.err, HasSubstr("SIMULATED"));
  EXPECT_EQ(check(ran, "channel.receipt.signature"), "holds");
  EXPECT_EQ(check(ran, "channel.receipt.statement"), "holds");
  EXPECT_EQ(check(ran, "channel.receipt.measurement"), "holds");
  EXPECT_EQ(check(ran, "channel.receipt.request"), "not applied");
  EXPECT_EQ(check(ran, "channel.receipt.response"), "not applied");
}

TEST_F(ReceiptTool, HoldsForTheMessagesItIsFor) {
  const Ran ran = verify(good(), messages());
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(check(ran, "channel.receipt.manifest"), "holds");
  EXPECT_EQ(check(ran, "channel.receipt.request"), "holds");
  EXPECT_EQ(check(ran, "channel.receipt.response"), "holds");
}

TEST_F(ReceiptTool, RefusesOtherMessages) {
  write("other.http", response("{}"));
  expect_refused(verify(good(), messages("request.http", "other.http")), 7,
                 "channel.receipt.response");
  write("longer.http", request() + " ");
  expect_refused(verify(good(), messages("longer.http")), 7, "channel.receipt.request");
  Receipt other = good();
  other.manifest_digest[0] ^= 1;
  expect_refused(verify(other, messages()), 7, "channel.receipt.manifest");
}

TEST_F(ReceiptTool, TellsWhatIsNoMessage) {
  for (const char* text : {"", "POST /x\r\n\r\n", "POST /x HTTP/1.1\r\nHost: a\r\n",
                           "POST /x HTTP/1.1\r\nno field\r\n\r\n", " /x HTTP/1.1\r\n\r\n"}) {
    write("bad.http", text);
    EXPECT_EQ(verify(good(), messages("bad.http")).code, 2) << text;
  }
  for (const char* text : {"", "HTTP/1.0 200 OK\n\n", "HTTP/1.1 2x0 OK\n\n", "HTTP/1.1 2000\n\n",
                           "HTTP/1.1 200 OK\nA: b\n"}) {
    write("bad.http", text);
    EXPECT_EQ(verify(good(), messages("request.http", "bad.http")).code, 2) << text;
  }
}

TEST_F(ReceiptTool, RefusesAnotherSigner) {
  const auto stranger = Ed25519PrivateKey::from_seed(Bytes(32, 9)).value();
  expect_refused(verify(good(), {}, stranger), 4, "channel.receipt.signature");
}

TEST_F(ReceiptTool, RefusesAnotherBootAndOtherCode) {
  Receipt boot = good();
  boot.boot_id[0] ^= 1;
  expect_refused(verify(boot), 7, "channel.receipt.statement");
  Receipt code = good();
  code.measurement[0] ^= 1;
  expect_refused(verify(code), 7, "channel.receipt.measurement");
}

TEST_F(ReceiptTool, HoldsUnderAnotherStatementOfTheBootAndSaysSo) {
  Receipt later = good();
  later.statement_digest[0] ^= 1;
  const Ran ran = verify(later);
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_THAT(ran.err, HasSubstr("another epoch"));
  EXPECT_THAT(ran.err, Not(HasSubstr("signed after")));
}

TEST_F(ReceiptTool, RefusesAModelByThePolicy) {
  Receipt name = good();
  name.model_name = "other";
  expect_refused(verify(name), 6, "channel.model.not_in_policy");
  Receipt version = good();
  version.model_version = 2;
  expect_refused(verify(version), 6, "channel.model.version");
}

TEST_F(ReceiptTool, JudgesTheEvidenceAsOfTheReceiptsTime) {
  Receipt late = good();
  late.time = kNow + std::chrono::minutes(20);
  const Ran ran = verify(late);
  expect_refused(ran, 6, "freshness.age");
  EXPECT_THAT(ran.err, HasSubstr("rest nothing on it"));
  const Ran at = verify(late, {"--at", to_rfc3339(kNow)});
  EXPECT_EQ(at.code, 0) << at.err;
  EXPECT_THAT(at.err, Not(HasSubstr("WORKER'S WORD")));
}

TEST_F(ReceiptTool, RefusesEvidenceThePolicyRefuses) {
  expect_refused(verify(good(), {"--policy", path("other.toml")}), 6, "snp.measurement");
}

TEST_F(ReceiptTool, JudgesNoReceiptUnderEvidenceThatDoesNotHold) {
  const Ran ran = verify(good(), {"--evidence", path("forged.json")});
  expect_refused(ran, 4, "snp.report_data");
  EXPECT_THAT(ran.err, HasSubstr("RECEIPT NOT JUDGED"));
  EXPECT_EQ(check(ran, "channel.receipt.signature"), "absent");
}

TEST_F(ReceiptTool, TakesTheNonceWhereThePolicyWantsHardwareFreshness) {
  std::string policy = made::client_policy();
  const std::size_t at = policy.find("[freshness]");
  policy.replace(at, policy.find("[[model]]") - at, "[freshness]\nhardware = true\n");
  write("hardware.toml", policy);
  Statement statement = made::statement();
  statement.challenge.fill(0x66);
  // A beacon nobody asked for and nobody judges.
  EvidenceDocument fresh;
  fresh.beacon = document(statement).beacon;
  fresh = with_hardware(std::move(fresh), statement);
  write("fresh.json", write_evidence_document(fresh));
  Receipt receipt = good();
  receipt.statement_digest = sha256(fresh.statement);
  const Strings given{"--evidence", path("fresh.json"), "--policy", path("hardware.toml")};
  const auto with_nonce = [&](std::string nonce) {
    Strings more = given;
    more.insert(more.end(), {"--nonce", std::move(nonce)});
    return verify(receipt, std::move(more));
  };
  expect_refused(verify(receipt, given), 6, "freshness.known");
  expect_refused(with_nonce(to_hex(Bytes(32, 0x67))), 6, "freshness.challenge");
  const Ran ran = with_nonce(to_hex(Bytes(32, 0x66)));
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_THAT(ran.err, HasSubstr("No beacon bounds it"));
  EXPECT_EQ(with_nonce("66").code, 2);
}

TEST_F(ReceiptTool, TellsForm) {
  write("receipt.cose", "noise");
  EXPECT_EQ(verify_file().code, 3);
  EXPECT_EQ(run_tool(scratch_, {"receipt", "show", path("receipt.cose")}).code, 3);
}

TEST_F(ReceiptTool, TellsUsage) {
  EXPECT_EQ(verify(good(), {"--policy", path("broker.toml")}).code, 2);
  EXPECT_EQ(verify(good(), {"--request", path("request.http")}).code, 2);
  EXPECT_EQ(verify(good(), {"--key", path("client.toml")}).code, 2);
  write("short.hex", "4b\n");
  fs::permissions(path("short.hex"), fs::perms::owner_read | fs::perms::owner_write);
  EXPECT_EQ(verify(good(), {"--key", path("short.hex")}).code, 2);
  EXPECT_EQ(verify(good(), {"--evidence", path("absent.json")}).code, 11);
}

TEST_F(ReceiptTool, TakesNoBareReport) {
  write("report.bin", document(made::statement()).evidence.front().data);
  const Ran ran = verify(good(), {"--evidence", path("report.bin")});
  EXPECT_EQ(ran.code, 7);
  EXPECT_THAT(ran.err, HasSubstr("channel.no_evidence"));
}

TEST_F(ReceiptTool, ShowsWithoutJudging) {
  Receipt receipt = good();
  receipt.boot_id[0] ^= 1;
  write("receipt.cose", sign_receipt(Ed25519PrivateKey::from_seed(Bytes(32, 9)).value(), receipt));
  const Ran ran = run_tool(scratch_, {"receipt", "show", path("receipt.cose")});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(ran.text("boot"), to_hex(receipt.boot_id));
  EXPECT_EQ(ran.text("time"), to_rfc3339(kNow));
  EXPECT_EQ(ran.text("request"), to_hex(receipt.request_digest));
  EXPECT_THAT(ran.err, HasSubstr("receipt verify"));
}

}  // namespace
}  // namespace ensconce
