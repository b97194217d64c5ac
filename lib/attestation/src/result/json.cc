#include "ensconce/attestation/result/render.h"

namespace ensconce {

json::Value checks_to_json(std::span<const Check> checks) {
  json::Array out;
  for (const Check& check : checks) {
    out.push_back(json::Object{
        {"id", check.id},
        {"rule", check.rule},
        {"expected", check.expected},
        {"got", check.got},
        {"holds", check.holds.has_value() ? json::Value(*check.holds) : json::Value(nullptr)},
        {"remedy", check.remedy.empty() ? json::Value(nullptr) : json::Value(check.remedy)},
    });
  }
  return out;
}

json::Value result_to_json(const AttestationResult& result) {
  const auto& claims = result.claims();
  const auto& error = result.error();
  const IntelTcb* tcb = claims.has_value() ? claims->intel_tcb() : nullptr;
  return json::Object{
      {"kind", result.kind()},
      {"outcome", name_of(result.outcome())},
      {"verified", result.verified()},
      // AMD has TCB versions and no statuses.
      {"tcb_status", tcb == nullptr ? json::Value(nullptr) : json::Value(name_of(tcb->status))},
      {"origin",
       claims.has_value() ? json::Value(name_of(claims->anchor.origin)) : json::Value(nullptr)},
      {"stage", error.has_value() ? json::Value(name_of(error->stage())) : json::Value(nullptr)},
      {"code", error.has_value() ? json::Value(error->id()) : json::Value(nullptr)},
      {"claims", claims.has_value() ? claims_to_json(*claims) : json::Value(json::Object{})},
      {"checks", checks_to_json(result.checks())},
  };
}

}  // namespace ensconce
