#include "ensconce/tee/settings.h"

#include <gtest/gtest.h>

#include "ensconce/codec/toml.h"
#include "ensconce/tee/error.h"

namespace ensconce {
namespace {

json::Value file(std::string_view text) { return toml::parse(text, "test").value(); }

Result<AttesterSettings> read(std::string_view text) {
  const json::Value root = file(text);
  json::Fields fields = json::Fields::of(root, "test").value();
  auto out = read_attester_settings(fields);
  EXPECT_TRUE(!out || fields.finish()) << "a key was left over";
  return out;
}

Result<std::optional<AttesterSettings>> read_optional(std::string_view text) {
  const json::Value root = file(text);
  json::Fields fields = json::Fields::of(root, "test").value();
  return read_optional_attester(fields);
}

TEST(AttesterSettings, AreLinuxsOwnPathsUnlessTold) {
  const AttesterSettings settings = read("").value();
  EXPECT_EQ(settings.attester, AttesterKind::kAuto);
  EXPECT_EQ(settings.tsm_root, "/sys/kernel/config/tsm");
  EXPECT_EQ(settings.sev_guest, "/dev/sev-guest");
  EXPECT_EQ(settings.gramine_root, "/dev/attestation");
  EXPECT_EQ(settings.tpm, "/dev/tpmrm0");
  EXPECT_TRUE(settings.endorsements.empty());
}

TEST(AttesterSettings, TakesEachKey) {
  const AttesterSettings settings =
      read(
          "attester = \"sev-guest\"\ntsm_root = \"a\"\nsev_guest = \"b\"\n"
          "gramine_root = \"c\"\ntpm = \"d\"\nendorsements = \"e\"\n")
          .value();
  EXPECT_EQ(settings.attester, AttesterKind::kSevGuest);
  EXPECT_EQ(settings.tsm_root, "a");
  EXPECT_EQ(settings.sev_guest, "b");
  EXPECT_EQ(settings.gramine_root, "c");
  EXPECT_EQ(settings.tpm, "d");
  EXPECT_EQ(settings.endorsements, "e");
}

TEST(AttesterSettings, RefusesNamesAndPathsThatAreNone) {
  for (const char* text : {"attester = \"none\"", "attester = 1", "attester = \"\"",
                           "tsm_root = \"\"", "tpm = 1", "endorsements = \"\""}) {
    const auto settings = read(text);
    ASSERT_FALSE(settings) << text;
    EXPECT_TRUE(settings.error().is(TeeError::kConfig)) << text;
  }
}

TEST(AttesterSettings, NamesGoBothWays) {
  for (const AttesterKind kind :
       {AttesterKind::kAuto, AttesterKind::kConfigfsTsm, AttesterKind::kSevGuest,
        AttesterKind::kGramine, AttesterKind::kAzureVtpm}) {
    EXPECT_EQ(attester_kind_from_name(name_of(kind)), kind);
  }
  EXPECT_FALSE(attester_kind_from_name("unknown"));
}

TEST(OptionalAttester, IsThereWhenItIsAskedFor) {
  EXPECT_FALSE(read_optional("")->has_value());
  EXPECT_EQ((*read_optional("tsm_root = \"tsm\""))->attester, AttesterKind::kConfigfsTsm);
  EXPECT_EQ((*read_optional("attester = \"auto\""))->attester, AttesterKind::kAuto);
  for (const char* alone : {"tpm = \"x\"", "endorsements = \"x\"", "sev_guest = \"x\""}) {
    const auto settings = read_optional(alone);
    ASSERT_FALSE(settings) << alone;
    EXPECT_TRUE(settings.error().is(TeeError::kConfig));
  }
}

}  // namespace
}  // namespace ensconce
