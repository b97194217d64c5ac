#pragma once

#include <string_view>

#include "ensconce/crypto/hpke.h"
#include "hkdf.h"

// What the key schedule (hpke.cc) and the KEMs (hpke_kem.cc) share.
namespace ensconce::hpke::internal {

using ensconce::internal::kMaxHashLen;

const EVP_MD* md_of(Kdf kdf);

// Labeled is LabeledExtract and LabeledExpand (RFC 9180 section 4) under one suite_id.
class Labeled {
 public:
  Labeled(Kdf kdf, Bytes suite_id) : md_(md_of(kdf)), suite_id_(std::move(suite_id)) {}
  [[nodiscard]] std::size_t hash_len() const { return ensconce::internal::hash_len(md_); }
  void extract(ByteView salt, std::string_view label, ByteView ikm, MutableByteView prk) const;
  // What `info` holds is public: it is joined in ordinary memory.
  void expand(ByteView prk, std::string_view label, ByteView info, MutableByteView out) const;

 private:
  const EVP_MD* md_;
  Bytes suite_id_;
};

struct Encapsulated {
  SecretBytes shared_secret;
  Bytes enc;
};

// KemKey is a key pair of one KEM.
class KemKey {
 public:
  KemKey() = default;
  virtual ~KemKey() = default;
  KemKey(const KemKey&) = delete;
  KemKey& operator=(const KemKey&) = delete;
  [[nodiscard]] virtual const Bytes& public_key() const = 0;
  [[nodiscard]] virtual Result<SecretBytes> decapsulate(ByteView enc) const = 0;
  // encapsulate makes a shared secret for `recipient` with this key as the ephemeral one.
  [[nodiscard]] virtual Result<Encapsulated> encapsulate(ByteView recipient) const = 0;
};

struct KemRow {
  Kem id;
  std::size_t public_key_len;   // Npk
  std::size_t enc_len;          // Nenc
  std::size_t private_key_len;  // Nsk
  Result<std::unique_ptr<KemKey>> (*from_bytes)(ByteView bytes);
  // derive is given at least private_key_len bytes.
  Result<std::unique_ptr<KemKey>> (*derive)(ByteView ikm);
};
// row_of gives null for a number that is not in the table.
const KemRow* row_of(std::uint16_t id);

// Sequence numbers the messages of a context. Section 5.2 ends a context before a nonce repeats;
// ours count in 64 bits.
class Sequence {
 public:
  explicit Sequence(std::uint64_t first = 0) : next_(first) {}
  [[nodiscard]] bool at_end() const { return next_ == ~std::uint64_t{0}; }
  [[nodiscard]] std::uint64_t current() const { return next_; }
  void advance() {
    ENSC_CHECK(!at_end());
    ++next_;
  }

 private:
  std::uint64_t next_;
};

}  // namespace ensconce::hpke::internal
