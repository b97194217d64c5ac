#include "ensconce/base/progress.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace ensconce {

Progress::Progress(std::string label, std::uint64_t total)
    : label_(std::move(label)),
      total_(std::max<std::uint64_t>(total, 1)),
      terminal_(isatty(STDERR_FILENO) == 1),
      start_(std::chrono::steady_clock::now()),
      drawn_(start_) {}

Progress::~Progress() {
  if (terminal_) {
    draw(true);
  }
}

void Progress::advance(std::uint64_t by) {
  const std::lock_guard lock(mutex_);
  done_ += by;
  const auto now = std::chrono::steady_clock::now();
  if (terminal_ && now - drawn_ > std::chrono::milliseconds(50)) {
    drawn_ = now;
    draw(false);
  }
}

void Progress::draw(bool last) {
  constexpr int kWidth = 32;
  const double part = std::min(1.0, static_cast<double>(done_) / static_cast<double>(total_));
  const int filled = static_cast<int>(part * kWidth);
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  const double rate = seconds > 0 ? static_cast<double>(done_) / 1e6 / seconds : 0;
  std::fprintf(stderr, "\r%-24s [%s%s] %3d%%  %.0f MB/s", label_.c_str(),
               std::string(static_cast<std::size_t>(filled), '#').c_str(),
               std::string(static_cast<std::size_t>(kWidth - filled), '.').c_str(),
               static_cast<int>(part * 100), rate);
  if (last) {
    std::fputc('\n', stderr);
  }
  std::fflush(stderr);
}

}  // namespace ensconce
