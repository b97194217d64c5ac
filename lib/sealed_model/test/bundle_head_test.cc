#include "ensconce/sealed_model/bundle_head.h"

#include <type_traits>

#include "bundle_fixture.h"
#include "ensconce/codec/cbor.h"

namespace ensconce {
namespace {

using BundleHeadTest = testing::BundleTest;

static_assert(!std::is_default_constructible_v<VerifiedHead>);
static_assert(!std::is_constructible_v<VerifiedHead, UnverifiedHead>);
static_assert(!std::is_convertible_v<UnverifiedHead, VerifiedHead>);

BundleHeader some_header(const Ed25519PublicKey& owner) {
  BundleHeader header;
  header.bundle_id = {1, 2, 3};
  header.name = "line-reader";
  header.version = 3;
  header.owner_key = owner;
  header.payload_len = 100;
  return header;
}

Bytes with_header(ByteView header) {
  ByteWriter w;
  w.raw(as_bytes("ENSCSEAL")).u16_be(1).u16_be(1);
  w.u32_be(static_cast<std::uint32_t>(header.size())).raw(header).raw(Bytes(64));
  return std::move(w).take();
}

// The members of a good header, for a test to change one.
cbor::Map members() {
  return {{"bundle_id", Bytes(16)},
          {"name", "n"},
          {"version", 1},
          {"key_id", Bytes(16)},
          {"key_commitment", Bytes(32)},
          {"owner_key", Bytes(32)},
          {"payload_len", 9},
          {"table_digest", Bytes(32)}};
}
cbor::Map members_with(std::string_view name, const cbor::Value& value) {
  cbor::Map map = members();
  for (auto& [key, old] : map) {
    if (key == cbor::Value(name)) {
      old = value;
    }
  }
  return map;
}

TEST_F(BundleHeadTest, ParsesWhatWasWritten) {
  const BundleHeader header = some_header(owner_.public_key());
  const Bytes front = sign(header);
  const auto head = parse_bundle_head(concat({front, Bytes(1000)}));
  ASSERT_TRUE(head);
  EXPECT_EQ(head->header, header);
  EXPECT_EQ(head->stream_offset, front.size());
  EXPECT_EQ(head->manifest_digest, sha256(front));
  EXPECT_EQ(internal::encode_signed_part(head->header), head->signed_part);
}

TEST_F(BundleHeadTest, RejectsEveryTruncation) {
  const Bytes front = sign(some_header(owner_.public_key()));
  for (std::size_t len = 0; len < front.size(); ++len) {
    const auto head = parse_bundle_head(ByteView(front).first(len));
    ASSERT_FALSE(head);
    EXPECT_TRUE(head.error().is(SealedModelError::kTruncated)) << len << head.error().to_string();
  }
}

TEST_F(BundleHeadTest, RejectsForeignMagicFormatAndSuite) {
  Bytes front = sign(some_header(owner_.public_key()));
  front[0] ^= 1;
  EXPECT_TRUE(parse_bundle_head(front).error().is(SealedModelError::kBadMagic));
  front[0] ^= 1;
  front[9] = 2;
  EXPECT_TRUE(parse_bundle_head(front).error().is(SealedModelError::kUnsupportedFormat));
  front[9] = 1;
  front[11] = 2;
  EXPECT_TRUE(parse_bundle_head(front).error().is(SealedModelError::kUnsupportedSuite));
}

TEST_F(BundleHeadTest, RejectsHeaderOverTheLimit) {
  EXPECT_TRUE(parse_bundle_head(with_header(Bytes(kMaxBundleHeaderLen + 1)))
                  .error()
                  .is(SealedModelError::kTooLarge));
  EXPECT_TRUE(parse_bundle_head(with_header(Bytes(kMaxBundleHeaderLen)))
                  .error()
                  .is(SealedModelError::kBadHeader));
}

TEST_F(BundleHeadTest, RejectsPayloadOverTheLimit) {
  const auto parse = [](std::uint64_t len) {
    return parse_bundle_head(with_header(cbor::encode(members_with("payload_len", len))));
  };
  EXPECT_TRUE(parse(kMaxBundlePayloadLen));
  EXPECT_TRUE(parse(kMaxBundlePayloadLen + 1).error().is(SealedModelError::kTooLarge));
  EXPECT_TRUE(parse(UINT64_MAX).error().is(SealedModelError::kTooLarge));
}

TEST_F(BundleHeadTest, RejectsHeaderOfAnotherForm) {
  const auto rejects = [](const cbor::Value& header) {
    const auto head = parse_bundle_head(with_header(cbor::encode(header)));
    return !head && head.error().is(SealedModelError::kBadHeader);
  };
  ASSERT_TRUE(parse_bundle_head(with_header(cbor::encode(members()))));
  EXPECT_TRUE(rejects(cbor::Array{}));
  for (std::size_t i = 0; i < members().size(); ++i) {
    cbor::Map without = members();
    without.erase(without.begin() + static_cast<std::ptrdiff_t>(i));
    EXPECT_TRUE(rejects(without)) << i;
    cbor::Map other_type = members();
    other_type[i].second = true;
    EXPECT_TRUE(rejects(other_type)) << i;
  }
  cbor::Map more = members();
  more.emplace_back("note", 1);
  EXPECT_TRUE(rejects(more));
  EXPECT_TRUE(rejects(members_with("version", 0)));
  EXPECT_TRUE(rejects(members_with("bundle_id", Bytes(15))));
  EXPECT_TRUE(rejects(members_with("owner_key", Bytes(33))));
  EXPECT_TRUE(rejects(members_with("name", "")));
  EXPECT_TRUE(rejects(members_with("name", "Line")));
  EXPECT_TRUE(rejects(members_with("name", "../line")));
  EXPECT_TRUE(rejects(members_with("name", "..")));
  EXPECT_TRUE(rejects(members_with("name", std::string(129, 'a'))));
  EXPECT_FALSE(rejects(members_with("name", std::string(128, 'a'))));
}

TEST_F(BundleHeadTest, RejectsHeaderWithBytesBehindItsMap) {
  Bytes header = cbor::encode(members());
  header.push_back(0);
  EXPECT_TRUE(parse_bundle_head(with_header(header)).error().is(SealedModelError::kBadHeader));
}

TEST_F(BundleHeadTest, VerifiesAcceptedOwnerAndMinimumVersion) {
  const auto head = parse_bundle_head(sign(some_header(owner_.public_key()))).value();
  const std::vector owners{make_owner(2).public_key(), owner_.public_key()};
  const auto verified = verify_head(head, owners, 3);
  ASSERT_TRUE(verified);
  EXPECT_EQ(verified->header(), head.header);
  EXPECT_EQ(verified->manifest_digest(), head.manifest_digest);
}

TEST_F(BundleHeadTest, RejectsOwnerWhoIsNotAccepted) {
  const auto head = parse_bundle_head(sign(some_header(owner_.public_key()))).value();
  const std::vector others{make_owner(2).public_key()};
  EXPECT_TRUE(verify_head(head, others, 1).error().is(SealedModelError::kForeignOwner));
  EXPECT_TRUE(verify_head(head, {}, 1).error().is(SealedModelError::kForeignOwner));
}

TEST_F(BundleHeadTest, RejectsSignatureByAnotherKey) {
  const std::vector owners{make_owner(2).public_key()};
  // Signed by owner_, in the name of the other.
  const auto head = parse_bundle_head(sign(some_header(owners[0]))).value();
  EXPECT_TRUE(verify_head(head, owners, 1).error().is(SealedModelError::kBadSignature));
}

TEST_F(BundleHeadTest, RejectsSignatureOverAnotherDomain) {
  const Bytes part = internal::encode_signed_part(some_header(owner_.public_key()));
  const std::vector owners{owner_.public_key()};
  const auto head = parse_bundle_head(concat({part, owner_.sign(part)})).value();
  EXPECT_TRUE(verify_head(head, owners, 1).error().is(SealedModelError::kBadSignature));
}

TEST_F(BundleHeadTest, RejectsVersionOlderThanTheMinimum) {
  const auto head = parse_bundle_head(sign(some_header(owner_.public_key()))).value();
  const std::vector owners{owner_.public_key()};
  EXPECT_TRUE(verify_head(head, owners, 4).error().is(SealedModelError::kRolledBack));
}

TEST_F(BundleHeadTest, CommitsToOneKeyAndOneBundle) {
  BundleHeader header = some_header(owner_.public_key());
  header.key_commitment = key_commitment_of(key_, header.bundle_id);
  EXPECT_TRUE(verify_content_key(header, key_));
  const ContentKey other = ContentKey::from(Bytes(32, 8)).value();
  EXPECT_TRUE(verify_content_key(header, other).error().is(SealedModelError::kWrongKey));
  header.bundle_id[0] ^= 1;
  EXPECT_TRUE(verify_content_key(header, key_).error().is(SealedModelError::kWrongKey));
}

TEST(FileName, AcceptsWhatStaysBelowTheDirectory) {
  EXPECT_TRUE(is_safe_file_name("model.onnx"));
  EXPECT_TRUE(is_safe_file_name("onnx/model_int8.onnx"));
  EXPECT_TRUE(is_safe_file_name(".hidden"));
  EXPECT_TRUE(is_safe_file_name("..."));
  EXPECT_TRUE(is_safe_file_name(std::string(255, 'a')));
  EXPECT_TRUE(is_safe_file_name("a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p"));
}

TEST(FileName, RejectsWhatDoesNot) {
  for (const std::string_view name :
       {"", "/", "/model.onnx", "a//b", "a/", "..", ".", "../a", "a/../b", "a/..", "./a", "a\\b",
        "a b", "a:b", "~", "\xc3\xa9", "a\nb", "a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q"}) {
    EXPECT_FALSE(is_safe_file_name(name)) << name;
  }
  EXPECT_FALSE(is_safe_file_name(std::string_view("a\0b", 3)));
  EXPECT_FALSE(is_safe_file_name(std::string(256, 'a')));
}

TEST(ContentKeyTest, RejectsOtherLengths) {
  EXPECT_TRUE(ContentKey::from(Bytes(31)).error().is(SealedModelError::kBadKey));
  EXPECT_TRUE(ContentKey::from(Bytes(33)).error().is(SealedModelError::kBadKey));
  static_assert(!std::is_copy_constructible_v<ContentKey>);
}

}  // namespace
}  // namespace ensconce
