#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>

namespace ensconce {

// Progress draws one bar on stderr for long work, and nothing when stderr is not a terminal.
// advance may be called from any thread.
class Progress {
 public:
  Progress(std::string label, std::uint64_t total);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  void advance(std::uint64_t by);

 private:
  void draw(bool last);
  std::string label_;
  std::uint64_t total_;
  std::uint64_t done_ = 0;
  bool terminal_;
  std::chrono::steady_clock::time_point start_;
  std::chrono::steady_clock::time_point drawn_;
  std::mutex mutex_;
};

}  // namespace ensconce
