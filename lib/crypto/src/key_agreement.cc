#include "key_agreement.h"

#include "openssl.h"

namespace ensconce::internal {

SecretArray<32> concat_kdf(ByteView shared_secret, std::string_view algorithm, ByteView apu,
                           ByteView apv, std::uint32_t key_bits) {
  ENSC_CHECK(key_bits <= 256);
  const auto len = [](std::size_t n) { return static_cast<std::uint32_t>(n); };
  // OtherInfo = AlgorithmID ‖ PartyUInfo ‖ PartyVInfo ‖ SuppPubInfo, the first three with lengths.
  ByteWriter other;
  other.u32_be(len(algorithm.size())).raw(as_bytes(algorithm));
  other.u32_be(len(apu.size())).raw(apu);
  other.u32_be(len(apv.size())).raw(apv);
  other.u32_be(key_bits);
  Sha256 hash;
  hash.update(Bytes{0, 0, 0, 1});
  hash.update(shared_secret);
  hash.update(other.bytes());
  ByteArray<32> digest = hash.finish();
  auto out = SecretArray<32>::from(digest).value();
  wipe(digest.data(), digest.size());
  return out;
}

namespace {

ossl::CipherCtx wrap_ctx(const Aes256Key& key, bool encrypt) {
  ossl::CipherCtx ctx(EVP_CIPHER_CTX_new());
  ENSC_CHECK(ctx != nullptr);
  EVP_CIPHER_CTX_set_flags(ctx.get(), EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
  // No IV given: the default one of RFC 3394 §2.2.3.1.
  ENSC_CHECK(EVP_CipherInit_ex2(ctx.get(), ossl::backend().aes_256_wrap, key.expose().data(),
                                nullptr, encrypt ? 1 : 0, nullptr) == 1);
  return ctx;
}

}  // namespace

ByteArray<kWrappedKeyLen> wrap_key(const Aes256Key& wrapping_key, const Aes256Key& key) {
  const ossl::CipherCtx ctx = wrap_ctx(wrapping_key, true);
  ByteArray<kWrappedKeyLen> out{};
  int len = 0;
  ENSC_CHECK(EVP_CipherUpdate(ctx.get(), out.data(), &len, key.expose().data(),
                              static_cast<int>(key.expose().size())) == 1);
  ENSC_CHECK(static_cast<std::size_t>(len) == out.size());
  return out;
}

Result<Aes256Key> unwrap_key(const Aes256Key& wrapping_key, ByteView wrapped) {
  const ossl::QuietErrors quiet;
  if (wrapped.size() != kWrappedKeyLen) {
    return Error(CryptoError::kDecryptFailed, "a wrapped key has 40 bytes");
  }
  const ossl::CipherCtx ctx = wrap_ctx(wrapping_key, false);
  // OpenSSL may use all of the input's length as room.
  SecretArray<kWrappedKeyLen> room;
  int len = 0;
  Aes256Key out;
  if (EVP_CipherUpdate(ctx.get(), room.expose_mutable().data(), &len, wrapped.data(),
                       static_cast<int>(wrapped.size())) != 1 ||
      static_cast<std::size_t>(len) != out.expose().size()) {
    return Error(CryptoError::kDecryptFailed, "the key does not unwrap");
  }
  std::copy_n(room.expose().begin(), out.expose().size(), out.expose_mutable().begin());
  return out;
}

}  // namespace ensconce::internal
