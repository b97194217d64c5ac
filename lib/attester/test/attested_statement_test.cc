#include "ensconce/attester/attested_statement.h"

#include <gtest/gtest.h>

#include "ensconce/tee/endorsed_provider.h"

namespace ensconce {
namespace {

// What the attester side lets through, the other side must take.
TEST(AttestedStatement, HasRoomForAsManyEndorsementsAsAnAttesterHandsOver) {
  AttestedStatement attested;
  attested.statement = Bytes(1024, 1);
  attested.hardware.evidence = {"tdx", Bytes(std::size_t{16} * 1024, 2)};
  for (std::size_t i = 0; i < kMaxEndorsementItems; ++i) {
    attested.hardware.endorsements.push_back(
        {std::string(kCertificateType), Bytes(kMaxEndorsementBytes / kMaxEndorsementItems, 3)});
  }
  const auto parsed = parse_evidence_document(write_evidence_document(document_of(attested)));
  ASSERT_TRUE(parsed) << parsed.error().to_string();
  EXPECT_EQ(parsed->endorsements.size(), kMaxEndorsementItems);
}

}  // namespace
}  // namespace ensconce
