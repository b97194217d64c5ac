#include "ensconce/attestation/endorsements/intel_endorsements.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <set>

#include "ensconce/base/file.h"
#include "ensconce/codec/json.h"
#include "made_collateral.h"

namespace ensconce {
namespace {

using E = EvidenceError;
using made::replaced;

Instant at(std::string_view text) { return from_rfc3339(text).value(); }
const Instant kFrom = at("2025-01-01T00:00:00Z");
const Instant kUntil = at("2035-01-01T00:00:00Z");
const Instant kDayAfter = kFrom + Millis(86'400'000);

CertificateBuilder& named(CertificateBuilder& builder, std::string cn, Instant from = kFrom) {
  return builder.subject_cn(std::move(cn))
      .organisation("", "US", "Santa Clara", "CA", "Intel Corporation")
      .validity(from, kUntil);
}

// Names and extensions of Intel's hierarchy. Which key signs matters to no one here, so one key
// signs all.
struct Pki {
  EcPrivateKey key = EcPrivateKey::generate(Curve::kP256);
  RsaPrivateKey list_key = RsaPrivateKey::generate(2048);

  [[nodiscard]] Certificate root_from(Instant from,
                                      const std::string& cn = "Intel SGX Root CA") const {
    CertificateBuilder b;
    return named(b, cn, from).ca(1, true).self_sign(key);
  }
  [[nodiscard]] Certificate issue(CertificateBuilder& b, const Certificate& issuer) const {
    return b.key(key.public_key()).issue(issuer, key);
  }
  [[nodiscard]] Certificate ca_of(const std::string& cn, const Certificate& issuer) const {
    CertificateBuilder b;
    return issue(named(b, cn).ca(0, true), issuer);
  }
  [[nodiscard]] Certificate pck_of(const Certificate& issuer, const made::PckOptions& options = {},
                                   Instant from = kFrom) const {
    CertificateBuilder b;
    named(b, "Intel SGX PCK Certificate", from)
        .extension("1.2.840.113741.1.13.1", made::sequence(made::pck_entries(options)));
    return issue(b, issuer);
  }
  [[nodiscard]] Certificate signing_of(const Certificate& issuer, Instant from = kFrom,
                                       const std::string& cn = "Intel SGX TCB Signing") const {
    CertificateBuilder b;
    return issue(named(b, cn, from), issuer);
  }
  [[nodiscard]] Bytes list_of(const Certificate& issuer, Instant from = kFrom) const {
    return CertificateBuilder::make_crl(issuer, list_key, from, kUntil, {});
  }

