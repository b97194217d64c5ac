#include "ensconce/sealed_model/open.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <optional>

#include "ensconce/base/progress.h"
#include "file_table.h"
#include "head.h"
#include "io.h"
#include "parallel.h"
#include "stream.h"

namespace ensconce {

namespace internal {

class OpenState {
 public:
  OpenState(VerifiedHead head, SecretBytes payload, std::vector<FileEntry> files)
      : head_(std::move(head)),
        payload_(std::move(payload)),
        files_(std::move(files)),
        gone_(files_.size()) {}

  [[nodiscard]] const VerifiedHead& head() const { return head_; }

  [[nodiscard]] Result<ByteView> find(std::string_view name) const {
    const std::optional<std::size_t> at = index_of(name);
    const std::lock_guard lock(gone_mutex_);
    if (!at || gone_[*at].let_go > 0) {
      return Error(SealedModelError::kNoSuchFile,
                   std::string(at ? "let go already: file \"" : "the bundle has no file \"") +
                       std::string(name) + "\"");
    }
    return content(files_[*at]);
  }

  void let_go(std::string_view name, std::size_t offset) {
    if (const std::optional<std::size_t> at = index_of(name)) {
      const std::lock_guard lock(gone_mutex_);
      gone_[*at].let_go = std::max(gone_[*at].let_go, offset);
      discard(*at);
    }
  }

  [[nodiscard]] std::vector<std::string> names() const {
    std::vector<std::string> out;
    out.reserve(files_.size());
    for (const FileEntry& entry : files_) {
      out.push_back(entry.name);
    }
    return out;
  }

  void start_digests() {
    digests_ = std::jthread([this](const std::stop_token& stop) { compare_digests(stop); });
  }
  Result<void> finish_digests() {
    digests_.join();
    return digest_error_ ? Result<void>(*digest_error_) : ok();
  }

 private:
  // How far each reader of a file has come, and how far it is discarded.
  struct Gone {
    std::size_t hashed = 0;
    std::size_t let_go = 0;
    std::size_t discarded = 0;
  };

  [[nodiscard]] std::optional<std::size_t> index_of(std::string_view name) const {
    const auto it = std::lower_bound(
        files_.begin(), files_.end(), name,
        [](const FileEntry& entry, std::string_view wanted) { return entry.name < wanted; });
    return it == files_.end() || it->name != name
               ? std::nullopt
               : std::optional(static_cast<std::size_t>(it - files_.begin()));
  }

  // discard is called under gone_mutex_.
  void discard(std::size_t at) {
    Gone& gone = gone_[at];
    const std::size_t end = std::min(gone.hashed, gone.let_go);
    if (end > gone.discarded) {
      const auto begin = static_cast<std::size_t>(files_[at].offset);
      payload_.discard(begin + gone.discarded, begin + end);
      gone.discarded = end;
    }
  }

  [[nodiscard]] ByteView content(const FileEntry& entry) const {
    return payload_.expose().subspan(static_cast<std::size_t>(entry.offset),
                                     static_cast<std::size_t>(entry.len));
  }

  // The segments prove that the bytes are what the key's holder sealed; this, that each file is the
  // one the signed table digest stands for.
  void compare_digests(const std::stop_token& stop) {
    constexpr std::size_t kStep = std::size_t{4} * 1024 * 1024;
    for (std::size_t at = 0; at < files_.size(); ++at) {
      const FileEntry& entry = files_[at];
      Sha256 hasher;
      for (ByteView rest = content(entry); !rest.empty();) {
        if (stop.stop_requested()) {
          return;
        }
        const std::size_t step = std::min(kStep, rest.size());
        hasher.update(rest.first(step));
        rest = rest.subspan(step);
        const std::lock_guard lock(gone_mutex_);
        gone_[at].hashed += step;
        discard(at);
      }
      if (hasher.finish() != entry.digest) {
        digest_error_ = Error(SealedModelError::kFileDigest, "file \"" + entry.name + "\"");
        return;
      }
    }
  }

