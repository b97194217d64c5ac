// The program ensconce, started as an operator starts it, on made evidence in files.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "ensconce/base/file.h"
#include "ensconce/channel/evidence_document.h"
#include "ensconce/codec/base64.h"
#include "ensconce/codec/json.h"
#include "ensconce/crypto/jose.h"
#include "made_intel.h"
#include "made_snp.h"
#include "run_tool.h"

namespace ensconce {
namespace {

namespace fs = std::filesystem;
using made::kNow;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

using Strings = std::vector<std::string>;

class EvidenceTool : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    std::string pattern = (fs::temp_directory_path() / "ensc-tool-test-XXXXXX").string();
    scratch_ = mkdtemp(pattern.data());
    write_snp();
    write_intel();
    write_documents();
  }
  static void TearDownTestSuite() { fs::remove_all(scratch_); }

  static std::string path(std::string_view name) { return (scratch_ / name).string(); }
  static void write(std::string_view name, ByteView bytes) {
    fs::create_directories((scratch_ / name).parent_path());
    ASSERT_TRUE(write_file_atomically(path(name), bytes));
  }
  static void write(std::string_view name, std::string_view text) { write(name, as_bytes(text)); }

  static Ran run(Strings arguments, const std::string& in = "/dev/null") {
    return run_tool(scratch_, std::move(arguments), in);
  }

  static Strings joined(Strings a, const Strings& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
  }
  static std::string at() { return to_rfc3339(kNow); }
  // verify judges a file at the time it was made, with the chain of its processor beside it.
  static Ran verify(std::string_view input, const Strings& more = {}) {
    return run(joined({"evidence", "verify", "--input", path(input), "--endorsements", path("snp"),
                       "--at", at(), "--json"},
                      more));
  }
  static Strings trusted() { return {"--trust-anchor", path("root.pem")}; }
  static Strings with_policy(std::string_view name) { return {"--policy", path(name)}; }

  static ByteArray<64> report_data() {
    ByteArray<64> out{};
    out.fill(0x5a);
    return out;
  }

  static fs::path scratch_;

 private:
  static void write_snp() {
    const SnpPki& pki = made::shared_pki();
    write("report.bin", pki.sign_report(made::report_for(pki, report_data())));
    write("snp/vek.der", pki.vek().der());
    write("snp/table.bin", pki.cert_table({}));
    write("snp/crl.der", pki.crl_der(kNow));
    write("snp/notes.txt", "nothing to see");
    write("root.pem", pki.ark_pem());
    Bytes flipped = pki.sign_report(made::report_for(pki, report_data()));
    flipped[0x90] ^= 1;
    write("flipped.bin", flipped);
    flipped[0x90] ^= 1;
    flipped[0x4c] = 1;
    write("reserved.bin", flipped);
    Bytes sev = ByteWriter().raw(Bytes(48, 1)).u32_le(5).u32_le(0x1002).u32_le(2).bytes();
    sev.resize(208);
    write("sev-es.bin", sev);
    write("client.toml", made::client_policy());
    write("broker.toml", made::broker_policy());
    write("other.toml", made::with(made::client_policy(), "[snp]", "measurement",
                                   "measurement = { exactly = \"" + std::string(96, 'b') + "\" }"));
  }

  static void write_intel() {
    const IntelPki& pki = made::shared_intel_pki();
    write("td.quote", write_intel_quote(pki.sign(made::td_quote(pki, report_data()))));
    write("tdx/tcb_info.json", pki.sign_tcb_info(pki.tcb_info(true, kNow)));
    write("tdx/qe_identity.json", pki.sign_qe_identity(pki.qe_identity(true, kNow)));
    write("tdx/signing.der", pki.tcb_signing().der());
    write("tdx/pck.crl", pki.pck_crl(kNow));
    write("tdx/root.crl", pki.root_crl(kNow));
    write("intel-root.pem", pki.root_pem());
    write("tdx.toml", made::with_hardware(made::client_policy(), made::tdx_sections()));
  }

