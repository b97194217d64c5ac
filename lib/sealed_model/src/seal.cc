#include "ensconce/sealed_model/seal.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <memory>
#include <optional>

#include "ensconce/base/progress.h"
#include "file_table.h"
#include "head.h"
#include "io.h"
#include "parallel.h"
#include "seal_internal.h"

namespace ensconce::internal {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kReadLen = std::size_t{1} << 20;

Error changed(std::string_view name) {
  return Error(SealedModelError::kChangedWhileSealing, "file \"" + std::string(name) + "\"")
      .with_remedy("seal a directory nobody is writing to");
}

// ---- the directory ------------------------------------------------------------------------------

struct DirCloser {
  void operator()(DIR* dir) const { closedir(dir); }
};

// Walk lists the regular files below a directory. It opens every step relative to the one before
// and follows no link, so that nothing outside the directory can be drawn in.
class Walk {
 public:
  explicit Walk(fs::path root) : root_(std::move(root)) {}

  Result<std::vector<FileEntry>> run(const Fd& root) {
    ENSC_TRY(visit(root, ""));
    if (files_.empty()) {
      return Error(SealedModelError::kEmpty, root_.string() + " has no file");
    }
    std::sort(files_.begin(), files_.end(),
              [](const FileEntry& a, const FileEntry& b) { return a.name < b.name; });
    return std::move(files_);
  }

 private:
  Result<void> visit(const Fd& dir, const std::string& prefix) {
    const int copy = fcntl(dir.get(), F_DUPFD_CLOEXEC, 0);
    if (copy < 0) {
      return io_error("cannot read", root_ / prefix);
    }
    const std::unique_ptr<DIR, DirCloser> listing(fdopendir(copy));
    if (listing == nullptr) {
      close(copy);
      return io_error("cannot read", root_ / prefix);
    }
    for (;;) {
      errno = 0;
      const dirent* found = readdir(listing.get());  // NOLINT(concurrency-mt-unsafe): own stream
      if (found == nullptr) {
        return errno == 0 ? ok() : Result<void>(io_error("cannot read", root_ / prefix));
      }
      const std::string_view part = found->d_name;
      if (part != "." && part != "..") {
        ENSC_TRY(add(dir, found->d_name, prefix + std::string(part)));
      }
    }
  }

