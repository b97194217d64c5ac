#pragma once

#include "ensconce/attestation/appraise/attestation_result.h"
#include "ensconce/client/channel.h"

namespace ensconce::cli {

// say_verdict tells people, on stderr, who was verified before anything was sent: one line when all
// is well, every check when not or when `whole`.
void say_verdict(const AttestationResult& result, bool whole);

inline constexpr const char* kChannelHelp =
    "tls: attested TLS, ended by the worker itself (default); ohttp: sealed requests, through any "
    "balancer that ends TLS; ohttp-chunked: the same, streamed";
// channel_choice reads the value of --channel.
Result<ChannelChoice> channel_choice(const std::string& text);

}  // namespace ensconce::cli
