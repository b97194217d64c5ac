// A policy parses or is refused with an error of its own; what parses names a root, and is no
// different from itself.

#include "ensconce/attestation/policy/policy.h"

#include "ensconce/attestation/policy/diff.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ensconce;
  const auto policy = AppraisalPolicy::parse(as_text(ByteView(data, size)), "fuzz");
  if (policy) {
    ENSC_CHECK(!policy->anchors().empty());
    const std::string_view text = as_text(ByteView(data, size));
    ENSC_CHECK(diff_policies(text, text).value().empty());
    ENSC_CHECK((policy->role() != PolicyRole::kBroker) == policy->freshness().has_value());
  } else {
    ENSC_CHECK(policy.error().id().starts_with("policy."));
  }
  return 0;
}
