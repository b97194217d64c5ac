// Real quotes and a real event log, and what independent readers found in them.

#include <gtest/gtest.h>

#include "ensconce/attestation/evidence/event_log.h"
#include "ensconce/attestation/evidence/intel_quote.h"
#include "ensconce/codec/base64.h"
#include "ensconce/codec/cbor.h"
#include "ensconce/crypto/x509.h"
#include "vector_files.h"

namespace ensconce {
namespace {

namespace fs = std::filesystem;
using vector_files::changed;
using vector_files::file;
using vector_files::json_file;
using vector_files::root;
using vector_files::text;

json::Value number(std::uint64_t n) { return json::Value(n); }

json::Value decoded(const SgxReport& r) {
  const Bytes written = write_sgx_report(r);
  return json::Object{
      {"cpu_svn", to_hex(r.cpu_svn)},
      {"misc_select", to_hex(ByteView(written).subspan(16, 4))},
      {"isv_ext_prod_id", to_hex(r.isv_ext_prod_id)},
      {"attributes", to_hex(r.attributes)},
      {"mr_enclave", to_hex(r.mr_enclave)},
      {"mr_signer", to_hex(r.mr_signer)},
      {"config_id", to_hex(r.config_id)},
      {"isv_prod_id", number(r.isv_prod_id)},
      {"isv_svn", number(r.isv_svn)},
      {"config_svn", number(r.config_svn)},
      {"isv_family_id", to_hex(r.isv_family_id)},
      {"report_data", to_hex(r.report_data)},
  };
}

json::Value decoded(const TdReport& r) {
  json::Object out{
      {"tee_tcb_svn", to_hex(r.tee_tcb_svn)},
      {"mr_seam", to_hex(r.mr_seam)},
      {"mrsigner_seam", to_hex(r.mr_signer_seam)},
      {"seam_attributes", to_hex(r.seam_attributes)},
      {"td_attributes", to_hex(r.td_attributes)},
      {"xfam", to_hex(r.xfam)},
      {"mr_td", to_hex(r.mr_td)},
      {"mr_config_id", to_hex(r.mr_config_id)},
      {"mr_owner", to_hex(r.mr_owner)},
      {"mr_owner_config", to_hex(r.mr_owner_config)},
      {"rtmr0", to_hex(r.rtmr[0])},
      {"rtmr1", to_hex(r.rtmr[1])},
      {"rtmr2", to_hex(r.rtmr[2])},
      {"rtmr3", to_hex(r.rtmr[3])},
      {"report_data", to_hex(r.report_data)},
  };
  if (r.tee_tcb_svn_2) {
    out.emplace_back("tee_tcb_svn2", to_hex(*r.tee_tcb_svn_2));
    out.emplace_back("mr_service_td", to_hex(*r.mr_service_td));
  }
  return out;
}

// The members of a vector's "decoded", in its order.
json::Value decoded(const IntelQuote& q, std::size_t len) {
  json::Object out{
      {"version", number(q.version)},
      {"att_key_type", number(2)},
      {"tee_type", q.is_tdx() ? "0x00000081" : "0x00000000 (reserved u32 in v3)"},
      {"qe_vendor_id", to_hex(q.qe_vendor_id)},
      {"user_data", to_hex(q.user_data)},
  };
  if (q.version == 3) {
    out.emplace_back("qe_svn", number(q.qe_svn));
    out.emplace_back("pce_svn", number(q.pce_svn));
  }
  if (q.version == 5) {
    out.emplace_back("body_type", number(3));
    out.emplace_back("body_size", number(648));
  }
  out.emplace_back("body", std::visit([](const auto& report) { return decoded(report); }, q.body));
  out.emplace_back("auth_data_size", number(len - intel_quote_signed_part(q).size() - 4));
  out.emplace_back("trailing_bytes", number(0));
  if (q.version != 3) {
    out.emplace_back("outer_cert_type", number(6));
  }
  out.emplace_back("cert_type", number(q.certification_type));
  out.emplace_back("qe_report", decoded(q.qe_report));
  out.emplace_back("qe_auth_data", to_hex(q.qe_auth_data));
  return out;
}

class RealIntelQuotes : public testing::Test {
 protected:
  void SetUp() override {
    if (!fs::exists(root() / "tdx")) {
      GTEST_SKIP() << "no vectors at " << root() << "; set ENSCONCE_VECTORS";
    }
  }

