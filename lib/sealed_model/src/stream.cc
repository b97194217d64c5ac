#include "stream.h"

#include "ensconce/sealed_model/bundle_head.h"

namespace ensconce::internal {

static_assert(kMaxBundlePayloadLen / kSegmentPlainLen < UINT32_MAX - 1);

StreamLayout::StreamLayout(std::uint64_t payload_len) : payload_len_(payload_len) {
  ENSC_CHECK(payload_len <= kMaxBundlePayloadLen);
  if (payload_len <= kFirstSegmentPlainLen) {
    num_segments_ = 1;
  } else {
    const std::uint64_t rest = payload_len - kFirstSegmentPlainLen;
    num_segments_ =
        static_cast<std::uint32_t>(1 + (rest + kSegmentPlainLen - 1) / kSegmentPlainLen);
  }
}

std::uint64_t StreamLayout::stream_len() const {
  return kStreamHeaderLen + payload_len_ + std::uint64_t{num_segments_} * Aes256Gcm::kTagLen;
}

Segment StreamLayout::segment(std::uint32_t index) const {
  ENSC_CHECK(index < num_segments_);
  Segment s{};
  s.index = index;
  s.last = index + 1 == num_segments_;
  s.cipher_offset = index == 0 ? kStreamHeaderLen : std::uint64_t{index} * kSegmentLen;
  s.plain_offset =
      index == 0 ? 0 : kFirstSegmentPlainLen + std::uint64_t{index - 1} * kSegmentPlainLen;
  const std::uint64_t full = index == 0 ? kFirstSegmentPlainLen : kSegmentPlainLen;
  s.plain_len = static_cast<std::size_t>(std::min(full, payload_len_ - s.plain_offset));
  s.cipher_len = s.plain_len + Aes256Gcm::kTagLen;
  return s;
}

Bytes encode_stream_header(const StreamHeader& header) {
  ByteWriter w;
  w.u8(kStreamHeaderLen).raw(header.salt).raw(header.nonce_prefix);
  return std::move(w).take();
}

Result<StreamHeader> parse_stream_header(ByteView bytes) {
  if (bytes.size() != kStreamHeaderLen) {
    return Error(SealedModelError::kTruncated, "the bundle ends within the stream header");
  }
  if (bytes[0] != kStreamHeaderLen) {
    return Error(SealedModelError::kSegment, "the stream header does not begin with 40");
  }
  StreamHeader header;
  std::copy_n(bytes.begin() + 1, kStreamSaltLen, header.salt.begin());
  std::copy_n(bytes.begin() + 1 + kStreamSaltLen, kNoncePrefixLen, header.nonce_prefix.begin());
  return header;
}

Aes256Key derive_stream_key(const ContentKey& key, const StreamHeader& header,
                            const Sha256Digest& manifest_digest) {
  Aes256Key out;
  hkdf_sha256(key.expose(), header.salt, manifest_digest, out.expose_mutable());
  return out;
}

ByteArray<Aes256Gcm::kNonceLen> segment_nonce(const StreamHeader& header, const Segment& segment) {
  ByteArray<Aes256Gcm::kNonceLen> nonce{};
  std::copy(header.nonce_prefix.begin(), header.nonce_prefix.end(), nonce.begin());
  for (std::size_t i = 0; i < 4; ++i) {
    nonce[kNoncePrefixLen + i] = static_cast<std::uint8_t>(segment.index >> (24 - 8 * i));
  }
  nonce[11] = segment.last ? 1 : 0;
  return nonce;
}

}  // namespace ensconce::internal
