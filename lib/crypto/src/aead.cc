#include "ensconce/crypto/aead.h"

#include <algorithm>

#include "openssl.h"

namespace ensconce {

namespace {

// OpenSSL counts in int.
constexpr std::size_t kMaxStep = std::size_t{1} << 30;

// run feeds `in` through a started cipher; without `out` it is associated data.
bool run(EVP_CIPHER_CTX* ctx, ByteView in, std::uint8_t* out) {
  while (!in.empty()) {
    const std::size_t step = std::min(in.size(), kMaxStep);
    int len = 0;
    if (EVP_CipherUpdate(ctx, out, &len, in.data(), static_cast<int>(step)) != 1 ||
        static_cast<std::size_t>(len) != step) {
      return false;
    }
    in = in.subspan(step);
    out = out == nullptr ? nullptr : out + step;
  }
  return true;
}

ossl::CipherCtx make_ctx(const Aes256Key& key, bool encrypt) {
  ossl::CipherCtx ctx(EVP_CIPHER_CTX_new());
  ENSC_CHECK(ctx != nullptr);
  ENSC_CHECK(EVP_CipherInit_ex2(ctx.get(), ossl::backend().aes_256_gcm, key.expose().data(),
                                nullptr, encrypt ? 1 : 0, nullptr) == 1);
  ENSC_CHECK(EVP_CIPHER_CTX_get_iv_length(ctx.get()) == Aes256Gcm::kNonceLen);
  return ctx;
}

}  // namespace

// One context a direction: each keeps its key schedule, and a call sets the nonce alone.
struct Aes256Gcm::State {
  ossl::CipherCtx sealing;
  ossl::CipherCtx opening;
};

Aes256Gcm::Aes256Gcm(const Aes256Key& key)
    : state_(std::make_unique<State>(State{make_ctx(key, true), make_ctx(key, false)})) {}
Aes256Gcm::~Aes256Gcm() = default;
Aes256Gcm::Aes256Gcm(Aes256Gcm&&) noexcept = default;
Aes256Gcm& Aes256Gcm::operator=(Aes256Gcm&&) noexcept = default;

void Aes256Gcm::seal(ByteView nonce, ByteView aad, ByteView plaintext, MutableByteView out) {
  ENSC_CHECK(nonce.size() == kNonceLen);
  ENSC_CHECK(out.size() == plaintext.size() + kTagLen);
  EVP_CIPHER_CTX* ctx = state_->sealing.get();
  ENSC_CHECK(EVP_EncryptInit_ex2(ctx, nullptr, nullptr, nonce.data(), nullptr) == 1);
  ENSC_CHECK(run(ctx, aad, nullptr));
  ENSC_CHECK(run(ctx, plaintext, out.data()));
  std::uint8_t* tag = out.data() + plaintext.size();
  int len = 0;
  ENSC_CHECK(EVP_EncryptFinal_ex(ctx, tag, &len) == 1 && len == 0);
  ENSC_CHECK(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, kTagLen, tag) == 1);
}

Result<void> Aes256Gcm::open(ByteView nonce, ByteView aad, ByteView sealed, MutableByteView out) {
  const ossl::QuietErrors quiet;
  EVP_CIPHER_CTX* ctx = state_->opening.get();
  const auto opened = [&] {
    if (nonce.size() != kNonceLen || sealed.size() < kTagLen ||
        out.size() != sealed.size() - kTagLen) {
      return false;
    }
    // The tag is copied first: in place, `out` is about to overwrite what comes before it.
    ByteArray<kTagLen> tag{};
    std::copy_n(sealed.end() - kTagLen, kTagLen, tag.begin());
    int len = 0;
    std::uint8_t nothing = 0;
    return EVP_DecryptInit_ex2(ctx, nullptr, nullptr, nonce.data(), nullptr) == 1 &&
           EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, kTagLen, tag.data()) == 1 &&
           run(ctx, aad, nullptr) && run(ctx, sealed.first(out.size()), out.data()) &&
           EVP_DecryptFinal_ex(ctx, &nothing, &len) == 1 && len == 0;
  }();
  if (!opened) {
    wipe(out.data(), out.size());
    return Error(CryptoError::kDecryptFailed);
  }
  return ok();
}

}  // namespace ensconce