  Result<void> add(const Fd& dir, const char* part, const std::string& name) {
    struct stat st {};
    if (fstatat(dir.get(), part, &st, AT_SYMLINK_NOFOLLOW) != 0) {
      return io_error("cannot stat", root_ / name);
    }
    if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)) {
      return Error(SealedModelError::kUnsafeFile,
                   (root_ / name).string() + " is no regular file or directory")
          .with_remedy("put a copy of the file in its place");
    }
    if (!is_safe_file_name(name)) {
      return Error(SealedModelError::kUnsafeName, (root_ / name).string())
          .with_remedy("use at most 255 of [A-Za-z0-9._+@=,-], and '/' between directories");
    }
    if (S_ISDIR(st.st_mode)) {
      const Fd below(openat(dir.get(), part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
      if (!below.valid()) {
        return io_error("cannot open", root_ / name);
      }
      return visit(below, name + "/");
    }
    total_ += static_cast<std::uint64_t>(st.st_size);
    if (files_.size() == kMaxBundleFiles || total_ > kMaxBundlePayloadLen - kMaxFileTableLen - 4) {
      return Error(SealedModelError::kTooLarge, "more than 4096 files, or more than 1 TiB");
    }
    FileEntry entry;
    entry.name = name;
    entry.len = static_cast<std::uint64_t>(st.st_size);
    files_.push_back(std::move(entry));
    return ok();
  }

  fs::path root_;
  std::vector<FileEntry> files_;
  std::uint64_t total_ = 0;
};

// open_below opens `name` step by step, following no link.
Result<Fd> open_below(const Fd& root, const std::string& name) {
  Fd dir;
  int at = root.get();
  std::size_t from = 0;
  for (;;) {
    const std::size_t slash = name.find('/', from);
    const std::string part = name.substr(from, slash - from);
    const bool is_file = slash == std::string::npos;
    Fd next(openat(at, part.c_str(),
                   O_RDONLY | O_NOFOLLOW | O_CLOEXEC | (is_file ? O_NONBLOCK : O_DIRECTORY)));
    if (!next.valid()) {
      return errno == ENOENT || errno == ELOOP || errno == ENOTDIR ? changed(name)
                                                                   : io_error("cannot open", name);
    }
    if (is_file) {
      struct stat st {};
      if (fstat(next.get(), &st) != 0 || !S_ISREG(st.st_mode)) {
        return changed(name);
      }
      return next;
    }
    dir = std::move(next);
    at = dir.get();
    from = slash + 1;
  }
}

// ends_at is true when a file has no byte at `len`.
Result<bool> ends_at(const Fd& fd, std::uint64_t len, const std::string& name) {
  ByteArray<1> extra{};
  ENSC_TRY_ASSIGN(const std::size_t n, read_some_at(fd, len, extra, name));
  return n == 0;
}

Result<Sha256Digest> digest_of(const Fd& root, const FileEntry& entry, Progress* progress) {
  ENSC_TRY_ASSIGN(const Fd fd, open_below(root, entry.name));
  SecretBytes buffer(std::min<std::uint64_t>(kReadLen, entry.len));
  Sha256 hasher;
  for (std::uint64_t done = 0; done < entry.len;) {
    const MutableByteView part = buffer.expose_mutable().first(
        static_cast<std::size_t>(std::min<std::uint64_t>(kReadLen, entry.len - done)));
    ENSC_TRY_ASSIGN(const std::size_t n, read_some_at(fd, done, part, entry.name));
    if (n != part.size()) {
      return changed(entry.name);
    }
    hasher.update(part);
    done += n;
    if (progress != nullptr) {
      progress->advance(n);
    }
  }
  ENSC_TRY_ASSIGN(const bool at_end, ends_at(fd, entry.len, entry.name));
  if (!at_end) {
    return changed(entry.name);
  }
  return hasher.finish();
}

Result<void> add_digests(const Fd& root, std::vector<FileEntry>& files, unsigned num_threads,
                         Progress* progress) {
  std::atomic<std::size_t> next = 0;
  std::atomic<bool> failed = false;
  return run_on_threads(num_threads_for(num_threads, files.size()), [&]() -> Result<void> {
    for (std::size_t i = next++; i < files.size() && !failed; i = next++) {
      const auto digest = digest_of(root, files[i], progress);
      if (!digest) {
        failed = true;
        return digest.error();
      }
      files[i].digest = *digest;
    }
    return ok();
  });
}

// ---- the payload --------------------------------------------------------------------------------

// PayloadReader gives the payload from its beginning: the table, then the files, each hashed again.
class PayloadReader {
 public:
  PayloadReader(const Fd& root, Bytes front, const std::vector<FileEntry>& files)
      : root_(root), front_(std::move(front)), files_(files) {}

  Result<void> fill(MutableByteView out) {
    while (!out.empty()) {
      if (front_done_ < front_.size()) {
        const std::size_t n = std::min(out.size(), front_.size() - front_done_);
        std::copy_n(front_.begin() + static_cast<std::ptrdiff_t>(front_done_), n, out.begin());
        front_done_ += n;
        out = out.subspan(n);
        continue;
      }
      ENSC_CHECK(index_ < files_.size());
      ENSC_TRY_ASSIGN(const std::size_t n, fill_from_file(out));
      out = out.subspan(n);
    }
    return ok();
  }

  // finish takes the empty files at the end, which no byte of payload asked for.
  Result<void> finish() {
    while (index_ < files_.size()) {
      ENSC_CHECK(files_[index_].len == done_);
      ENSC_TRY(fill_from_file({}));
    }
    return ok();
  }

 private:
  Result<std::size_t> fill_from_file(MutableByteView out) {
    const FileEntry& entry = files_[index_];
    if (!fd_.valid()) {
      ENSC_TRY_ASSIGN(fd_, open_below(root_, entry.name));
      hasher_ = Sha256();
      done_ = 0;
    }
    const MutableByteView part =
        out.first(static_cast<std::size_t>(std::min<std::uint64_t>(out.size(), entry.len - done_)));
    ENSC_TRY_ASSIGN(const std::size_t n, read_some_at(fd_, done_, part, entry.name));
    if (n != part.size()) {
      return changed(entry.name);
    }
    hasher_.update(part);
    done_ += n;
    if (done_ == entry.len) {
      ENSC_TRY_ASSIGN(const bool at_end, ends_at(fd_, entry.len, entry.name));
      if (!at_end || hasher_.finish() != entry.digest) {
        return changed(entry.name);
      }
      fd_.reset();
      done_ = 0;
      ++index_;
    }
    return n;
  }

