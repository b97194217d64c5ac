#include "ensconce/attestation/evidence/event_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>

namespace ensconce {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::uint32_t kNoAction = 3;
constexpr std::uint32_t kEvIpl = 0x0d;

// The signatures of records end with a zero byte.
Bytes with_nul(std::string_view text) {
  Bytes out = to_bytes(text);
  out.push_back(0);
  return out;
}

// A log as firmware writes one. `algorithms` stand in the first record as they are.
class LogWriter {
 public:
  using Algorithms = std::vector<std::pair<std::uint16_t, std::uint16_t>>;

  explicit LogWriter(const Algorithms& algorithms = {{kTcgAlgSha256, 32}, {kTcgAlgSha384, 48}}) {
    ByteWriter spec;
    spec.raw(with_nul("Spec ID Event03")).u32_le(0).u8(0).u8(2).u8(0).u8(2);
    spec.u32_le(static_cast<std::uint32_t>(algorithms.size()));
    for (const auto& [algorithm, len] : algorithms) {
      spec.u16_le(algorithm).u16_le(len);
    }
    spec.u8(3).raw(Bytes{0xaa, 0xbb, 0xcc});
    first(kNoAction, {}, spec.bytes());
  }
  LogWriter(std::uint32_t type, const ByteArray<20>& digest, ByteView data) {
    first(type, digest, data);
  }

  using Digests = std::vector<std::pair<std::uint16_t, Bytes>>;
  LogWriter& event(std::uint32_t index, std::uint32_t type, const Digests& digests,
                   ByteView data = {}) {
    writer_.u32_le(index).u32_le(type).u32_le(static_cast<std::uint32_t>(digests.size()));
    for (const auto& [algorithm, digest] : digests) {
      writer_.u16_le(algorithm).raw(digest);
    }
    writer_.u32_le(static_cast<std::uint32_t>(data.size())).raw(data);
    return *this;
  }
  // Digests filled with one byte each.
  LogWriter& event(std::uint32_t index, std::uint32_t type, std::uint8_t sha256,
                   std::uint8_t sha384, ByteView data = {}) {
    return event(index, type,
                 {{kTcgAlgSha256, Bytes(32, sha256)}, {kTcgAlgSha384, Bytes(48, sha384)}}, data);
  }
  LogWriter& raw(ByteView bytes) {
    writer_.raw(bytes);
    return *this;
  }
  [[nodiscard]] const Bytes& bytes() const { return writer_.bytes(); }

