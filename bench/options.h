#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ensconce/base/result.h"

namespace ensconce::bench {

// Options are the `--name value` pairs of a measuring program, in order; what is not known is an
// error. Small, so that these programs compile at once.
class Options {
 public:
  // parse reads argv behind the program's name. Errors: BaseError::kInvalidArgument.
  static Result<Options> parse(std::span<char*> arguments, std::span<const std::string_view> known);

  [[nodiscard]] std::vector<std::string> all(std::string_view name) const;
  // one returns the value of an option that must be given exactly once.
  [[nodiscard]] Result<std::string> one(std::string_view name) const;
  [[nodiscard]] Result<std::uint64_t> number(std::string_view name, std::uint64_t otherwise) const;

 private:
  std::map<std::string, std::vector<std::string>, std::less<>> values_;
};

}  // namespace ensconce::bench
