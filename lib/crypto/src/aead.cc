#include "ensconce/crypto/aead.h"

#include <algorithm>

#include "aead_ctx.h"

namespace ensconce::ossl {
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

}  // namespace

CipherCtx aead_ctx(const EVP_CIPHER* cipher, ByteView key, bool encrypt) {
  CipherCtx ctx(EVP_CIPHER_CTX_new());
  ENSC_CHECK(ctx != nullptr);
  ENSC_CHECK(static_cast<std::size_t>(EVP_CIPHER_get_key_length(cipher)) == key.size());
  ENSC_CHECK(EVP_CipherInit_ex2(ctx.get(), cipher, key.data(), nullptr, encrypt ? 1 : 0, nullptr) ==
             1);
  ENSC_CHECK(EVP_CIPHER_CTX_get_iv_length(ctx.get()) == kAeadNonceLen);
  return ctx;
}

void aead_seal(EVP_CIPHER_CTX* ctx, ByteView nonce, ByteView aad, ByteView plaintext,
               MutableByteView out) {
  ENSC_CHECK(nonce.size() == kAeadNonceLen);
  ENSC_CHECK(out.size() == plaintext.size() + kAeadTagLen);
  ENSC_CHECK(EVP_EncryptInit_ex2(ctx, nullptr, nullptr, nonce.data(), nullptr) == 1);
  ENSC_CHECK(run(ctx, aad, nullptr));
  ENSC_CHECK(run(ctx, plaintext, out.data()));
  std::uint8_t* tag = out.data() + plaintext.size();
  int len = 0;
  ENSC_CHECK(EVP_EncryptFinal_ex(ctx, tag, &len) == 1 && len == 0);
  ENSC_CHECK(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, kAeadTagLen, tag) == 1);
}

bool aead_open(EVP_CIPHER_CTX* ctx, ByteView nonce, ByteView aad, ByteView sealed,
               MutableByteView out) {
  const QuietErrors quiet;
  const auto opened = [&] {
    if (nonce.size() != kAeadNonceLen || sealed.size() < kAeadTagLen ||
        out.size() != sealed.size() - kAeadTagLen) {
      return false;
    }
    // The tag is copied first: in place, `out` is about to overwrite what comes before it.
    ByteArray<kAeadTagLen> tag{};
    std::copy_n(sealed.end() - kAeadTagLen, kAeadTagLen, tag.begin());
    int len = 0;
    std::uint8_t nothing = 0;
    return EVP_DecryptInit_ex2(ctx, nullptr, nullptr, nonce.data(), nullptr) == 1 &&
           EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, kAeadTagLen, tag.data()) == 1 &&
           run(ctx, aad, nullptr) && run(ctx, sealed.first(out.size()), out.data()) &&
           EVP_DecryptFinal_ex(ctx, &nothing, &len) == 1 && len == 0;
  }();
  if (!opened) {
    wipe(out.data(), out.size());
  }
  return opened;
}

}  // namespace ensconce::ossl

namespace ensconce {

// One context a direction: each keeps its key schedule, and a call sets the nonce alone.
struct Aes256Gcm::State {
  ossl::CipherCtx sealing;
  ossl::CipherCtx opening;
};

Aes256Gcm::Aes256Gcm(const Aes256Key& key)
    : state_(std::make_unique<State>(
          State{ossl::aead_ctx(ossl::backend().aes_256_gcm, key.expose(), true),
                ossl::aead_ctx(ossl::backend().aes_256_gcm, key.expose(), false)})) {}
Aes256Gcm::~Aes256Gcm() = default;
Aes256Gcm::Aes256Gcm(Aes256Gcm&&) noexcept = default;
Aes256Gcm& Aes256Gcm::operator=(Aes256Gcm&&) noexcept = default;

void Aes256Gcm::seal(ByteView nonce, ByteView aad, ByteView plaintext, MutableByteView out) {
  ossl::aead_seal(state_->sealing.get(), nonce, aad, plaintext, out);
}

Result<void> Aes256Gcm::open(ByteView nonce, ByteView aad, ByteView sealed, MutableByteView out) {
  if (!ossl::aead_open(state_->opening.get(), nonce, aad, sealed, out)) {
    return Error(CryptoError::kDecryptFailed);
  }
  return ok();
}

}  // namespace ensconce