 private:
  void first(std::uint32_t type, const ByteArray<20>& digest, ByteView data) {
    writer_.u32_le(0).u32_le(type).raw(digest);
    writer_.u32_le(static_cast<std::uint32_t>(data.size())).raw(data);
  }
  ByteWriter writer_;
};

// Two registers, three events.
LogWriter small_log() {
  LogWriter log;
  log.event(1, kEvIpl, 0x11, 0x21, as_bytes("kernel")).event(2, kEvIpl, 0x31, 0x41);
  log.event(1, 0x80000007, 0x12, 0x22, as_bytes("exit"));
  return log;
}

void expect_refused(ByteView bytes, const std::string& why) {
  const auto parsed = parse_event_log(bytes);
  ASSERT_FALSE(parsed) << why;
  EXPECT_TRUE(parsed.error().is(EvidenceError::kEventLog)) << parsed.error().to_string();
  EXPECT_THAT(parsed.error().to_string(), HasSubstr(why));
}

TEST(EventLog, GivesEventsInOrder) {
  const Bytes bytes = small_log().bytes();
  EXPECT_TRUE(looks_like_event_log(bytes));
  const auto log = parse_event_log(bytes);
  ASSERT_TRUE(log) << log.error().to_string();
  EXPECT_THAT(log->algorithms, ElementsAre(kTcgAlgSha256, kTcgAlgSha384));
  ASSERT_EQ(log->events.size(), 3U);
  EXPECT_EQ(log->events[0].index, 1U);
  EXPECT_EQ(log->events[0].type, kEvIpl);
  EXPECT_EQ(as_text(log->events[0].data), "kernel");
  EXPECT_EQ(log->events[0].digests.at(kTcgAlgSha256), Bytes(32, 0x11));
  EXPECT_EQ(log->events[0].digests.at(kTcgAlgSha384), Bytes(48, 0x21));
  EXPECT_EQ(log->events[1].index, 2U);
  EXPECT_THAT(log->events[1].data, IsEmpty());
  EXPECT_EQ(log->events[2].type, 0x80000007U);
}

TEST(EventLog, MayHoldNoEvents) {
  const auto log = parse_event_log(LogWriter().bytes());
  ASSERT_TRUE(log) << log.error().to_string();
  EXPECT_THAT(log->events, IsEmpty());
}

TEST(EventLog, TakesDigestsInAnyOrderAndAlgorithmsItDoesNotKnow) {
  LogWriter log({{0x7777, 5}, {kTcgAlgSha256, 32}, {0x7778, 64}});
  log.event(9, kEvIpl,
            {{0x7778, Bytes(64, 3)}, {kTcgAlgSha256, Bytes(32, 0x11)}, {0x7777, Bytes(5, 1)}});
  const auto parsed = parse_event_log(log.bytes());
  ASSERT_TRUE(parsed) << parsed.error().to_string();
  EXPECT_EQ(parsed->events[0].digests.at(0x7777), Bytes(5, 1));
  EXPECT_EQ(parsed->events[0].digests.at(0x7778), Bytes(64, 3));
  EXPECT_EQ(replay_sha256(*parsed).count(9), 1U);
  EXPECT_THAT(replay_sha384(*parsed), IsEmpty());
}

TEST(EventLog, EndsAtFillOrAtTheIndexOfTheEnd) {
  const Bytes bytes = small_log().bytes();
  for (const std::size_t fill : {1U, 3U, 4U, 1000U}) {
    Bytes filled = bytes;
    filled.resize(bytes.size() + fill);
    const auto log = parse_event_log(filled);
    ASSERT_TRUE(log) << fill;
    EXPECT_EQ(log->events.size(), 3U);
  }
  for (const std::size_t fill : {4U, 5U, 1000U}) {
    Bytes filled = bytes;
    filled.resize(bytes.size() + fill, 0xff);
    const auto log = parse_event_log(filled);
    ASSERT_TRUE(log) << fill;
    EXPECT_EQ(log->events.size(), 3U);
  }
  // What stands behind the end is no event.
  const Bytes hidden = small_log().raw(Bytes(4, 0xff)).event(1, kEvIpl, 0x13, 0x23).bytes();
  EXPECT_EQ(parse_event_log(hidden).value().events.size(), 3U);
}

TEST(EventLog, RejectsAnythingElseBehindTheLastEvent) {
  expect_refused(small_log().raw(Bytes(3, 0xff)).bytes(), "event 3: ");
  expect_refused(small_log().raw(Bytes{0, 0, 0, 1}).bytes(), "event 3: ");
  expect_refused(small_log().raw(Bytes{0xff, 0xff, 0xff, 0xfe}).bytes(), "event 3: ");
  Bytes almost_zero(200);
  almost_zero.back() = 1;
  expect_refused(small_log().raw(almost_zero).bytes(), "event 3: 0 digests where 2");
}

TEST(EventLog, RejectsEveryTruncation) {
  const LogWriter head;
  const Bytes bytes = small_log().bytes();
  constexpr std::size_t kEventLen = 12 + (2 + 32) + (2 + 48) + 4;
  const std::size_t first = head.bytes().size() + kEventLen + 6;
  const std::size_t second = first + kEventLen;
  for (std::size_t len = 0; len < bytes.size(); ++len) {
    if (len == head.bytes().size() || len == first || len == second) {
      EXPECT_TRUE(parse_event_log(ByteView(bytes).first(len))) << len;
    } else {
      expect_refused(ByteView(bytes).first(len), "cut off");
    }
  }
}

TEST(EventLog, RejectsSizesPastTheEnd) {
  Bytes bytes = LogWriter().event(1, kEvIpl, 1, 2, as_bytes("abcd")).bytes();
  const std::size_t at = bytes.size() - 8;
  ASSERT_EQ(bytes[at], 4);
  for (const std::size_t byte : {at, at + 3}) {
    Bytes changed = bytes;
    changed[byte] = 0xff;
    expect_refused(changed, "cut off");
  }
}

TEST(EventLog, IsBounded) {
  Bytes bytes = LogWriter().bytes();
  bytes.resize(kMaxEventLog);
  EXPECT_TRUE(parse_event_log(bytes));
  bytes.push_back(0);
  expect_refused(bytes, "at most 1048576 bytes");

  LogWriter many({{0x7777, 1}});
  for (std::size_t i = 0; i < kMaxEvents; ++i) {
    many.event(1, kEvIpl, {{0x7777, Bytes{1}}});
  }
  EXPECT_EQ(parse_event_log(many.bytes()).value().events.size(), kMaxEvents);
  many.event(1, kEvIpl, {{0x7777, Bytes{1}}});
  expect_refused(many.bytes(), "more than 4096 events");
}

TEST(EventLog, RejectsAnotherFirstRecord) {
  const Bytes good = LogWriter().bytes();
  const Bytes data = to_bytes(ByteView(good).subspan(32));
  EXPECT_TRUE(parse_event_log(LogWriter(kNoAction, {}, data).bytes()));
  expect_refused(LogWriter(4, {}, data).bytes(), "no EV_NO_ACTION");
  EXPECT_FALSE(looks_like_event_log(LogWriter(4, {}, data).bytes()));
  expect_refused(LogWriter(kNoAction, {0, 1}, data).bytes(), "digest of zeros");
  for (const std::size_t i : {std::size_t{0}, std::size_t{14}, std::size_t{15}}) {
    Bytes changed = data;
    changed[i] ^= 1;  // byte 14 tells this form from that of TPM 1.2
    const Bytes bytes = LogWriter(kNoAction, {}, changed).bytes();
    expect_refused(bytes, "no \"Spec ID Event03\"");
    EXPECT_FALSE(looks_like_event_log(bytes));
  }
  EXPECT_TRUE(looks_like_event_log(ByteView(good).first(48)));
  EXPECT_FALSE(looks_like_event_log(ByteView(good).first(47)));
  EXPECT_FALSE(looks_like_event_log({}));
}

TEST(EventLog, TakesTheFirstRecordOfAnyRegister) {
  Bytes bytes = small_log().bytes();
  bytes[0] = 1;
  EXPECT_TRUE(looks_like_event_log(bytes));
  EXPECT_EQ(parse_event_log(bytes).value().events.size(), 3U);
}

TEST(EventLog, RejectsAFirstRecordThatIsNotFilledByItsParts) {
  const Bytes good = LogWriter().bytes();
  Bytes data = to_bytes(ByteView(good).subspan(32));
  data.push_back(0);
  expect_refused(LogWriter(kNoAction, {}, data).bytes(), "1 bytes after the end");
  data.resize(data.size() - 2);
  expect_refused(LogWriter(kNoAction, {}, data).bytes(), "cut off");
  expect_refused(LogWriter(kNoAction, {}, ByteView(data).first(8)).bytes(), "cut off");
}

TEST(EventLog, RejectsAlgorithmListsItCannotTrust) {
  expect_refused(LogWriter(LogWriter::Algorithms{}).bytes(), "0 digest algorithms");
  LogWriter::Algorithms many;
  for (std::uint16_t i = 0; i < 16; ++i) {
    many.emplace_back(0x7000 + i, 1);
  }
  EXPECT_EQ(parse_event_log(LogWriter(many).bytes()).value().algorithms.size(), 16U);
  many.emplace_back(0x7100, 1);
  expect_refused(LogWriter(many).bytes(), "17 digest algorithms");
  expect_refused(LogWriter({{0x7777, 1}, {kTcgAlgSha256, 32}, {0x7777, 1}}).bytes(),
                 "listed twice");
  const LogWriter::Algorithms wrong{{0x7777, 0},  {0x7777, 65}, {0x7777, 0xffff},
                                    {0x0004, 32}, {0x000b, 31}, {kTcgAlgSha384, 32},
                                    {0x000d, 48}, {0x0012, 20}};
  for (const auto& one : wrong) {
    expect_refused(LogWriter({one}).bytes(),
                   "algorithm " + std::to_string(one.first) + " with digests of");
  }
}

TEST(EventLog, RejectsAnEventWithoutEveryDigest) {
  const Bytes sha256(32, 1);
  const Bytes sha384(48, 2);
  expect_refused(LogWriter().event(1, kEvIpl, LogWriter::Digests{}, as_bytes("x")).bytes(),
                 "event 0: 0 digests where 2");
  expect_refused(LogWriter().event(1, kEvIpl, {{kTcgAlgSha256, sha256}}).bytes(),
                 "event 0: 1 digests where 2");
  expect_refused(
      LogWriter()
          .event(1, kEvIpl,
                 {{kTcgAlgSha256, sha256}, {kTcgAlgSha384, sha384}, {kTcgAlgSha256, sha256}})
          .bytes(),
      "event 0: 3 digests where 2");
  expect_refused(
      LogWriter().event(1, kEvIpl, {{kTcgAlgSha256, sha256}, {kTcgAlgSha256, sha256}}).bytes(),
      "event 0: two digests of algorithm 11");
  expect_refused(LogWriter().event(1, kEvIpl, {{kTcgAlgSha256, sha256}, {4, Bytes(20, 3)}}).bytes(),
                 "event 0: a digest of algorithm 4, which is not listed");
  // EV_NO_ACTION too: its digests are zeros, and are there.
  expect_refused(LogWriter().event(0, kNoAction, LogWriter::Digests{}).bytes(), "0 digests");
}

TEST(EventLog, ReplaysEachRegister) {
  const auto log = parse_event_log(small_log().bytes()).value();
  const auto pcrs = replay_sha256(log);
  const auto rtmrs = replay_sha384(log);
  ASSERT_EQ(pcrs.size(), 2U);
  ASSERT_EQ(rtmrs.size(), 2U);
  // Computed elsewhere: SHA-256(SHA-256(00…00 ‖ 11…11) ‖ 12…12), and with SHA-384 and 21, 22.
  EXPECT_EQ(to_hex(pcrs.at(1)), "a3b8ce167218cf8439bf7ba4db07efa51341564c20c4cc75ac67c0014921a6c0");
  EXPECT_EQ(to_hex(rtmrs.at(1)),
            "895756ca67f095d248b0704937f694ec69d9e1a1f802b846"
            "7e1c6dfe1cd021c965cbcfcfb9d7de413a747c0af9c9a804");
  EXPECT_EQ(pcrs.at(2), sha256(concat({Bytes(32), Bytes(32, 0x31)})));
  EXPECT_EQ(rtmrs.at(2), sha384(concat({Bytes(48), Bytes(48, 0x41)})));
}

TEST(EventLog, LeavesOutEventsWithoutAction) {
  LogWriter writer = small_log();
  writer.event(1, kNoAction, 0x55, 0x55).event(3, kNoAction, 0x55, 0x55);
  const auto log = parse_event_log(writer.bytes()).value();
  const auto without = parse_event_log(small_log().bytes()).value();
  EXPECT_EQ(log.events.size(), 5U);
  EXPECT_EQ(replay_sha256(log), replay_sha256(without));
  EXPECT_EQ(replay_sha384(log), replay_sha384(without));
}

class StartupLocality : public testing::Test {
 protected:
  static Bytes locality(std::uint8_t value) {
    return concat({with_nul("StartupLocality"), Bytes{value}});
  }
  static Sha256Digest pcr0(const LogWriter& writer) {
    return replay_sha256(parse_event_log(writer.bytes()).value()).at(0);
  }
  static Sha256Digest from(std::uint8_t first) {
    Bytes start(32);
    start.back() = first;
    return sha256(concat({start, Bytes(32, 0x11)}));
  }
};

TEST_F(StartupLocality, BeginsPcr0) {
  LogWriter writer;
  writer.event(0, kNoAction, 0, 0, locality(3)).event(0, 8, 0x11, 0x21).event(1, 8, 0x11, 0x21);
  EXPECT_EQ(to_hex(pcr0(writer)),
            "b8e8cc97156c2b3142cb8e876236fd4729748153743b480af0949565f227d2eb");
  EXPECT_EQ(pcr0(writer), from(3));
  const auto log = parse_event_log(writer.bytes()).value();
  EXPECT_EQ(replay_sha256(log).at(1), from(0));
  // Register 0 of a trust domain is MRTD, which starts at zero.
  EXPECT_EQ(replay_sha384(log).at(0), sha384(concat({Bytes(48), Bytes(48, 0x21)})));
}

TEST_F(StartupLocality, IsNoRegisterByItself) {
  LogWriter writer;
  writer.event(0, kNoAction, 0, 0, locality(3));
  EXPECT_THAT(replay_sha256(parse_event_log(writer.bytes()).value()), IsEmpty());
}

TEST_F(StartupLocality, CountsInItsPlaceAndFormOnly) {
  const Bytes longer = concat({locality(3), Bytes{4}});
  Bytes other = locality(3);
  other[0] ^= 1;
  const struct {
    const char* what;
    LogWriter writer;
  } cases[] = {
      {"none", LogWriter().event(0, 8, 0x11, 0x21)},
      {"too long", LogWriter().event(0, kNoAction, 0, 0, longer).event(0, 8, 0x11, 0x21)},
      {"cut",
       LogWriter().event(0, kNoAction, 0, 0, ByteView(longer).first(16)).event(0, 8, 0x11, 0x21)},
      {"another name", LogWriter().event(0, kNoAction, 0, 0, other).event(0, 8, 0x11, 0x21)},
      {"another register",
       LogWriter().event(1, kNoAction, 0, 0, locality(3)).event(0, 8, 0x11, 0x21)},
      {"too late", LogWriter().event(0, 8, 0x11, 0x21).event(0, kNoAction, 0, 0, locality(3))},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(pcr0(c.writer), from(0)) << c.what;
  }
  // An event of another type with such data measures as any other.
  LogWriter measured;
  measured.event(0, 8, 0x11, 0x21, locality(3));
  EXPECT_EQ(pcr0(measured), from(0));
}

TEST(EventLogOfAPool, IsOneOrNoneAndNeverTwo) {
  const EndorsementItem other{std::string(kCertificateType), Bytes{1}};
  EXPECT_FALSE(event_log_in(std::vector{other}).value().has_value());
  const EndorsementItem broken{std::string(kEventLogType), Bytes{1}};
  EXPECT_TRUE(event_log_in(std::vector{other, broken}).error().is(EvidenceError::kEventLog));
  EXPECT_TRUE(event_log_in(std::vector{broken, broken}).error().is(EvidenceError::kEventLog));
  const EndorsementItem second{std::string(kEventLogType), Bytes{2}};
  EXPECT_TRUE(
      event_log_in(std::vector{broken, second}).error().is(EvidenceError::kEndorsementDuplicate));
}

}  // namespace
}  // namespace ensconce
