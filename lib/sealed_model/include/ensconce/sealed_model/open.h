#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ensconce/sealed_model/bundle_head.h"

namespace ensconce {

// KeySource answers with the content key of a bundle. The header it is shown is not verified yet:
// what it gives is held against the header's commitment, and the header against its signature,
// before a byte is decrypted.
class KeySource {
 public:
  KeySource() = default;
  virtual ~KeySource() = default;
  KeySource(const KeySource&) = delete;
  KeySource& operator=(const KeySource&) = delete;
  virtual Result<ContentKey> key_for(const BundleHeader& header,
                                     const Sha256Digest& manifest_digest) = 0;
};

// HeldKeySource gives one key that its maker already has.
class HeldKeySource final : public KeySource {
 public:
  explicit HeldKeySource(ContentKey key) : key_(std::move(key)) {}
  Result<ContentKey> key_for(const BundleHeader& header,
                             const Sha256Digest& manifest_digest) override;

 private:
  ContentKey key_;
};

struct OpenOptions {
  std::vector<Ed25519PublicKey> accepted_owners = {};  // none: every bundle is refused
  std::uint64_t minimum_version = 1;
  std::uint64_t max_payload_len = kMaxBundlePayloadLen;  // bytes; more is kTooLarge
  unsigned num_threads = 0;                              // 0: one for each core
  std::string progress_label = {};                       // empty: no progress bar
};

namespace internal {
class OpenState;
}

// OpenedBundle is a bundle whose every byte was verified. The plaintext lies in one SecretBytes and
// nowhere else; it is wiped with the object. Views from `find` die with the object and survive
// its moves.
class OpenedBundle {
 public:
  ~OpenedBundle();
  OpenedBundle(OpenedBundle&&) noexcept;
  OpenedBundle& operator=(OpenedBundle&&) noexcept;
  OpenedBundle(const OpenedBundle&) = delete;
  OpenedBundle& operator=(const OpenedBundle&) = delete;

  [[nodiscard]] const BundleHeader& header() const;
  [[nodiscard]] const Sha256Digest& manifest_digest() const;
  // find returns the content of a file, or kNoSuchFile.
  [[nodiscard]] Result<ByteView> find(std::string_view name) const;
  // names lists the files in bytewise order.
  [[nodiscard]] std::vector<std::string> names() const;

 private:
  explicit OpenedBundle(std::unique_ptr<internal::OpenState> state);
  std::unique_ptr<internal::OpenState> state_;
  friend class OpeningBundle;
};

// OpeningBundle is a bundle whose segments all authenticated, while the files' digests are still
// being computed on another thread: an engine may load from it meanwhile and must not serve before
// `finish`. Views from `find` stay good in the OpenedBundle that `finish` returns.
class OpeningBundle {
 public:
  ~OpeningBundle();
  OpeningBundle(OpeningBundle&&) noexcept;
  OpeningBundle& operator=(OpeningBundle&&) noexcept;
  OpeningBundle(const OpeningBundle&) = delete;
  OpeningBundle& operator=(const OpeningBundle&) = delete;

  [[nodiscard]] const BundleHeader& header() const;
  [[nodiscard]] const Sha256Digest& manifest_digest() const;
  [[nodiscard]] Result<ByteView> find(std::string_view name) const;
  [[nodiscard]] std::vector<std::string> names() const;
  // let_go says that nothing before `offset` of a file is read through a view any more: its bytes
  // are wiped and its pages given back, as far as its digest has been computed. `find` has the file
  // no longer. Any thread may call it.
  void let_go(std::string_view name, std::size_t offset) const;
  // finish waits for the digests; kFileDigest if one differs. May be called once.
  Result<OpenedBundle> finish() &&;

 private:
  explicit OpeningBundle(std::unique_ptr<internal::OpenState> state);
  std::unique_ptr<internal::OpenState> state_;
  friend Result<OpeningBundle> start_opening_bundle(const std::filesystem::path& path,
                                                    KeySource& keys, const OpenOptions& options);
};

// start_opening_bundle parses the head, asks for the key, and then looks at, in this order: the
// key's commitment, the owner and signature, the version, the file's length, every segment
// (AES-256-GCM on all cores, decrypted to where it stays), the file table. Errors: those of
// read_verified_head, kWrongKey, kSegment, kTableDigest, kBadTable, kUnsafeName, and what the
// KeySource returned.
Result<OpeningBundle> start_opening_bundle(const std::filesystem::path& path, KeySource& keys,
                                           const OpenOptions& options);
// open_bundle also waits for the files' digests.
Result<OpenedBundle> open_bundle(const std::filesystem::path& path, KeySource& keys,
                                 const OpenOptions& options);

}  // namespace ensconce
