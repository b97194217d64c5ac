#include "ensconce/sim/faults.h"

#include <gtest/gtest.h>

namespace ensconce {
namespace {

FaultRule rule(std::string_view text, Platform platform = Platform::kSnp) {
  const auto parsed = parse_fault(text, platform);
  EXPECT_TRUE(parsed) << text << ": " << parsed.error().to_string();
  return parsed ? *parsed : FaultRule{};
}

std::string refusal(std::string_view text, Platform platform = Platform::kSnp) {
  const auto parsed = parse_fault(text, platform);
  EXPECT_FALSE(parsed) << text;
  return parsed ? "" : std::string(parsed.error().id());
}

TEST(Faults, ReadsNameCountAndFirst) {
  EXPECT_EQ(rule("busy"), (FaultRule{Fault::kBusy, 1, std::nullopt}));
  EXPECT_EQ(rule("busy:3"), (FaultRule{Fault::kBusy, 1, 3}));
  EXPECT_EQ(rule("firmware-error@2"), (FaultRule{Fault::kFirmwareError, 2, std::nullopt}));
  EXPECT_EQ(rule("wrong-generation:1@7"), (FaultRule{Fault::kWrongGeneration, 7, 1}));
  EXPECT_EQ(rule("stale:1000000@1000000"), (FaultRule{Fault::kStale, 1'000'000, 1'000'000}));
}

TEST(Faults, RejectsWhatIsNoFault) {
  for (const char* text : {"",         "nothing",      "BUSY",
                           "busy ",    " busy",        "busy:",
                           "busy:0",   "busy:-1",      "busy:x",
                           "busy:1x",  "busy:1000001", "busy@",
                           "busy@0",   "busy@x",       "busy:1@",
                           "busy@1:1", "busy:1:1",     "busy@1@1",
                           ":1",       "@1",           "busy:99999999999999999999"}) {
    EXPECT_EQ(refusal(text), "sim.fault") << text;
  }
}

TEST(Faults, RejectsWhatMakesNoSenseOnThePlatform) {
  const std::pair<const char*, std::vector<Platform>> sensible[] = {
      {"other-enclave", {Platform::kSgx}},
      {"tdreport", {Platform::kTdx}},
      {"other-ak", {Platform::kAzure}},
      {"wrong-pcr", {Platform::kAzure}},
      {"other-vm", {Platform::kAzure}},
      {"privilege-level", {Platform::kSnp, Platform::kAzure}},
      {"wrong-generation", {Platform::kSnp, Platform::kTdx}},
      {"debug", {Platform::kSnp, Platform::kTdx, Platform::kSgx, Platform::kAzure}},
  };
  for (const auto& [text, on] : sensible) {
    for (const Platform platform :
         {Platform::kSnp, Platform::kTdx, Platform::kSgx, Platform::kAzure}) {
      EXPECT_EQ(parse_fault(text, platform).has_value(),
                std::find(on.begin(), on.end(), platform) != on.end())
          << text << " on " << name_of(platform);
    }
  }
}

TEST(Faults, OfTheWholeRunTakesNoNumbers) {
  EXPECT_TRUE(rule("other-vm", Platform::kAzure).of_run);
  EXPECT_TRUE(rule("debug", Platform::kAzure).of_run);
  EXPECT_FALSE(rule("debug").of_run);
  EXPECT_EQ(refusal("other-vm:1", Platform::kAzure), "sim.fault");
  EXPECT_EQ(refusal("privilege-level@2", Platform::kAzure), "sim.fault");
  EXPECT_EQ(rule("privilege-level@2").first, 2U);
}

TEST(Faults, EveryNameIsReadBack) {
  for (int i = 0; i <= static_cast<int>(Fault::kDebug); ++i) {
    const auto fault = static_cast<Fault>(i);
    bool read = false;
    for (const Platform platform :
         {Platform::kSnp, Platform::kTdx, Platform::kSgx, Platform::kAzure}) {
      const auto parsed = parse_fault(name_of(fault), platform);
      read = read || (parsed && parsed->fault == fault);
    }
    EXPECT_TRUE(read) << name_of(fault);
  }
}

TEST(Faults, TakeTheirTurns) {
  FaultScript script({rule("busy:2"), rule("stale:1@4"), rule("debug@4")});
  EXPECT_EQ(script.next(), Fault::kBusy);
  EXPECT_EQ(script.next(), Fault::kBusy);
  EXPECT_EQ(script.next(), std::nullopt);
  EXPECT_EQ(script.next(), Fault::kStale) << "the first rule that fits";
  EXPECT_EQ(script.next(), Fault::kDebug);
  EXPECT_EQ(script.next(), Fault::kDebug);
}

TEST(Faults, NextIsTakesTheRequestOnlyWhenItIs) {
  FaultScript script({rule("denied:1@2")});
  EXPECT_FALSE(script.next_is(Fault::kDenied));
  EXPECT_EQ(script.next(), std::nullopt);
  EXPECT_TRUE(script.next_is(Fault::kDenied));
  EXPECT_FALSE(script.next_is(Fault::kDenied));
}

TEST(Faults, OfTheRunBefallNoRequest) {
  FaultScript script({rule("other-vm", Platform::kAzure), rule("busy", Platform::kAzure)});
  EXPECT_TRUE(script.of_run(Fault::kOtherVm));
  EXPECT_FALSE(script.of_run(Fault::kBusy));
  EXPECT_EQ(script.next(), Fault::kBusy);
}

}  // namespace
}  // namespace ensconce