  static IntelQuote expect_identity(const Bytes& bytes) {
    EXPECT_TRUE(looks_like_intel_quote(bytes));
    const auto quote = parse_intel_quote(bytes);
    if (!quote) {
      ADD_FAILURE() << quote.error().to_string();
      return {};
    }
    EXPECT_EQ(write_intel_quote(*quote), bytes);
    return *quote;
  }
};

TEST_F(RealIntelQuotes, GiveTheirFields) {
  int count = 0;
  for (const char* dir : {"tdx/quotes", "sgx/quotes"}) {
    for (const auto& entry : fs::directory_iterator(root() / dir)) {
      const std::string name = entry.path().filename().string();
      if (!name.ends_with(".expected.json") || name == "padded.expected.json") {
        continue;
      }
      SCOPED_TRACE(name);
      ++count;
      const json::Value vector = json_file(entry.path());
      const Bytes bytes = file(root() / dir / text(*vector.find("files"), "quote"));
      ASSERT_EQ(to_hex(sha256(bytes)), text(vector, "quote_sha256"));
      const IntelQuote quote = expect_identity(bytes);
      EXPECT_EQ(json::write(decoded(quote, bytes.size())), json::write(*vector.find("decoded")));
      if (const json::Value* flags = vector.find("td_attribute_flags")) {
        const auto& td = std::get<TdReport>(quote.body);
        EXPECT_EQ(td.debug(), flags->find("debug")->as_bool("debug").value());
        EXPECT_EQ(td.sept_ve_disable(), flags->find("sept_ve_disable")->as_bool("ve").value());
        EXPECT_EQ(td.pks(), flags->find("pks")->as_bool("pks").value());
        EXPECT_EQ(td.kl(), flags->find("kl")->as_bool("kl").value());
        EXPECT_EQ(td.perfmon(), flags->find("perfmon")->as_bool("perfmon").value());
      }
      if (const json::Value* flags = vector.find("sgx_attribute_flags")) {
        const auto& sgx = std::get<SgxReport>(quote.body);
        EXPECT_EQ(sgx.init(), flags->find("init")->as_bool("init").value());
        EXPECT_EQ(sgx.debug(), flags->find("debug")->as_bool("debug").value());
        EXPECT_EQ(sgx.mode64(), flags->find("mode64")->as_bool("mode64").value());
        EXPECT_EQ(sgx.provision_key(), flags->find("provision_key")->as_bool("pk").value());
        EXPECT_EQ(sgx.einittoken_key(), flags->find("einittoken_key")->as_bool("ek").value());
        EXPECT_EQ(sgx.kss(), flags->find("kss")->as_bool("kss").value());
      }
    }
  }
  EXPECT_EQ(count, 16);
}

TEST_F(RealIntelQuotes, AreReadOutOfPaddedBuffers) {
  const fs::path dir = root() / "tdx/quotes";
  const auto padded = parse_intel_quote(file(dir / "v4-00806f05-gce-cos113.padded.bin"));
  ASSERT_TRUE(padded) << padded.error().to_string();
  EXPECT_EQ(write_intel_quote(*padded), file(dir / "v4-00806f05-gce-cos113.quote.bin"));
  const auto with_text = parse_intel_quote(file(dir / "v4-50806f-spr-e4.padded.bin"));
  ASSERT_FALSE(with_text);
  EXPECT_TRUE(with_text.error().is(EvidenceError::kIntelTrailing));
}

TEST_F(RealIntelQuotes, OfIntelsTestRootsParse) {
  const IntelQuote sgx = expect_identity(file(root() / "intel/test-ca/sgx-v3/quote.dat"));
  EXPECT_EQ(sgx.certification_type, 1);
  EXPECT_EQ(sgx.certification_data.size(), 34U);
  const IntelQuote tdx = expect_identity(file(root() / "intel/test-ca/tdx-v4/quote.dat"));
  EXPECT_EQ(tdx.certification_type, 5);
  EXPECT_EQ(tdx.certification_data.size(), 2470U);
}

TEST_F(RealIntelQuotes, WithABrokenChainParseAllTheSame) {
  Bytes report = file(root() / "sgx/negative/sgx_report_bad.bin");
  report.erase(report.begin(), report.begin() + 16);
  expect_identity(report);
}

TEST_F(RealIntelQuotes, OfAzureParse) {
  const std::string base64 = text(json_file(root() / "azure/tdx-vtpm.json"), "td_quote");
  const auto quote = parse_intel_quote(base64url_decode(base64).value());
  ASSERT_TRUE(quote) << quote.error().to_string();
  const json::Value vector = json_file(root() / "azure/tdx-vtpm.expected.json");
  EXPECT_EQ(json::write(decoded(std::get<TdReport>(quote->body))),
            json::write(*vector.find("td_quote_decoded")));
}

TEST_F(RealIntelQuotes, InCertificatesParse) {
  for (const char* name : {"interop-gramine-sgx", "interop-rats-tls-sgx", "legacy-rats-tls-sgx"}) {
    SCOPED_TRACE(name);
    const fs::path dir = root() / "ratls";
    const Bytes pem = file(dir / (std::string(name) + ".pem"));
    const json::Value vector = json_file(dir / (std::string(name) + ".expected.json"));
    const json::Value& evidence = *vector.find("evidence");
    const auto certificates = Certificate::many_from_pem(as_text(pem)).value();
    const Bytes extension = certificates.at(0).extension(text(evidence, "oid")).value();
    Bytes bytes = extension;
    if (evidence.find("cbor_tag") != nullptr) {
      const cbor::Value value = cbor::decode(extension).value();
      const cbor::Array& items = **value.as_tagged(60000, "evidence").value()->as_array("evidence");
      bytes = items.at(0).as_bytes("quote").value();
    }
    const auto quote = parse_intel_quote(bytes);
    ASSERT_TRUE(quote) << quote.error().to_string();
    EXPECT_EQ(to_hex(std::get<SgxReport>(quote->body).mr_enclave),
              text(*vector.find("quote"), "mr_enclave"));
    EXPECT_EQ(to_hex(quote->report_data()), text(*vector.find("quote"), "report_data"));
  }
}

// What must fail in form does; what fails in a signature is well formed, and says what it holds.
TEST_F(RealIntelQuotes, ChangedAreRefusedOrWrittenAsTheyAre) {
  const json::Value list = json_file(root() / "intel/quote-mutations.json");
  int refused = 0;
  for (const json::Value& c : **list.find("mutations")->as_array("mutations")) {
    const std::string expect = text(c, "expect");
    SCOPED_TRACE(text(c, "base") + ": " + expect);
    const Bytes base = file(root() / "intel" / text(c, "base"));
    const Bytes bytes = changed(base, *c.find("ops"));
    const auto quote = parse_intel_quote(bytes);
    if (expect.starts_with("FORMAT_INVALID")) {
      ++refused;
      ASSERT_FALSE(quote);
      EXPECT_EQ(quote.error().stage(), Stage::kForm);
      continue;
    }
    ASSERT_TRUE(quote) << quote.error().to_string();
    // A single zero behind a quote is padding.
    EXPECT_EQ(write_intel_quote(*quote), expect.starts_with("trailing byte") ? base : bytes);
  }
  EXPECT_EQ(refused, 18);
}

class RealEventLog : public RealIntelQuotes {};

TEST_F(RealEventLog, GivesTheRtmrsOfItsQuote) {
  const fs::path dir = root() / "tdx/ccel";
  const Bytes bytes = file(dir / "gce-cos113.ccel.bin");
  const json::Value vector = json_file(dir / "gce-cos113.expected.json");
  EXPECT_TRUE(looks_like_event_log(bytes));
  const auto log = parse_event_log(bytes);
  ASSERT_TRUE(log) << log.error().to_string();
  EXPECT_EQ(log->events.size(), vector.find("events")->as_uint("events").value());
  EXPECT_EQ(log->algorithms, std::vector<std::uint16_t>{kTcgAlgSha384});

  auto rtmrs = replay_sha384(*log);
  EXPECT_EQ(rtmrs.count(0), 0U);
  EXPECT_EQ(rtmrs.count(4), 0U);
  const auto quote = parse_intel_quote(file(dir / text(vector, "goes_with"))).value();
  for (std::uint32_t i = 0; i < 4; ++i) {
    // Nothing is measured into RTMR3, which is then zero.
    EXPECT_EQ(rtmrs[i + 1], std::get<TdReport>(quote.body).rtmr[i]) << i;
    EXPECT_EQ(to_hex(rtmrs[i + 1]), text(*vector.find("replayed"), "rtmr" + std::to_string(i)));
  }
  EXPECT_TRUE(replay_sha256(*log).empty());
}

TEST_F(RealEventLog, EndsWhereItsAreaIsFilled) {
  Bytes bytes = file(root() / "tdx/ccel/gce-cos113.ccel.bin");
  const std::size_t len = bytes.size();
  for (const std::uint8_t fill : {0x00, 0xff}) {
    bytes.resize(len);
    bytes.resize(262144, fill);
    EXPECT_EQ(parse_event_log(bytes).value().events.size(), 43U);
  }
}

}  // namespace
}  // namespace ensconce
