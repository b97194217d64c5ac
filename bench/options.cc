#include "options.h"

#include <algorithm>
#include <charconv>

namespace ensconce::bench {

Result<Options> Options::parse(std::span<char*> arguments,
                               std::span<const std::string_view> known) {
  Options out;
  for (std::size_t i = 0; i < arguments.size(); i += 2) {
    const std::string_view name = arguments[i];
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      return Error(BaseError::kInvalidArgument, "unknown argument " + std::string(name));
    }
    if (i + 1 == arguments.size()) {
      return Error(BaseError::kInvalidArgument, std::string(name) + " wants a value");
    }
    out.values_[std::string(name)].emplace_back(arguments[i + 1]);
  }
  return out;
}

std::vector<std::string> Options::all(std::string_view name) const {
  const auto found = values_.find(name);
  return found == values_.end() ? std::vector<std::string>() : found->second;
}

Result<std::string> Options::one(std::string_view name) const {
  std::vector<std::string> values = all(name);
  if (values.size() != 1) {
    return Error(BaseError::kInvalidArgument, std::string(name) + " is needed, once");
  }
  return std::move(values.front());
}

Result<std::uint64_t> Options::number(std::string_view name, std::uint64_t otherwise) const {
  if (all(name).empty()) {
    return otherwise;
  }
  ENSC_TRY_ASSIGN(const std::string text, one(name));
  std::uint64_t out = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), out);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) {
    return Error(BaseError::kInvalidArgument, std::string(name) + " wants a number");
  }
  return out;
}

}  // namespace ensconce::bench
