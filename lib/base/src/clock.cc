#include "ensconce/base/clock.h"

#include <time.h>  // NOLINT(modernize-deprecated-headers): clock_gettime and timegm.

#include <array>
#include <cstdio>

namespace ensconce {

std::string to_rfc3339(Instant t) {
  const time_t seconds = t.unix_ms / 1000 - (t.unix_ms % 1000 < 0 ? 1 : 0);
  tm parts{};
  gmtime_r(&seconds, &parts);
  std::array<char, 64> out{};
  const std::size_t len = strftime(out.data(), out.size(), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return {out.data(), len};
}

Result<Instant> from_rfc3339(std::string_view text) {
  const std::string copy(text);
  tm parts{};
  const char* end = strptime(copy.c_str(), "%Y-%m-%dT%H:%M:%SZ", &parts);
  if (end == nullptr || *end != '\0' || copy.size() != 20) {
    return Error(BaseError::kInvalidArgument,
                 "expected a UTC time such as 2026-11-23T05:00:29Z, got another form");
  }
  return Instant{static_cast<std::int64_t>(timegm(&parts)) * 1000};
}

Instant SystemClock::now() const {
  timespec ts{};
  clock_gettime(CLOCK_REALTIME, &ts);
  return {static_cast<std::int64_t>(ts.tv_sec) * 1000 + ts.tv_nsec / 1000000};
}

Millis SystemClock::since_boot() const {
  timespec ts{};
  clock_gettime(CLOCK_BOOTTIME, &ts);
  return Millis(static_cast<std::int64_t>(ts.tv_sec) * 1000 + ts.tv_nsec / 1000000);
}

}  // namespace ensconce
