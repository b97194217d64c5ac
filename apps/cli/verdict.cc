#include "verdict.h"

#include <unistd.h>

#include <cstdio>

#include "ensconce/attestation/result/render.h"

namespace ensconce::cli {

void say_verdict(const AttestationResult& result, bool whole) {
  const bool color = isatty(STDERR_FILENO) == 1;
  if (whole || !result.affirmed()) {
    std::fprintf(stderr, "%s", result_to_text(result, color).c_str());
    return;
  }
  const Affirmed& affirmed = *result.affirmed();
  std::fprintf(stderr, "verified  %s  measurement %s…  %s\n", affirmed.statement().software.c_str(),
               to_hex(affirmed.measurement()).substr(0, 16).c_str(),
               affirmed.origin() == AnchorOrigin::kSimulated
                   ? "SIMULATED processor: protects nothing"
                   : std::string(name_of(affirmed.origin())).c_str());
}

Result<ChannelChoice> channel_choice(const std::string& text) {
  if (text == "tls") {
    return ChannelChoice::kAttestedTls;
  }
  if (text == "ohttp") {
    return ChannelChoice::kOblivious;
  }
  if (text == "ohttp-chunked") {
    return ChannelChoice::kObliviousChunked;
  }
  return Error(NetError::kInvalidArgument, "--channel: expected tls, ohttp or ohttp-chunked");
}

}  // namespace ensconce::cli
