#include "head.h"

#include <algorithm>

#include "ensconce/base/secret.h"
#include "ensconce/codec/cbor.h"
#include "io.h"
#include "stream.h"

namespace ensconce {

namespace {

constexpr std::string_view kMagic = "ENSCSEAL";
constexpr std::uint16_t kFormat = 1;
constexpr std::uint16_t kSuite = 1;  // Ed25519, SHA-256, AES256_GCM_HKDF_1MB
constexpr std::string_view kSignatureDomain = "ensconce-bundle/1";
constexpr std::string_view kCommitmentDomain = "ensconce-bundle-key/1";
constexpr std::size_t kSignatureLen = 64;

Error bad_header(const Error& cause) { return {SealedModelError::kBadHeader, cause.to_string()}; }

Error cut_short() { return {SealedModelError::kTruncated, "the bundle ends within its head"}; }

Result<BundleHeader> read_fields(const cbor::Value& value) {
  ENSC_TRY_ASSIGN(cbor::Fields fields, cbor::Fields::of(value, "bundle header"));
  BundleHeader h;
  ENSC_TRY_ASSIGN(const cbor::Value* bundle_id, fields.take("bundle_id"));
  ENSC_TRY_ASSIGN(h.bundle_id, bundle_id->as_fixed<16>("bundle_id"));
  ENSC_TRY_ASSIGN(const cbor::Value* name, fields.take("name"));
  ENSC_TRY_ASSIGN(h.name, name->as_text("name"));
  ENSC_TRY_ASSIGN(const cbor::Value* version, fields.take("version"));
  ENSC_TRY_ASSIGN(h.version, version->as_uint("version"));
  ENSC_TRY_ASSIGN(const cbor::Value* key_id, fields.take("key_id"));
  ENSC_TRY_ASSIGN(h.key_id, key_id->as_fixed<16>("key_id"));
  ENSC_TRY_ASSIGN(const cbor::Value* commitment, fields.take("key_commitment"));
  ENSC_TRY_ASSIGN(h.key_commitment, commitment->as_fixed<32>("key_commitment"));
  ENSC_TRY_ASSIGN(const cbor::Value* owner, fields.take("owner_key"));
  ENSC_TRY_ASSIGN(h.owner_key.bytes, owner->as_fixed<32>("owner_key"));
  ENSC_TRY_ASSIGN(const cbor::Value* payload_len, fields.take("payload_len"));
  ENSC_TRY_ASSIGN(h.payload_len, payload_len->as_uint("payload_len"));
  ENSC_TRY_ASSIGN(const cbor::Value* table, fields.take("table_digest"));
  ENSC_TRY_ASSIGN(h.table_digest, table->as_fixed<32>("table_digest"));
  ENSC_TRY(fields.finish());
  return h;
}

Result<BundleHeader> parse_header(ByteView bytes) {
  const auto value = cbor::decode(bytes, {.max_depth = 2, .max_items = 32});
  if (!value) {
    return bad_header(value.error());
  }
  auto header = read_fields(*value);
  if (!header) {
    return bad_header(header.error());
  }
  if (!is_bundle_name(header->name)) {
    return Error(SealedModelError::kBadHeader, "name is not 1 to 128 of [a-z0-9._-]");
  }
  if (header->version == 0) {
    return Error(SealedModelError::kBadHeader, "version is 0");
  }
  if (header->payload_len > kMaxBundlePayloadLen) {
    return Error(SealedModelError::kTooLarge,
                 "payload of " + std::to_string(header->payload_len) + " bytes");
  }
  return header;
}

bool is_component(std::string_view part) {
  constexpr std::string_view kMarks = "._+@=,-";
  return !part.empty() && part != "." && part != ".." &&
         std::all_of(part.begin(), part.end(), [&](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  kMarks.find(c) != std::string_view::npos;
         });
}

}  // namespace

namespace internal {

Bytes encode_signed_part(const BundleHeader& header) {
  const Bytes map = cbor::encode(cbor::Map{{"bundle_id", header.bundle_id},
                                           {"name", header.name},
                                           {"version", header.version},
                                           {"key_id", header.key_id},
                                           {"key_commitment", header.key_commitment},
                                           {"owner_key", header.owner_key.bytes},
                                           {"payload_len", header.payload_len},
                                           {"table_digest", header.table_digest}});
  ByteWriter w;
  w.raw(as_bytes(kMagic)).u16_be(kFormat).u16_be(kSuite);
  w.u32_be(static_cast<std::uint32_t>(map.size())).raw(map);
  return std::move(w).take();
}

Bytes signature_message(ByteView signed_part) {
  ByteWriter w;
  w.raw(as_bytes(kSignatureDomain)).u8(0).raw(signed_part);
  return std::move(w).take();
}

Result<UnverifiedHead> read_head(const Fd& fd, const std::filesystem::path& path) {
  Bytes front(kMaxBundleFrontLen);
  ENSC_TRY_ASSIGN(const std::size_t len, read_some_at(fd, 0, front, path));
  return parse_bundle_head(ByteView(front).first(len));
}

Result<void> verify_len(const VerifiedHead& head, std::uint64_t file_len) {
  const std::uint64_t expected =
      head.stream_offset() + StreamLayout(head.header().payload_len).stream_len();
  const std::string found =
      std::to_string(file_len) + " bytes, where the header asks for " + std::to_string(expected);
  if (file_len < expected) {
    return Error(SealedModelError::kTruncated, found);
  }
  if (file_len > expected) {
    return Error(SealedModelError::kExtended, found);
  }
  return ok();
}

}  // namespace internal

Result<UnverifiedHead> parse_bundle_head(ByteView front) {
  ByteReader r(front);
  const auto magic = r.take(kMagic.size());
  if (!magic) {
    return cut_short();
  }
  if (as_text(*magic) != kMagic) {
    return Error(SealedModelError::kBadMagic, "this is no sealed bundle");
  }
  const auto format = r.u16_be();
  if (!format) {
    return cut_short();
  }
  if (*format != kFormat) {
    return Error(SealedModelError::kUnsupportedFormat, "format " + std::to_string(*format));
  }
  const auto suite = r.u16_be();
  if (!suite) {
    return cut_short();
  }
  if (*suite != kSuite) {
    return Error(SealedModelError::kUnsupportedSuite, "suite " + std::to_string(*suite));
  }
  const auto len = r.u32_be();
  if (!len) {
    return cut_short();
  }
  if (*len > kMaxBundleHeaderLen) {
    return Error(SealedModelError::kTooLarge, "header of " + std::to_string(*len) + " bytes");
  }
  const auto header_bytes = r.take(*len);
  if (!header_bytes) {
    return cut_short();
  }
  UnverifiedHead head;
  head.signed_part = to_bytes(front.first(r.offset()));
  const auto signature = r.array<kSignatureLen>();
  if (!signature) {
    return cut_short();
  }
  head.signature = *signature;
  head.stream_offset = r.offset();
  head.manifest_digest = sha256(front.first(head.stream_offset));
  ENSC_TRY_ASSIGN(head.header, parse_header(*header_bytes));
  return head;
}

Result<UnverifiedHead> read_bundle_head(const std::filesystem::path& path) {
  ENSC_TRY_ASSIGN(const Fd fd, internal::open_regular_file(path));
  return internal::read_head(fd, path);
}

bool is_bundle_name(std::string_view name) {
  const auto letter_or_digit = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
  };
  return !name.empty() && name.size() <= kMaxBundleNameLen && letter_or_digit(name.front()) &&
         std::all_of(name.begin(), name.end(), [&](char c) {
           return letter_or_digit(c) || c == '.' || c == '_' || c == '-';
         });
}

