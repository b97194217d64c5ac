#pragma once

#include "ensconce/keybroker/admin.h"
#include "ensconce/keybroker/key_broker.h"
#include "ledger.h"

namespace ensconce::internal {

// answer_admin does what an owner asks, whose signature was verified and whose nonce is spent. An
// owner sees and changes what stands under the owner's own key and nothing else.
Result<WireResponse> answer_admin(const WireRequest& request, const AdminCaller& caller,
                                  const KeyBrokerOptions& options, Ledger& ledger, Instant now);

// parse_key_id reads the 32 lower-case hex digits of a key id.
Result<ByteArray<16>> parse_key_id(std::string_view text);

}  // namespace ensconce::internal
