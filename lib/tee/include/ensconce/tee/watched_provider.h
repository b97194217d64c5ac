#pragma once

#include <memory>

#include "ensconce/base/clock.h"
#include "ensconce/tee/provider.h"

namespace ensconce {

// WatchedProvider gives up on a device that does not answer. A read of configfs or of Gramine's
// files that blocks in the kernel cannot be taken back, and poll(2) calls such files ready
// whatever they do; so each request runs on a thread of its own, and after `limit` it is
// TeeError::kTimedOut. The thread stays with the request until the device answers or the process
// ends: its late answer is dropped, and until then every request is refused at once by the same
// error.
class WatchedProvider final : public EvidenceProvider {
 public:
  // A guest's driver may itself wait on a host that throttles it, for seconds.
  static constexpr Millis kLimit{30'000};

  // What `provider` borrows must live as long as the process: see above.
  explicit WatchedProvider(std::unique_ptr<EvidenceProvider> provider, Millis limit = kLimit);
  ~WatchedProvider() override;

  Result<HardwareEvidence> attest(const ByteArray<64>& report_data) override;
  [[nodiscard]] std::string name() const override { return name_; }

 private:
  struct State;
  std::shared_ptr<State> state_;  // shared with a thread that may outlive us
  std::string name_;
  Millis limit_;
};

}  // namespace ensconce
