// Real evidence through the one door, as the tools take it: told by its content, with a directory
// of everything beside it, at a time it was good.

#include <gtest/gtest.h>

#include <algorithm>

#include "ensconce/attestation/endorsements/recognise.h"
#include "ensconce/attestation/verify/evidence_verifier.h"
#include "ensconce/attestation/verify/ra_tls_verifier.h"
#include "vector_files.h"

namespace ensconce {
namespace {

namespace fs = std::filesystem;
using vector_files::file;
using vector_files::json_file;
using vector_files::root;
using vector_files::text;

// Case is one vector: evidence, where what supports it lies, and what comes of it.
struct Case {
  std::string name;
  fs::path evidence;
  std::vector<fs::path> endorsements;
  Instant at;
  std::string expected;  // a TCB status, "" where there are none, or the id of a refusal
};
void PrintTo(const Case& one, std::ostream* out) { *out << one.name; }
std::string name_case(const testing::TestParamInfo<Case>& info) {
  std::string out = info.param.name;
  std::replace_if(
      out.begin(), out.end(),
      [](char c) { return std::isalnum(static_cast<unsigned char>(c)) == 0; }, '_');
  return out;
}

Instant at(const std::string& time) { return from_rfc3339(time).value(); }

std::vector<fs::path> expectations(const fs::path& dir) {
  std::vector<fs::path> out;
  if (fs::exists(dir)) {
    for (const auto& entry : fs::directory_iterator(dir)) {
      if (entry.path().filename().string().ends_with(".expected.json")) {
        out.push_back(entry.path());
      }
    }
  }
  std::sort(out.begin(), out.end());
  return out;
}

void add_snp(std::vector<Case>& out) {
  for (const fs::path& path : expectations(root() / "snp/reports")) {
    const json::Value vector = json_file(path);
    const json::Value& expected = *vector.find("expected");
    if (text(expected, "outcome") != "VALID") {
      continue;
    }
    const fs::path report = path.parent_path() / text(*vector.find("files"), "report");
    // Every chip's certificate and every vendor's root, of which the verifier takes its own.
    out.push_back({"snp_" + text(vector, "vector"),
                   report,
                   {root() / "snp/reports", root() / "snp/anchors"},
                   at(text(expected, "verify_at")),
                   ""});
  }
}

void add_quotes(const std::string& kind, std::vector<Case>& out) {
  for (const fs::path& path : expectations(root() / kind / "quotes")) {
    const json::Value vector = json_file(path);
    const json::Value* verifications = vector.find("verifications");
    if (verifications == nullptr) {
      continue;
    }
    for (const json::Value& one : **verifications->as_array("verifications")) {
      if (one.find("verify_at") == nullptr || !one.find("verify_at")->is_text()) {
        continue;  // no time at which all of its collateral is fresh
      }
      const std::string status = text(one, "tcb_status");
      const fs::path collateral = root() / text(one, "collateral");
      out.push_back({kind + "_" + text(vector, "vector") + "_" + collateral.filename().string(),
                     path.parent_path() / text(*vector.find("files"), "quote"),
                     {collateral},
                     at(text(one, "verify_at")),
                     status == "TCB_NOT_SUPPORTED" ? "intel.tcb.level" : status});
    }
  }
}

std::vector<Case> cases() {
  std::vector<Case> out;
  if (!fs::exists(root() / "snp")) {
    return out;
  }
  add_snp(out);
  add_quotes("tdx", out);
  add_quotes("sgx", out);
  const fs::path collateral = root() / "intel/collateral";
  for (const char* name : {"interop-gramine-sgx", "interop-rats-tls-sgx", "legacy-rats-tls-sgx"}) {
    out.push_back({std::string("ratls_") + name,
                   root() / "ratls" / (std::string(name) + ".pem"),
                   {collateral / "sgx-00606A000000-2025-08"},
                   at("2025-08-30T05:09:06Z"),
                   "OutOfDate"});
  }
  out.push_back({"azure_snp",
                 root() / "azure/snp-vtpm-milan.json",
                 {root() / "snp/anchors"},
                 at("2025-06-01T00:00:00Z"),
                 ""});
  out.push_back({"azure_tdx",
                 root() / "azure/tdx-vtpm.json",
                 {collateral / "tdx-90C06F000000-2026-02"},
                 at("2026-03-05T10:50:03Z"),
                 "UpToDate"});
  out.push_back({"tdx_padded",
                 root() / "tdx/quotes/v4-00806f05-gce-cos113.padded.bin",
                 {collateral / "tdx-00806F050000-2025-02", root() / "tdx/ccel"},
                 at("2025-02-28T03:44:50Z"),
                 "UpToDate"});
  return out;
}

std::vector<EndorsementItem> everything_in(const std::vector<fs::path>& directories) {
  std::vector<EndorsementItem> out;
  for (const fs::path& directory : directories) {
    for (const auto& entry : fs::directory_iterator(directory)) {
      if (const auto recognised = recognise(file(entry.path()))) {
        out.insert(out.end(), recognised->endorsements.begin(), recognised->endorsements.end());
      }
    }
  }
  return out;
}

Verification verify(const Case& one) {
  const auto recognised = recognise(file(one.evidence));
  if (!recognised) {
    return {{}, recognised.error()};
  }
  const std::vector<EndorsementItem> pool = everything_in(one.endorsements);
  if (recognised->ra_tls.has_value()) {
    return RaTlsVerifier(vendor_anchors()).verify(*recognised->ra_tls, pool, std::nullopt, one.at);
  }
  return EvidenceVerifier(vendor_anchors())
      .verify(recognised->evidence.value(), pool, std::nullopt, one.at);
}

class RealRecognised : public testing::TestWithParam<Case> {};

TEST_P(RealRecognised, GivesItsOutcome) {
  const Verification verification = verify(GetParam());
  if (!verification.claims) {
    EXPECT_EQ(verification.claims.error().id(), GetParam().expected)
        << verification.claims.error().to_string();
    return;
  }
  const EvidenceClaims& claims = **verification.claims;
  const IntelTcb* tcb = claims.intel_tcb();
  EXPECT_EQ(tcb == nullptr ? "" : name_of(tcb->status), GetParam().expected);
  EXPECT_EQ(claims.anchor.origin, AnchorOrigin::kVendor);
}

INSTANTIATE_TEST_SUITE_P(Vectors, RealRecognised, testing::ValuesIn(cases()), name_case);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(RealRecognised);

TEST(RealRecognisedFiles, AreThere) {
  if (!fs::exists(root() / "snp")) {
    GTEST_SKIP() << "no vectors at " << root() << "; set ENSCONCE_VECTORS";
  }
  EXPECT_GE(cases().size(), 30U);
}

}  // namespace
}  // namespace ensconce
