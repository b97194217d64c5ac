#pragma once

#include <optional>

#include "ensconce/crypto/aead.h"
#include "ensconce/crypto/hash.h"
#include "ensconce/sealed_model/content_key.h"

namespace ensconce::internal {

// The stream is Tink's AES256_GCM_HKDF_1MB: a header, then segments of 1 MiB of ciphertext, the
// first one shorter by the header, the last one by whatever is missing. No byte belongs to two of
// them, so they are sealed and opened in any order.
inline constexpr std::size_t kSegmentLen = std::size_t{1} << 20;
inline constexpr std::size_t kStreamSaltLen = 32;
inline constexpr std::size_t kNoncePrefixLen = 7;
inline constexpr std::size_t kStreamHeaderLen = 1 + kStreamSaltLen + kNoncePrefixLen;
inline constexpr std::size_t kSegmentPlainLen = kSegmentLen - Aes256Gcm::kTagLen;
inline constexpr std::size_t kFirstSegmentPlainLen = kSegmentPlainLen - kStreamHeaderLen;

struct Segment {
  std::uint32_t index;
  bool last;
  std::uint64_t cipher_offset;  // from the start of the stream
  std::size_t cipher_len;       // with the tag
  std::uint64_t plain_offset;
  std::size_t plain_len;
};

// StreamLayout says where the segments of a payload lie. The payload is at most
// kMaxBundlePayloadLen, so the 32-bit segment number never wraps.
class StreamLayout {
 public:
  explicit StreamLayout(std::uint64_t payload_len);
  [[nodiscard]] std::uint32_t num_segments() const { return num_segments_; }
  [[nodiscard]] std::uint64_t stream_len() const;
  [[nodiscard]] Segment segment(std::uint32_t index) const;

 private:
  std::uint64_t payload_len_;
  std::uint32_t num_segments_;
};

struct StreamHeader {
  ByteArray<kStreamSaltLen> salt{};
  ByteArray<kNoncePrefixLen> nonce_prefix{};
};
Bytes encode_stream_header(const StreamHeader& header);
// parse_stream_header returns kTruncated, or kSegment when the length octet is not 40: that octet
// is under no tag, so it is compared.
Result<StreamHeader> parse_stream_header(ByteView bytes);

// derive_stream_key is HKDF-SHA256(content key, salt, info = manifest digest).
Aes256Key derive_stream_key(const ContentKey& key, const StreamHeader& header,
                            const Sha256Digest& manifest_digest);
ByteArray<Aes256Gcm::kNonceLen> segment_nonce(const StreamHeader& header, const Segment& segment);

}  // namespace ensconce::internal
