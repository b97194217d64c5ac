#include "ensconce/base/log.h"

#include <sys/uio.h>
#include <unistd.h>

#include <atomic>
#include <mutex>

#include "ensconce/base/clock.h"

namespace ensconce {

namespace {
std::atomic<LogLevel> g_level = LogLevel::kInfo;
std::mutex g_mutex;
std::string& program_name() {
  static std::string name = "ensconce";
  return name;
}
constexpr std::string_view word(LogLevel level) {
  switch (level) {
    case LogLevel::kError:
      return "error";
    case LogLevel::kWarning:
      return "warning";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kDebug:
      return "debug";
  }
  return "info";
}
}  // namespace

void set_log_level(LogLevel level) { g_level = level; }

void set_log_name(std::string_view name) {
  const std::lock_guard lock(g_mutex);
  program_name() = name;
}

void log(LogLevel level, std::string_view message) {
  if (level > g_level.load()) {
    return;
  }
  const std::lock_guard lock(g_mutex);
  std::string line = to_rfc3339(SystemClock().now());
  line.append(" ").append(program_name()).append(" ").append(word(level)).append(" ");
  for (const char c : message) {  // One event, one line, nothing a terminal would act on.
    line += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? ' ' : c;
  }
  line += '\n';
  (void)!write(STDERR_FILENO, line.data(), line.size());
}

void log_failure(std::string_view what, const Error& error) {
  log(LogLevel::kError, std::string(what) + ": " + error.to_string() + " [" + error.where().file +
                            ":" + std::to_string(error.where().line) + "]");
}

}  // namespace ensconce
