#include "ensconce/attestation/evidence/event_log.h"

#include <algorithm>
#include <array>
#include <utility>

namespace ensconce {
namespace {

// TCG PC Client Platform Firmware Profile, "Event Logging": a first record in the form of TPM 1.2
// (TCG_PCR_EVENT, its digest all zero) holds TCG_EfiSpecIDEvent, which lists the algorithms of all
// records that follow it.
constexpr std::size_t kSha1Len = 20;
constexpr std::size_t kFirstDataOffset = 4 + 4 + kSha1Len + 4;
constexpr std::size_t kSignatureLen = 16;
constexpr std::string_view kSpecIdSignature{"Spec ID Event03", kSignatureLen};
constexpr std::size_t kPlatformLen = 4 + 1 + 1 + 1 + 1;  // class, version (three parts), UINTN size
constexpr std::string_view kLocalitySignature{"StartupLocality", kSignatureLen};

constexpr std::uint32_t kEvNoAction = 3;
constexpr ByteArray<4> kIndexOfEnd{0xff, 0xff, 0xff, 0xff};

constexpr std::size_t kMaxAlgorithms = 16;
constexpr std::size_t kMaxDigest = 64;

// TCG Algorithm Registry, "TPM_ALG_ID": what a digest measures, where we know it.
constexpr std::array<std::pair<std::uint16_t, std::size_t>, 5> kDigestLens{
    {{0x0004, kSha1Len}, {kTcgAlgSha256, 32}, {kTcgAlgSha384, 48}, {0x000d, 64}, {0x0012, 32}}};

using DigestLens = std::map<std::uint16_t, std::size_t>;

Error bad(std::string detail) { return Error(EvidenceError::kEventLog, std::move(detail)); }

bool known_otherwise(std::uint16_t algorithm, std::size_t len) {
  return std::any_of(kDigestLens.begin(), kDigestLens.end(), [&](const auto& known) {
    return known.first == algorithm && known.second != len;
  });
}

Result<void> read_algorithms(ByteReader& reader, EventLog& log, DigestLens& lens) {
  ENSC_TRY_ASSIGN(const std::uint32_t count, reader.u32_le());
  if (count == 0 || count > kMaxAlgorithms) {
    return bad(std::to_string(count) + " digest algorithms; 1 to 16 are allowed");
  }
  for (std::uint32_t i = 0; i < count; ++i) {
    ENSC_TRY_ASSIGN(const std::uint16_t algorithm, reader.u16_le());
    ENSC_TRY_ASSIGN(const std::uint16_t len, reader.u16_le());
    if (len == 0 || len > kMaxDigest || known_otherwise(algorithm, len)) {
      return bad("algorithm " + std::to_string(algorithm) + " with digests of " +
                 std::to_string(len) + " bytes");
    }
    if (!lens.emplace(algorithm, len).second) {
      return bad("algorithm " + std::to_string(algorithm) + " is listed twice");
    }
    log.algorithms.push_back(algorithm);
  }
  return ok();
}

Result<void> read_spec_id(ByteView data, EventLog& log, DigestLens& lens) {
  ByteReader reader(data);
  ENSC_TRY_ASSIGN(const ByteView signature, reader.take(kSignatureLen));
  if (as_text(signature) != kSpecIdSignature) {
    return bad("the first record is no \"Spec ID Event03\"");
  }
  ENSC_TRY(reader.skip(kPlatformLen));
  ENSC_TRY(read_algorithms(reader, log, lens));
  ENSC_TRY_ASSIGN(const std::uint8_t vendor_len, reader.u8());
  ENSC_TRY(reader.skip(vendor_len));
  return reader.finish();
}

// The register is 0 in a TPM's log; firmware of trust domains was seen to write 1.
Result<void> read_first_record(ByteReader& reader, EventLog& log, DigestLens& lens) {
  ENSC_TRY(reader.skip(4));
  ENSC_TRY_ASSIGN(const std::uint32_t type, reader.u32_le());
  ENSC_TRY_ASSIGN(const ByteView digest, reader.take(kSha1Len));
  if (type != kEvNoAction || !all_zero(digest)) {
    return bad("the first record is no EV_NO_ACTION with a digest of zeros");
  }
  ENSC_TRY_ASSIGN(const std::uint32_t len, reader.u32_le());
  ENSC_TRY_ASSIGN(const ByteView data, reader.take(len));
  return read_spec_id(data, log, lens);
}

// Each record has one digest of every algorithm listed: without one of them the register of that
// algorithm could not be replayed, and what it says would be left out in silence.
Result<void> read_digests(ByteReader& reader, const DigestLens& lens, MeasuredEvent& event) {
  ENSC_TRY_ASSIGN(const std::uint32_t count, reader.u32_le());
  if (count != lens.size()) {
    return bad(std::to_string(count) + " digests where " + std::to_string(lens.size()) +
               " algorithms are listed");
  }
  for (std::uint32_t i = 0; i < count; ++i) {
    ENSC_TRY_ASSIGN(const std::uint16_t algorithm, reader.u16_le());
    const auto listed = lens.find(algorithm);
    if (listed == lens.end()) {
      return bad("a digest of algorithm " + std::to_string(algorithm) + ", which is not listed");
    }
    ENSC_TRY_ASSIGN(const ByteView digest, reader.take(listed->second));
    if (!event.digests.emplace(algorithm, to_bytes(digest)).second) {
      return bad("two digests of algorithm " + std::to_string(algorithm));
    }
  }
  return ok();
}

Result<MeasuredEvent> read_event(ByteReader& reader, const DigestLens& lens) {
  MeasuredEvent event;
  ENSC_TRY_ASSIGN(event.index, reader.u32_le());
  ENSC_TRY_ASSIGN(event.type, reader.u32_le());
  ENSC_TRY(read_digests(reader, lens, event));
  ENSC_TRY_ASSIGN(const std::uint32_t len, reader.u32_le());
  ENSC_TRY_ASSIGN(const ByteView data, reader.take(len));
  event.data = to_bytes(data);
  return event;
}

// A log lies at the front of an area of memory; firmware leaves the rest at 0xff, or at zero. What
// is behind an index of 0xffffffff belongs to nobody and is not read.
bool ends_here(ByteView rest) {
  return all_zero(rest) || (rest.size() >= 4 && equal(rest.first(4), kIndexOfEnd));
}

Result<EventLog> read_log(ByteView bytes) {
  ByteReader reader(bytes);
  EventLog log;
  DigestLens lens;
  ENSC_TRY(read_first_record(reader, log, lens));
  while (!ends_here(bytes.subspan(reader.offset()))) {
    if (log.events.size() == kMaxEvents) {
      return bad("more than 4096 events");
    }
    auto event = read_event(reader, lens);
    if (!event) {
      return event.error().with_context("event " + std::to_string(log.events.size()));
    }
    log.events.push_back(*std::move(event));
  }
  return log;
}

// TCG PC Client Platform Firmware Profile, "TCG_EfiStartupLocalityEvent": a TPM that was started at
// another locality than 0 begins PCR 0 with that number. It is logged before PCR 0 is extended;
// later it tells nothing.
std::uint8_t startup_locality(const EventLog& log) {
  for (const MeasuredEvent& event : log.events) {
    if (event.index != 0) {
      continue;
    }
    if (event.type != kEvNoAction) {
      return 0;
    }
    if (event.data.size() == kSignatureLen + 1 &&
        as_text(event.data).substr(0, kSignatureLen) == kLocalitySignature) {
      return event.data.back();
    }
  }
  return 0;
}

template <std::size_t N>
std::map<std::uint32_t, ByteArray<N>> replay(const EventLog& log, std::uint16_t algorithm,
                                             const ByteArray<N>& start_of_0) {
  std::map<std::uint32_t, ByteArray<N>> registers;
  for (const MeasuredEvent& event : log.events) {
    const auto digest = event.digests.find(algorithm);
    if (event.type == kEvNoAction || digest == event.digests.end()) {
      continue;  // all events of a log have a digest of this algorithm, or none
    }
    const auto at =
        registers.emplace(event.index, event.index == 0 ? start_of_0 : ByteArray<N>{}).first;
    Hasher<N> hasher;
    hasher.update(at->second);
    hasher.update(digest->second);
    at->second = hasher.finish();
  }
  return registers;
}

}  // namespace

bool looks_like_event_log(ByteView bytes) {
  constexpr ByteArray<4> kNoAction{kEvNoAction, 0, 0, 0};
  return bytes.size() >= kFirstDataOffset + kSignatureLen &&
         equal(bytes.subspan(4, 4), kNoAction) &&
         as_text(bytes.subspan(kFirstDataOffset, kSignatureLen)) == kSpecIdSignature;
}

Result<EventLog> parse_event_log(ByteView bytes) {
  if (bytes.size() > kMaxEventLog) {
    return bad("a log has at most 1048576 bytes, this has " + std::to_string(bytes.size()));
  }
  Result<EventLog> log = read_log(bytes);
  if (!log && !log.error().is(EvidenceError::kEventLog)) {
    return bad("the log is cut off, or a size in it is wrong: " + log.error().detail());
  }
  return log;
}

std::map<std::uint32_t, Sha256Digest> replay_sha256(const EventLog& log) {
  Sha256Digest start{};
  start.back() = startup_locality(log);
  return replay<32>(log, kTcgAlgSha256, start);
}

// Registers of trust domains know no locality.
std::map<std::uint32_t, Sha384Digest> replay_sha384(const EventLog& log) {
  return replay<48>(log, kTcgAlgSha384, {});
}

Result<std::optional<EventLog>> event_log_in(std::span<const EndorsementItem> pool) {
  const EndorsementItem* found = nullptr;
  for (const EndorsementItem& item : pool) {
    if (item.type != kEventLogType) {
      continue;
    }
    if (found != nullptr && found->data != item.data) {
      return Error(EvidenceError::kEndorsementDuplicate, "two event logs that differ")
          .with_remedy("give the one log of the boot that the evidence is of");
    }
    found = &item;
  }
  if (found == nullptr) {
    return std::optional<EventLog>();
  }
  ENSC_TRY_ASSIGN(EventLog log, parse_event_log(found->data));
  return std::optional(std::move(log));
}

}  // namespace ensconce
