#include "ensconce/tee/watched_provider.h"

#include <condition_variable>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>

namespace ensconce {

struct WatchedProvider::State {
  std::unique_ptr<EvidenceProvider> provider;
  std::mutex mutex;
  std::condition_variable answered;
  bool asking = false;
  std::uint64_t request = 0;  // an answer to an earlier one is nobody's
  std::optional<Result<HardwareEvidence>> answer;
};

WatchedProvider::WatchedProvider(std::unique_ptr<EvidenceProvider> provider, Millis limit)
    : state_(std::make_shared<State>()), name_(provider->name()), limit_(limit) {
  state_->provider = std::move(provider);
}

WatchedProvider::~WatchedProvider() = default;

Result<HardwareEvidence> WatchedProvider::attest(const ByteArray<64>& report_data) {
  std::unique_lock lock(state_->mutex);
  if (state_->asking) {
    return Error(TeeError::kTimedOut, "the device has not answered an earlier request yet")
        .with_remedy("the guest's driver or its host hangs: look at the kernel's log");
  }
  state_->asking = true;
  state_->answer.reset();
  const std::uint64_t request = ++state_->request;
  try {
    std::thread([state = state_, report_data, request] {
      auto answer = state->provider->attest(report_data);
      const std::lock_guard done(state->mutex);
      state->asking = false;
      if (state->request == request) {
        state->answer = std::move(answer);
        state->answered.notify_all();
      }
    }).detach();
  } catch (const std::system_error& error) {
    state_->asking = false;
    return Error(TeeError::kIo, std::string("no thread to ask the device with: ") + error.what());
  }
  if (!state_->answered.wait_for(lock, limit_, [&] { return state_->answer.has_value(); })) {
    ++state_->request;  // nobody waits for it any more
    return Error(TeeError::kTimedOut,
                 "the device did not answer within " + std::to_string(limit_.count() / 1000) + " s")
        .with_remedy("the guest's driver or its host hangs: look at the kernel's log");
  }
  return *std::exchange(state_->answer, std::nullopt);
}

}  // namespace ensconce
