#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ensconce/attestation/verify/error.h"
#include "ensconce/base/result.h"

namespace ensconce {

// Check is one rule that was applied: what was expected, what came, and what to do about it.
struct Check {
  std::string_view id;    // stable: docs/verification.md lists them
  std::string_view rule;  // the rule and where it stands
  std::string expected;
  std::string got;
  std::optional<bool> holds;  // nothing: there was nothing to apply the rule to
  std::string_view remedy;    // "" when the check holds
  bool is_warning = false;    // does not hold, and takes the affirmation without refusing
};

// CheckInfo is what is fixed about a check.
struct CheckInfo {
  AttestationError code;
  std::string_view id;
  Stage stage;
  std::string_view rule;
  std::string_view gain;  // what an attacker gains where the check is missing
  std::string_view remedy;
};
// all_checks lists every check of this library, in the order of AttestationError.
std::span<const CheckInfo> all_checks();

// ENSC_REQUIRE(log, code, holds, expected, got) applies a rule that must hold, records it, and
// gives whether it holds. ENSC_WARN does the same for a rule whose breach takes the affirmation and
// does not refuse. They are the one way to refuse in verify/ and appraise/: a test reads the
// sources for any other. In the build for mutation tests (ENSC_MUTATION) one rule at a time can be
// turned off, and some test must then fail: so whatever a rule guards is asked of the thing itself
// (`if (key)`) before it is used, and not of the rule's answer.
#define ENSC_REQUIRE(log, code, holds, expected, got) \
  (log).require((code), ENSC_RULE_HOLDS(code, holds), (expected), (got))
#define ENSC_WARN(log, code, holds, expected, got) \
  (log).warn((code), ENSC_RULE_HOLDS(code, holds), (expected), (got))
#ifdef ENSC_MUTATION
#define ENSC_RULE_HOLDS(code, holds) ((holds) || ::ensconce::internal::rule_is_off(code))
#else
#define ENSC_RULE_HOLDS(code, holds) (holds)
#endif

#ifdef ENSC_MUTATION
namespace internal {
extern std::optional<AttestationError> rule_off;  // passes, whatever comes
extern void (*on_broken_rule)(AttestationError);  // told of each rule that does not hold
inline bool rule_is_off(AttestationError code) { return rule_off == code; }
}  // namespace internal
#endif

// CheckLog keeps every rule that was applied; the first that does not hold is the error. Whatever
// is made of the evidence is made only if `verdict` is ok. Rules come in by ENSC_REQUIRE and
// ENSC_WARN.
class CheckLog {
 public:
  bool require(AttestationError code, bool holds, std::string expected, std::string got);
  void warn(AttestationError code, bool holds, std::string expected, std::string got);
  // not_applied records a rule that had nothing to apply to.
  void not_applied(AttestationError code, std::string expected, std::string got);

  // verdict is ok, or the first refusal.
  [[nodiscard]] Result<void> verdict() const;
  [[nodiscard]] bool warned() const { return warned_; }
  [[nodiscard]] const std::vector<Check>& checks() const { return checks_; }

 private:
  void record(AttestationError code, std::optional<bool> holds, std::string expected,
              std::string got, bool is_warning);
  std::vector<Check> checks_;
  std::optional<Error> refusal_;
  bool warned_ = false;
};

}  // namespace ensconce
