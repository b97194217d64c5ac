#include "ensconce/tee/watched_provider.h"

#include <gtest/gtest.h>

#include <future>
#include <thread>

namespace ensconce {
namespace {

// Answers with the report data, but only once its gate is open.
class GatedProvider final : public EvidenceProvider {
 public:
  explicit GatedProvider(std::shared_future<void> gate) : gate_(std::move(gate)) {}
  Result<HardwareEvidence> attest(const ByteArray<64>& report_data) override {
    gate_.wait();
    if (report_data[0] == 0xff) {
      return Error(TeeError::kDenied, "as asked");
    }
    return HardwareEvidence{{"snp", to_bytes(report_data)}, {}, {}};
  }
  [[nodiscard]] std::string name() const override { return "gated"; }

 private:
  std::shared_future<void> gate_;
};

ByteArray<64> filled(std::uint8_t with) {
  ByteArray<64> out{};
  out.fill(with);
  return out;
}

TEST(WatchedProvider, PassesAnswersAndErrorsOn) {
  std::promise<void> gate;
  gate.set_value();
  WatchedProvider provider(std::make_unique<GatedProvider>(gate.get_future().share()));
  EXPECT_EQ(provider.name(), "gated");
  for (std::uint8_t i = 1; i < 5; ++i) {
    const auto evidence = provider.attest(filled(i));
    ASSERT_TRUE(evidence);
    EXPECT_EQ(evidence->evidence.data, to_bytes(filled(i)));
  }
  EXPECT_TRUE(provider.attest(filled(0xff)).error().is(TeeError::kDenied));
}

TEST(WatchedProvider, GivesUpOnADeviceThatDoesNotAnswer) {
  std::promise<void> gate;
  WatchedProvider provider(std::make_unique<GatedProvider>(gate.get_future().share()), Millis(20));
  const auto first = provider.attest(filled(1));
  ASSERT_FALSE(first);
  EXPECT_TRUE(first.error().is(TeeError::kTimedOut)) << first.error().to_string();
  EXPECT_TRUE(provider.attest(filled(2)).error().is(TeeError::kTimedOut)) << "it still hangs";
  gate.set_value();
}

TEST(WatchedProvider, NeverGivesALateAnswerToALaterRequest) {
  std::promise<void> gate;
  WatchedProvider provider(std::make_unique<GatedProvider>(gate.get_future().share()), Millis(200));
  EXPECT_FALSE(provider.attest(filled(1)));
  gate.set_value();
  for (;;) {  // until the device has taken back its first answer
    const auto evidence = provider.attest(filled(2));
    if (evidence) {
      EXPECT_EQ(evidence->evidence.data, to_bytes(filled(2)));
      return;
    }
    ASSERT_TRUE(evidence.error().is(TeeError::kTimedOut));
    std::this_thread::yield();
  }
}

TEST(WatchedProvider, MayGoWhileADeviceHangs) {
  std::promise<void> gate;
  {
    WatchedProvider provider(std::make_unique<GatedProvider>(gate.get_future().share()),
                             Millis(10));
    EXPECT_FALSE(provider.attest(filled(1)));
  }
  gate.set_value();
}

}  // namespace
}  // namespace ensconce
