#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ensconce/attestation/evidence/error.h"
#include "ensconce/attestation/evidence/evidence_item.h"
#include "ensconce/crypto/hash.h"

namespace ensconce {

inline constexpr std::size_t kMaxEventLog = std::size_t{1024} * 1024;
inline constexpr std::size_t kMaxEvents = 4096;
inline constexpr std::uint16_t kTcgAlgSha256 = 0x000b;
inline constexpr std::uint16_t kTcgAlgSha384 = 0x000c;

// MeasuredEvent is one TCG_PCR_EVENT2 (TCG PC Client Firmware Profile; for TDX UEFI 2.10 section
// 38). `index` is the register as written: for a CCEL 0 is MRTD and 1 to 4 are RTMR0 to RTMR3.
struct MeasuredEvent {
  std::uint32_t index = 0;
  std::uint32_t type = 0;
  std::map<std::uint16_t, Bytes> digests;  // by algorithm
  Bytes data;
};

struct EventLog {
  std::vector<std::uint16_t> algorithms;  // as the first record lists them
  std::vector<MeasuredEvent> events;      // without the first record
};

// looks_like_event_log tells a log by its first record ("Spec ID Event03").
bool looks_like_event_log(ByteView bytes);
// parse_event_log reads a crypto-agile log. It ends at the last byte, at index 0xffffffff or at
// zero fill. Every size is bounded, and every event has a digest of each algorithm listed. Errors
// are EvidenceError::kEventLog.
Result<EventLog> parse_event_log(ByteView bytes);

// event_log_in reads the log of a pool, if it holds one. Two that differ are
// EvidenceError::kEndorsementDuplicate: what is there is judged, and one of them would not be.
Result<std::optional<EventLog>> event_log_in(std::span<const EndorsementItem> pool);

// replay_event_log extends zeros with each event of a register in turn, EV_NO_ACTION left out, and
// gives each register that was extended. N is 32 (SHA-256, PCRs) or 48 (SHA-384, RTMRs). PCR 0 of
// SHA-256 begins with the locality its log tells ("StartupLocality").
std::map<std::uint32_t, Sha256Digest> replay_sha256(const EventLog& log);
std::map<std::uint32_t, Sha384Digest> replay_sha384(const EventLog& log);

}  // namespace ensconce
