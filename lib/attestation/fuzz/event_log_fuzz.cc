// What parses holds no more than was there, has every digest it lists, is the same with fill behind
// it, and is replayed without harm.

#include "ensconce/attestation/evidence/event_log.h"

#include "ensconce/base/check.h"

namespace ensconce {
namespace {

std::size_t encoded_len(const MeasuredEvent& event) {
  std::size_t len = 16 + event.data.size();
  for (const auto& digest : event.digests) {
    len += 2 + digest.second.size();
  }
  return len;
}

void check_log(const EventLog& log, std::size_t size) {
  std::size_t total = 0;
  for (const MeasuredEvent& event : log.events) {
    ENSC_CHECK(event.digests.size() == log.algorithms.size());
    for (const std::uint16_t algorithm : log.algorithms) {
      ENSC_CHECK(event.digests.count(algorithm) == 1);
    }
    total += encoded_len(event);
  }
  ENSC_CHECK(total < size);
  ENSC_CHECK(replay_sha256(log).size() <= log.events.size());
  ENSC_CHECK(replay_sha384(log).size() <= log.events.size());
}

}  // namespace
}  // namespace ensconce

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ensconce;
  const ByteView input(data, size);
  const auto log = parse_event_log(input);
  if (log) {
    ENSC_CHECK(looks_like_event_log(input));
    check_log(*log, size);
    if (size + 8 <= kMaxEventLog) {
      const auto filled = parse_event_log(concat({input, Bytes(8)}));
      ENSC_CHECK(filled.has_value() && filled->events.size() == log->events.size());
    }
  }
  return 0;
}
