// Real quotes and collateral of real platforms, at the time given beside each.

#include <gtest/gtest.h>

#include "ensconce/attestation/verify/intel_verifier.h"
#include "vector_files.h"

namespace ensconce {
namespace {

namespace fs = std::filesystem;
using E = AttestationError;
using vector_files::changed;
using vector_files::file;
using vector_files::json_file;
using vector_files::text;

constexpr Millis kSecond(1000);

fs::path vectors() { return vector_files::root(); }

Instant time_at(const json::Value& object, std::string_view name) {
  return from_rfc3339(text(object, name)).value();
}

// Everything of a folder of collateral, whatever the files are called.
std::vector<EndorsementItem> items_of(const fs::path& dir) {
  std::vector<EndorsementItem> out;
  for (const auto& entry : fs::directory_iterator(dir)) {
    const std::string name = entry.path().filename().string();
    const Bytes bytes = file(entry.path());
    if (name.ends_with(".pem")) {
      const auto certificates = Certificate::many_from_pem(as_text(bytes)).value();
      for (const Certificate& each : certificates) {
        out.push_back({std::string(kCertificateType), each.der()});
      }
    } else if (name.ends_with(".der")) {
      out.push_back({std::string(kCrlType), bytes});
    } else if (name == "tcb_info.json" || name == "tcbInfo.json") {
      out.push_back({std::string(kTcbInfoType), bytes});
    } else if (name == "qe_identity.json" || name == "qeIdentity.json") {
      out.push_back({std::string(kQeIdentityType), bytes});
    }
  }
  return out;
}

IntelEndorsements endorsements(const IntelQuote& quote, const fs::path& dir) {
  return collect_intel_endorsements(quote, items_of(dir)).value();
}

Verification verify(const IntelQuote& quote, const IntelEndorsements& endorsed, Instant at,
                    const EventLog* log = nullptr) {
  return IntelVerifier(vendor_anchors()).verify(quote, endorsed, quote.report_data(), at, log);
}

std::optional<bool> holds(const Verification& verification, E code) {
  for (const Check& check : verification.checks) {
    if (check.id == error_info(code).id) {
      return check.holds;
    }
  }
  return std::nullopt;
}

void expect_refused(const Verification& verification, E code) {
  ASSERT_FALSE(verification.claims) << error_info(code).id;
  EXPECT_TRUE(verification.claims.error().is(code)) << verification.claims.error().to_string();
}

// "" where the vector tells of no such level.
std::string status_of(const json::Value& expected, std::string_view name) {
  const json::Value* level = expected.find(name);
  return level == nullptr ? std::string() : text(*level, "status");
}
std::string status_of(const std::optional<IntelTcbStatus>& status) {
  return status.has_value() ? std::string(name_of(*status)) : std::string();
}

std::vector<std::string> advisories(const json::Value& expected) {
  std::vector<std::string> out;
  for (const json::Value& each : **expected.find("advisory_ids_union")->as_array("advisories")) {
    out.push_back(each.as_text("advisory").value());
  }
  return out;
}

void expect_tcb(const Verification& verification, const json::Value& expected) {
  ASSERT_TRUE(verification.claims) << verification.claims.error().to_string();
  const EvidenceClaims& claims = verification.claims.value().value();
  const IntelTcb& tcb = *claims.intel_tcb();
  EXPECT_EQ(claims.anchor.origin, AnchorOrigin::kVendor);
  EXPECT_EQ(name_of(tcb.status), text(expected, "tcb_status"));
  EXPECT_EQ(name_of(tcb.sgx_level), status_of(expected, "sgx_level"));
  EXPECT_EQ(status_of(tcb.tdx_level), status_of(expected, "tdx_level"));
  EXPECT_EQ(status_of(tcb.tdx_module), status_of(expected, "tdx_module"));
  EXPECT_EQ(name_of(tcb.qe), status_of(expected, "qe"));
  EXPECT_EQ(tcb.advisories, advisories(expected));
  const json::Value* taken = expected.find(claims.tdx() != nullptr ? "tdx_level" : "sgx_level");
  EXPECT_EQ(tcb.date, time_at(*taken, "tcbDate"));
  const json::Value* module = expected.find("tdx_module");
  EXPECT_EQ(tcb.tdx_module_id, module == nullptr ? "" : text(*module, "id"));
}

class RealIntel : public testing::Test {
 protected:
  void SetUp() override {
    if (!fs::exists(vectors())) {
      GTEST_SKIP() << "no vectors at " << vectors() << "; set ENSCONCE_VECTORS";
    }
  }

  static IntelQuote quote(const fs::path& path) { return parse_intel_quote(file(path)).value(); }

