// One bit flipped in evidence, in a certificate, in a revocation list or in signed JSON, and it is
// refused: every bit of evidence, and of what vouches for it every bit of every few bytes. What is
// flipped goes in by the front door, EvidenceVerifier. What may change without a refusal is named
// below, bit by bit, and the test fails where such a bit is refused after all.

#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <functional>

#include "ensconce/sim/azure_vtpm.h"
#include "made_intel.h"
#include "made_snp.h"

namespace ensconce {
namespace {

using made::kNow;

// Sanitizers make a verification some ten times slower: there one byte of many stands for the rest.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::size_t kThinning = 17;
#else
constexpr std::size_t kThinning = 1;
#endif
// Between the bytes that are sampled. Coprime to the lengths that repeat in DER and JSON.
constexpr std::size_t kSample = 5;

// World is evidence that is accepted, and what vouches for it. Nothing is expected of the report
// data: a signature must refuse what is flipped there too.
struct World {
  World(std::vector<TrustAnchor> anchors, EvidenceItem the_evidence,
        std::vector<EndorsementItem> the_pool)
      : verifier(std::move(anchors), &memo),
        evidence(std::move(the_evidence)),
        pool(std::move(the_pool)) {}

  SignatureMemo memo;  // what was not flipped need not be checked again
  EvidenceVerifier verifier;
  EvidenceItem evidence;
  std::vector<EndorsementItem> pool;

