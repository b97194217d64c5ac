#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "ensconce/base/result.h"
#include "ensconce/codec/json.h"

namespace ensconce {

// Stricter says which of two policies lets less pass by a field, where that is simple to say.
enum class Stricter : std::uint8_t { kUnknown, kFirst, kSecond };

// PolicyDifference is one field that two policies write differently. A section that only one has is
// one difference.
struct PolicyDifference {
  std::string field;  // "snp.minimum_tcb", "[tdx]", "model.line-reader.owner_key"
  std::string first;  // as TOML would write it; "" where it is not there
  std::string second;
  Stricter stricter = Stricter::kUnknown;
};

// diff_policies compares two policy files field by field, whole sections first. Comments, the case
// of hex and the order of lists are no difference. Both must load as policies; this
// reads their TOML again, and fails as that does.
Result<std::vector<PolicyDifference>> diff_policies(std::string_view first,
                                                    std::string_view second);

}  // namespace ensconce