  Certificate root = root_from(kFrom);
  Certificate ca = ca_of("Intel SGX PCK Platform CA", root);
  Certificate pck = pck_of(ca);
  Certificate signing = signing_of(root);
};
const Pki& pki() {
  static const Pki instance;
  return instance;
}

IntelQuote quote_of(std::uint16_t type, const Bytes& data, bool tdx = true) {
  IntelQuote quote;
  if (tdx) {
    quote.body = TdReport();
  } else {
    quote.body = SgxReport();
  }
  quote.certification_type = type;
  quote.certification_data = data;
  return quote;
}
IntelQuote quote_with(const std::vector<Certificate>& chain, bool tdx = true) {
  std::string pem;
  for (const Certificate& certificate : chain) {
    pem += made::pem_of(certificate);
  }
  return quote_of(5, to_bytes(pem), tdx);
}
IntelQuote td_quote() { return quote_with({pki().pck, pki().ca, pki().root}); }
IntelQuote sgx_quote() { return quote_with({pki().pck, pki().ca, pki().root}, false); }

EndorsementItem certificate_item(const Certificate& c) {
  return {std::string(kCertificateType), c.der()};
}
EndorsementItem list_item(const Bytes& der) { return {std::string(kCrlType), der}; }
EndorsementItem tcb_item(const std::string& inner) {
  return {std::string(kTcbInfoType), to_bytes(made::answer("tcbInfo", inner))};
}
EndorsementItem identity_item(const std::string& inner) {
  return {std::string(kQeIdentityType), to_bytes(made::answer("enclaveIdentity", inner))};
}

// pool is what a TD's verifier needs beside the quote: TCB info, identity, signing certificate,
// lists of PCK CA and root.
enum : std::size_t { kTcb, kIdentity, kSigning, kPckList, kRootList };
std::vector<EndorsementItem> pool() {
  return {tcb_item(made::tdx_tcb_info()), identity_item(made::qe_identity()),
          certificate_item(pki().signing), list_item(pki().list_of(pki().ca)),
          list_item(pki().list_of(pki().root))};
}
std::vector<EndorsementItem> pool_with(std::vector<EndorsementItem> more) {
  std::vector<EndorsementItem> items = pool();
  // Before and after: what is taken does not hang on the order.
  items.insert(items.begin(), more.begin(), more.end());
  items.insert(items.end(), more.begin(), more.end());
  return items;
}
std::vector<EndorsementItem> pool_without(std::size_t index) {
  std::vector<EndorsementItem> items = pool();
  items.erase(items.begin() + static_cast<std::ptrdiff_t>(index));
  return items;
}

IntelEndorsements collected(const IntelQuote& quote, const std::vector<EndorsementItem>& items) {
  auto out = collect_intel_endorsements(quote, items);
  EXPECT_TRUE(out) << out.error().to_string();
  return *std::move(out);
}

Error refused(const IntelQuote& quote, const std::vector<EndorsementItem>& items) {
  auto out = collect_intel_endorsements(quote, items);
  EXPECT_FALSE(out);
  return out ? Error(BaseError::kInvalidArgument) : out.error();
}

bool says(const std::string& text, std::string_view what) {
  return text.find(what) != std::string::npos;
}

// ---- certificates_of_quote ------------------------------------------------------------------

TEST(QuoteCertificates, AreReadFromPemWithOrWithoutANul) {
  const std::vector<Certificate> chain = {pki().pck, pki().ca, pki().root};
  IntelQuote quote = quote_with(chain);
  EXPECT_EQ(certificates_of_quote(quote).value(), chain);
  quote.certification_data.push_back(0);
  EXPECT_EQ(certificates_of_quote(quote).value(), chain);
  quote.certification_data.push_back(0);
  EXPECT_TRUE(certificates_of_quote(quote).error().is(E::kIntelCertification)) << "two NULs";
}

TEST(QuoteCertificates, AreReadFromDerInAnyOrder) {
  const IntelQuote quote = quote_of(5, concat({pki().root.der(), pki().pck.der(), pki().ca.der()}));
  EXPECT_EQ(certificates_of_quote(quote).value(),
            (std::vector<Certificate>{pki().root, pki().pck, pki().ca}));
}

TEST(QuoteCertificates, AreThePckAloneForType4) {
  EXPECT_EQ(certificates_of_quote(quote_of(4, pki().pck.der())).value(),
            std::vector<Certificate>{pki().pck});
  EXPECT_EQ(certificates_of_quote(quote_of(4, to_bytes(made::pem_of(pki().pck)))).value(),
            std::vector<Certificate>{pki().pck});
  EXPECT_TRUE(certificates_of_quote(quote_of(4, concat({pki().pck.der(), pki().ca.der()})))
                  .error()
                  .is(E::kIntelCertification));
}

TEST(QuoteCertificates, AreNoneForOtherTypes) {
  for (const std::uint16_t type : {0, 1, 2, 3, 6, 7}) {
    EXPECT_TRUE(certificates_of_quote(quote_of(type, pki().pck.der())).value().empty());
  }
}

TEST(QuoteCertificates, RejectOtherForms) {
  const std::string pem = made::pem_of(pki().pck);
  const auto refuses = [](const Bytes& data, std::string_view why) {
    const auto chain = certificates_of_quote(quote_of(5, data));
    ASSERT_FALSE(chain) << why;
    EXPECT_TRUE(chain.error().is(E::kIntelCertification));
    EXPECT_TRUE(says(chain.error().detail(), why)) << chain.error().detail();
  };
  refuses({}, "no certificate in PEM");
  refuses(to_bytes(pem + "x"), "neither certificates in PEM nor in DER");
  refuses(to_bytes("x" + pem), "neither certificates in PEM nor in DER");
  refuses(to_bytes(pem + "text\n" + pem), "neither certificates in PEM nor in DER");
  refuses(to_bytes(pem.substr(0, pem.size() - 10)), "neither certificates in PEM nor in DER");
  refuses(to_bytes(replaced(pem, "MII", "!II")), "not base64");
  refuses(concat({pki().pck.der(), Bytes{0x30, 5, 0}}), "certificates in DER");
  refuses(concat({pki().pck.der(), Bytes{0}}), "certificates in DER");
  refuses(Bytes{0x30, 0}, "");
  std::string eight;
  Bytes eight_der;
  for (int i = 0; i < 8; ++i) {
    eight += pem;
    eight_der = concat({eight_der, pki().pck.der()});
  }
  EXPECT_EQ(certificates_of_quote(quote_of(5, to_bytes(eight))).value().size(), 8U);
  EXPECT_EQ(certificates_of_quote(quote_of(5, eight_der)).value().size(), 8U);
  refuses(to_bytes(eight + pem), "more than 8 certificates");
  refuses(concat({eight_der, pki().pck.der()}), "more than 8 certificates");
}

// ---- collect_intel_endorsements -------------------------------------------------------------

TEST(IntelEndorsements, AreSortedByContentInAnyOrder) {
  std::vector<EndorsementItem> items = pool();
  for (int i = 0; i < 2; ++i) {
    const IntelEndorsements got = collected(td_quote(), items);
    EXPECT_EQ(got.pck, pki().pck);
    EXPECT_EQ(got.pck_ca, pki().ca);
    EXPECT_EQ(got.root, pki().root);
    EXPECT_EQ(got.tcb_signing, pki().signing);
    EXPECT_TRUE(got.tcb_info.is_tdx);
    EXPECT_EQ(got.qe_identity.id, "TD_QE");
    ASSERT_TRUE(got.pck_crl.has_value());
    EXPECT_TRUE(got.pck_crl->issued_by_name(pki().ca));
    ASSERT_TRUE(got.root_crl.has_value());
    EXPECT_TRUE(got.root_crl->issued_by_name(pki().root));
    std::reverse(items.begin(), items.end());
  }
}

TEST(IntelEndorsements, TakeTheChainFromThePoolWhereTheQuoteHasNone) {
  const std::vector<EndorsementItem> items = pool_with(
      {certificate_item(pki().root), certificate_item(pki().pck), certificate_item(pki().ca)});
  for (const IntelQuote& quote : {quote_of(3, {}), quote_of(4, pki().pck.der())}) {
    const IntelEndorsements got = collected(quote, items);
    EXPECT_EQ(got.pck, pki().pck);
    EXPECT_EQ(got.pck_ca, pki().ca);
    EXPECT_EQ(got.root, pki().root);
  }
}

TEST(IntelEndorsements, PreferTheQuotesOwnChain) {
  // All of it later than the quote's, and it would do.
  const Certificate root = pki().root_from(kDayAfter);
  const Certificate pck = pki().pck_of(pki().ca, {}, kDayAfter);
  const auto items = pool_with({certificate_item(root), certificate_item(pck)});
  EXPECT_EQ(collected(td_quote(), items).root, pki().root);
  EXPECT_EQ(collected(td_quote(), items).pck, pki().pck);
  // Without the quote's, that which was issued last.
  EXPECT_EQ(collected(quote_with({pki().pck, pki().ca}), items).root, root);
}

TEST(IntelEndorsements, TakeThePckTheQuoteNames) {
  const Certificate other = pki().pck_of(pki().ca, {.pce_svn = 14}, kDayAfter);
  const auto items = pool_with({certificate_item(other), certificate_item(pki().pck),
                                certificate_item(pki().ca), certificate_item(pki().root)});
  const auto named_by = [&](std::uint16_t type, std::size_t ppid_len, std::uint8_t pce_svn) {
    const Bytes data = concat({Bytes(ppid_len, 0x11), Bytes(16, 0xc5), Bytes{pce_svn, 0, 0, 0}});
    return collected(quote_of(type, data), items).pck;
  };
  for (const auto& [type, len] :
       std::vector<std::pair<std::uint16_t, std::size_t>>{{1, 16}, {2, 256}, {3, 384}}) {
    EXPECT_EQ(named_by(type, len, 13), pki().pck) << type;
    EXPECT_EQ(named_by(type, len, 14), other) << type;
    EXPECT_EQ(named_by(type, len, 15), other) << "none fits: the last, type " << type;
    EXPECT_EQ(named_by(type, len - 2, 13), other) << "another length says nothing, type " << type;
    const Bytes longer = concat({Bytes(len, 0x11), Bytes(16, 0xc5), Bytes{13, 0, 0, 0, 0}});
    EXPECT_EQ(collected(quote_of(type, longer), items).pck, other) << type;
  }
  // Each part that names it counts.
  for (const std::size_t part : {0, 16, 34}) {
    Bytes data = concat({Bytes(16, 0x11), Bytes(16, 0xc5), Bytes{13, 0, 0, 0}});
    EXPECT_EQ(collected(quote_of(1, data), items).pck, pki().pck);
    data[part] ^= 1;
    EXPECT_EQ(collected(quote_of(1, data), items).pck, other) << part;
  }
}

TEST(IntelEndorsements, TakeTheTcbInfoOfThePlatform) {
  const std::string good = made::tdx_tcb_info();
  const std::string late = replaced(good, "2026-02-18T10:58:51Z", "2026-02-19T10:58:51Z");
  const auto items = pool_with(
      {tcb_item(replaced(late, "90C06F", "50806F")),
       tcb_item(replaced(late, "\"pceId\":\"0000\"", "\"pceId\":\"0001\"")),
       tcb_item(replaced(made::sgx_tcb_info(), "2026-02-18T10:58:51Z", "2026-02-19T10:58:51Z"))});
  EXPECT_EQ(as_text(collected(td_quote(), items).tcb_info.signed_bytes), good);
  auto sgx_items = items;
  sgx_items.push_back(identity_item(replaced(made::qe_identity(), "TD_QE", "QE")));
  EXPECT_FALSE(collected(sgx_quote(), sgx_items).tcb_info.is_tdx);
}

TEST(IntelEndorsements, TakeTheIdentityOfTheTee) {
  const auto qe = identity_item(replaced(replaced(made::qe_identity(), "TD_QE", "QE"),
                                         "2026-02-18T10:58:51Z", "2026-02-19T10:58:51Z"));
  EXPECT_EQ(collected(td_quote(), pool_with({qe})).qe_identity.id, "TD_QE");
  EXPECT_EQ(collected(sgx_quote(), pool_with({qe})).qe_identity.id, "QE");
}

TEST(IntelEndorsements, TakeWhatWasIssuedLast) {
  const auto later = [](const std::string& inner) {
    return replaced(inner, "2026-02-18T10:58:51Z", "2026-02-19T10:58:51Z");
  };
  const auto items =
      pool_with({tcb_item(later(made::tdx_tcb_info())), identity_item(later(made::qe_identity())),
                 list_item(pki().list_of(pki().ca, kDayAfter)),
                 list_item(pki().list_of(pki().root, kDayAfter))});
  const IntelEndorsements got = collected(td_quote(), items);
  EXPECT_EQ(got.tcb_info.issued, at("2026-02-19T10:58:51Z"));
  EXPECT_EQ(got.qe_identity.issued, at("2026-02-19T10:58:51Z"));
  EXPECT_EQ(got.pck_crl->this_update(), kDayAfter);
  EXPECT_EQ(got.root_crl->this_update(), kDayAfter);
}

TEST(IntelEndorsements, TakeTheSigningCertificateOfTheTime) {
  const Instant issued = at("2026-02-18T10:58:51Z");
  const Certificate later = pki().signing_of(pki().root, issued + Millis(1000));
  EXPECT_EQ(collected(td_quote(), pool_with({certificate_item(later)})).tcb_signing, pki().signing)
      << "it was not valid when the TCB info was signed";
  CertificateBuilder b;
  named(b, "Intel SGX TCB Signing").validity(kDayAfter, issued - Millis(1000));
  const Certificate expired = pki().issue(b, pki().root);
  EXPECT_EQ(collected(td_quote(), pool_with({certificate_item(expired)})).tcb_signing,
            pki().signing);
  const Certificate in_time = pki().signing_of(pki().root, issued);
  EXPECT_EQ(collected(td_quote(), pool_with({certificate_item(in_time)})).tcb_signing, in_time);
}

TEST(IntelEndorsements, KnowTheSigningCertificateByNameIssuerAndKind) {
  const Certificate foreign_root = pki().root_from(kFrom, "Another Root");
  const Certificate by_another = pki().signing_of(foreign_root, kDayAfter);
  const Certificate unnamed = pki().signing_of(pki().root, kDayAfter, "Signer");
  const Certificate ca = pki().ca_of("Intel SGX PCK Processor CA", pki().root);
  CertificateBuilder b;
  const EcPrivateKey p384 = EcPrivateKey::generate(Curve::kP384);
  const Certificate vcek =
      named(b, "SEV-VCEK", kDayAfter).key(p384.public_key()).issue(foreign_root, pki().key);
  const std::vector<EndorsementItem> others = {
      certificate_item(by_another), certificate_item(unnamed),      certificate_item(ca),
      certificate_item(vcek),       certificate_item(foreign_root), certificate_item(pki().pck)};
  EXPECT_EQ(collected(td_quote(), pool_with(others)).tcb_signing, pki().signing);

  // Without it: by its name, then whatever is no CA and has no other role.
  const auto taken = [&](std::vector<EndorsementItem> more) {
    std::vector<EndorsementItem> items = pool_without(kSigning);
    items.insert(items.end(), more.begin(), more.end());
    return collected(td_quote(), items).tcb_signing;
  };
  EXPECT_EQ(taken(others), by_another);
  EXPECT_EQ(taken({others[1], others[2], others[3], others[4], others[5]}), unnamed);
  CertificateBuilder own;
  const Certificate self_signed = named(own, "localhost").self_sign(pki().key);
  const Certificate no_ca = pki().signing_of(pki().root, kFrom, "Intel SGX PCK Platform CA");
  std::vector<EndorsementItem> none = pool_without(kSigning);
  none.insert(none.end(), others.begin() + 2, others.end());
  none.push_back(certificate_item(self_signed));
  EXPECT_TRUE(says(refused(td_quote(), none).detail(), "the TCB signing certificate"));
  // What the quote has as the PCK's issuer is not the signer of TCB info as well.
  none.push_back(certificate_item(no_ca));
  EXPECT_TRUE(says(refused(quote_with({pki().pck, no_ca, pki().root}), none).detail(),
                   "the TCB signing certificate"));
}

TEST(IntelEndorsements, KeepWhatDoesNotFitForTheVerifierToJudge) {
  std::vector<EndorsementItem> items = pool();
  items[kTcb] = tcb_item(replaced(made::tdx_tcb_info(), "90C06F", "50806F"));
  EXPECT_EQ(to_hex(collected(td_quote(), items).tcb_info.fmspc), "50806f000000");
  items[kTcb] = tcb_item(made::sgx_tcb_info());
  EXPECT_FALSE(collected(td_quote(), items).tcb_info.is_tdx);
  items[kIdentity] = identity_item(replaced(made::qe_identity(), "TD_QE", "QE"));
  EXPECT_EQ(collected(td_quote(), items).qe_identity.id, "QE");
  // A TCB info of the TEE goes before one of another.
  items.push_back(tcb_item(replaced(made::tdx_tcb_info(), "90C06F", "50806F")));
  EXPECT_TRUE(collected(td_quote(), items).tcb_info.is_tdx);
}

TEST(IntelEndorsements, KeepAChainThatDoesNotLeadUp) {
  const Certificate ca = pki().ca_of("Intel SGX PCK Processor CA", pki().root);
  const Certificate root = pki().root_from(kFrom, "Another Root");
  const IntelEndorsements got =
      collected(quote_with({pki().pck, ca, root}),
                pool_with({certificate_item(pki().ca), certificate_item(pki().root)}));
  EXPECT_EQ(got.pck_ca, ca);
  EXPECT_EQ(got.root, root);
  // An issuer that is no CA is the issuer nevertheless, for the verifier to refuse.
  const Certificate no_ca = pki().signing_of(pki().root, kFrom, "Intel SGX PCK Platform CA");
  EXPECT_EQ(collected(quote_with({pki().pck, no_ca, pki().root}), pool()).pck_ca, no_ca);
}

TEST(IntelEndorsements, TakeTheIssuersByNameFromThePool) {
  const Certificate processor = pki().ca_of("Intel SGX PCK Processor CA", pki().root);
  const Certificate other_root = pki().root_from(kDayAfter, "Another Root");
  CertificateBuilder b;
  const Certificate ark = named(b, "ARK-Milan", kDayAfter).ca(-1, true).self_sign(pki().list_key);
  const auto items = pool_with({certificate_item(processor), certificate_item(pki().ca),
                                certificate_item(other_root), certificate_item(pki().root),
                                certificate_item(ark)});
  const IntelEndorsements got = collected(quote_of(4, pki().pck.der()), items);
  EXPECT_EQ(got.pck_ca, pki().ca);
  EXPECT_EQ(got.root, pki().root);
}

TEST(IntelEndorsements, LeaveOtherVendorsAndLeavesOutOfTheChain) {
  CertificateBuilder root;
  const Certificate ark = named(root, "ARK-Milan").ca(-1, true).self_sign(pki().list_key);
  CertificateBuilder intermediate;
  const Certificate ask =
      named(intermediate, "SEV-Milan").ca(0, false).key(pki().list_key).issue(ark, pki().list_key);
  const auto without = [](const std::vector<Certificate>& chain,
                          const std::vector<Certificate>& more) {
    std::vector<EndorsementItem> items = pool();
    for (const Certificate& certificate : more) {
      items.push_back(certificate_item(certificate));
    }
    return refused(quote_with(chain), items).detail();
  };
  EXPECT_TRUE(says(without({pki().pck, pki().root}, {ask}), "the PCK's issuer"));
  EXPECT_TRUE(says(without({pki().pck, pki().ca}, {ark}), "the root certificate"));
  // A certificate with the SGX extension is a leaf, whatever else it says.
  const Bytes extension = made::sequence(made::pck_entries());
  CertificateBuilder with_ca;
  const Certificate leaf_ca = pki().issue(
      named(with_ca, "Leaf").ca(0, true).extension("1.2.840.113741.1.13.1", extension), pki().ca);
  EXPECT_TRUE(says(without({pki().pck, leaf_ca, pki().root}, {}), "the PCK's issuer"));
  CertificateBuilder own;
  const Certificate leaf_root = named(own, "Intel SGX Root CA")
                                    .extension("1.2.840.113741.1.13.1", extension)
                                    .self_sign(pki().key);
  EXPECT_TRUE(says(without({pki().pck, pki().ca, leaf_root}, {}), "the root certificate"));
}

TEST(IntelEndorsements, DoWithoutLists) {
  std::vector<EndorsementItem> items = pool();
  items.resize(kPckList);
  const IntelEndorsements none = collected(td_quote(), items);
  EXPECT_FALSE(none.pck_crl.has_value());
  EXPECT_FALSE(none.root_crl.has_value());
  // Another issuer's list is none; of nobody who is here, it is refused.
  const Certificate processor = pki().ca_of("Intel SGX PCK Processor CA", pki().root);
  items.push_back(list_item(pki().list_of(processor)));
  const auto refused = collect_intel_endorsements(td_quote(), items);
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().is(EvidenceError::kEndorsementUnknown));
  items.push_back({std::string(kCertificateType), processor.der()});
  EXPECT_FALSE(collected(td_quote(), items).pck_crl.has_value());
}

TEST(IntelEndorsements, PassOverItemsOfOtherTypes) {
  const EndorsementItem log{std::string(kEventLogType), Bytes(3)};
  const EndorsementItem other{"text/plain", Bytes(3)};
  EXPECT_EQ(collected(td_quote(), pool_with(std::vector<EndorsementItem>(100, log))).pck,
            pki().pck);
  EXPECT_EQ(collected(td_quote(), pool_with({other})).pck, pki().pck);
}

TEST(IntelEndorsements, RejectItemsThatDoNotParse) {
  const auto refuses = [](std::string_view type, const Bytes& data, E code) {
    std::vector<EndorsementItem> items = pool();
    items.push_back({std::string(type), data});
    EXPECT_TRUE(refused(td_quote(), items).is(code)) << type;
  };
  refuses(kTcbInfoType, to_bytes("{}"), E::kIntelTcbInfo);
  refuses(kTcbInfoType, pool()[kIdentity].data, E::kIntelTcbInfo);
  refuses(kQeIdentityType, to_bytes("{}"), E::kIntelQeIdentity);
  refuses(kCertificateType, Bytes(3), E::kEndorsementForm);
  refuses(kCertificateType, pki().list_of(pki().ca), E::kEndorsementForm);
  refuses(kCrlType, Bytes(3), E::kEndorsementForm);
  refuses(kCrlType, pki().ca.der(), E::kEndorsementForm);
}

TEST(IntelEndorsements, RejectAChainOfTheQuoteThatDoesNotParse) {
  EXPECT_TRUE(refused(quote_of(5, to_bytes("x")), pool()).is(E::kIntelCertification));
}

TEST(IntelEndorsements, RejectMoreThan64) {
  std::vector<EndorsementItem> items = pool();
  items.resize(64, certificate_item(pki().signing));
  EXPECT_TRUE(collect_intel_endorsements(td_quote(), items));
  items.push_back(certificate_item(pki().signing));
  EXPECT_TRUE(refused(td_quote(), items).is(E::kEndorsementForm));
}

TEST(IntelEndorsements, NameWhatIsMissingAndWhereItIs) {
  const auto names = [](const IntelQuote& quote, const std::vector<EndorsementItem>& items,
                        std::string_view what, std::string_view path) {
    const Error error = refused(quote, items);
    EXPECT_TRUE(error.is(E::kEndorsementMissing));
    EXPECT_TRUE(says(error.detail(), what)) << error.to_string();
    EXPECT_TRUE(says(error.remedy(), path)) << error.to_string();
  };
  names(quote_of(3, {}), pool(), "the PCK certificate", "/sgx/certification/v4/pckcert?");
  names(quote_with({pki().pck, pki().root}), pool(), "the PCK's issuer",
        "SGX-PCK-Certificate-Issuer-Chain");
  names(quote_with({pki().pck, pki().ca}), pool(), "the root certificate",
        "SGX-PCK-Certificate-Issuer-Chain");
  names(td_quote(), pool_without(kTcb), "TCB info", "/tdx/certification/v4/tcb?fmspc=90c06f000000");
  names(sgx_quote(), pool_without(kTcb), "TCB info",
        "/sgx/certification/v4/tcb?fmspc=90c06f000000");
  names(td_quote(), pool_without(kIdentity), "quoting enclave",
        "/tdx/certification/v4/qe/identity");
  names(sgx_quote(), pool_without(kIdentity), "quoting enclave",
        "/sgx/certification/v4/qe/identity");
  names(td_quote(), pool_without(kSigning), "the TCB signing certificate",
        "/tdx/certification/v4/tcb?fmspc=90c06f000000: its header TCB-Info-Issuer-Chain");
  names(td_quote(), {}, "TCB info", "tcb?fmspc=");
}

TEST(IntelEndorsements, LeaveAPckExtensionThatDoesNotParseToTheVerifier) {
  CertificateBuilder b;
  named(b, "Intel SGX PCK Certificate").extension("1.2.840.113741.1.13.1", Bytes{0x30, 0});
  const Certificate broken = pki().issue(b, pki().ca);
  const IntelQuote quote = quote_with({broken, pki().ca, pki().root});
  EXPECT_EQ(collected(quote, pool()).pck, broken);
  EXPECT_TRUE(says(refused(quote, pool_without(kTcb)).remedy(), "{FMSPC of the PCK certificate}"));
}

// ---- missing_intel_endorsements -------------------------------------------------------------

using Names = std::vector<std::string>;

TEST(MissingIntelEndorsements, NameEachRole) {
  EXPECT_EQ(missing_intel_endorsements(td_quote(), pool()), Names{});
  EXPECT_EQ(missing_intel_endorsements(td_quote(), {}),
            (Names{"tcb_info", "qe_identity", "tcb_signing", "pck_crl", "root_crl"}));
  const char* const roles[] = {"tcb_info", "qe_identity", "tcb_signing", "pck_crl", "root_crl"};
  for (std::size_t i = 0; i < std::size(roles); ++i) {
    EXPECT_EQ(missing_intel_endorsements(td_quote(), pool_without(i)), Names{roles[i]});
  }
}

TEST(MissingIntelEndorsements, CountWhatFitsOnly) {
  EXPECT_EQ(missing_intel_endorsements(sgx_quote(), pool()), (Names{"tcb_info", "qe_identity"}));
  const Certificate foreign_root = pki().root_from(kFrom, "Another Root");
  std::vector<EndorsementItem> items = pool();
  items[kTcb] = tcb_item(replaced(made::tdx_tcb_info(), "90C06F", "50806F"));
  items[kSigning] = certificate_item(pki().signing_of(foreign_root));
  items[kRootList] = list_item(pki().list_of(foreign_root));
  EXPECT_EQ(missing_intel_endorsements(td_quote(), items),
            (Names{"tcb_info", "tcb_signing", "root_crl"}));
}

TEST(MissingIntelEndorsements, NameTheChainWhereAPartOfItLacks) {
  for (const IntelQuote& quote :
       {quote_with({pki().pck, pki().ca}), quote_with({pki().pck, pki().root}),
        quote_with({pki().ca, pki().root})}) {
    EXPECT_EQ(missing_intel_endorsements(quote, pool()).at(0), "pck_chain");
  }
  const auto all =
      Names{"pck_chain", "tcb_info", "qe_identity", "tcb_signing", "pck_crl", "root_crl"};
  EXPECT_EQ(missing_intel_endorsements(quote_of(3, {}), {}), all);
  EXPECT_EQ(missing_intel_endorsements(quote_of(5, to_bytes("no chain")), {}), all);
}

TEST(MissingIntelEndorsements, LookAt64ItemsAndNoFurther) {
  std::vector<EndorsementItem> items = pool_without(kTcb);
  items.resize(63, certificate_item(pki().signing));
  items.push_back(pool()[kTcb]);
  EXPECT_EQ(missing_intel_endorsements(td_quote(), items), Names{});
  items.insert(items.begin(), certificate_item(pki().signing));
  EXPECT_EQ(missing_intel_endorsements(td_quote(), items), Names{"tcb_info"});
}

TEST(MissingIntelEndorsements, TakeWhatDoesNotParseAsMissing) {
  std::vector<EndorsementItem> items = pool();
  items[kTcb].data = to_bytes("{}");
  items[kPckList].data = Bytes(3);
  EXPECT_EQ(missing_intel_endorsements(td_quote(), items), (Names{"tcb_info", "pck_crl"}));
}

// ---- Real collateral ------------------------------------------------------------------------

namespace fs = std::filesystem;

fs::path vectors() {
  if (const char* dir = std::getenv("ENSCONCE_VECTORS")) {
    return fs::path(dir);
  }
  const char* source = std::getenv("ENSCONCE_SOURCE_DIR");
  return fs::path(source == nullptr ? "." : source) / ".." / "shared" / "vectors";
}

Bytes file(const fs::path& path) {
  auto bytes = read_file(path);
  if (!bytes) {
    ADD_FAILURE() << bytes.error().to_string();
    return {};
  }
  return *bytes;
}

std::vector<Certificate> pem_file(const fs::path& path) {
  return Certificate::many_from_pem(as_text(file(path))).value();
}

std::string text(const json::Value& object, std::string_view name) {
  const json::Value* value = object.find(name);
  return value == nullptr ? std::string() : value->as_text(name).value();
}
std::uint64_t number(const json::Value& object, std::string_view name) {
  const json::Value* value = object.find(name);
  return value == nullptr ? ~std::uint64_t{0} : value->as_uint(name).value();
}

// The signature over the bytes that were kept, by the key of the TCB signing certificate.
void expect_signed(const Certificate& signing, ByteView signed_bytes, ByteView signature) {
  const EcPublicKey key = signing.ec_public_key().value();
  EXPECT_TRUE(ecdsa_verify(key, signed_bytes, signature));
  Bytes changed = to_bytes(signed_bytes);
  changed[changed.size() / 2] ^= 1;
  EXPECT_FALSE(ecdsa_verify(key, changed, signature));
}

void expect_pck(const Certificate& certificate, const json::Value& fields) {
  const auto pck = parse_pck_extensions(certificate);
  ASSERT_TRUE(pck) << pck.error().to_string();
  EXPECT_EQ(to_hex(pck->ppid), text(fields, "ppid"));
  EXPECT_EQ(to_hex(pck->cpu_svn), text(fields, "cpusvn"));
  EXPECT_EQ(to_hex(pck->pce_id), text(fields, "pceid"));
  EXPECT_EQ(to_hex(pck->fmspc), text(fields, "fmspc"));
  EXPECT_EQ(pck->pce_svn, number(fields, "pcesvn"));
  EXPECT_EQ(pck->sgx_type, number(fields, "sgx_type"));
  const json::Array& components = **fields.find("tcb_comps")->as_array("tcb_comps");
  for (std::size_t i = 0; i < 16; ++i) {
    EXPECT_EQ(pck->components[i], components[i].as_uint("tcb_comps").value()) << i;
  }
  const json::Value* configuration = fields.find("configuration");
  ASSERT_EQ(pck->platform_instance_id.has_value(), configuration != nullptr);
  if (configuration != nullptr) {
    EXPECT_EQ(to_hex(*pck->platform_instance_id), text(fields, "platform_instance_id"));
    EXPECT_EQ(pck->dynamic_platform, configuration->find("1")->as_bool("1").value());
    EXPECT_EQ(pck->cached_keys, configuration->find("2")->as_bool("2").value());
    EXPECT_EQ(pck->smt_enabled, configuration->find("3")->as_bool("3").value());
  }
}

// certification_data is the last thing in a quote, and begins with the first of its certificates.
Bytes certification_data(const Bytes& quote) {
  const std::string_view all = as_text(quote);
  return to_bytes(all.substr(all.find("-----BEGIN CERTIFICATE-----")));
}

class RealCollateral : public testing::Test {
 protected:
  void SetUp() override {
    if (!fs::exists(vectors() / "intel")) {
      GTEST_SKIP() << "no vectors at " << vectors() << "; set ENSCONCE_VECTORS";
    }
  }