  [[nodiscard]] bool accepts(const EvidenceItem& item,
                             std::span<const EndorsementItem> endorsements) const {
    return verifier.verify(item, endorsements, std::nullopt, kNow).claims.has_value();
  }
  [[nodiscard]] bool accepts_evidence(const Bytes& data) const {
    return accepts({evidence.type, data}, pool);
  }
  [[nodiscard]] bool accepts_in_pool(std::size_t index, const Bytes& data) const {
    std::vector<EndorsementItem> changed = pool;
    changed[index].data = data;
    return accepts(evidence, changed);
  }
};

// ---- Flipping ----------------------------------------------------------------------------------

struct Range {
  std::size_t from = 0;
  std::size_t to = 0;
  std::size_t step = 1;
};
using Accepts = std::function<bool(const Bytes&)>;
using Neutral = std::function<bool(std::size_t at, int bit)>;

bool nothing_is_neutral(std::size_t /*at*/, int /*bit*/) { return false; }

void flip(const char* what, const Bytes& bytes, const Range& range, const Accepts& accepts,
          const Neutral& is_neutral = nothing_is_neutral) {
  ASSERT_TRUE(accepts(bytes)) << what << ": refused as it is";
  const auto begin = std::chrono::steady_clock::now();
  std::size_t tried = 0;
  std::size_t neutral = 0;
  for (std::size_t at = range.from; at < range.to; at += range.step * kThinning) {
    for (int bit = 0; bit < 8; ++bit) {
      Bytes changed = bytes;
      changed[at] = static_cast<std::uint8_t>(changed[at] ^ 1U << bit);
      const bool expected = is_neutral(at, bit);
      ++tried;
      neutral += expected ? 1 : 0;
      EXPECT_EQ(accepts(changed), expected) << what << ": bit " << bit << " of byte " << at;
    }
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  std::printf("%-36s %6zu flips, %4zu neutral, %6.1f s\n", what, tried, neutral, took.count());
}

Range every(const Bytes& bytes) { return {0, bytes.size(), 1}; }
Range sampled(const Bytes& bytes) { return {0, bytes.size(), kSample}; }

void flip_pool(const World& world, std::size_t index, const char* what,
               const Neutral& is_neutral = nothing_is_neutral) {
  const Bytes& data = world.pool[index].data;
  flip(
      what, data, sampled(data),
      [&](const Bytes& changed) { return world.accepts_in_pool(index, changed); }, is_neutral);
}

// ---- SEV-SNP -----------------------------------------------------------------------------------

World snp_world(const SnpPki& pki, const SnpReport& report) {
  return {{made::anchor_of(pki)},
          {"snp", pki.sign_report(report)},
          pki.endorsements(pki.crl_der(kNow, {0x10002}))};
}

SnpReport milan_report() {
  ByteArray<64> data{};
  data.fill(0x5a);
  return made::report_for(made::shared_pki(), data);
}

void flip_whole_evidence(const World& world, const char* what) {
  flip(what, world.evidence.data, every(world.evidence.data),
       [&](const Bytes& changed) { return world.accepts_evidence(changed); });
}

TEST(BitFlips, AreRefusedInAnSnpReport) {
  const World world = snp_world(made::shared_pki(), milan_report());
  flip_whole_evidence(world, "SNP report, version 3");
}

TEST(BitFlips, AreRefusedInAnSnpReportOfVersion5) {
  SnpPkiOptions options;
  options.product = SnpProduct::kTurin;
  const SnpPki pki = made::make_pki(options);
  SnpReport report = made::report_for(pki, {});
  report.version = 5;
  report.launch_mitigations = 3;
  report.current_mitigations = 7;
  flip_whole_evidence(snp_world(pki, report), "SNP report, version 5");
}

TEST(BitFlips, AreRefusedInWhatVouchesForAnSnpReport) {
  const World world = snp_world(made::shared_pki(), milan_report());
  ASSERT_EQ(world.pool.size(), 4U);
  const char* names[] = {"VCEK", "ASK", "ARK", "AMD revocation list"};
  for (std::size_t i = 0; i < world.pool.size(); ++i) {
    flip_pool(world, i, names[i]);
  }
}

// ---- TDX and SGX -------------------------------------------------------------------------------

ByteArray<64> quoted_data() {
  ByteArray<64> data{};
  data.fill(0x5b);
  return data;
}

World intel_world(const IntelQuote& quote) {
  const IntelPki& pki = made::shared_intel_pki();
  return {{made::anchor_of(pki)},
          {quote.is_tdx() ? "tdx" : "sgx", write_intel_quote(quote)},
          pki.endorsements(quote.is_tdx(), kNow)};
}

// The certificates come last in a quote; nothing but their own signatures covers them.
void flip_quote(const IntelQuote& unsigned_quote, const char* what) {
  const IntelQuote quote = made::shared_intel_pki().sign(unsigned_quote);
  const World world = intel_world(quote);
  const Bytes& bytes = world.evidence.data;
  const std::size_t chain = bytes.size() - quote.certification_data.size();
  const auto accepts = [&](const Bytes& changed) { return world.accepts_evidence(changed); };
  flip(what, bytes, {0, chain, 1}, accepts);
  flip("  its certificates in PEM", bytes, {chain, bytes.size(), 4 * kSample + 1}, accepts);
}

IntelQuote td_quote(std::uint16_t version, bool td10) {
  IntelQuote quote = made::shared_intel_pki().td_quote_template(version, td10);
  std::get<TdReport>(quote.body).report_data = quoted_data();
  return quote;
}

TEST(BitFlips, AreRefusedInATdxQuoteOfVersion4) {
  flip_quote(td_quote(4, true), "TDX quote, version 4");
}

TEST(BitFlips, AreRefusedInATdxQuoteOfVersion5) {
  flip_quote(td_quote(5, false), "TDX quote, version 5, TD 1.5");
}

TEST(BitFlips, AreRefusedInAnSgxQuote) {
  flip_quote(made::sgx_quote(made::shared_intel_pki(), quoted_data()), "SGX quote, version 3");
}

// The chain in DER, one certificate behind the other, so that each bit of it is a bit of DER.
TEST(BitFlips, AreRefusedInAPckChain) {
  const IntelPki& pki = made::shared_intel_pki();
  IntelQuote quote = pki.sign(made::sgx_quote(pki, quoted_data()));
  quote.certification_data = concat({pki.pck().der(), pki.pck_ca().der(), pki.root().der()});
  const World world = intel_world(quote);
  const Bytes& bytes = world.evidence.data;
  flip("PCK, its CA and Intel's root", bytes,
       {bytes.size() - quote.certification_data.size(), bytes.size(), kSample},
       [&](const Bytes& changed) { return world.accepts_evidence(changed); });
}

// In Intel's JSON the signature covers the bytes of the inner object. It stands itself in hex
// digits, outside those bytes, and a digit is the same digit in either case: there alone, bit 5 of
// a letter changes nothing. (Nor would white space between the two members; there is none.)
Neutral case_of_the_signature(const Bytes& json) {
  const std::string_view text = as_text(json);
  const std::string_view name = R"("signature":")";
  const std::size_t from = text.find(name) + name.size();
  return [text, from](std::size_t at, int bit) {
    return bit == 5 && at >= from && at < from + 128 && text[at] >= 'a' && text[at] <= 'f';
  };
}

void flip_collateral(bool tdx, std::array<const char*, 5> names) {
  const IntelPki& pki = made::shared_intel_pki();
  const IntelQuote unsigned_quote =
      tdx ? made::td_quote(pki, quoted_data()) : made::sgx_quote(pki, quoted_data());
  const World world = intel_world(pki.sign(unsigned_quote));
  ASSERT_EQ(world.pool.size(), names.size());
  for (std::size_t i = 0; i < names.size(); ++i) {
    const EndorsementItem& item = world.pool[i];
    const bool json = item.type == kTcbInfoType || item.type == kQeIdentityType;
    flip_pool(world, i, names[i], json ? case_of_the_signature(item.data) : nothing_is_neutral);
  }
}

TEST(BitFlips, AreRefusedInWhatVouchesForATdxQuote) {
  flip_collateral(true, {"TCB signing", "TCB info of TDX", "QE identity of TDX", "PCK list",
                         "Intel root list"});
}

TEST(BitFlips, AreRefusedInWhatVouchesForAnSgxQuote) {
  flip_collateral(false, {"TCB signing", "TCB info of SGX", "QE identity of SGX", "PCK list",
                          "Intel root list"});
}

// ---- Azure -------------------------------------------------------------------------------------

const AzureVtpm& vtpm() {
  static const AzureVtpm made = AzureVtpm::generate();
  return made;
}

World azure_world(const AzureEvidence& evidence, std::vector<EndorsementItem> pool) {
  return {{made::anchor_of(made::shared_pki()), made::anchor_of(made::shared_intel_pki())},
          {evidence.is_tdx() ? "azure-tdx" : "azure-snp", write_azure_evidence(evidence)},
          std::move(pool)};
}

World azure_snp_world() {
  const SnpPki& pki = made::shared_pki();
  const AzureEvidence evidence =
      vtpm().on_snp(pki, made::report_for(pki, {}), vtpm().runtime_data(), Bytes(32, 0x5c));
  return azure_world(evidence, {{std::string(kCertificateType), pki.ask().der()},
                                {std::string(kCertificateType), pki.ark().der()},
                                {std::string(kCrlType), pki.crl_der(kNow)}});
}

World azure_tdx_world() {
  const IntelPki& pki = made::shared_intel_pki();
  const AzureEvidence evidence =
      vtpm().on_tdx(pki, pki.td_quote_template(4, true), vtpm().runtime_data(), Bytes(32, 0x5c));
  return azure_world(evidence, pki.endorsements(true, kNow));
}

// flip_member flips bits of one part of the evidence, before it is written as JSON.
void flip_member(const World& world, const char* what, Bytes AzureEvidence::*member,
                 std::size_t step, const Neutral& is_neutral = nothing_is_neutral) {
  const AzureEvidence evidence = parse_azure_evidence(world.evidence.data).value();
  flip(
      what, evidence.*member, {0, (evidence.*member).size(), step},
      [&](const Bytes& changed) {
        AzureEvidence other = evidence;
        other.*member = changed;
        return world.accepts_evidence(write_azure_evidence(other));
      },
      is_neutral);
}

TEST(BitFlips, AreRefusedInTheQuoteOfAnAzureVtpm) {
  const World world = azure_snp_world();
  flip_member(world, "Azure, TPM message", &AzureEvidence::tpm_message, 1);
  flip_member(world, "Azure, TPM signature", &AzureEvidence::tpm_signature, 1);
  const AzureEvidence evidence = parse_azure_evidence(world.evidence.data).value();
  Bytes pcrs;
  for (const ByteArray<32>& pcr : evidence.pcrs) {
    pcrs.insert(pcrs.end(), pcr.begin(), pcr.end());
  }
  flip("Azure, PCRs", pcrs, every(pcrs), [&](const Bytes& changed) {
    AzureEvidence other = evidence;
    for (std::size_t i = 0; i < other.pcrs.size(); ++i) {
      other.pcrs[i] = to_array<32>(ByteView(changed).subspan(i * 32, 32)).value();
    }
    return world.accepts_evidence(write_azure_evidence(other));
  });
}

TEST(BitFlips, AreRefusedInAnHclReportOnSnp) {
  flip_member(azure_snp_world(), "Azure, HCL report on SNP", &AzureEvidence::hcl_report, kSample);
}

// The TDREPORT inside has a MAC, which its own machine alone can check. What stands in it and in
// the quote is compared; of the rest (types, hashes, the MAC, TEE_TCB_INFO, the tail of TDINFO)
// nothing is believed or shown, so nothing is refused.
TEST(BitFlips, AreRefusedInAnHclReportOnTdx) {
  constexpr std::size_t kTdReport = 32;
  constexpr std::size_t kTdReportLen = 1024;
  constexpr std::size_t kCompared = 2 * 8 + 8 * 48;  // ATTRIBUTES, XFAM, MRTD to RTMR3
  flip_member(azure_tdx_world(), "Azure, HCL report on TDX", &AzureEvidence::hcl_report, kSample,
              [](std::size_t at, int /*bit*/) {
                if (at < kTdReport || at >= kTdReport + kTdReportLen) {
                  return false;
                }
                const std::size_t inside = at - kTdReport;
                const bool report_data = inside >= 128 && inside < 192;
                const bool info = inside >= 512 && inside < 512 + kCompared;
                return !report_data && !info;
              });
}

TEST(BitFlips, AreRefusedInTheQuoteBesideAnHclReport) {
  const World world = azure_tdx_world();
  const AzureEvidence evidence = parse_azure_evidence(world.evidence.data).value();
  flip("Azure, TD quote", *evidence.td_quote, {0, evidence.td_quote->size(), 2 * kSample + 1},
       [&](const Bytes& changed) {
         AzureEvidence other = evidence;
         other.td_quote = changed;
         return world.accepts_evidence(write_azure_evidence(other));
       });
}

// The document as it travels. PCRs, message and signature are hex: a digit in the other case is
// the same digit.
void flip_document(const World& world, const char* what) {
  const std::string text(as_text(world.evidence.data));
  const std::size_t from = text.find("\"tpm_quote\"");
  const std::size_t to = text.find('}', from);
  const auto in_hex = [&](std::size_t at) {
    // Names of members are letters too: a digit's string has hex digits alone.
    const std::size_t begin = text.rfind('"', at) + 1;
    const std::size_t len = text.find('"', at) - begin;
    return text.find_first_not_of("0123456789abcdef", begin) == begin + len && len >= 64;
  };
  flip(
      what, world.evidence.data, {0, text.size(), 2 * kSample + 1},
      [&](const Bytes& changed) { return world.accepts_evidence(changed); },
      [&](std::size_t at, int bit) {
        return bit == 5 && at > from && at < to && text[at] >= 'a' && text[at] <= 'f' && in_hex(at);
      });
}

TEST(BitFlips, AreRefusedInADocumentOfAzureOnSnp) {
  flip_document(azure_snp_world(), "Azure, document on SNP");
}

}  // namespace
}  // namespace ensconce
