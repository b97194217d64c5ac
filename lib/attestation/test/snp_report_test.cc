#include "ensconce/attestation/evidence/snp_report.h"

#include <gtest/gtest.h>

#include <utility>

namespace ensconce {
namespace {

// A report in which every field differs from every other.
SnpReport full_report(std::uint32_t version) {
  SnpReport r;
  r.version = version;
  r.guest_svn = 0x01020304;
  r.policy = 0x3031f;
  r.family_id.fill(1);
  r.image_id.fill(2);
  r.vmpl = 1;
  r.current_tcb = {4, 1, 0, 0, 0, 0, 24, 220};
  r.platform_info = 0x65;
  r.author_key_enabled = true;
  r.chip_key_masked = true;
  r.signing_key = SnpSigningKey::kVlek;
  r.report_data.fill(3);
  r.measurement.fill(4);
  r.host_data.fill(5);
  r.id_key_digest.fill(6);
  r.author_key_digest.fill(7);
  r.report_id.fill(8);
  r.report_id_ma.fill(9);
  r.reported_tcb = {3, 1, 0, 0, 0, 0, 23, 219};
  if (version >= 3) {
    r.cpuid_family = 0x19;
    r.cpuid_model = 0x11;
    r.cpuid_stepping = 2;
  }
  r.chip_id.fill(10);
  r.committed_tcb = {2, 1, 0, 0, 0, 0, 22, 218};
  r.current_firmware = {29, 55, 1};
  r.committed_firmware = {28, 54, 2};
  r.launch_tcb = {1, 1, 0, 0, 0, 0, 21, 217};
  if (version >= 5) {
    r.launch_mitigations = 0x3f;
    r.current_mitigations = 0x7f;
  }
  r.signature_r.fill(11);
  r.signature_r[0] = 0xaa;
  r.signature_s.fill(12);
  return r;
}

class SnpReportVersion : public testing::TestWithParam<std::uint32_t> {};
INSTANTIATE_TEST_SUITE_P(All, SnpReportVersion, testing::Values(2, 3, 4, 5));

TEST_P(SnpReportVersion, ParsesToWhatWasWritten) {
  const SnpReport report = full_report(GetParam());
  const Bytes bytes = write_snp_report(report);
  ASSERT_EQ(bytes.size(), kSnpReportLen);
  const auto parsed = parse_snp_report(bytes);
  ASSERT_TRUE(parsed) << parsed.error().to_string();
  EXPECT_EQ(*parsed, report);
  EXPECT_EQ(write_snp_report(*parsed), bytes);
}

// Every byte is a field or a reserved zero: changing one changes a field or is refused.
TEST_P(SnpReportVersion, HasNoByteThatMeansNothing) {
  const SnpReport report = full_report(GetParam());
  const Bytes bytes = write_snp_report(report);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    Bytes changed = bytes;
    changed[i] ^= 0x80;
    const auto parsed = parse_snp_report(changed);
    EXPECT_FALSE(parsed && *parsed == report) << "offset " << i;
    if (parsed) {
      EXPECT_EQ(write_snp_report(*parsed), changed) << "offset " << i;
    }
  }
}

TEST(SnpReport, RejectsAnotherLength) {
  const Bytes bytes = write_snp_report(full_report(3));
  for (const std::size_t len :
       {std::size_t{0}, std::size_t{1}, std::size_t{671}, std::size_t{1183}}) {
    const auto parsed = parse_snp_report(ByteView(bytes).first(len));
    ASSERT_FALSE(parsed);
    EXPECT_TRUE(parsed.error().is(EvidenceError::kSnpLength));
  }
  Bytes longer = bytes;
  longer.push_back(0);
  EXPECT_TRUE(parse_snp_report(longer).error().is(EvidenceError::kSnpLength));
}

TEST(SnpReport, RejectsVersionsItDoesNotKnow) {
  for (const std::uint8_t version : {0, 1, 6, 255}) {
    Bytes bytes = write_snp_report(full_report(5));
    bytes[0] = version;
    const auto parsed = parse_snp_report(bytes);
    ASSERT_FALSE(parsed);
    EXPECT_TRUE(parsed.error().is(EvidenceError::kSnpVersion));
  }
}

TEST(SnpReport, RejectsEachReservedByteThatIsNotZero) {
  // AMD 56860 rev 1.58, offsets [from, to).
  const std::pair<std::size_t, std::size_t> reserved[] = {
      {0x4c, 0x50}, {0x18b, 0x1a0}, {0x1eb, 0x1ec}, {0x1ef, 0x1f0}, {0x208, 0x2a0}, {0x330, 0x4a0}};
  const Bytes bytes = write_snp_report(full_report(5));
  for (const auto& [from, to] : reserved) {
    for (std::size_t i = from; i < to; ++i) {
      Bytes changed = bytes;
      changed[i] = 1;
      const auto parsed = parse_snp_report(changed);
      ASSERT_FALSE(parsed) << "offset " << i;
      EXPECT_TRUE(parsed.error().is(EvidenceError::kSnpReserved)) << "offset " << i;
    }
  }
}

TEST(SnpReport, RejectsFieldsOfLaterVersionsInEarlierOnes) {
  Bytes v2 = write_snp_report(full_report(2));
  v2[0x188] = 0x19;
  EXPECT_TRUE(parse_snp_report(v2).error().is(EvidenceError::kSnpReserved));
  Bytes v4 = write_snp_report(full_report(4));
  v4[0x1f8] = 1;
  EXPECT_TRUE(parse_snp_report(v4).error().is(EvidenceError::kSnpReserved));
}

TEST(SnpReport, RejectsAnotherSignatureAlgorithm) {
  Bytes bytes = write_snp_report(full_report(3));
  bytes[0x34] = 2;
  EXPECT_TRUE(parse_snp_report(bytes).error().is(EvidenceError::kSnpSignatureAlgorithm));
}

TEST(SnpReport, RejectsUnsignedAndReservedSigningKeys) {
  for (const std::uint8_t key : {2, 3, 4, 5, 6, 7}) {
    Bytes bytes = write_snp_report(full_report(3));
    bytes[0x48] = static_cast<std::uint8_t>(key << 2);
    EXPECT_TRUE(parse_snp_report(bytes).error().is(EvidenceError::kSnpSigningKey));
  }
  Bytes bytes = write_snp_report(full_report(3));
  bytes[0x48] |= 0x20;
  EXPECT_TRUE(parse_snp_report(bytes).error().is(EvidenceError::kSnpReserved));
}

TEST(SnpReport, RejectsSignaturesWiderThan48Bytes) {
  for (const std::size_t at : {0x2a0 + 48, 0x2a0 + 71, 0x2e8 + 48, 0x2e8 + 71}) {
    Bytes bytes = write_snp_report(full_report(3));
    bytes[at] = 1;
    EXPECT_TRUE(parse_snp_report(bytes).error().is(EvidenceError::kSnpSignatureWidth));
  }
}

TEST(SnpReport, RejectsReservedBitsOfTheGuestPolicy) {
  Bytes bytes = write_snp_report(full_report(3));
  bytes[0x08 + 2] &= 0xfd;  // bit 17 must be 1
  EXPECT_TRUE(parse_snp_report(bytes).error().is(EvidenceError::kSnpGuestPolicy));
  bytes = write_snp_report(full_report(3));
  bytes[0x08 + 3] |= 0x04;  // bit 26
  EXPECT_TRUE(parse_snp_report(bytes).error().is(EvidenceError::kSnpGuestPolicy));
}

// Both real Turin reports we know set bit 6, which published lists call reserved.
TEST(SnpReport, ToleratesUnknownBitsOfPlatformInfo) {
  SnpReport report = full_report(5);
  report.platform_info = ~std::uint64_t{0};
  EXPECT_EQ(parse_snp_report(write_snp_report(report)).value().platform_info, ~std::uint64_t{0});
}

TEST(SnpReport, TellsTheProductFromCpuid) {
  const struct {
    std::uint8_t family, model;
    std::optional<SnpProduct> product;
  } cases[] = {
      {0x19, 0x00, SnpProduct::kMilan}, {0x19, 0x0f, SnpProduct::kMilan},
      {0x19, 0x10, SnpProduct::kGenoa}, {0x19, 0x1f, SnpProduct::kGenoa},
      {0x19, 0x20, std::nullopt},       {0x19, 0xa0, SnpProduct::kGenoa},
      {0x19, 0xaf, SnpProduct::kGenoa}, {0x1a, 0x00, SnpProduct::kTurin},
      {0x1a, 0x11, SnpProduct::kTurin}, {0x1a, 0x12, std::nullopt},
      {0x1a, 0x50, std::nullopt},       {0x17, 0x31, std::nullopt},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(snp_product_from_cpuid(c.family, c.model), c.product);
  }
  EXPECT_EQ(full_report(2).cpuid_product(), std::nullopt);
}

TEST(SnpReport, ReadsTcbByTheLayoutOfTheProduct) {
  const RawTcb raw{1, 2, 3, 4, 5, 6, 7, 8};
  EXPECT_EQ(tcb_from_raw(raw, SnpProduct::kMilan), (TcbVersion{std::nullopt, 1, 2, 7, 8}));
  EXPECT_EQ(tcb_from_raw(raw, SnpProduct::kTurin), (TcbVersion{1, 2, 3, 4, 8}));
  EXPECT_EQ(snp_reserved_tcb(raw, SnpProduct::kGenoa), (Bytes{3, 4, 5, 6}));
  EXPECT_EQ(snp_reserved_tcb(raw, SnpProduct::kTurin), (Bytes{5, 6, 7}));
  for (const SnpProduct product : {SnpProduct::kMilan, SnpProduct::kTurin}) {
    const TcbVersion tcb = tcb_from_raw(raw, product);
    EXPECT_EQ(tcb_from_raw(tcb_to_raw(tcb, product), product), tcb);
  }
}

}  // namespace
}  // namespace ensconce
