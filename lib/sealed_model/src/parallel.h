#pragma once

#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "ensconce/base/result.h"

namespace ensconce::internal {

// FirstError keeps the first error of several threads.
class FirstError {
 public:
  void set(Error error) {
    const std::lock_guard lock(mutex_);
    if (!error_) {
      error_ = std::move(error);
    }
  }
  [[nodiscard]] bool any() const {
    const std::lock_guard lock(mutex_);
    return error_.has_value();
  }
  [[nodiscard]] Result<void> result() const {
    const std::lock_guard lock(mutex_);
    return error_ ? Result<void>(*error_) : ok();
  }

 private:
  mutable std::mutex mutex_;
  std::optional<Error> error_;
};

inline unsigned num_threads_for(unsigned wanted, std::uint64_t num_jobs) {
  constexpr unsigned kMax = 256;
  const unsigned n = wanted != 0 ? wanted : std::max(1U, std::thread::hardware_concurrency());
  return static_cast<unsigned>(
      std::min<std::uint64_t>({n, kMax, std::max<std::uint64_t>(num_jobs, 1)}));
}

// run_on_threads runs `work` on `num` threads, this one among them, and waits for all.
inline Result<void> run_on_threads(unsigned num, const std::function<Result<void>()>& work) {
  FirstError first;
  const auto run = [&] {
    const auto done = work();
    if (!done) {
      first.set(done.error());
    }
  };
  {
    std::vector<std::jthread> others;
    for (unsigned i = 1; i < num; ++i) {
      others.emplace_back(run);
    }
    run();
  }
  return first.result();
}

}  // namespace ensconce::internal
