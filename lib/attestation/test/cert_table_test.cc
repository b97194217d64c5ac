#include "ensconce/attestation/evidence/cert_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ensconce/codec/base64.h"
#include "made_snp.h"

namespace ensconce {
namespace {

using testing::ElementsAre;

TEST(CertTable, ParsesToWhatWasWritten) {
  const std::vector<CertTableEntry> entries{
      {kCertTableArk, {1, 2, 3}}, {kCertTableVcek, {}}, {Guid{0xec, 1}, {4}}};
  EXPECT_EQ(parse_cert_table(write_cert_table(entries)).value(), entries);
}

TEST(CertTable, TakesNoBytesAsNoEntries) {
  EXPECT_TRUE(parse_cert_table({}).value().empty());
  EXPECT_TRUE(parse_cert_table(write_cert_table({})).value().empty());
}

class BadCertTable : public testing::Test {
 protected:
  // Two entries of three bytes: heads end at 72.
  Bytes table_ = write_cert_table(
      std::vector<CertTableEntry>{{kCertTableArk, {1, 2, 3}}, {kCertTableAsk, {4, 5, 6}}});
  void expect_refused() {
    const auto parsed = parse_cert_table(table_);
    ASSERT_FALSE(parsed);
    EXPECT_TRUE(parsed.error().is(EvidenceError::kCertTable));
  }
};

TEST_F(BadCertTable, RejectsATableWithoutEnd) {
  table_.resize(48);
  expect_refused();
}
TEST_F(BadCertTable, RejectsAnEndThatIsNotZero) {
  table_[48 + 16] = 1;
  expect_refused();
}
TEST_F(BadCertTable, RejectsAnEntryPastTheEnd) {
  table_[20] = 200;
  expect_refused();
}
TEST_F(BadCertTable, RejectsAnEntryThatStartsPastTheEnd) {
  table_[16] = 200;
  expect_refused();
}
TEST_F(BadCertTable, RejectsLengthsThatOverflow) {
  std::fill(table_.begin() + 20, table_.begin() + 24, std::uint8_t{0xff});
  expect_refused();
}
TEST_F(BadCertTable, RejectsAnEntryInsideTheHeads) {
  table_[16] = 71;
  expect_refused();
}
TEST_F(BadCertTable, RejectsEntriesThatOverlap) {
  Bytes big = write_cert_table(std::vector<CertTableEntry>{{kCertTableArk, Bytes(100, 1)},
                                                           {kCertTableAsk, Bytes(100, 2)},
                                                           {kCertTableCrl, Bytes(9, 3)}});
  // The second and third point at the first, with a length that reaches to the end.
  for (const std::size_t head : {std::size_t{1}, std::size_t{2}}) {
    big[head * 24 + 16] = 96;
    big[head * 24 + 20] = 200;
  }
  table_ = big;
  expect_refused();
}
TEST_F(BadCertTable, RejectsTooManyEntries) {
  Bytes heads;
  for (int i = 0; i < 17; ++i) {
    Bytes head(24, 1);
    heads.insert(heads.end(), head.begin(), head.end());
  }
  heads.resize(heads.size() + 24);
  table_ = heads;
  expect_refused();
}
TEST_F(BadCertTable, RejectsATableTooLarge) {
  table_.resize(kMaxCertTable + 1);
  expect_refused();
}

TEST(CertTable, GivesCertificatesAndListsAsDer) {
  const SnpPki& pki = made::shared_pki();
  const Bytes crl = pki.crl_der(made::kNow);
  EXPECT_EQ(endorsements_from_cert_table(pki.cert_table(crl)).value().size(), 4U);
  // PEM was seen in a real table; entries of GUIDs we do not know are left out.
  const std::string pem = pki.ark_pem();
  const Bytes table = write_cert_table(std::vector<CertTableEntry>{
      {kCertTableArk, to_bytes(pem)}, {Guid{0xec, 0xae}, {1, 2}}, {kCertTableCrl, crl}});
  const auto items = endorsements_from_cert_table(table).value();
  EXPECT_THAT(items, ElementsAre(EndorsementItem{"application/pkix-cert", pki.ark().der()},
                                 EndorsementItem{"application/pkix-crl", crl}));
}

TEST(CertTable, RejectsPemThatIsNoSingleCertificate) {
  const std::string pem = made::shared_pki().ark_pem();
  for (const std::string& bad : {pem + pem, std::string("-----BEGIN CERTIFICATE-----\nAAAA\n"
                                                        "-----END CERTIFICATE-----\n")}) {
    const Bytes table =
        write_cert_table(std::vector<CertTableEntry>{{kCertTableArk, to_bytes(bad)}});
    const auto items = endorsements_from_cert_table(table);
    ASSERT_FALSE(items);
    EXPECT_TRUE(items.error().is(EvidenceError::kCertTable));
  }
}

TEST(CertTable, SaysWhatIsMissing) {
  const SnpPki& pki = made::shared_pki();
  EXPECT_THAT(missing_snp_endorsements({}), ElementsAre("vek", "intermediate", "root", "crl"));
  EXPECT_THAT(missing_snp_endorsements(pki.endorsements({})), ElementsAre("crl"));
  EXPECT_THAT(missing_snp_endorsements(pki.endorsements(pki.crl_der(made::kNow))), ElementsAre());
}

}  // namespace
}  // namespace ensconce
