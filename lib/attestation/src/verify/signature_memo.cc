#include "ensconce/attestation/verify/signature_memo.h"

namespace ensconce {
namespace {

enum class Question : std::uint8_t { kCertificate = 1, kList, kEcdsa, kRsa };

// Each part goes in with its length, so that no two questions are written alike.
Sha256Digest digest_of(Question question, std::uint8_t algorithm,
                       std::initializer_list<ByteView> parts) {
  Sha256 hasher;
  hasher.update(Bytes{static_cast<std::uint8_t>(question), algorithm});
  for (const ByteView part : parts) {
    hasher.update(ByteWriter().u64_be(part.size()).bytes());
    hasher.update(part);
  }
  return hasher.finish();
}

// answered asks only where the memo does not know, and remembers a yes.
template <typename Verify>
Result<void> answered(SignatureMemo* memo, Question question, std::uint8_t algorithm,
                      std::initializer_list<ByteView> parts, const Verify& verify) {
  if (memo == nullptr) {
    return verify();
  }
  const Sha256Digest digest = digest_of(question, algorithm, parts);
  if (memo->knows(digest)) {
    return ok();
  }
  ENSC_TRY(verify());
  memo->learn(digest);
  return ok();
}

}  // namespace

bool SignatureMemo::knows(const Sha256Digest& question) const {
  const std::lock_guard lock(mutex_);
  return known_.contains(question);
}

void SignatureMemo::learn(const Sha256Digest& question) {
  const std::lock_guard lock(mutex_);
  if (capacity_ == 0 || !known_.insert(question).second) {
    return;
  }
  in_order_.push_back(question);
  if (in_order_.size() > capacity_) {
    known_.erase(in_order_.front());
    in_order_.pop_front();
  }
}

Result<void> Signatures::certificate(const Certificate& certificate, const Certificate& issuer,
                                     Certificate::Scheme scheme) const {
  return answered(memo_, Question::kCertificate, static_cast<std::uint8_t>(scheme),
                  {issuer.spki_der(), certificate.der()},
                  [&] { return certificate.verify_signed_by(issuer, scheme); });
}

Result<void> Signatures::list(const RevocationList& list, const Certificate& issuer,
                              Certificate::Scheme scheme) const {
  return answered(memo_, Question::kList, static_cast<std::uint8_t>(scheme),
                  {issuer.spki_der(), list.der()},
                  [&] { return list.verify_signed_by(issuer, scheme); });
}

Result<void> Signatures::ecdsa(const EcPublicKey& key, ByteView message,
                               ByteView raw_signature) const {
  return answered(memo_, Question::kEcdsa, static_cast<std::uint8_t>(key.curve()),
                  {key.point(), message, raw_signature},
                  [&] { return ecdsa_verify(key, message, raw_signature); });
}

Result<void> Signatures::rsa(const RsaPublicKey& key, ByteView message, ByteView signature) const {
  return answered(memo_, Question::kRsa, 0, {key.modulus(), key.exponent(), message, signature},
                  [&] { return rsa_pkcs1_sha256_verify(key, message, signature); });
}

}  // namespace ensconce
