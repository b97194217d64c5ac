#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "ensconce/base/bytes.h"
#include "ensconce/crypto/keys.h"
#include "ensconce/sealed_model/content_key.h"
#include "ensconce/sealed_model/error.h"

namespace ensconce {

// Limits of sealed bundle v1 (docs/protocols/sealed-bundle.md, "Limits").
inline constexpr std::size_t kMaxBundleHeaderLen = 4096;
inline constexpr std::size_t kMaxBundleFrontLen = 16 + kMaxBundleHeaderLen + 64;
inline constexpr std::size_t kMaxBundleNameLen = 128;
inline constexpr std::size_t kMaxBundleFiles = 4096;
inline constexpr std::size_t kMaxFileTableLen = std::size_t{2} * 1024 * 1024;
inline constexpr std::uint64_t kMaxBundlePayloadLen = std::uint64_t{1} << 40;

// BundleHeader is what a bundle says about itself in the clear.
struct BundleHeader {
  ByteArray<16> bundle_id{};
  std::string name;
  std::uint64_t version = 0;
  ByteArray<16> key_id{};
  Sha256Digest key_commitment{};
  Ed25519PublicKey owner_key;
  std::uint64_t payload_len = 0;  // bytes of plaintext: file table and files
  Sha256Digest table_digest{};
  friend bool operator==(const BundleHeader&, const BundleHeader&) = default;
};

// UnverifiedHead is the front of a bundle, read and not believed.
struct UnverifiedHead {
  BundleHeader header;
  Ed25519Signature signature{};
  Bytes signed_part;               // everything before the signature
  Sha256Digest manifest_digest{};  // SHA-256 of everything before the stream
  std::size_t stream_offset = 0;   // bytes
};

// parse_bundle_head reads the front of a bundle; what follows it is the stream and is left alone.
// Errors: kTruncated, kBadMagic, kUnsupportedFormat, kUnsupportedSuite, kTooLarge, kBadHeader.
Result<UnverifiedHead> parse_bundle_head(ByteView front);
// read_bundle_head does the same for a file. Also kIo.
Result<UnverifiedHead> read_bundle_head(const std::filesystem::path& path);

// is_bundle_name is true for 1 to 128 of [a-z0-9._-], beginning with a letter or a digit.
bool is_bundle_name(std::string_view name);
// is_safe_file_name is true for a relative name that stays below where it starts: at most 255 bytes
// and 16 components of [A-Za-z0-9._+@=,-], none of them empty, "." or "..".
bool is_safe_file_name(std::string_view name);

// key_commitment_of binds a bundle to one content key: AES-GCM alone would let an owner make one
// ciphertext that opens to two models under two keys.
Sha256Digest key_commitment_of(const ContentKey& key, const ByteArray<16>& bundle_id);
// verify_content_key returns kWrongKey unless `key` is the one the header commits to.
Result<void> verify_content_key(const BundleHeader& header, const ContentKey& key);

// VerifiedHead is a head that an accepted owner signed, of an accepted version. verify_head is its
// only maker.
class VerifiedHead {
 public:
  [[nodiscard]] const BundleHeader& header() const { return head_.header; }
  [[nodiscard]] const Sha256Digest& manifest_digest() const { return head_.manifest_digest; }
  [[nodiscard]] std::size_t stream_offset() const { return head_.stream_offset; }

 private:
  explicit VerifiedHead(UnverifiedHead head) : head_(std::move(head)) {}
  const UnverifiedHead head_;  // const: a move copies, and leaves no hollow proof
  friend Result<VerifiedHead> verify_head(const UnverifiedHead& head,
                                          std::span<const Ed25519PublicKey> accepted_owners,
                                          std::uint64_t minimum_version);
};

// verify_head returns kForeignOwner, kBadSignature or kRolledBack, looked for in this order. With
// no accepted owner every head is foreign.
Result<VerifiedHead> verify_head(const UnverifiedHead& head,
                                 std::span<const Ed25519PublicKey> accepted_owners,
                                 std::uint64_t minimum_version);

// read_verified_head reads, verifies, and holds the file's length against the signed payload
// length. Without the content key no more can be said of a bundle. Also kTruncated, kExtended, kIo.
Result<VerifiedHead> read_verified_head(const std::filesystem::path& path,
                                        std::span<const Ed25519PublicKey> accepted_owners,
                                        std::uint64_t minimum_version);

}  // namespace ensconce