  static void expect_window(const IntelQuote& quote, const IntelEndorsements& endorsed,
                            const json::Value& expected) {
    EXPECT_TRUE(verify(quote, endorsed, time_at(expected, "valid_from")).claims);
    EXPECT_TRUE(verify(quote, endorsed, time_at(expected, "valid_to")).claims);
    for (const Instant outside :
         {time_at(expected, "valid_from") - kSecond, time_at(expected, "valid_to") + kSecond,
          time_at(expected, "collateral_expired_at")}) {
      const Verification verification = verify(quote, endorsed, outside);
      ASSERT_FALSE(verification.claims) << to_rfc3339(outside);
      EXPECT_EQ(verification.claims.error().stage(), Stage::kRevocation);
    }
  }

  static void expect_outcome(const IntelQuote& quote, const json::Value& expected) {
    IntelEndorsements endorsed = endorsements(quote, vectors() / text(expected, "collateral"));
    if (expected.find("verify_at")->is_null()) {
      // Never all fresh at once: the lists are too old. Without them the rest is.
      endorsed.pck_crl.reset();
      endorsed.root_crl.reset();
      const Instant at = std::max(endorsed.tcb_info.issued, endorsed.qe_identity.issued);
      const Verification verification = verify(quote, endorsed, at);
      expect_tcb(verification, expected);
      EXPECT_FALSE(verification.claims.value()->crl_checked);
      return;
    }
    const Verification verification = verify(quote, endorsed, time_at(expected, "verify_at"));
    if (text(expected, "tcb_status") == "TCB_NOT_SUPPORTED") {
      expect_refused(verification, E::kIntelTcbLevel);
      return;
    }
    expect_tcb(verification, expected);
    EXPECT_TRUE(verification.claims.value()->crl_checked);
    EXPECT_EQ(verification.claims.value()->endorsed_until, time_at(expected, "valid_to"));
    expect_window(quote, endorsed, expected);
  }

