#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "ensconce/base/result.h"

namespace ensconce {

using Millis = std::chrono::milliseconds;

// Instant is a point of wall-clock time: milliseconds since 1970-01-01T00:00:00Z.
struct Instant {
  std::int64_t unix_ms = 0;
  friend auto operator<=>(const Instant&, const Instant&) = default;
  friend Instant operator+(Instant t, Millis d) { return {t.unix_ms + d.count()}; }
  friend Instant operator-(Instant t, Millis d) { return {t.unix_ms - d.count()}; }
  friend Millis operator-(Instant a, Instant b) { return Millis(a.unix_ms - b.unix_ms); }
};

// to_rfc3339 writes "2026-11-23T05:00:29Z" (seconds). from_rfc3339 reads it, UTC only.
std::string to_rfc3339(Instant t);
Result<Instant> from_rfc3339(std::string_view text);

// Clock is handed down from main; nothing else reads the time.
class Clock {
 public:
  Clock() = default;
  virtual ~Clock() = default;
  Clock(const Clock&) = delete;
  Clock& operator=(const Clock&) = delete;
  // now is the wall clock, which the host sets.
  [[nodiscard]] virtual Instant now() const = 0;
  // since_boot only moves forward and goes on while the machine sleeps.
  [[nodiscard]] virtual Millis since_boot() const = 0;
};

class SystemClock final : public Clock {
 public:
  [[nodiscard]] Instant now() const override;
  [[nodiscard]] Millis since_boot() const override;
};

// ManualClock stands still until it is told; for tests and for `--at`.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(Instant now, Millis since_boot = Millis(0))
      : now_(now), since_boot_(since_boot) {}
  [[nodiscard]] Instant now() const override { return now_; }
  [[nodiscard]] Millis since_boot() const override { return since_boot_; }
  void advance(Millis by) {
    now_ = now_ + by;
    since_boot_ += by;
  }
  void set(Instant now) { now_ = now; }

 private:
  Instant now_;
  Millis since_boot_;
};

}  // namespace ensconce
