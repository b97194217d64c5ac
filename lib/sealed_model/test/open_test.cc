#include "ensconce/sealed_model/open.h"

#include <limits>

#include "bundle_fixture.h"
#include "ensconce/codec/cbor.h"

namespace ensconce {
namespace {

using internal::kFirstSegmentPlainLen;
using internal::kSegmentLen;
using internal::kSegmentPlainLen;
using internal::kStreamHeaderLen;
using testing::Files;
using testing::pseudo_random_bytes;

using OpenTest = testing::BundleTest;

const Files& small_files() {
  static const Files files{{"model.onnx", pseudo_random_bytes(500, 1)},
                           {"empty", {}},
                           {"labels/names.txt", to_bytes("cat\ndog\n")}};
  return files;
}
const Files& large_files() {
  static const Files files{{"a.bin", pseudo_random_bytes(3'500'000, 1)},
                           {"b.bin", pseudo_random_bytes(100'000, 2)}};
  return files;
}

void expect_files(const OpenedBundle& bundle, const Files& files) {
  std::vector<std::string> names;
  for (const auto& [name, content] : files) {
    names.push_back(name);
    const auto found = bundle.find(name);
    ASSERT_TRUE(found) << name;
    EXPECT_TRUE(equal(*found, content)) << name;
  }
  EXPECT_EQ(bundle.names(), names);
}

// A bundle taken apart, to be put together otherwise.
struct Parts {
  Bytes head;
  Bytes stream_header;
  std::vector<Bytes> segments;
  [[nodiscard]] Bytes join() const {
    Bytes out = concat({head, stream_header});
    for (const Bytes& segment : segments) {
      out.insert(out.end(), segment.begin(), segment.end());
    }
    return out;
  }
};
Parts take_apart(const Bytes& bundle) {
  const auto head = parse_bundle_head(bundle).value();
  const ByteView stream = ByteView(bundle).subspan(head.stream_offset);
  Parts parts{to_bytes(ByteView(bundle).first(head.stream_offset)),
              to_bytes(stream.first(kStreamHeaderLen)),
              {}};
  const internal::StreamLayout layout(head.header.payload_len);
  for (std::uint32_t i = 0; i < layout.num_segments(); ++i) {
    const auto s = layout.segment(i);
    parts.segments.push_back(
        to_bytes(stream.subspan(static_cast<std::size_t>(s.cipher_offset), s.cipher_len)));
  }
  return parts;
}

TEST_F(OpenTest, OpensWhatWasSealed) {
  const SealedResult sealed = seal(small_files(), "m.sealed", {.name = "m", .version = 7});
  const auto bundle = open("m.sealed", sealed.content_key);
  ASSERT_TRUE(bundle) << bundle.error().to_string();
  expect_files(*bundle, small_files());
  EXPECT_EQ(bundle->header(), sealed.header);
  EXPECT_EQ(bundle->header().version, 7U);
  EXPECT_EQ(bundle->manifest_digest(), sealed.manifest_digest);
  EXPECT_TRUE(bundle->find("model").error().is(SealedModelError::kNoSuchFile));
  EXPECT_TRUE(bundle->find("").error().is(SealedModelError::kNoSuchFile));
}

TEST_F(OpenTest, OpensWithAnyNumberOfThreads) {
  const SealedResult sealed = seal(large_files(), "m.sealed", {.num_threads = 3});
  for (const unsigned num_threads : {1U, 2U, 5U, 300U}) {
    HeldKeySource keys(sealed.content_key.copy());
    OpenOptions with = options();
    with.num_threads = num_threads;
    const auto bundle = open_bundle(path("m.sealed"), keys, with);
    ASSERT_TRUE(bundle) << bundle.error().to_string();
    expect_files(*bundle, large_files());
  }
}

TEST_F(OpenTest, OpensPayloadsThatEndAtASegmentBoundary) {
  // The table of one file "f" is always as long, for lengths of more than 16 bits.
  const std::size_t front =
      4 + internal::encode_file_table({{.name = "f", .len = 1'000'000}}).size();
  for (const std::size_t payload_len :
       {kFirstSegmentPlainLen - 1, kFirstSegmentPlainLen, kFirstSegmentPlainLen + 1,
        kFirstSegmentPlainLen + kSegmentPlainLen, kFirstSegmentPlainLen + kSegmentPlainLen + 1}) {
    const Files files{{"f", pseudo_random_bytes(payload_len - front, 3)}};
    const SealedResult sealed = seal(files, "m.sealed");
    ASSERT_EQ(sealed.header.payload_len, payload_len);
    const auto bundle = open("m.sealed", sealed.content_key);
    ASSERT_TRUE(bundle) << bundle.error().to_string();
    expect_files(*bundle, files);
  }
}

TEST_F(OpenTest, LetsAnEngineLoadBeforeTheDigestsAreDone) {
  const SealedResult sealed = seal(large_files(), "m.sealed");
  HeldKeySource keys(sealed.content_key.copy());
  auto opening = start_opening_bundle(path("m.sealed"), keys, options());
  ASSERT_TRUE(opening);
  EXPECT_EQ(opening->header(), sealed.header);
  EXPECT_EQ(opening->manifest_digest(), sealed.manifest_digest);
  EXPECT_EQ(opening->names().size(), 2U);
  const ByteView early = opening->find("a.bin").value();
  const auto bundle = std::move(*opening).finish();
  ASSERT_TRUE(bundle);
  EXPECT_EQ(bundle->find("a.bin").value().data(), early.data());
  expect_files(*bundle, large_files());
}

TEST_F(OpenTest, LetsGoOfAFileBehindItsReader) {
  const SealedResult sealed = seal(large_files(), "m.sealed");
  HeldKeySource keys(sealed.content_key.copy());
  auto opening = start_opening_bundle(path("m.sealed"), keys, options());
  ASSERT_TRUE(opening);
  const ByteView file = opening->find("a.bin").value();
  opening->let_go("a.bin", 1'000'000);
  // What lies behind stays, and other files with it.
  EXPECT_TRUE(
      equal(file.subspan(1'000'000), ByteView(large_files().at("a.bin")).subspan(1'000'000)));
  EXPECT_TRUE(opening->find("a.bin").error().is(SealedModelError::kNoSuchFile));
  opening->let_go("a.bin", file.size());
  opening->let_go("a.bin", file.size() + 1);
  opening->let_go("none", 1);
  // The digest is that of the whole file all the same.
  const auto bundle = std::move(*opening).finish();
  ASSERT_TRUE(bundle) << bundle.error().to_string();
  EXPECT_TRUE(std::all_of(file.begin(), file.end(), [](std::uint8_t b) { return b == 0; }));
  EXPECT_TRUE(bundle->find("a.bin").error().is(SealedModelError::kNoSuchFile));
  EXPECT_TRUE(equal(bundle->find("b.bin").value(), large_files().at("b.bin")));
}

TEST_F(OpenTest, StopsDigestsThatNobodyWaitsFor) {
  const SealedResult sealed = seal(large_files(), "m.sealed");
  HeldKeySource keys(sealed.content_key.copy());
  EXPECT_TRUE(start_opening_bundle(path("m.sealed"), keys, options()));
}

TEST_F(OpenTest, RejectsWrongKeyBeforeItLooksAtTheOwner) {
  const SealedResult sealed = seal(small_files(), "m.sealed");
  OpenOptions nobody;
  HeldKeySource other(key_.copy());
  EXPECT_TRUE(open("m.sealed", key_).error().is(SealedModelError::kWrongKey));
  EXPECT_TRUE(open_bundle(path("m.sealed"), other, nobody).error().is(SealedModelError::kWrongKey));
  HeldKeySource right(sealed.content_key.copy());
  EXPECT_TRUE(
      open_bundle(path("m.sealed"), right, nobody).error().is(SealedModelError::kForeignOwner));
}

TEST_F(OpenTest, ReturnsWhatTheKeySourceRefusedWith) {
  class Refusing final : public KeySource {
   public:
    Result<ContentKey> key_for(const BundleHeader& /*header*/,
                               const Sha256Digest& /*digest*/) override {
      return Error(BaseError::kInvalidArgument, "no");
    }
  } refusing;
  seal(small_files(), "m.sealed");
  EXPECT_TRUE(
      open_bundle(path("m.sealed"), refusing, options()).error().is(BaseError::kInvalidArgument));
}

TEST_F(OpenTest, AsksForTheKeyByHeaderAndManifestDigest) {
  class Recording final : public KeySource {
   public:
    explicit Recording(const SealedResult& sealed) : sealed_(sealed) {}
    Result<ContentKey> key_for(const BundleHeader& header, const Sha256Digest& digest) override {
      EXPECT_EQ(header, sealed_.header);
      EXPECT_EQ(digest, sealed_.manifest_digest);
      return sealed_.content_key.copy();
    }
    const SealedResult& sealed_;
  };
  const SealedResult sealed = seal(small_files(), "m.sealed");
  Recording keys(sealed);
  EXPECT_TRUE(open_bundle(path("m.sealed"), keys, options()));
}

TEST_F(OpenTest, RejectsOlderVersion) {
  const SealedResult sealed = seal(small_files(), "m.sealed", {.version = 4});
  HeldKeySource keys(sealed.content_key.copy());
  OpenOptions newer = options();
  newer.minimum_version = 5;
  EXPECT_TRUE(open_bundle(path("m.sealed"), keys, newer).error().is(SealedModelError::kRolledBack));
  newer.minimum_version = 4;
  EXPECT_TRUE(open_bundle(path("m.sealed"), keys, newer));
}

TEST_F(OpenTest, RejectsPayloadOverTheCallersLimit) {
  const SealedResult sealed = seal(small_files(), "m.sealed");
  HeldKeySource keys(sealed.content_key.copy());
  OpenOptions tight = options();
  tight.max_payload_len = sealed.header.payload_len - 1;
  EXPECT_TRUE(open_bundle(path("m.sealed"), keys, tight).error().is(SealedModelError::kTooLarge));
  tight.max_payload_len = sealed.header.payload_len;
  EXPECT_TRUE(open_bundle(path("m.sealed"), keys, tight));
}

TEST_F(OpenTest, RejectsEveryChangedByteOfTheHead) {
  const SealedResult sealed = seal(small_files(), "m.sealed");
  const Bytes good = read(path("m.sealed"));
  const std::size_t head_len = parse_bundle_head(good).value().stream_offset;
  for (std::size_t i = 0; i < head_len; ++i) {
    for (const std::uint8_t bit : {0x01, 0x80}) {
      Bytes bad = good;
      bad[i] ^= bit;
      const auto bundle = open_bytes(bad, sealed.content_key);
      ASSERT_FALSE(bundle) << i;
      const Error& e = bundle.error();
      if (i < 8) {
        EXPECT_TRUE(e.is(SealedModelError::kBadMagic)) << i;
      } else if (i < 10) {
        EXPECT_TRUE(e.is(SealedModelError::kUnsupportedFormat)) << i;
      } else if (i < 12) {
        EXPECT_TRUE(e.is(SealedModelError::kUnsupportedSuite)) << i;
      } else if (i < 16) {
        EXPECT_TRUE(e.is(SealedModelError::kTooLarge) || e.is(SealedModelError::kBadHeader) ||
                    e.is(SealedModelError::kTruncated))
            << i << e.to_string();
      } else if (i < head_len - 64) {
        EXPECT_TRUE(e.is(SealedModelError::kBadHeader) || e.is(SealedModelError::kTooLarge) ||
                    e.is(SealedModelError::kWrongKey) || e.is(SealedModelError::kForeignOwner) ||
                    e.is(SealedModelError::kBadSignature))
            << i << e.to_string();
      } else {
        EXPECT_TRUE(e.is(SealedModelError::kBadSignature)) << i << e.to_string();
      }
    }
  }
}

TEST_F(OpenTest, RejectsEveryChangedByteOfTheStream) {
  const SealedResult sealed = seal({{"f", pseudo_random_bytes(40, 1)}}, "m.sealed");
  const Bytes good = read(path("m.sealed"));
  for (std::size_t i = parse_bundle_head(good).value().stream_offset; i < good.size(); ++i) {
    Bytes bad = good;
    bad[i] ^= 0x10;
    const auto bundle = open_bytes(bad, sealed.content_key);
    ASSERT_FALSE(bundle) << i;
    EXPECT_TRUE(bundle.error().is(SealedModelError::kSegment)) << i << bundle.error().to_string();
  }
}

TEST_F(OpenTest, RejectsOneChangedBitInAnySegment) {
  const SealedResult sealed = seal(large_files(), "m.sealed");
  const Parts good = take_apart(read(path("m.sealed")));
  ASSERT_EQ(good.segments.size(), 4U);
  for (std::size_t s = 0; s < good.segments.size(); ++s) {
    const std::size_t len = good.segments[s].size();
    for (const std::size_t at : {std::size_t{0}, len / 2, len - 16, len - 1}) {
      Parts bad = good;
      bad.segments[s][at] ^= 1;
      const auto bundle = open_bytes(bad.join(), sealed.content_key);
      ASSERT_FALSE(bundle);
      EXPECT_TRUE(bundle.error().is(SealedModelError::kSegment));
    }
  }
}

TEST_F(OpenTest, RejectsTruncationAtEveryBoundary) {
  const SealedResult sealed = seal(large_files(), "m.sealed");
  const Bytes good = read(path("m.sealed"));
  const std::size_t stream = parse_bundle_head(good).value().stream_offset;
  for (const std::size_t len :
       {std::size_t{0}, std::size_t{7}, std::size_t{8}, std::size_t{16}, stream - 64, stream - 1,
        stream, stream + 1, stream + kStreamHeaderLen - 1, stream + kStreamHeaderLen,
        stream + kSegmentLen - 1, stream + kSegmentLen, stream + kSegmentLen + 1,
        stream + kSegmentLen + 15, stream + 2 * kSegmentLen, stream + 3 * kSegmentLen,
        good.size() - 16, good.size() - 1}) {
    const auto bundle = open_bytes(ByteView(good).first(len), sealed.content_key);
    ASSERT_FALSE(bundle) << len;
    EXPECT_TRUE(bundle.error().is(SealedModelError::kTruncated))
        << len << bundle.error().to_string();
  }
}

TEST_F(OpenTest, RejectsExtension) {
  const SealedResult sealed = seal(large_files(), "m.sealed");
  const Bytes good = read(path("m.sealed"));
  Parts parts = take_apart(good);
  const auto refused = [&](const Bytes& bundle) {
    const auto opened = open_bytes(bundle, sealed.content_key);
    return !opened && opened.error().is(SealedModelError::kExtended);
  };
  EXPECT_TRUE(refused(concat({good, Bytes(1)})));
  EXPECT_TRUE(refused(concat({good, Bytes(kSegmentLen)})));
  EXPECT_TRUE(refused(concat({good, good})));
  parts.segments.insert(parts.segments.begin() + 1, parts.segments[1]);
  EXPECT_TRUE(refused(parts.join()));
}

TEST_F(OpenTest, RejectsDroppedSegment) {
  const SealedResult sealed = seal(large_files(), "m.sealed");
  Parts parts = take_apart(read(path("m.sealed")));
  parts.segments.erase(parts.segments.begin() + 1);
  EXPECT_TRUE(
      open_bytes(parts.join(), sealed.content_key).error().is(SealedModelError::kTruncated));
}

TEST_F(OpenTest, RejectsSwappedSegments) {
  const SealedResult sealed = seal(large_files(), "m.sealed");
  Parts parts = take_apart(read(path("m.sealed")));
  std::swap(parts.segments[1], parts.segments[2]);
  EXPECT_TRUE(open_bytes(parts.join(), sealed.content_key).error().is(SealedModelError::kSegment));
}

TEST_F(OpenTest, RejectsRepeatedSegment) {
  const SealedResult sealed = seal(large_files(), "m.sealed");
  Parts parts = take_apart(read(path("m.sealed")));
  parts.segments[2] = parts.segments[1];
  EXPECT_TRUE(open_bytes(parts.join(), sealed.content_key).error().is(SealedModelError::kSegment));
}

TEST_F(OpenTest, RejectsSegmentsOfAnotherBundleUnderTheSameKey) {
  const SealOptions same_key{.content_key_for_test = &key_};
  seal(large_files(), "a.sealed", same_key);
  seal(large_files(), "b.sealed", same_key);
  const Parts a = take_apart(read(path("a.sealed")));
  const Parts b = take_apart(read(path("b.sealed")));
  ASSERT_TRUE(open_bytes(a.join(), key_));
  for (std::size_t i = 0; i < a.segments.size(); ++i) {
    Parts mixed = a;
    mixed.segments[i] = b.segments[i];
    EXPECT_TRUE(open_bytes(mixed.join(), key_).error().is(SealedModelError::kSegment)) << i;
  }
  Parts other_stream = a;
  other_stream.stream_header = b.stream_header;
  EXPECT_TRUE(open_bytes(other_stream.join(), key_).error().is(SealedModelError::kSegment));
}

TEST_F(OpenTest, RejectsHeadOfOneBundleOnTheStreamOfAnother) {
  const SealOptions same_key{.content_key_for_test = &key_};
  seal(small_files(), "a.sealed", same_key);
  seal(small_files(), "b.sealed", same_key);
  Parts mixed = take_apart(read(path("a.sealed")));
  mixed.head = take_apart(read(path("b.sealed"))).head;
  EXPECT_TRUE(open_bytes(mixed.join(), key_).error().is(SealedModelError::kSegment));
}

TEST_F(OpenTest, RejectsHeadOfAnotherOwner) {
  seal(small_files(), "a.sealed", {.content_key_for_test = &key_});
  Parts stolen = take_apart(read(path("a.sealed")));
  // Another owner signs the very same header in its own name.
  BundleHeader header = parse_bundle_head(stolen.head).value().header;
  const Ed25519PrivateKey thief = make_owner(5);
  header.owner_key = thief.public_key();
  const Bytes part = internal::encode_signed_part(header);
  stolen.head = concat({part, thief.sign(internal::signature_message(part))});
  EXPECT_TRUE(open_bytes(stolen.join(), key_).error().is(SealedModelError::kForeignOwner));
}

// ---- what a lying owner could sign ----------------------------------------------------------

using Entry = internal::FileEntry;
Entry entry_of(std::string name, ByteView content) {
  return {.name = std::move(name), .len = content.size(), .digest = sha256(content)};
}

TEST_F(OpenTest, OpensAForgeryThatTellsTheTruth) {
  const Bytes content = to_bytes("hello");
  const auto bundle =
      open_bytes(forge_table(internal::encode_file_table({entry_of("f", content)}), content), key_);
  ASSERT_TRUE(bundle) << bundle.error().to_string();
  expect_files(*bundle, {{"f", content}});
}

TEST_F(OpenTest, RejectsPayloadLengthThatLies) {
  Forgery lie;
  lie.payload = Bytes(100);
  lie.payload_len = 101;
  EXPECT_TRUE(open_bytes(forge(lie), key_).error().is(SealedModelError::kTruncated));
  lie.payload_len = 99;
  EXPECT_TRUE(open_bytes(forge(lie), key_).error().is(SealedModelError::kExtended));
  lie.payload_len = kMaxBundlePayloadLen;  // refused before a terabyte is asked for
  EXPECT_TRUE(open_bytes(forge(lie), key_).error().is(SealedModelError::kTruncated));
}

TEST_F(OpenTest, RejectsTableThatIsNotTheOneInTheHeader) {
  const Bytes content = to_bytes("hello");
  const Bytes table = internal::encode_file_table({entry_of("f", content)});
  ByteWriter w;
  w.u32_be(static_cast<std::uint32_t>(table.size())).raw(table).raw(content);
  Forgery lie;
  lie.payload = std::move(w).take();
  EXPECT_TRUE(open_bytes(forge(lie), key_).error().is(SealedModelError::kTableDigest));
}

TEST_F(OpenTest, RejectsFileThatIsNotTheOneInTheTable) {
  const Bytes table = internal::encode_file_table(
      {entry_of("a", to_bytes("hello")), entry_of("b", to_bytes("world"))});
  const Bytes lie = forge_table(table, to_bytes("helloWorld"));
  EXPECT_TRUE(open_bytes(lie, key_).error().is(SealedModelError::kFileDigest));
  HeldKeySource keys(key_.copy());
  auto opening = start_opening_bundle(path("by-hand.sealed"), keys, options());
  ASSERT_TRUE(opening);
  opening->let_go("b", 5);
  EXPECT_TRUE(std::move(*opening).finish().error().is(SealedModelError::kFileDigest));
}

TEST_F(OpenTest, RejectsTableThatDoesNotAddUp) {
  const Bytes content = to_bytes("hello");
  Entry entry = entry_of("f", content);
  for (const std::uint64_t len :
       {std::uint64_t{4}, std::uint64_t{6}, std::numeric_limits<std::uint64_t>::max()}) {
    entry.len = len;
    EXPECT_TRUE(open_bytes(forge_table(internal::encode_file_table({entry}), content), key_)
                    .error()
                    .is(SealedModelError::kBadTable));
  }
  // Two lengths that wrap around to the right sum.
  Entry huge = entry_of("a", content);
  huge.len = std::numeric_limits<std::uint64_t>::max();
  Entry rest = entry_of("b", content);
  rest.len = content.size() + 1;
  EXPECT_TRUE(open_bytes(forge_table(internal::encode_file_table({huge, rest}), content), key_)
                  .error()
                  .is(SealedModelError::kBadTable));
}

TEST_F(OpenTest, RejectsTableOfAnotherForm) {
  const auto rejects = [&](const Bytes& table) {
    const auto bundle = open_bytes(forge_table(table, {}), key_);
    return !bundle && bundle.error().is(SealedModelError::kBadTable);
  };
  const cbor::Array file{"f", 0, sha256({})};
  EXPECT_FALSE(rejects(cbor::encode(cbor::Array{file})));
  EXPECT_TRUE(rejects({}));
  EXPECT_TRUE(rejects(cbor::encode(cbor::Map{})));
  EXPECT_TRUE(rejects(cbor::encode(cbor::Array{})));
  EXPECT_TRUE(rejects(cbor::encode(cbor::Array{"f"})));
  EXPECT_TRUE(rejects(cbor::encode(cbor::Array{cbor::Array{"f", 0}})));
  EXPECT_TRUE(rejects(cbor::encode(cbor::Array{cbor::Array{"f", 0, sha256({}), 1}})));
  EXPECT_TRUE(rejects(cbor::encode(cbor::Array{cbor::Array{"f", -1, sha256({})}})));
  EXPECT_TRUE(rejects(cbor::encode(cbor::Array{cbor::Array{"f", 0, Bytes(31)}})));
  EXPECT_TRUE(rejects(cbor::encode(cbor::Array{file, file})));
  const cbor::Array before{"e", 0, sha256({})};
  EXPECT_TRUE(rejects(cbor::encode(cbor::Array{file, before})));
  EXPECT_FALSE(rejects(cbor::encode(cbor::Array{before, file})));
}

TEST_F(OpenTest, RejectsTableOverItsLimits) {
  std::vector<Entry> entries;
  for (std::size_t i = 0; i <= kMaxBundleFiles; ++i) {
    entries.push_back(entry_of("f" + std::to_string(10000 + i), {}));
  }
  EXPECT_TRUE(open_bytes(forge_table(internal::encode_file_table(entries), {}), key_)
                  .error()
                  .is(SealedModelError::kBadTable));
  entries.pop_back();
  EXPECT_TRUE(open_bytes(forge_table(internal::encode_file_table(entries), {}), key_));

  const auto payload_of = [&](std::uint32_t table_len, std::size_t behind) {
    ByteWriter w;
    w.u32_be(table_len).raw(Bytes(behind));
    Forgery lie;
    lie.payload = std::move(w).take();
    return forge(lie);
  };
  for (const auto& [table_len, behind] : {std::pair<std::uint32_t, std::size_t>{11, 10},
                                          {UINT32_MAX, 10},
                                          {kMaxFileTableLen + 1, kMaxFileTableLen + 1}}) {
    EXPECT_TRUE(
        open_bytes(payload_of(table_len, behind), key_).error().is(SealedModelError::kBadTable));
  }
  for (const Bytes& shorter_than_a_length : {Bytes{}, Bytes{0, 0, 0}}) {
    Forgery lie;
    lie.payload = shorter_than_a_length;
    EXPECT_TRUE(open_bytes(forge(lie), key_).error().is(SealedModelError::kBadTable));
  }
}

TEST_F(OpenTest, RejectsUnsafeNamesInTheTable) {
  for (const std::string name : {"../f", "/f", "", "a//b", "a\\b"}) {
    EXPECT_TRUE(open_bytes(forge_table(internal::encode_file_table({entry_of(name, {})}), {}), key_)
                    .error()
                    .is(SealedModelError::kUnsafeName))
        << name;
  }
}

// ---- files ------------------------------------------------------------------------------------

TEST_F(OpenTest, ReportsWhatIsNoFile) {
  testing::NeverAsked keys;
  EXPECT_TRUE(open_bundle(path("missing"), keys, options()).error().is(SealedModelError::kIo));
  EXPECT_TRUE(open_bundle(dir_, keys, options()).error().is(SealedModelError::kIo));
  EXPECT_TRUE(open_bundle("/dev/null", keys, options()).error().is(SealedModelError::kIo));
}

TEST_F(OpenTest, AsksNoKeyForWhatIsNoBundle) {
  testing::NeverAsked keys;
  write(path("other"), to_bytes("PK\x03\x04, and more than eight bytes"));
  EXPECT_TRUE(open_bundle(path("other"), keys, options()).error().is(SealedModelError::kBadMagic));
}

TEST_F(OpenTest, VerifiesHeadAndLengthWithoutAKey) {
  const SealedResult sealed = seal(large_files(), "m.sealed");
  const std::vector owners{owner_.public_key()};
  const auto head = read_verified_head(path("m.sealed"), owners, 1);
  ASSERT_TRUE(head);
  EXPECT_EQ(head->manifest_digest(), sealed.manifest_digest);
  EXPECT_TRUE(
      read_verified_head(path("m.sealed"), {}, 1).error().is(SealedModelError::kForeignOwner));
  const Bytes bundle = read(path("m.sealed"));
  write(path("longer"), concat({bundle, Bytes(1)}));
  EXPECT_TRUE(
      read_verified_head(path("longer"), owners, 1).error().is(SealedModelError::kExtended));
  write(path("shorter"), ByteView(bundle).first(bundle.size() - 1));
  EXPECT_TRUE(
      read_verified_head(path("shorter"), owners, 1).error().is(SealedModelError::kTruncated));
}

}  // namespace
}  // namespace ensconce