  static void write_documents() {
    const SnpPki& pki = made::shared_pki();
    Beacon beacon;
    beacon.time = kNow - Millis(60'000);
    Statement statement = made::statement();
    beacon.boot_id = statement.boot_id;
    EvidenceDocument document;
    document.beacon = sign_beacon(beacon, made::broker_key());
    statement.challenge = beacon_challenge(*document.beacon);
    document.statement = encode_statement(statement);
    document.evidence = {
        {"snp", pki.sign_report(made::report_for(pki, report_data_for(document.statement)))}};
    document.endorsements = pki.endorsements(pki.crl_der(kNow));
    write("document.json", write_evidence_document(document));
    document.statement.back() ^= 1;
    write("forged.json", write_evidence_document(document));
  }
};
fs::path EvidenceTool::scratch_;

// ---- verify: exit codes ----------------------------------------------------------------------

TEST_F(EvidenceTool, VerifiesWithoutAPolicyAndSaysThatItIsNoYes) {
  const Ran ran = verify("report.bin", trusted());
  EXPECT_EQ(ran.code, 12) << ran.err;
  EXPECT_EQ(ran.text("outcome"), "none");
  EXPECT_THAT(ran.err, HasSubstr("no policy to hold it against"));
  EXPECT_THAT(ran.err, HasSubstr("SIMULATED"));
}

TEST_F(EvidenceTool, TellsForm) {
  const Ran reserved = verify("reserved.bin", trusted());
  EXPECT_EQ(reserved.code, 3);
  EXPECT_EQ(reserved.text("code"), "snp.form.reserved");
  EXPECT_EQ(reserved.text("stage"), "form");
  write("noise.bin", "noise");
  const Ran noise = verify("noise.bin");
  EXPECT_EQ(noise.code, 3);
  EXPECT_EQ(noise.text("code"), "evidence.unknown");
  EXPECT_THAT(noise.err, HasSubstr("known are"));
  const Ran bare = run({"evidence", "verify", "--input", path("report.bin"), "--json"});
  EXPECT_EQ(bare.code, 3);
  EXPECT_EQ(bare.text("code"), "endorsements.missing");
  EXPECT_THAT(bare.err, HasSubstr("/vcek/v1/Milan/"));
}

TEST_F(EvidenceTool, RefusesSevByName) {
  const Ran ran = verify("sev-es.bin");
  EXPECT_EQ(ran.code, 3);
  EXPECT_EQ(ran.text("code"), "sev.unsupported");
  EXPECT_THAT(ran.err, HasSubstr("deploy on SEV-SNP"));
}

TEST_F(EvidenceTool, TellsSignature) {
  const Ran flipped = verify("flipped.bin", trusted());
  EXPECT_EQ(flipped.code, 4);
  EXPECT_EQ(flipped.text("code"), "snp.signature");
  const Ran untrusted = verify("report.bin");
  EXPECT_EQ(untrusted.code, 4);
  EXPECT_EQ(untrusted.text("code"), "snp.chain.ark_pinned");
  const Ran forged = verify("forged.json", trusted());
  EXPECT_EQ(forged.code, 4);
  EXPECT_EQ(forged.text("code"), "snp.report_data");
}

TEST_F(EvidenceTool, TellsRevocationAndExpiry) {
  const SnpPki& pki = made::shared_pki();
  std::uint64_t serial = 0;
  for (const std::uint8_t byte : pki.ask().serial()) {
    serial = serial << 8 | byte;
  }
  write("revoked/crl.der", pki.crl_der(kNow, {serial}));
  write("revoked/table.bin", pki.cert_table({}));
  const Ran revoked = run(joined({"evidence", "verify", "--input", path("report.bin"),
                                  "--endorsements", path("revoked"), "--at", at(), "--json"},
                                 trusted()));
  EXPECT_EQ(revoked.code, 5) << revoked.err;
  EXPECT_EQ(revoked.text("code"), "snp.crl.revoked");
  const Ran later =
      run(joined({"evidence", "verify", "--input", path("report.bin"), "--endorsements",
                  path("snp/table.bin"), "--at", "2099-01-01T00:00:00Z", "--json"},
                 trusted()));
  EXPECT_EQ(later.code, 5);
  EXPECT_EQ(later.text("code"), "snp.cert.expired");
}

TEST_F(EvidenceTool, TellsPolicy) {
  const Ran other = verify("document.json", with_policy("other.toml"));
  EXPECT_EQ(other.code, 6);
  EXPECT_EQ(other.text("outcome"), "contraindicated");
  EXPECT_EQ(other.text("code"), "snp.measurement");
  EXPECT_EQ(other.json().find("verified")->as_bool("").value(), true);
  // Bare evidence names no keys, so nothing may rest on it.
  for (const char* policy : {"client.toml", "broker.toml"}) {
    const Ran bare = verify("report.bin", with_policy(policy));
    EXPECT_EQ(bare.code, 6) << bare.err;
    EXPECT_EQ(bare.text("outcome"), "warning");
  }
}

TEST_F(EvidenceTool, AffirmsADocumentAsAClientWould) {
  const Ran ran = verify("document.json", with_policy("client.toml"));
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(ran.text("outcome"), "affirming");
  const Ran stale =
      run({"evidence", "verify", "--input", path("document.json"), "--policy", path("client.toml"),
           "--at", to_rfc3339(kNow + Millis(3'600'000)), "--json"});
  EXPECT_EQ(stale.code, 6);
  EXPECT_EQ(stale.text("code"), "freshness.age");
  // A broker asks for a session that no saved document shows.
  const Ran broker = verify("document.json", with_policy("broker.toml"));
  EXPECT_EQ(broker.code, 6);
  EXPECT_EQ(broker.text("outcome"), "warning") << broker.err;
}

TEST_F(EvidenceTool, TellsUsageAndFiles) {
  EXPECT_EQ(run({"evidence", "verify"}).code, 2);
  EXPECT_EQ(verify("report.bin", {"--report-data", "00"}).code, 2);
  EXPECT_EQ(
      verify("document.json", joined(trusted(), {"--report-data", std::string(128, '0')})).code, 2);
  EXPECT_EQ(verify("report.bin", {"--ear"}).code, 2);  // beside --json
  EXPECT_EQ(verify("absent.bin").code, 11);
  EXPECT_EQ(verify("report.bin", with_policy("absent.toml")).code, 11);
  write("broken.toml", "format = \"ensconce-policy/1\"\nrole = \"client\"\n");
  const Ran broken = verify("report.bin", with_policy("broken.toml"));
  EXPECT_EQ(broken.code, 2);
  EXPECT_THAT(broken.err, HasSubstr("policy.missing_field"));
}

// ---- verify: what it takes and says ----------------------------------------------------------

TEST_F(EvidenceTool, PrintsEveryCheckAsJson) {
  const json::Value result = verify("report.bin", trusted()).json();
  for (const char* member : {"kind", "outcome", "verified", "tcb_status", "origin", "stage", "code",
                             "claims", "checks"}) {
    EXPECT_NE(result.find(member), nullptr) << member;
  }
  EXPECT_EQ(*result.find("origin"), json::Value("simulated"));
  EXPECT_EQ(*result.find("claims")->find("report_data"), json::Value(to_hex(report_data())));
  for (const json::Value& check : **result.find("checks")->as_array("checks")) {
    for (const char* member : {"id", "rule", "expected", "got", "holds", "remedy"}) {
      EXPECT_NE(check.find(member), nullptr) << member;
    }
  }
}

TEST_F(EvidenceTool, ReadsStandardInput) {
  const Ran ran = run(
      joined({"evidence", "verify", "--input", "-", "--endorsements", path("snp"), "--at", at()},
             trusted()),
      path("report.bin"));
  EXPECT_EQ(ran.code, 12) << ran.err;
  EXPECT_EQ(ran.out, "");
}

TEST_F(EvidenceTool, HoldsReportDataAgainstWhatWasExpected) {
  EXPECT_EQ(verify("report.bin", joined(trusted(), {"--report-data", to_hex(report_data())})).code,
            12);
  const Ran other =
      verify("report.bin", joined(trusted(), {"--report-data", std::string(128, '0')}));
  EXPECT_EQ(other.code, 4);
  EXPECT_EQ(other.text("code"), "snp.report_data");
}

TEST_F(EvidenceTool, JudgesQuotesWithCollateralFromADirectory) {
  const Strings intel{"evidence",  "verify", "--input", path("td.quote"), "--endorsements",
                      path("tdx"), "--at",   at(),      "--trust-anchor", path("intel-root.pem"),
                      "--json"};
  const Ran ran = run(intel);
  EXPECT_EQ(ran.code, 12) << ran.err;
  EXPECT_EQ(ran.text("kind"), "tdx");
  EXPECT_EQ(ran.text("tcb_status"), "UpToDate");
  const Ran appraised = run(joined(intel, with_policy("tdx.toml")));
  EXPECT_EQ(appraised.text("outcome"), "warning") << appraised.err;
  EXPECT_EQ(run(joined(intel, with_policy("client.toml"))).code, 6);
}

TEST_F(EvidenceTool, SaysWhatItPassedOver) {
  write("mixed/table.bin", made::shared_pki().cert_table({}));
  write("mixed/broken.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n");
  write("mixed/readme.txt", "hello");
  const Strings arguments{"evidence", "verify", "--input", path("report.bin"),
                          "--at",     at(),     "--json",  "--endorsements"};
  const Ran ran = run(joined(joined(arguments, {path("mixed")}), trusted()));
  EXPECT_EQ(ran.code, 12) << ran.err;
  EXPECT_THAT(ran.err, HasSubstr("broken.pem"));
  EXPECT_THAT(ran.err, Not(HasSubstr("readme.txt")));
  // What one names must be right.
  const Ran named = run(joined(arguments, {path("mixed/broken.pem")}));
  EXPECT_EQ(named.code, 3);
  EXPECT_EQ(named.text("code"), "endorsements.form");
  const Ran evidence = run(joined(arguments, {path("report.bin")}));
  EXPECT_EQ(evidence.code, 3);
  EXPECT_EQ(evidence.text("code"), "endorsements.unknown");
}

TEST_F(EvidenceTool, SaysThatAnEndorsementIsNoEvidence) {
  const Ran ran = verify("snp/vek.der");
  EXPECT_EQ(ran.code, 3);
  EXPECT_EQ(ran.text("code"), "evidence.unknown");
  EXPECT_THAT(ran.err, HasSubstr("a certificate, and no evidence"));
}

TEST_F(EvidenceTool, ExplainsRaTlsAndOpensNoChannelOnIt) {
  const IntelPki& pki = made::shared_intel_pki();
  const EcPrivateKey key = EcPrivateKey::generate(Curve::kP256);
  const auto certificate = [&](const Sha256Digest& hash) {
    ByteArray<64> data{};
    std::copy(hash.begin(), hash.end(), data.begin());
    CertificateBuilder builder;
    return builder.subject_cn("RATLS")
        .serial(1)
        .validity(kNow, kNow + Millis(1000))
        .extension("1.2.840.113741.1337.6", write_intel_quote(pki.sign(made::sgx_quote(pki, data))))
        .self_sign(key)
        .der();
  };
  write("sgx/tcb_info.json", pki.sign_tcb_info(pki.tcb_info(false, kNow)));
  write("sgx/qe_identity.json", pki.sign_qe_identity(pki.qe_identity(false, kNow)));
  write("sgx/signing.der", pki.tcb_signing().der());
  write("own.der", certificate(sha256(key.public_key().spki_der())));
  write("foreign.der", certificate(Sha256Digest{1}));
  const auto judged = [](std::string_view name) {
    return run({"evidence", "verify", "--input", path(name), "--endorsements", path("sgx"), "--at",
                at(), "--trust-anchor", path("intel-root.pem"), "--json"});
  };
  const Ran own = judged("own.der");
  EXPECT_EQ(own.code, 12) << own.err;
  EXPECT_EQ(own.text("kind"), "sgx");
  EXPECT_THAT(own.err, HasSubstr("opens no channel on such a certificate"));
  const Ran foreign = judged("foreign.der");
  EXPECT_EQ(foreign.code, 4);
  EXPECT_EQ(foreign.text("code"), "ratls.binding");
}

TEST_F(EvidenceTool, WritesAnEarAndSignsIt) {
  const Strings arguments{
      "evidence", "verify", "--input", path("document.json"), "--policy", path("client.toml"),
      "--at",     at(),     "--ear"};
  const Ran claims = run(arguments);
  EXPECT_EQ(claims.code, 0) << claims.err;
  EXPECT_EQ(claims.text("eat_profile"), "tag:github.com,2023:veraison/ear");
  EXPECT_EQ(claims.json().find("iat")->as_int("iat").value(), kNow.unix_ms / 1000);

  const Ran key = run({"key", "generate", "--out", path("owner.key")});
  ASSERT_EQ(key.code, 0) << key.err;
  const Ran token = run(joined(arguments, {"--ear-key", path("owner.key")}));
  EXPECT_EQ(token.code, 0) << token.err;
  const Ed25519PublicKey signer{to_array<32>(from_hex(key.text("public_key")).value()).value()};
  ASSERT_TRUE(token.out.ends_with('\n'));
  const auto payload =
      jws_verify(signer, "JWT", std::string_view(token.out).substr(0, token.out.size() - 1));
  ASSERT_TRUE(payload) << payload.error().to_string();
  EXPECT_EQ(json::parse(as_text(*payload)).value(), claims.json());
  EXPECT_EQ(
      run({"evidence", "verify", "--input", path("document.json"), "--ear-key", path("owner.key")})
          .code,
      2);
}

// ---- show ------------------------------------------------------------------------------------

TEST_F(EvidenceTool, ShowsEachKindWithoutJudging) {
  const auto shown = [](std::string_view name) {
    const Ran ran = run({"evidence", "show", "--input", path(name)});
    EXPECT_EQ(ran.code, 0) << name << ran.err;
    EXPECT_EQ(*ran.json().find("judged"), json::Value(false));
    return ran.out;
  };
  EXPECT_THAT(shown("report.bin"), HasSubstr("kds_vcek_path"));
  EXPECT_THAT(shown("flipped.bin"), HasSubstr("\"measurement\""));
  EXPECT_THAT(shown("td.quote"), HasSubstr("\"fmspc\": \"90c06f000000\""));
  EXPECT_THAT(shown("snp/vek.der"), HasSubstr("\"bootloader\""));
  EXPECT_THAT(shown("snp/crl.der"), HasSubstr("\"issuer\": \"ARK-Milan\""));
  EXPECT_THAT(shown("snp/table.bin"), HasSubstr("\"SEV-Milan\""));
  EXPECT_THAT(shown("tdx/tcb_info.json"), HasSubstr("\"tdx_modules\""));
  EXPECT_THAT(shown("tdx/qe_identity.json"), HasSubstr("\"TD_QE\""));
  EXPECT_THAT(shown("document.json"), HasSubstr("\"owner_keys\""));
  EXPECT_EQ(run({"evidence", "show", "--input", path("reserved.bin")}).code, 3);
  EXPECT_EQ(run({"evidence", "show", "--input", path("sev-es.bin")}).code, 3);
}

// ---- policy ----------------------------------------------------------------------------------

TEST_F(EvidenceTool, WritesAPolicyThatAffirmsItsOwnDocument) {
  const Ran init = run({"policy", "init", "--input", path("document.json"), "--at", at(), "--out",
                        path("drafted.toml")});
  ASSERT_EQ(init.code, 0) << init.err;
  EXPECT_THAT(init.err, HasSubstr("compare its digests and keys"));
  EXPECT_THAT(init.err, HasSubstr("the root is simulated"));
  EXPECT_EQ(run({"policy", "check", path("drafted.toml")}).code, 0);
  const Ran check = run({"policy", "check", path("drafted.toml"), "--input", path("document.json"),
                         "--at", at(), "--json"});
  EXPECT_EQ(check.code, 0) << check.err;
  EXPECT_EQ(check.text("outcome"), "affirming");
}

TEST_F(EvidenceTool, WritesAPolicyThatWarnsOfBareEvidence) {
  for (const char* role : {"client", "broker"}) {
    const Ran init =
        run({"policy", "init", "--role", role, "--input", path("td.quote"), "--endorsements",
             path("tdx"), "--at", at(), "--out", path("drafted.toml")});
    ASSERT_EQ(init.code, 0) << init.err;
    const Ran check = run({"policy", "check", path("drafted.toml"), "--input", path("td.quote"),
                           "--endorsements", path("tdx"), "--at", at(), "--json"});
    EXPECT_EQ(check.code, 6);
    EXPECT_EQ(check.text("outcome"), "warning") << check.err;
  }
}

TEST_F(EvidenceTool, WritesNoPolicyFromEvidenceThatDoesNotHold) {
  const Ran ran = run({"policy", "init", "--input", path("flipped.bin"), "--endorsements",
                       path("snp"), "--at", at(), "--out", path("none.toml")});
  EXPECT_EQ(ran.code, 4) << ran.err;
  EXPECT_THAT(ran.err, HasSubstr("no policy was written"));
  EXPECT_FALSE(fs::exists(path("none.toml")));
  EXPECT_EQ(run({"policy", "init", "--input", path("absent")}).code, 11);
}

TEST_F(EvidenceTool, WritesTemplatesThatDoNotLoad) {
  const Ran ran = run({"policy", "init", "--kind", "sgx", "--role", "broker"});
  EXPECT_EQ(ran.code, 0);
  EXPECT_THAT(ran.out, HasSubstr("# TODO measurement"));
  write("template.toml", ran.out);
  const Ran check = run({"policy", "check", path("template.toml")});
  EXPECT_EQ(check.code, 2);
  EXPECT_THAT(check.err, HasSubstr("sgx.measurement is missing"));
  EXPECT_EQ(run({"policy", "init"}).code, 2);
  EXPECT_EQ(run({"policy", "init", "--kind", "sev"}).code, 2);
  EXPECT_EQ(run({"policy", "init", "--kind", "sgx", "--input", path("report.bin")}).code, 2);
}

TEST_F(EvidenceTool, ChecksThatAPolicyLoads) {
  const Ran ran = run({"policy", "check", path("tdx.toml"), "--json"});
  EXPECT_EQ(ran.code, 0);
  EXPECT_THAT(ran.err, HasSubstr("a client's policy and accepts: tdx"));
  EXPECT_EQ(ran.text("kinds"), "tdx");
  EXPECT_EQ(run({"policy", "check", path("absent.toml")}).code, 11);
}

TEST_F(EvidenceTool, TellsTwoPoliciesApart) {
  const Ran same = run({"policy", "diff", path("client.toml"), path("client.toml"), "--json"});
  EXPECT_EQ(same.code, 0);
  EXPECT_EQ(*same.json().find("same"), json::Value(true));
  write("open.toml", made::with(made::client_policy(), "[snp]", "measurement",
                                "measurement = { unconstrained = \"any\" }"));
  const Ran changed = run({"policy", "diff", path("client.toml"), path("open.toml"), "--json"});
  EXPECT_EQ(changed.code, 1);
  EXPECT_THAT(changed.err, HasSubstr("client.toml is stricter"));
  const json::Value differences = *changed.json().find("differences");
  const json::Array& list = **differences.as_array("differences");
  ASSERT_EQ(list.size(), 1U);
  EXPECT_EQ(*list[0].find("field"), json::Value("snp.measurement"));
  EXPECT_EQ(*list[0].find("change"), json::Value("changed"));
  EXPECT_EQ(*list[0].find("stricter"), json::Value("a"));
  const Ran roles = run({"policy", "diff", path("client.toml"), path("broker.toml")});
  EXPECT_EQ(roles.code, 1);
  EXPECT_THAT(roles.err, HasSubstr("removed [freshness]"));
  EXPECT_EQ(roles.out, "");
  write("half.toml", "format = \"ensconce-policy/1\"\n");
  EXPECT_EQ(run({"policy", "diff", path("client.toml"), path("half.toml")}).code, 2);
}

}  // namespace
}  // namespace ensconce
