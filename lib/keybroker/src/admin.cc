#include "ensconce/keybroker/admin.h"

#include <charconv>

namespace ensconce {

namespace {

constexpr std::string_view kContext = "ensconce-admin/1";
constexpr const char* kKeyHeader = "ensconce-admin-key";
constexpr const char* kTimeHeader = "ensconce-admin-time";
constexpr const char* kNonceHeader = "ensconce-admin-nonce";
constexpr const char* kSignatureHeader = "ensconce-admin-signature";

// Who signs names the method, target and body, so that none can be exchanged; the broker, so that
// one broker cannot play an owner before another; and moment and nonce, so that it counts once.
Bytes signed_bytes(const WireRequest& request, const Sha256Digest& audience, Instant time,
                   const ByteArray<16>& nonce) {
  ByteWriter out;
  out.raw(as_bytes(kContext)).u8(0).raw(audience);
  out.u32_be(static_cast<std::uint32_t>(request.method.size())).raw(as_bytes(request.method));
  out.u32_be(static_cast<std::uint32_t>(request.target.size())).raw(as_bytes(request.target));
  out.u64_be(static_cast<std::uint64_t>(time.unix_ms)).raw(nonce).raw(sha256(request.body));
  return std::move(out).take();
}

Result<std::string_view> header(const WireRequest& request, const char* name) {
  const auto found = request.headers.find(name);
  if (found == request.headers.end()) {
    return Error(KeyBrokerError::kUnauthorised, std::string("no header ") + name);
  }
  return std::string_view(found->second);
}

template <std::size_t N>
Result<ByteArray<N>> hex_header(const WireRequest& request, const char* name) {
  ENSC_TRY_ASSIGN(const std::string_view text, header(request, name));
  const Result<Bytes> bytes = from_hex(text);
  if (!bytes || bytes->size() != N) {
    return Error(KeyBrokerError::kUnauthorised, std::string("malformed header ") + name);
  }
  return to_array<N>(*bytes);
}

}  // namespace

WireRequest sign_admin_request(WireRequest request, const Ed25519PrivateKey& owner,
                               const Sha256Digest& audience, Instant now, Random& random) {
  const ByteArray<16> nonce = random.array<16>();
  const Ed25519Signature signature = owner.sign(signed_bytes(request, audience, now, nonce));
  request.headers[kKeyHeader] = to_hex(owner.public_key().bytes);
  request.headers[kTimeHeader] = std::to_string(now.unix_ms);
  request.headers[kNonceHeader] = to_hex(nonce);
  request.headers[kSignatureHeader] = to_hex(signature);
  return request;
}

Result<AdminCaller> verify_admin_signature(const WireRequest& request, const Sha256Digest& audience,
                                           Instant now) {
  AdminCaller caller;
  ENSC_TRY_ASSIGN(caller.key.bytes, hex_header<32>(request, kKeyHeader));
  ENSC_TRY_ASSIGN(caller.nonce, hex_header<16>(request, kNonceHeader));
  ENSC_TRY_ASSIGN(const std::string_view time, header(request, kTimeHeader));
  const auto parsed = std::from_chars(time.data(), time.data() + time.size(), caller.time.unix_ms);
  if (parsed.ec != std::errc() || parsed.ptr != time.data() + time.size() ||
      caller.time.unix_ms < 0) {
    return Error(KeyBrokerError::kUnauthorised, std::string("malformed header ") + kTimeHeader);
  }
  ENSC_TRY_ASSIGN(const Ed25519Signature signature, hex_header<64>(request, kSignatureHeader));
  if (!ed25519_verify(caller.key, signed_bytes(request, audience, caller.time, caller.nonce),
                      signature)) {
    return Error(KeyBrokerError::kUnauthorised,
                 "the signature does not hold for this request to this broker");
  }
  if (caller.time < now - kAdminWindow || caller.time > now + kAdminWindow) {
    return Error(KeyBrokerError::kReplayed, "signed too long ago, or ahead of the broker's clock");
  }
  return caller;
}

}  // namespace ensconce