  static void expect_list(const fs::path& path, const json::Value& expected,
                          const Certificate& issuer) {
    const auto list = RevocationList::from_der(file(path));
    ASSERT_TRUE(list) << list.error().to_string();
    EXPECT_EQ(to_rfc3339(list->this_update()), text(expected, "this_update"));
    EXPECT_EQ(to_rfc3339(list->next_update().value()), text(expected, "next_update"));
    EXPECT_TRUE(list->issued_by_name(issuer));
    EXPECT_TRUE(list->verify_signed_by(issuer, Certificate::Scheme::kEcdsaSha256));
    EXPECT_FALSE(list->lists(issuer));
  }
};

TEST_F(RealCollateral, SetsGiveTheirFieldsAndSignatures) {
  int count = 0;
  for (const auto& entry : fs::directory_iterator(vectors() / "intel/collateral")) {
    const fs::path dir = entry.path();
    SCOPED_TRACE(dir.filename().string());
    ++count;
    const json::Value expected =
        json::parse(as_text(file(dir / "collateral.expected.json"))).value();
    const auto info = parse_tcb_info(file(dir / "tcb_info.json"));
    ASSERT_TRUE(info) << info.error().to_string();
    EXPECT_EQ(info->is_tdx, text(expected, "tee") == "TDX");
    EXPECT_TRUE(equal(info->fmspc, from_hex(text(expected, "fmspc")).value()));
    EXPECT_EQ(info->version, number(expected, "tcb_info_version"));
    EXPECT_EQ(info->evaluation_data_number, number(expected, "tcb_evaluation_data_number"));
    EXPECT_EQ(to_rfc3339(info->issued), text(*expected.find("tcb_info"), "issue"));
    EXPECT_EQ(to_rfc3339(info->next_update), text(*expected.find("tcb_info"), "next"));
    // Intel's lists come in the order in which they are to be tried: sorting changes nothing.
    const json::Value inner = json::parse(as_text(info->signed_bytes)).value();
    const json::Array& levels = **inner.find("tcbLevels")->as_array("tcbLevels");
    ASSERT_EQ(info->levels.size(), levels.size());
    for (std::size_t i = 0; i < levels.size(); ++i) {
      EXPECT_EQ(name_of(info->levels[i].status), text(levels[i], "tcbStatus")) << i;
      EXPECT_EQ(to_rfc3339(info->levels[i].date), text(levels[i], "tcbDate")) << i;
      EXPECT_EQ(info->levels[i].tdx.has_value(), info->is_tdx);
    }

    const auto identity = parse_qe_identity(file(dir / "qe_identity.json"));
    ASSERT_TRUE(identity) << identity.error().to_string();
    const json::Value& identity_fields = *expected.find("qe_identity");
    EXPECT_EQ(identity->id, text(identity_fields, "id"));
    EXPECT_EQ(to_rfc3339(identity->issued), text(identity_fields, "issue"));
    EXPECT_EQ(to_rfc3339(identity->next_update), text(identity_fields, "next"));
    EXPECT_EQ(identity->evaluation_data_number,
              number(identity_fields, "tcb_evaluation_data_number"));
    EXPECT_EQ(identity->isv_prod_id, info->is_tdx ? 2 : 1);

    const auto signing_chain = pem_file(dir / "tcb_signing_chain.pem");
    ASSERT_EQ(signing_chain.size(), 2U);
    EXPECT_TRUE(
        signing_chain[0].verify_signed_by(signing_chain[1], Certificate::Scheme::kEcdsaSha256));
    expect_signed(signing_chain[0], info->signed_bytes, info->signature);
    expect_signed(signing_chain[0], identity->signed_bytes, identity->signature);
    const auto pck_chain = pem_file(dir / "pck_crl_issuer_chain.pem");
    expect_list(dir / "pck_crl.der", *expected.find("pck_crl"), pck_chain.at(0));
    expect_list(dir / "root_ca_crl.der", *expected.find("root_ca_crl"), signing_chain[1]);
  }
  EXPECT_GE(count, 11);
}

// A directory of everything, Intel's and AMD's: each quote finds its own.
TEST_F(RealCollateral, SetsAreFoundInOneLargePool) {
  const fs::path sets = vectors() / "intel/collateral";
  const auto taken = [&](const char* set, const char* quote_file, bool tdx) {
    std::vector<EndorsementItem> items;
    std::set<Bytes> certificates;
    for (const auto& entry : fs::directory_iterator(sets)) {
      items.push_back({std::string(kTcbInfoType), file(entry.path() / "tcb_info.json")});
      items.push_back({std::string(kQeIdentityType), file(entry.path() / "qe_identity.json")});
      items.push_back({std::string(kCrlType), file(entry.path() / "pck_crl.der")});
      for (const char* chain : {"tcb_signing_chain.pem", "pck_crl_issuer_chain.pem"}) {
        for (const Certificate& c : pem_file(entry.path() / chain)) {
          certificates.insert(c.der());
        }
      }
    }
    items.push_back({std::string(kCrlType), file(sets / set / "root_ca_crl.der")});
    for (const char* anchor : {"ark_milan.der", "ask_milan.der", "ark_genoa.der"}) {
      certificates.insert(file(vectors() / "snp/anchors" / anchor));
    }
    for (const Bytes& der : certificates) {
      items.push_back({std::string(kCertificateType), der});
    }
    const IntelQuote quote = quote_of(5, certification_data(file(vectors() / quote_file)), tdx);
    const auto got = collect_intel_endorsements(quote, items);
    ASSERT_TRUE(got) << got.error().to_string();
    EXPECT_EQ(missing_intel_endorsements(quote, items), Names{});
    EXPECT_EQ(got->tcb_info.is_tdx, tdx);
    EXPECT_EQ(got->tcb_info.signed_bytes,
              parse_tcb_info(file(sets / set / "tcb_info.json")).value().signed_bytes);
    EXPECT_EQ(got->tcb_info.fmspc, parse_pck_extensions(got->pck).value().fmspc);
    EXPECT_EQ(got->qe_identity.id, tdx ? "TD_QE" : "QE");
    EXPECT_TRUE(got->pck_crl->issued_by_name(got->pck_ca));
    const auto scheme = Certificate::Scheme::kEcdsaSha256;
    EXPECT_TRUE(got->pck.verify_signed_by(got->pck_ca, scheme));
    EXPECT_TRUE(got->pck_ca.verify_signed_by(got->root, scheme));
    EXPECT_TRUE(got->root.verify_signed_by(got->root, scheme));
    EXPECT_TRUE(got->tcb_signing.verify_signed_by(got->root, scheme));
    EXPECT_TRUE(got->pck_crl->verify_signed_by(got->pck_ca, scheme));
    EXPECT_TRUE(got->root_crl->verify_signed_by(got->root, scheme));
    EXPECT_FALSE(got->pck_crl->lists(got->pck));
    expect_signed(got->tcb_signing, got->tcb_info.signed_bytes, got->tcb_info.signature);
    EXPECT_LE(got->tcb_signing.not_before(), got->tcb_info.issued);
    EXPECT_GE(got->tcb_signing.not_after(), got->tcb_info.issued);
  };
  taken("tdx-90C06F000000-2026-02", "tdx/quotes/v5-90c06f.quote.bin", true);
  taken("tdx-00806F050000-2025-02", "tdx/quotes/v4-00806f05-gce-cos113.quote.bin", true);
  taken("sgx-00606A000000-2025-08", "sgx/quotes/v3-00606a.quote.bin", false);
}

TEST_F(RealCollateral, QuotesCarryTheirPckChain) {
  int count = 0;
  for (const char* kind : {"tdx", "sgx"}) {
    for (const auto& entry : fs::directory_iterator(vectors() / kind / "quotes")) {
      const std::string name = entry.path().filename().string();
      if (!name.ends_with(".quote.bin")) {
        continue;
      }
      SCOPED_TRACE(name);
      ++count;
      const std::string stem = name.substr(0, name.size() - std::string(".quote.bin").size());
      const json::Value expected =
          json::parse(as_text(file(entry.path().parent_path() / (stem + ".expected.json"))))
              .value();
      const auto chain = certificates_of_quote(quote_of(5, certification_data(file(entry.path()))));
      ASSERT_TRUE(chain) << chain.error().to_string();
      ASSERT_EQ(chain->size(), 3U);
      const json::Value& fields = *expected.find("pck");
      EXPECT_EQ(chain->at(0).issuer_cn(), text(fields, "issuer_cn"));
      expect_pck(chain->at(0), fields);
    }
  }
  EXPECT_GE(count, 16);
}

TEST_F(RealCollateral, ListsRevokeSerialsOfTwentyOctets) {
  const fs::path dir = vectors() / "intel/test-ca/sgx-v3";
  const auto list = RevocationList::from_der(file(dir / "intermediateCaCrl.der"));
  ASSERT_TRUE(list) << list.error().to_string();
  const auto chain = pem_file(dir / "pckSignChain.pem");
  EXPECT_TRUE(list->verify_signed_by(chain[0], Certificate::Scheme::kEcdsaSha256));
  EXPECT_FALSE(list->lists(pem_file(dir / "pckCert.pem")[0]));
}

TEST_F(RealCollateral, TestCaSamplesParse) {
  for (const char* set : {"sgx-v3", "tdx-v4"}) {
    SCOPED_TRACE(set);
    const fs::path dir = vectors() / "intel/test-ca" / set;
    const json::Value expected = json::parse(as_text(file(dir / "set.expected.json"))).value();
    expect_pck(pem_file(dir / "pckCert.pem")[0], *expected.find("pck"));
    const auto identity = parse_qe_identity(file(dir / "qeIdentity.json"));
    ASSERT_TRUE(identity) << identity.error().to_string();
    Certificate signing = pem_file(dir / "tcbSignChain.pem")[0];
    if (signing.self_issued()) {
      signing = pem_file(dir / "tcbSignChain.pem")[1];
    }
    expect_signed(signing, identity->signed_bytes, identity->signature);
    const auto info = parse_tcb_info(file(dir / "tcbInfo.json"));
    if (std::string_view(set) == "tdx-v4") {
      // Its random component SVNs go up to 65527, more than the byte a component is.
      EXPECT_TRUE(info.error().is(E::kIntelTcbInfo));
      EXPECT_TRUE(says(info.error().detail(), "svn is beyond 255")) << info.error().detail();
      continue;
    }
    ASSERT_TRUE(info) << info.error().to_string();
    EXPECT_EQ(info->version, 2U);
    expect_signed(signing, info->signed_bytes, info->signature);
  }
}

TEST_F(RealCollateral, TestCaQuoteCarriesDerRootFirst) {
  const fs::path dir = vectors() / "intel/test-ca/tdx-v4";
  const auto chain = pem_file(dir / "pckSignChain.pem");  // root, CA
  const Certificate pck = pem_file(dir / "pckCert.pem")[0];
  const Bytes quote = file(dir / "quote.dat");
  const Bytes der = concat({chain[0].der(), chain[1].der(), pck.der()});
  EXPECT_NE(std::search(quote.begin(), quote.end(), der.begin(), der.end()), quote.end());
  EXPECT_EQ(certificates_of_quote(quote_of(5, der)).value(),
            (std::vector<Certificate>{chain[0], chain[1], pck}));
}

TEST_F(RealCollateral, AnchorsAreReadAsTheyAre) {
  const fs::path dir = vectors() / "intel/anchors";
  const json::Value list = json::parse(as_text(file(dir / "anchors.expected.json"))).value();
  int count = 0;
  for (const json::Value& c : **list.find("certificates")->as_array("certificates")) {
    SCOPED_TRACE(text(c, "file"));
    ++count;
    const auto certificate = Certificate::from_der(file(dir / text(c, "file")));
    ASSERT_TRUE(certificate) << certificate.error().to_string();
    EXPECT_EQ(certificate->subject_cn(), text(c, "subject_cn"));
    EXPECT_EQ(certificate->issuer_cn(), text(c, "issuer_cn"));
    EXPECT_EQ(to_hex(certificate->serial()), text(c, "serial"));
    EXPECT_EQ(to_hex(certificate->spki_sha256()), text(c, "spki_sha256"));
    EXPECT_EQ(to_rfc3339(certificate->not_after()), text(c, "not_after"));
    const auto root = Certificate::from_der(file(dir / "intel_sgx_root_ca.der")).value();
    EXPECT_TRUE(certificate->verify_signed_by(root, Certificate::Scheme::kEcdsaSha256));
  }
  EXPECT_GE(count, 6);
}

}  // namespace
}  // namespace ensconce
