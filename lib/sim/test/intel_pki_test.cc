#include "ensconce/sim/intel_pki.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "ensconce/attestation/verify/trust_anchor.h"

// The simulated Intel against the forms it plays, and each knob against what it says it breaks. The
// verifier's own tests hold it against the verifier.
namespace ensconce {
namespace {

using std::chrono::hours;

constexpr Instant kNow{1'790'000'000'000};  // 2026-09-21T14:13:20Z
constexpr auto kEcdsa = Certificate::Scheme::kEcdsaSha256;
constexpr std::string_view kSgxExtension = "1.2.840.113741.1.13.1";

using Options = IntelPkiOptions;

IntelPki make(const std::function<void(Options&)>& change = {}) {
  SystemRandom random;
  Options options;
  if (change) {
    change(options);
  }
  return IntelPki::generate(options, random, kNow);
}
const IntelPki& pki() {
  static const IntelPki instance = make();
  return instance;
}

bool is_chain_error(const Result<void>& result) {
  return !result && result.error().is(CryptoError::kChain);
}

EcPublicKey p256(ByteView point) {
  return EcPublicKey::from_point(Curve::kP256, concat({Bytes{4}, point})).value();
}

// ---- Certificates ---------------------------------------------------------------------------

TEST(IntelPkiChain, LeadsFromTheRootToBothLeaves) {
  const IntelPki& p = pki();
  EXPECT_TRUE(p.root().verify_signed_by(p.root(), kEcdsa).has_value());
  EXPECT_TRUE(p.pck_ca().verify_signed_by(p.root(), kEcdsa).has_value());
  EXPECT_TRUE(p.pck().verify_signed_by(p.pck_ca(), kEcdsa).has_value());
  EXPECT_TRUE(p.tcb_signing().verify_signed_by(p.root(), kEcdsa).has_value());
  EXPECT_TRUE(p.root().self_issued());
  EXPECT_TRUE(p.pck_ca().issued_by_name(p.root()));
  EXPECT_TRUE(p.pck().issued_by_name(p.pck_ca()));
  EXPECT_TRUE(p.tcb_signing().issued_by_name(p.root()));
  EXPECT_EQ(p.root().subject_cn(), "Intel SGX Root CA");
  EXPECT_EQ(p.pck_ca().subject_cn(), "Intel SGX PCK Platform CA");
  EXPECT_EQ(p.pck().subject_cn(), "Intel SGX PCK Certificate");
  EXPECT_EQ(p.tcb_signing().subject_cn(), "Intel SGX TCB Signing");
}

TEST(IntelPkiChain, HasTheFormOfIntelsCertificates) {
  const IntelPki& p = pki();
  for (const Certificate& ca : {p.root(), p.pck_ca()}) {
    EXPECT_TRUE(ca.is_ca() && ca.may_sign_certificates() && ca.may_sign_crls());
  }
  for (const Certificate& leaf : {p.pck(), p.tcb_signing()}) {
    EXPECT_FALSE(leaf.is_ca() || leaf.may_sign_certificates() || leaf.may_sign_crls());
    EXPECT_EQ(leaf.critical_extensions(), (std::vector<std::string>{"2.5.29.15", "2.5.29.19"}));
  }
  for (const Certificate& c : {p.root(), p.pck_ca(), p.pck(), p.tcb_signing()}) {
    EXPECT_EQ(c.serial().size(), 20U);
    EXPECT_EQ(c.ec_public_key().value().curve(), Curve::kP256);
    EXPECT_LT(c.not_before(), kNow);
    EXPECT_GT(c.not_after(), kNow);
    EXPECT_TRUE(c.extension("2.5.29.31").has_value()) << "where its list is";
  }
  // authorityKeyIdentifier [0] of one is subjectKeyIdentifier of the other.
  const auto names_key_of = [](const Certificate& c, const Certificate& issuer) {
    const Bytes authority = c.extension("2.5.29.35").value();
    const Bytes subject = issuer.extension("2.5.29.14").value();
    return equal(ByteView(authority).subspan(4), ByteView(subject).subspan(2));
  };
  EXPECT_TRUE(names_key_of(p.pck(), p.pck_ca()));
  EXPECT_TRUE(names_key_of(p.pck_ca(), p.root()));
  EXPECT_TRUE(names_key_of(p.tcb_signing(), p.root()));
  EXPECT_FALSE(names_key_of(p.pck(), p.root()));
}

TEST(IntelPkiChain, MarksTheRootAsSimulatedUnlessTold) {
  EXPECT_TRUE(is_marked_simulated(pki().root()));
  EXPECT_FALSE(is_marked_simulated(pki().pck_ca()));
  EXPECT_FALSE(is_marked_simulated(make([](Options& o) { o.simulated_oid = false; }).root()));
  EXPECT_EQ(Certificate::many_from_pem(pki().root_pem()).value(), std::vector{pki().root()});
}

// The whole extension of a platform of the Processor CA, whose only random member is the PPID.
TEST(IntelPkiChain, WritesTheSgxExtensionAsIntelDoes) {
  const IntelPki p = make([](Options& o) {
    o.processor_ca = true;
    o.components[15] = 0xdb;
  });
  const Bytes value = p.pck().extension(kSgxExtension).value();
  const std::string arc = "060a2a864886f84d010d01";  // an OID of the arc and one number more
  const std::string tcb_arc = "060b2a864886f84d010d0102";
  std::string tcb;
  const char* const components[] = {"03", "03", "02", "02", "04", "01", "00", "05",
                                    "00", "00", "00", "00", "00", "00", "00"};
  for (std::size_t i = 0; i < 15; ++i) {
    tcb +=
        "3010" + tcb_arc + to_hex(Bytes{static_cast<std::uint8_t>(i + 1)}) + "0201" + components[i];
  }
  tcb += "3011" + tcb_arc + "10" + "020200db";
  tcb += "3010" + tcb_arc + "11" + "02010d";
  tcb += "301f" + tcb_arc + "12" + "0410" + "030302020401000500000000000000db";
  const std::string members = arc + "02" + "30820154" + tcb +             //
                              "3010" + arc + "03" + "04020000" +          //
                              "3014" + arc + "04" + "040690c06f000000" +  //
                              "300f" + arc + "05" + "0a0100";
  const std::string begin = "308201c1301e" + arc + "01" + "0410";
  const std::string hex = to_hex(value);
  EXPECT_EQ(hex.substr(0, begin.size()), begin);
  EXPECT_EQ(hex.substr(begin.size() + 32), "30820164" + members) << "behind the PPID";
}

TEST(IntelPkiChain, TellsTheProcessorCaFromThePlatformCa) {
  const IntelPki p = make([](Options& o) { o.processor_ca = true; });
  EXPECT_EQ(p.pck_ca().subject_cn(), "Intel SGX PCK Processor CA");
  EXPECT_TRUE(p.pck().verify_signed_by(p.pck_ca(), kEcdsa).has_value());
}

TEST(IntelPkiKnobs, SetNamesAndTimes) {
  const Instant past = kNow - hours(1);
  const IntelPki p = make([&](Options& o) {
    o.root_not_after = kNow + hours(1);
    o.ca_not_after = past;
    o.pck_not_before = kNow + hours(2);
    o.pck_not_after = kNow + hours(3);
    o.signing_not_after = past - hours(48);
    o.root_cn = "root";
    o.ca_cn = "ca";
    o.pck_cn = "pck";
    o.signing_cn = "signing";
  });
  EXPECT_EQ(p.root().not_after(), kNow + hours(1));
  EXPECT_EQ(p.pck_ca().not_after(), past);
  EXPECT_EQ(p.pck().not_before(), kNow + hours(2));
  EXPECT_EQ(p.pck().not_after(), kNow + hours(3));
  EXPECT_EQ(p.tcb_signing().not_after(), past - hours(48));
  EXPECT_EQ(p.root().subject_cn(), "root");
  EXPECT_EQ(p.pck_ca().subject_cn(), "ca");
  EXPECT_EQ(p.pck_ca().issuer_cn(), "root");
  EXPECT_EQ(p.pck().subject_cn(), "pck");
  EXPECT_EQ(p.tcb_signing().subject_cn(), "signing");
}

TEST(IntelPkiKnobs, BreakOneSignatureEach) {
  const auto broken = [](const IntelPki& p) {
    std::string out;
    const auto check = [&](const char* name, const Result<void>& result) {
      if (!result) {
        EXPECT_TRUE(is_chain_error(result)) << name;
        out += name;
      }
    };
    EXPECT_TRUE(p.pck_ca().issued_by_name(p.root()) && p.pck().issued_by_name(p.pck_ca()));
    check("root", p.root().verify_signed_by(p.root(), kEcdsa));
    check("ca", p.pck_ca().verify_signed_by(p.root(), kEcdsa));
    check("pck", p.pck().verify_signed_by(p.pck_ca(), kEcdsa));
    check("signing", p.tcb_signing().verify_signed_by(p.root(), kEcdsa));
    return out;
  };
  EXPECT_EQ(broken(pki()), "");
  EXPECT_EQ(broken(make([](Options& o) { o.ca_by_another_root = true; })), "ca");
  EXPECT_EQ(broken(make([](Options& o) { o.pck_by_another_ca = true; })), "pck");
  EXPECT_EQ(broken(make([](Options& o) { o.signing_by_another_root = true; })), "signing");
  EXPECT_EQ(broken(make([](Options& o) { o.root_signature_broken = true; })), "root");
}

TEST(IntelPkiKnobs, ChangeOneThingOfACertificateEach) {
  EXPECT_FALSE(make([](Options& o) { o.ca_without_ca = true; }).pck_ca().is_ca());
  EXPECT_TRUE(make([](Options& o) { o.pck_with_ca = true; }).pck().is_ca());
  EXPECT_EQ(
      make([](Options& o) { o.pck_critical_unknown = true; }).pck().critical_extensions().back(),
      "1.2.3.4");
  EXPECT_EQ(make([](Options& o) {
              o.pck_extension = Bytes{5, 0};
            })
                .pck()
                .extension(kSgxExtension),
            (Bytes{5, 0}));
  const IntelPki p384 = make([](Options& o) { o.pck_on_p384 = true; });
  EXPECT_EQ(p384.pck().ec_public_key().value().curve(), Curve::kP384);
  (void)p384.sign(p384.td_quote_template());
}

TEST(IntelPkiLists, ParseVerifyAndRevoke) {
  const IntelPki& p = pki();
  const Bytes other(20, 0x77);
  const auto pck_list =
      RevocationList::from_der(p.pck_crl(kNow, {other, p.pck().serial()})).value();
  EXPECT_TRUE(pck_list.verify_signed_by(p.pck_ca(), kEcdsa).has_value());
  EXPECT_TRUE(pck_list.issued_by_name(p.pck_ca()));
  EXPECT_TRUE(pck_list.lists(p.pck()));
  EXPECT_FALSE(pck_list.lists(p.pck_ca()));
  EXPECT_EQ(pck_list.this_update(), kNow - hours(1));
  EXPECT_EQ(pck_list.next_update(), kNow + hours(24 * 30));
  const auto root_list =
      RevocationList::from_der(p.root_crl(kNow, {p.tcb_signing().serial()})).value();
  EXPECT_TRUE(root_list.verify_signed_by(p.root(), kEcdsa).has_value());
  EXPECT_TRUE(root_list.issued_by_name(p.root()));
  EXPECT_TRUE(root_list.lists(p.tcb_signing()));
  EXPECT_FALSE(root_list.lists(p.pck_ca()));
  EXPECT_FALSE(RevocationList::from_der(p.pck_crl(kNow)).value().lists(p.pck()));
  EXPECT_FALSE(RevocationList::from_der(p.root_crl(kNow)).value().lists(p.pck_ca()));
}

// ---- Quotes ---------------------------------------------------------------------------------

std::vector<IntelQuote> templates() {
  const IntelPki& p = pki();
  return {p.td_quote_template(),        p.td_quote_template(4, true), p.td_quote_template(5),
          p.td_quote_template(5, true), p.sgx_quote_template(),       p.sgx_quote_template(4),
          p.sgx_quote_template(5)};
}

Result<void> verify_quote(const IntelQuote& quote) {
  return ecdsa_verify(p256(quote.attestation_key), intel_quote_signed_part(quote), quote.signature);
}
Result<void> verify_qe(const IntelQuote& quote) {
  return ecdsa_verify(pki().pck().ec_public_key().value(), write_sgx_report(quote.qe_report),
                      quote.qe_report_signature);
}
bool binds_attestation_key(const IntelQuote& quote) {
  const ByteView data = quote.qe_report.report_data;
  return equal(data.first(32), sha256(concat({quote.attestation_key, quote.qe_auth_data}))) &&
         all_zero(data.subspan(32));
}

TEST(IntelPkiQuote, IsSignedFromThePckToTheBody) {
  for (const IntelQuote& unsigned_quote : templates()) {
    IntelQuote quote = pki().sign(unsigned_quote);
    EXPECT_TRUE(verify_quote(quote).has_value()) << quote.version;
    EXPECT_TRUE(verify_qe(quote).has_value());
    EXPECT_TRUE(binds_attestation_key(quote));
    quote.user_data[0] ^= 1;
    EXPECT_FALSE(verify_quote(quote).has_value());
    quote.qe_report.isv_svn += 1;
    EXPECT_FALSE(verify_qe(quote).has_value());
  }
}

TEST(IntelPkiQuote, ParsesToWhatWasSigned) {
  for (const IntelQuote& unsigned_quote : templates()) {
    const IntelQuote quote = pki().sign(unsigned_quote);
    const auto parsed = parse_intel_quote(write_intel_quote(quote));
    ASSERT_TRUE(parsed.has_value()) << parsed.error().to_string();
    EXPECT_EQ(*parsed, quote);
  }
}

TEST(IntelPkiQuote, CarriesThePckChainLeafFirst) {
  const IntelQuote quote = pki().sign(pki().td_quote_template());
  EXPECT_EQ(quote.certification_type, 5);
  EXPECT_EQ(Certificate::many_from_pem(as_text(quote.certification_data)).value(),
            (std::vector{pki().pck(), pki().pck_ca(), pki().root()}));
  EXPECT_EQ(quote.certification_data.back(), '\n');
}

TEST(IntelPkiQuote, KeepsCertificationDataOfOtherTypes) {
  for (const std::uint16_t type : {std::uint16_t{1}, std::uint16_t{4}}) {
    IntelQuote quote = pki().sgx_quote_template();
    quote.certification_type = type;
    quote.certification_data = Bytes(36, 7);
    quote = pki().sign(quote);
    EXPECT_EQ(quote.certification_type, type);
    EXPECT_EQ(quote.certification_data, Bytes(36, 7));
    EXPECT_TRUE(verify_quote(quote).has_value());
  }
}

TEST(IntelPkiQuote, IsSignedAgainAsItStands) {
  IntelQuote quote = pki().sign(pki().td_quote_template());
  quote.qe_report.report_data[63] = 1;
  quote.qe_report.isv_svn = 1;
  const IntelQuote again = pki().resign_as_is(quote);
  EXPECT_EQ(again.qe_report, quote.qe_report);
  EXPECT_EQ(again.attestation_key, quote.attestation_key);
  EXPECT_EQ(again.certification_data, quote.certification_data);
  EXPECT_TRUE(verify_quote(again).has_value());
  EXPECT_TRUE(verify_qe(again).has_value());
  EXPECT_FALSE(binds_attestation_key(again));
}

TEST(IntelPkiQuote, TemplatesAreOfProductionAndOfThisPlatform) {
  for (const IntelQuote& quote : templates()) {
    EXPECT_EQ(to_hex(quote.qe_vendor_id), "939a7233f79c4ca9940a0db3957f0607");
    EXPECT_EQ(to_hex(quote.qe_auth_data),
              "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");
    EXPECT_FALSE(all_zero(ByteView(quote.user_data).first(16)));
    EXPECT_TRUE(all_zero(ByteView(quote.user_data).subspan(16)));
    EXPECT_EQ(quote.qe_svn, quote.version == 3 ? quote.qe_report.isv_svn : 0);
    EXPECT_EQ(quote.pce_svn, quote.version == 3 ? 13 : 0);
    EXPECT_EQ(to_hex(quote.qe_report.attributes), "1500000000000000e700000000000000");
    EXPECT_TRUE(all_zero(quote.report_data()));
    if (const auto* td = std::get_if<TdReport>(&quote.body)) {
      EXPECT_FALSE(td->debug());
      EXPECT_TRUE(td->sept_ve_disable());
      EXPECT_TRUE(all_zero(td->mr_td));
      EXPECT_EQ(td->xfam[0] & 3, 3);
    } else {
      const auto& enclave = std::get<SgxReport>(quote.body);
      EXPECT_TRUE(enclave.init() && enclave.mode64() && !enclave.debug());
      EXPECT_FALSE(enclave.provision_key());
    }
  }
  const auto is_15 = [](const IntelQuote& quote) {
    const auto& td = std::get<TdReport>(quote.body);
    EXPECT_EQ(td.tee_tcb_svn_2.has_value(), td.mr_service_td.has_value());
    return td.tee_tcb_svn_2.has_value();
  };
  EXPECT_FALSE(is_15(pki().td_quote_template()));
  EXPECT_TRUE(is_15(pki().td_quote_template(5)));
  EXPECT_FALSE(is_15(pki().td_quote_template(5, true)));
}

}  // namespace
}  // namespace ensconce