  VerifiedHead head_;
  SecretBytes payload_;
  std::vector<FileEntry> files_;
  mutable std::mutex gone_mutex_;
  std::vector<Gone> gone_;             // beside files_
  std::optional<Error> digest_error_;  // written by digests_, read after it is joined
  std::jthread digests_;               // last: joined before what it reads is gone
};

namespace {

// prefer_large_pages asks for 2 MiB pages: one fault and one clearing where there would be 512,
// which otherwise cost as much as half the decryption. A refusal costs only that.
void prefer_large_pages(MutableByteView memory) {
  if (!memory.empty()) {
    (void)madvise(memory.data(), memory.size(), MADV_HUGEPAGE);
  }
}

// SegmentBuffer reads from page to page into memory that begins with one. Segments begin anywhere,
// and where source and target differ in their place within a page, the kernel's copy was measured
// at a fifth of its speed (2 against 9.8 GB/s, Zen 3).
class SegmentBuffer {
 public:
  SegmentBuffer() : memory_(kSegmentLen + 2 * kPageLen) {
    const auto address = reinterpret_cast<std::uintptr_t>(memory_.data());
    begin_ = (kPageLen - address % kPageLen) % kPageLen;
  }
  // read returns `len` bytes of the file at `offset`, until the next call.
  Result<ByteView> read(const Fd& fd, std::uint64_t offset, std::size_t len,
                        const std::filesystem::path& path) {
    const auto before = static_cast<std::size_t>(offset % kPageLen);
    const MutableByteView into = MutableByteView(memory_).subspan(begin_, before + len);
    ENSC_TRY_ASSIGN(const std::size_t got, read_some_at(fd, offset - before, into, path));
    if (got != into.size()) {
      return Error(SealedModelError::kTruncated, "the bundle shrank while it was read");
    }
    return ByteView(into.subspan(before));
  }

