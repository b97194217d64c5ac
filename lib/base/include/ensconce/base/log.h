#pragma once

#include <string>
#include <string_view>

#include "ensconce/base/error.h"

namespace ensconce {

// The log is for operators and goes to stderr, one line an event. It takes names and numbers we
// made ourselves; never a secret, an input, an output, a prompt or text from a peer.
enum class LogLevel : std::uint8_t { kError, kWarning, kInfo, kDebug };

void set_log_level(LogLevel level);
// set_log_name sets what each line starts with: the program's name.
void set_log_name(std::string_view name);
void log(LogLevel level, std::string_view message);
inline void log_error(std::string_view message) { log(LogLevel::kError, message); }
inline void log_warning(std::string_view message) { log(LogLevel::kWarning, message); }
inline void log_info(std::string_view message) { log(LogLevel::kInfo, message); }
inline void log_debug(std::string_view message) { log(LogLevel::kDebug, message); }
// log_failure writes the exact code and detail of an error; the peer sees only a coarse form.
void log_failure(std::string_view what, const Error& error);

}  // namespace ensconce