bool is_safe_file_name(std::string_view name) {
  constexpr std::size_t kMaxLen = 255;
  constexpr std::size_t kMaxDepth = 16;
  if (name.size() > kMaxLen) {
    return false;
  }
  for (std::size_t depth = 1; depth <= kMaxDepth; ++depth) {
    const std::size_t slash = name.find('/');
    if (!is_component(name.substr(0, slash))) {
      return false;
    }
    if (slash == std::string_view::npos) {
      return true;
    }
    name.remove_prefix(slash + 1);
  }
  return false;
}

Sha256Digest key_commitment_of(const ContentKey& key, const ByteArray<16>& bundle_id) {
  ByteWriter message;
  message.raw(as_bytes(kCommitmentDomain)).u8(0).raw(bundle_id);
  return hmac_sha256(key.expose(), message.bytes());
}

Result<void> verify_content_key(const BundleHeader& header, const ContentKey& key) {
  if (!equal_in_constant_time(key_commitment_of(key, header.bundle_id), header.key_commitment)) {
    return Error(SealedModelError::kWrongKey, "the bundle commits to another content key");
  }
  return ok();
}

Result<VerifiedHead> verify_head(const UnverifiedHead& head,
                                 std::span<const Ed25519PublicKey> accepted_owners,
                                 std::uint64_t minimum_version) {
  const Ed25519PublicKey& owner = head.header.owner_key;
  if (std::find(accepted_owners.begin(), accepted_owners.end(), owner) == accepted_owners.end()) {
    return Error(SealedModelError::kForeignOwner,
                 "owner " + to_hex(owner.bytes) + " is none of the " +
                     std::to_string(accepted_owners.size()) + " accepted");
  }
  if (!ed25519_verify(owner, internal::signature_message(head.signed_part), head.signature)) {
    return Error(SealedModelError::kBadSignature, "the owner did not sign this header");
  }
  if (head.header.version < minimum_version) {
    return Error(SealedModelError::kRolledBack, "version " + std::to_string(head.header.version) +
                                                    " is older than " +
                                                    std::to_string(minimum_version));
  }
  return VerifiedHead(head);
}

Result<VerifiedHead> read_verified_head(const std::filesystem::path& path,
                                        std::span<const Ed25519PublicKey> accepted_owners,
                                        std::uint64_t minimum_version) {
  ENSC_TRY_ASSIGN(const Fd fd, internal::open_regular_file(path));
  ENSC_TRY_ASSIGN(const UnverifiedHead head, internal::read_head(fd, path));
  ENSC_TRY_ASSIGN(VerifiedHead verified, verify_head(head, accepted_owners, minimum_version));
  ENSC_TRY_ASSIGN(const std::uint64_t len, internal::file_len(fd, path));
  ENSC_TRY(internal::verify_len(verified, len));
  return verified;
}

}  // namespace ensconce
