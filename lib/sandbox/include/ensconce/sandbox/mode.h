#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace ensconce {

// SandboxMode says what to do where the kernel lacks a part.
enum class SandboxMode : std::uint8_t {
  kAuto,      // go on with what there is; the statement says what that was
  kRequired,  // end: SandboxError::kUnsupported
};

// sandbox_mode_of reads the key `sandbox` of a configuration file: "auto" or "required".
constexpr std::optional<SandboxMode> sandbox_mode_of(std::string_view text) {
  if (text == "auto") {
    return SandboxMode::kAuto;
  }
  return text == "required" ? std::optional(SandboxMode::kRequired) : std::nullopt;
}

}  // namespace ensconce
