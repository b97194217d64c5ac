// A served model that its owner and lease were not looked at is not an appraised one.
#include "ensconce/channel/served_list.h"

namespace ensconce {

Result<AppraisedModel> accept(const ServedList& list, const ModelExpectation& expected,
                              const Ed25519PublicKey& broker, const Ed25519PublicKey& session,
                              Instant now) {
#ifdef ENSC_MISUSE
  return AppraisedModel(list.models.front(), now);  // MISUSE: private
#endif
  return appraise_served_model(list, expected, broker, session, now);
}

}  // namespace ensconce
