#pragma once

#include <cstddef>
#include <deque>
#include <mutex>
#include <set>

#include "ensconce/base/result.h"
#include "ensconce/crypto/hash.h"
#include "ensconce/crypto/keys.h"
#include "ensconce/crypto/x509.h"

namespace ensconce {

// SignatureMemo remembers signatures that held, by the SHA-256 of key, algorithm, message and
// signature together: whether one holds depends on nothing else, so the answer to the same
// question is the same for ever. It remembers no verdicts: names, times, lists and policies are
// applied anew to every evidence. Signatures that do not hold are not remembered. Bounded (the
// oldest goes first) and thread-safe; two verifiers may share one.
class SignatureMemo {
 public:
  explicit SignatureMemo(std::size_t capacity = 1024) : capacity_(capacity) {}
  SignatureMemo(const SignatureMemo&) = delete;
  SignatureMemo& operator=(const SignatureMemo&) = delete;

  [[nodiscard]] bool knows(const Sha256Digest& question) const;
  void learn(const Sha256Digest& question);

 private:
  const std::size_t capacity_;
  mutable std::mutex mutex_;
  std::set<Sha256Digest> known_;
  std::deque<Sha256Digest> in_order_;
};

// Signatures checks signatures for a verifier, with a memo or without one (nullptr).
class Signatures {
 public:
  explicit Signatures(SignatureMemo* memo) : memo_(memo) {}
  [[nodiscard]] Result<void> certificate(const Certificate& certificate, const Certificate& issuer,
                                         Certificate::Scheme scheme) const;
  [[nodiscard]] Result<void> list(const RevocationList& list, const Certificate& issuer,
                                  Certificate::Scheme scheme) const;
  // ecdsa is ecdsa_verify, rsa is rsa_pkcs1_sha256_verify.
  [[nodiscard]] Result<void> ecdsa(const EcPublicKey& key, ByteView message,
                                   ByteView raw_signature) const;
  [[nodiscard]] Result<void> rsa(const RsaPublicKey& key, ByteView message,
                                 ByteView signature) const;

 private:
  SignatureMemo* memo_;
};

}  // namespace ensconce