  const Fd& root_;
  Bytes front_;
  const std::vector<FileEntry>& files_;
  std::size_t front_done_ = 0;
  std::size_t index_ = 0;
  Fd fd_;
  Sha256 hasher_;
  std::uint64_t done_ = 0;
};

// Segments are read in turn, because a hash has an order, and encrypted and written side by side.
Result<void> write_stream(PayloadReader& payload, const SealMaterial& material,
                          const UnverifiedHead& head, unsigned num_threads, Progress* progress,
                          const Fd& out, const fs::path& path) {
  const Aes256Key stream_key =
      derive_stream_key(material.content_key, material.stream, head.manifest_digest);
  const StreamLayout layout(head.header.payload_len);
  ENSC_TRY(write_all_at(out, head.stream_offset, encode_stream_header(material.stream), path));
  std::mutex reading;
  std::uint32_t next = 0;
  bool failed = false;
  const auto work = [&]() -> Result<void> {
    Aes256Gcm aead(stream_key);
    SecretBytes buffer(static_cast<std::size_t>(
        std::min<std::uint64_t>(kSegmentLen, head.header.payload_len + Aes256Gcm::kTagLen)));
    for (;;) {
      Segment segment{};
      {
        const std::lock_guard lock(reading);
        if (failed || next == layout.num_segments()) {
          return ok();
        }
        segment = layout.segment(next++);
        const auto filled = payload.fill(buffer.expose_mutable().first(segment.plain_len));
        if (!filled) {
          failed = true;
          return filled.error();
        }
      }
      const MutableByteView sealed = buffer.expose_mutable().first(segment.cipher_len);
      aead.seal(segment_nonce(material.stream, segment), {}, sealed.first(segment.plain_len),
                sealed);
      const auto written =
          write_all_at(out, head.stream_offset + segment.cipher_offset, sealed, path);
      if (!written) {
        const std::lock_guard lock(reading);
        failed = true;
        return written.error();
      }
      if (progress != nullptr) {
        progress->advance(segment.plain_len);
      }
    }
  };
  ENSC_TRY(run_on_threads(num_threads_for(num_threads, layout.num_segments()), work));
  return payload.finish();
}

// ---- the file -----------------------------------------------------------------------------------

// TemporaryFile becomes `path` by `commit`, or goes away.
class TemporaryFile {
 public:
  static Result<TemporaryFile> beside(const fs::path& path) {
    std::string name = path.string() + ".tmp-XXXXXX";
    Fd fd(mkostemp(name.data(), O_CLOEXEC));
    if (!fd.valid()) {
      return io_error("cannot create", name);
    }
    return TemporaryFile(std::move(fd), std::move(name));
  }
  ~TemporaryFile() {
    if (!name_.empty()) {
      unlink(name_.c_str());
    }
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  TemporaryFile(TemporaryFile&& other) noexcept
      : fd_(std::move(other.fd_)), name_(std::exchange(other.name_, {})) {}
  TemporaryFile& operator=(TemporaryFile&&) = delete;

  [[nodiscard]] const Fd& fd() const { return fd_; }
  [[nodiscard]] const std::string& name() const { return name_; }

  Result<void> commit(const fs::path& path) {
    // A bundle is ciphertext: it may be read by whoever serves it.
    if (fchmod(fd_.get(), 0644) != 0 || fsync(fd_.get()) != 0) {
      return io_error("cannot finish", name_);
    }
    if (rename(name_.c_str(), path.c_str()) != 0) {
      return io_error("cannot rename to", path);
    }
    name_.clear();
    return ok();
  }

 private:
  TemporaryFile(Fd fd, std::string name) : fd_(std::move(fd)), name_(std::move(name)) {}
  Fd fd_;
  std::string name_;
};

Result<void> verify_arguments(const fs::path& directory, const fs::path& out,
                              const SealOptions& options) {
  if (!is_bundle_name(options.name)) {
    return Error(SealedModelError::kInvalidArgument, "name \"" + options.name + "\"")
        .with_remedy("use 1 to 128 of [a-z0-9._-], beginning with a letter or a digit");
  }
  if (options.version == 0) {
    return Error(SealedModelError::kInvalidArgument, "versions begin at 1");
  }
  std::error_code failure;
  const fs::path root = fs::canonical(directory, failure);
  if (failure) {
    return Error(SealedModelError::kIo, directory.string() + ": " + failure.message());
  }
  const fs::path place = fs::weakly_canonical(fs::absolute(out), failure);
  if (failure) {
    return Error(SealedModelError::kIo, out.string() + ": " + failure.message());
  }
  if (std::mismatch(root.begin(), root.end(), place.begin(), place.end()).first == root.end()) {
    return Error(SealedModelError::kInvalidArgument,
                 out.string() + " lies in the directory that is to be sealed")
        .with_remedy("write the bundle somewhere else: the next one would contain it");
  }
  return ok();
}

}  // namespace

Result<SealedResult> seal_with(SealMaterial material, const fs::path& directory,
                               const fs::path& out, const Ed25519PrivateKey& owner,
                               const SealOptions& options,
                               const std::function<void()>& between_readings) {
  ENSC_TRY(verify_arguments(directory, out, options));
  const Fd root(open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!root.valid()) {
    return io_error("cannot open", directory);
  }
  ENSC_TRY_ASSIGN(std::vector<FileEntry> files, Walk(directory).run(root));
  std::uint64_t contents_len = 0;
  for (const FileEntry& entry : files) {
    contents_len += entry.len;
  }
  std::optional<Progress> bar;
  if (!options.progress_label.empty()) {
    bar.emplace(options.progress_label, 2 * contents_len);
  }
  Progress* progress = bar ? &*bar : nullptr;
  ENSC_TRY(add_digests(root, files, options.num_threads, progress));
  if (between_readings) {
    between_readings();
  }

  const Bytes table = encode_file_table(files);
  if (table.size() > kMaxFileTableLen) {
    return Error(SealedModelError::kTooLarge, "the file table is longer than 2 MiB");
  }
  ByteWriter front;
  front.u32_be(static_cast<std::uint32_t>(table.size())).raw(table);
  BundleHeader header;
  header.bundle_id = material.bundle_id;
  header.name = options.name;
  header.version = options.version;
  header.key_id = material.key_id;
  header.key_commitment = key_commitment_of(material.content_key, material.bundle_id);
  header.owner_key = owner.public_key();
  header.payload_len = front.bytes().size() + contents_len;
  header.table_digest = sha256(table);
  const Bytes signed_part = encode_signed_part(header);
  const Bytes head_bytes = concat({signed_part, owner.sign(signature_message(signed_part))});
  // Read back by what will read it, so that nothing is sealed that would not open.
  ENSC_TRY_ASSIGN(const UnverifiedHead head, parse_bundle_head(head_bytes));
  ENSC_CHECK(head.header == header && head.stream_offset == head_bytes.size());

  ENSC_TRY_ASSIGN(TemporaryFile file, TemporaryFile::beside(out));
  ENSC_TRY(write_all_at(file.fd(), 0, head_bytes, file.name()));
  PayloadReader payload(root, std::move(front).take(), files);
  ENSC_TRY(
      write_stream(payload, material, head, options.num_threads, progress, file.fd(), file.name()));
  ENSC_TRY(file.commit(out));
  return SealedResult{header, head.manifest_digest, std::move(material.content_key)};
}

}  // namespace ensconce::internal

namespace ensconce {

Result<SealedResult> seal_directory(const std::filesystem::path& directory,
                                    const std::filesystem::path& out,
                                    const Ed25519PrivateKey& owner, const SealOptions& options,
                                    Random& random) {
  internal::SealMaterial material{
      options.content_key_for_test != nullptr ? options.content_key_for_test->copy()
                                              : ContentKey::generate(random),
      random.array<16>(),
      random.array<16>(),
      {random.array<internal::kStreamSaltLen>(), random.array<internal::kNoncePrefixLen>()}};
  return internal::seal_with(std::move(material), directory, out, owner, options);
}

}  // namespace ensconce