 private:
  static constexpr std::size_t kPageLen = 4096;
  Bytes memory_;  // a segment, what precedes it in its page, and room to begin on a page
  std::size_t begin_ = 0;
};

// decrypt_stream fills `payload` from the stream at `offset`. The ciphertext is read into memory of
// our own: what the host can still change while it is authenticated, it could change afterwards.
Result<void> decrypt_stream(const Fd& fd, const std::filesystem::path& path,
                            const VerifiedHead& head, const ContentKey& key,
                            const OpenOptions& options, MutableByteView payload) {
  ByteArray<kStreamHeaderLen> header_bytes{};
  ENSC_TRY_ASSIGN(const std::size_t header_len,
                  read_some_at(fd, head.stream_offset(), header_bytes, path));
  ENSC_TRY_ASSIGN(const StreamHeader header,
                  parse_stream_header(ByteView(header_bytes).first(header_len)));
  const Aes256Key stream_key = derive_stream_key(key, header, head.manifest_digest());
  const StreamLayout layout(head.header().payload_len);

  std::optional<Progress> progress;
  if (!options.progress_label.empty()) {
    progress.emplace(options.progress_label, payload.size());
  }
  std::atomic<std::uint32_t> next = 0;
  std::atomic<bool> failed = false;
  const auto work = [&]() -> Result<void> {
    Aes256Gcm aead(stream_key);
    SegmentBuffer sealed;
    for (std::uint32_t i = next++; i < layout.num_segments() && !failed; i = next++) {
      const Segment segment = layout.segment(i);
      const auto in =
          sealed.read(fd, head.stream_offset() + segment.cipher_offset, segment.cipher_len, path);
      if (!in) {
        failed = true;
        return in.error();
      }
      const MutableByteView out =
          payload.subspan(static_cast<std::size_t>(segment.plain_offset), segment.plain_len);
      if (!aead.open(segment_nonce(header, segment), {}, *in, out)) {
        failed = true;
        return Error(SealedModelError::kSegment, "segment " + std::to_string(i) + " of " +
                                                     std::to_string(layout.num_segments()));
      }
      if (progress) {
        progress->advance(segment.plain_len);
      }
    }
    return ok();
  };
  return run_on_threads(num_threads_for(options.num_threads, layout.num_segments()), work);
}

Result<std::unique_ptr<OpenState>> open_state(const std::filesystem::path& path, KeySource& keys,
                                              const OpenOptions& options) {
  ENSC_TRY_ASSIGN(const Fd fd, open_regular_file(path));
  ENSC_TRY_ASSIGN(const UnverifiedHead unverified, read_head(fd, path));
  ENSC_TRY_ASSIGN(const ContentKey key,
                  keys.key_for(unverified.header, unverified.manifest_digest));
  ENSC_TRY(verify_content_key(unverified.header, key));
  ENSC_TRY_ASSIGN(VerifiedHead head,
                  verify_head(unverified, options.accepted_owners, options.minimum_version));
  const std::uint64_t payload_len = head.header().payload_len;
  if (payload_len > options.max_payload_len) {
    return Error(SealedModelError::kTooLarge,
                 "payload of " + std::to_string(payload_len) + " bytes, where " +
                     std::to_string(options.max_payload_len) + " are allowed");
  }
  // Before any memory is taken: a length nobody backs with bytes must not cost us any.
  ENSC_TRY_ASSIGN(const std::uint64_t len, file_len(fd, path));
  ENSC_TRY(verify_len(head, len));

  SecretBytes payload(static_cast<std::size_t>(payload_len));
  prefer_large_pages(payload.expose_mutable());
  ENSC_TRY(decrypt_stream(fd, path, head, key, options, payload.expose_mutable()));
  ENSC_TRY_ASSIGN(std::vector<FileEntry> files,
                  parse_payload_front(payload.expose(), head.header()));
  return std::make_unique<OpenState>(std::move(head), std::move(payload), std::move(files));
}

}  // namespace

}  // namespace internal

Result<ContentKey> HeldKeySource::key_for(const BundleHeader& /*header*/,
                                          const Sha256Digest& /*manifest_digest*/) {
  return key_.copy();
}

OpenedBundle::OpenedBundle(std::unique_ptr<internal::OpenState> state) : state_(std::move(state)) {}
OpenedBundle::~OpenedBundle() = default;
OpenedBundle::OpenedBundle(OpenedBundle&&) noexcept = default;
OpenedBundle& OpenedBundle::operator=(OpenedBundle&&) noexcept = default;
const BundleHeader& OpenedBundle::header() const { return state_->head().header(); }
const Sha256Digest& OpenedBundle::manifest_digest() const {
  return state_->head().manifest_digest();
}
Result<ByteView> OpenedBundle::find(std::string_view name) const { return state_->find(name); }
std::vector<std::string> OpenedBundle::names() const { return state_->names(); }

OpeningBundle::OpeningBundle(std::unique_ptr<internal::OpenState> state)
    : state_(std::move(state)) {}
OpeningBundle::~OpeningBundle() = default;
OpeningBundle::OpeningBundle(OpeningBundle&&) noexcept = default;
OpeningBundle& OpeningBundle::operator=(OpeningBundle&&) noexcept = default;
const BundleHeader& OpeningBundle::header() const { return state_->head().header(); }
const Sha256Digest& OpeningBundle::manifest_digest() const {
  return state_->head().manifest_digest();
}
Result<ByteView> OpeningBundle::find(std::string_view name) const { return state_->find(name); }
std::vector<std::string> OpeningBundle::names() const { return state_->names(); }
void OpeningBundle::let_go(std::string_view name, std::size_t offset) const {
  state_->let_go(name, offset);
}

Result<OpenedBundle> OpeningBundle::finish() && {
  ENSC_CHECK(state_ != nullptr);
  std::unique_ptr<internal::OpenState> state = std::move(state_);
  ENSC_TRY(state->finish_digests());
  return OpenedBundle(std::move(state));
}

Result<OpeningBundle> start_opening_bundle(const std::filesystem::path& path, KeySource& keys,
                                           const OpenOptions& options) {
  ENSC_TRY_ASSIGN(auto state, internal::open_state(path, keys, options));
  state->start_digests();
  return OpeningBundle(std::move(state));
}

Result<OpenedBundle> open_bundle(const std::filesystem::path& path, KeySource& keys,
                                 const OpenOptions& options) {
  ENSC_TRY_ASSIGN(OpeningBundle opening, start_opening_bundle(path, keys, options));
  return std::move(opening).finish();
}

}  // namespace ensconce