  // The first verification listed beside a quote.
  static json::Value first_of(const fs::path& quote_file) {
    std::string stem = quote_file.filename().string();
    stem.resize(stem.size() - std::string(".quote.bin").size());
    const json::Value vector = json_file(quote_file.parent_path() / (stem + ".expected.json"));
    return (**vector.find("verifications")->as_array("verifications")).front();
  }
};

TEST_F(RealIntel, QuotesGiveTheirStatus) {
  int count = 0;
  for (const char* dir : {"tdx/quotes", "sgx/quotes"}) {
    for (const auto& entry : fs::directory_iterator(vectors() / dir)) {
      const std::string name = entry.path().filename().string();
      if (!name.ends_with(".expected.json") || name == "padded.expected.json") {
        continue;
      }
      const json::Value vector = json_file(entry.path());
      const IntelQuote of =
          quote(entry.path().parent_path() / text(*vector.find("files"), "quote"));
      for (const json::Value& expected : **vector.find("verifications")->as_array("list")) {
        SCOPED_TRACE(name + " with " + text(expected, "collateral"));
        expect_outcome(of, expected);
        ++count;
      }
    }
  }
  EXPECT_GE(count, 18);
}

TEST_F(RealIntel, PaddedQuoteIsTheQuote) {
  const fs::path dir = vectors() / "tdx/quotes";
  const IntelQuote padded = quote(dir / "v4-00806f05-gce-cos113.padded.bin");
  EXPECT_EQ(padded, quote(dir / "v4-00806f05-gce-cos113.quote.bin"));
  expect_outcome(padded, first_of(dir / "v4-00806f05-gce-cos113.quote.bin"));
}

TEST_F(RealIntel, MutationsAreRefused) {
  const json::Value list = json_file(vectors() / "intel/quote-mutations.json");
  int judged = 0;
  for (const json::Value& c : **list.find("mutations")->as_array("mutations")) {
    const std::string expect = text(c, "expect");
    const fs::path base = vectors() / "intel" / text(c, "base");
    SCOPED_TRACE(base.filename().string() + ": " + expect);
    const auto parsed = parse_intel_quote(changed(file(base), *c.find("ops")));
    if (!parsed) {
      EXPECT_EQ(parsed.error().stage(), Stage::kForm);
      EXPECT_NE(expect.find("FORMAT_INVALID"), std::string::npos);
      continue;
    }
    ++judged;
    const json::Value first = first_of(base);
    const Verification verification =
        verify(*parsed, endorsements(*parsed, vectors() / text(first, "collateral")),
               time_at(first, "verify_at"));
    if (expect.starts_with("trailing byte")) {
      expect_tcb(verification, first);  // zero, so padding
    } else if (expect.starts_with("QUOTE_SIGNATURE_INVALID") ||
               expect.starts_with("FORMAT_INVALID or QUOTE_SIGNATURE_INVALID")) {
      expect_refused(verification, E::kQuoteSignature);
    } else if (expect.starts_with("QE_REPORT_SIGNATURE_INVALID")) {
      expect_refused(verification, E::kQeSignature);
    } else if (expect.starts_with("QE_REPORT_DATA_MISMATCH / QE_REPORT_SIGNATURE_INVALID")) {
      expect_refused(verification, E::kQeSignature);
      EXPECT_EQ(holds(verification, E::kQeBinding), false);
    } else if (expect.starts_with("QE_REPORT_DATA_MISMATCH")) {
      expect_refused(verification, E::kQeBinding);
    } else if (expect.starts_with("QE_VENDOR_ID_UNKNOWN")) {
      expect_refused(verification, E::kQeVendor);
      EXPECT_EQ(holds(verification, E::kQuoteSignature), false);
    } else {
      ADD_FAILURE() << "a class of failure this test does not know";
    }
  }
  EXPECT_GE(judged, 24);
}

// ---- Collateral that does not fit ------------------------------------------------------------

const char* const kTd = "tdx/quotes/v4-b0c06f.quote.bin";
const char* const kTdCollateral = "intel/collateral/tdx-B0C06F000000-2025-06";
const char* const kEnclave = "sgx/quotes/v3-00a06711.quote.bin";
const char* const kEnclaveCollateral = "intel/collateral/sgx-00A067110000-2025-06";
const char* const kTime = "2025-07-04T10:16:31Z";  // both are fresh

TEST_F(RealIntel, CollateralOfAnotherPlatformOrTeeIsRefused) {
  const IntelQuote td = quote(vectors() / kTd);
  const fs::path other = vectors() / "intel/collateral/tdx-90C06F000000-2026-02";
  expect_refused(verify(td, endorsements(td, other), from_rfc3339("2026-03-05T10:50:03Z").value()),
                 E::kTcbInfoPlatform);
  const IntelQuote enclave = quote(vectors() / kEnclave);
  expect_refused(verify(enclave, endorsements(enclave, vectors() / kTdCollateral),
                        from_rfc3339(kTime).value()),
                 E::kTcbInfoTee);
  IntelEndorsements endorsed = endorsements(td, vectors() / kTdCollateral);
  endorsed.qe_identity = endorsements(enclave, vectors() / kEnclaveCollateral).qe_identity;
  expect_refused(verify(td, endorsed, from_rfc3339(kTime).value()), E::kQeIdentityTee);
}

TEST_F(RealIntel, CollateralWrittenAgainIsRefused) {
  const IntelQuote td = quote(vectors() / kTd);
  const std::string answer(as_text(file(vectors() / kTdCollateral / "tcb_info.json")));
  const auto replaced = [&](const std::string& what, const std::string& by) {
    std::string out = answer;
    const std::size_t at = out.find(what);
    EXPECT_NE(at, std::string::npos);
    return out.replace(at, what.size(), by);
  };
  for (const std::string& edited :
       {replaced("\"tcbStatus\":\"OutOfDate\"", "\"tcbStatus\":\"UpToDate\""),
        replaced("\"version\":3", "\"version\": 3")}) {
    IntelEndorsements endorsed = endorsements(td, vectors() / kTdCollateral);
    endorsed.tcb_info = parse_tcb_info(as_bytes(edited)).value();
    expect_refused(verify(td, endorsed, from_rfc3339(kTime).value()), E::kTcbInfoSignature);
  }
}

TEST_F(RealIntel, RevocationListOfTheOtherCaIsRefused) {
  const IntelQuote td = quote(vectors() / kTd);
  IntelEndorsements endorsed = endorsements(td, vectors() / kTdCollateral);
  endorsed.pck_crl =
      RevocationList::from_der(file(vectors() / kEnclaveCollateral / "pck_crl.der")).value();
  expect_refused(verify(td, endorsed, from_rfc3339(kTime).value()), E::kPckCrlSignature);
}

TEST_F(RealIntel, CollateralOutsideItsTimeIsRefused) {
  const IntelQuote td = quote(vectors() / kTd);
  const IntelEndorsements endorsed = endorsements(td, vectors() / kTdCollateral);
  const json::Value set = json_file(vectors() / kTdCollateral / "collateral.expected.json");
  const Verification early =
      verify(td, endorsed, time_at(set, "all_fresh_from") - std::chrono::hours(24));
  ASSERT_FALSE(early.claims);
  EXPECT_EQ(early.claims.error().stage(), Stage::kRevocation);
  const IntelQuote enclave = quote(vectors() / "sgx/quotes/v3-00906ed5.quote.bin");
  const fs::path stale = vectors() / "intel/collateral/sgx-00906ED50000-2023-07-stale-crl";
  const Verification late =
      verify(enclave, endorsements(enclave, stale), from_rfc3339("2023-07-20T00:00:00Z").value());
  ASSERT_FALSE(late.claims);
  EXPECT_TRUE(late.claims.error().is(E::kRootCrlTime) || late.claims.error().is(E::kPckCrlTime))
      << late.claims.error().to_string();
}

// One bit of the PCK CA's certificate is another, and it is one of its name.
TEST_F(RealIntel, BrokenChainIsRefused) {
  const Bytes bytes = file(vectors() / "sgx/negative/sgx_report_bad.bin");
  const IntelQuote bad = parse_intel_quote(ByteView(bytes).subspan(16)).value();
  const Verification verification =
      verify(bad, endorsements(bad, vectors() / kEnclaveCollateral), from_rfc3339(kTime).value());
  expect_refused(verification, E::kIntelNames);
  EXPECT_EQ(holds(verification, E::kPckCaSignature), false);
}

// Two certificates of Intel's root have one key and different ends.
TEST_F(RealIntel, EitherCertificateOfTheRootIsTheRoot) {
  const IntelQuote td = quote(vectors() / kTd);
  for (const char* name : {"intel_sgx_root_ca.der", "intel_sgx_root_ca_2018_alt.der"}) {
    IntelEndorsements endorsed = endorsements(td, vectors() / kTdCollateral);
    endorsed.root = Certificate::from_der(file(vectors() / "intel/anchors" / name)).value();
    EXPECT_TRUE(verify(td, endorsed, from_rfc3339(kTime).value()).claims) << name;
  }
}

// ---- Intel's own samples, under a root of their own ------------------------------------------

// The rules of cryptography, which hold for samples whose other values are random.
constexpr std::array kCryptography{
    E::kIntelRootSelfSigned, E::kPckCaSignature,      E::kPckSignature, E::kPckKey,
    E::kTcbSigningChain,     E::kQeIdentitySignature, E::kQeSignature,  E::kQeBinding,
    E::kQuoteSignature};

void expect_sample(const IntelQuote& sample, const IntelEndorsements& endorsed, bool own_tcb_info) {
  const Instant at = from_rfc3339("2023-01-01T00:00:00Z").value();
  const TrustAnchor own{endorsed.root.spki_sha256(), std::string(kIntelProduct),
                        AnchorOrigin::kPrivate};
  const Verification verification =
      IntelVerifier({own}).verify(sample, endorsed, sample.report_data(), at);
  for (const E code : kCryptography) {
    EXPECT_EQ(holds(verification, code), true) << error_info(code).id;
  }
  EXPECT_EQ(holds(verification, E::kTcbInfoSignature), own_tcb_info);
  const Verification by_intel = verify(sample, endorsed, at);
  expect_refused(by_intel, E::kIntelRootPinned);
  EXPECT_EQ(by_intel.checks.size(), 1U);
}

TEST_F(RealIntel, SamplesHoldUnderTheirOwnRootAlone) {
  const fs::path sgx = vectors() / "intel/test-ca/sgx-v3";
  const IntelQuote enclave = quote(sgx / "quote.dat");
  expect_sample(enclave, endorsements(enclave, sgx), true);
  // The TDX sample's TCB info has components beyond a byte, and is no TCB info.
  const fs::path tdx = vectors() / "intel/test-ca/tdx-v4";
  const IntelQuote td = quote(tdx / "quote.dat");
  std::vector<EndorsementItem> items = items_of(tdx);
  for (EndorsementItem& item : items) {
    if (item.type == kTcbInfoType) {
      EXPECT_TRUE(parse_tcb_info(item.data).error().is(EvidenceError::kIntelTcbInfo));
      item.data = file(sgx / "tcbInfo.json");
    }
  }
  expect_sample(td, collect_intel_endorsements(td, items).value(), false);
}

// ---- Event log -------------------------------------------------------------------------------

TEST_F(RealIntel, EventLogGivesTheRegisters) {
  const fs::path path = vectors() / "tdx/quotes/v4-00806f05-gce-cos113.quote.bin";
  const IntelQuote td = quote(path);
  const json::Value first = first_of(path);
  const IntelEndorsements endorsed = endorsements(td, vectors() / text(first, "collateral"));
  const Instant at = time_at(first, "verify_at");
  EventLog log = parse_event_log(file(vectors() / "tdx/ccel/gce-cos113.ccel.bin")).value();
  const Verification verification = verify(td, endorsed, at, &log);
  ASSERT_TRUE(verification.claims) << verification.claims.error().to_string();
  EXPECT_TRUE(verification.claims.value()->event_log_checked);
  log.events.pop_back();
  expect_refused(verify(td, endorsed, at, &log), E::kEventLogReplay);
}

}  // namespace
}  // namespace ensconce
