#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <type_traits>

#include "ensconce/base/bytes.h"
#include "ensconce/base/clock.h"
#include "ensconce/base/file.h"
#include "ensconce/base/kept_secret.h"
#include "ensconce/base/locked_memory.h"
#include "ensconce/base/random.h"
#include "ensconce/base/secret.h"

namespace ensconce {
namespace {

static_assert(!std::is_copy_constructible_v<SecretBytes>);
static_assert(!std::is_copy_constructible_v<SecretArray<32>>);
static_assert(!std::is_convertible_v<SecretBytes, ByteView>);

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "ensconce-base-XXXXXX").string();
    path = mkdtemp(name.data());
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  std::filesystem::path path;
};

TEST(Hex, RoundTrips) {
  const Bytes bytes{0x00, 0x7f, 0x80, 0xff};
  EXPECT_EQ(to_hex(bytes), "007f80ff");
  EXPECT_EQ(from_hex("007F80ff").value(), bytes);
}

TEST(Hex, RejectsOddLengthAndOtherDigits) {
  EXPECT_TRUE(from_hex("abc").error().is(BaseError::kBadHex));
  EXPECT_TRUE(from_hex("zz").error().is(BaseError::kBadHex));
}

TEST(ByteReader, ReadsBothByteOrders) {
  const Bytes bytes{1, 2, 3, 4, 1, 2, 3, 4};
  ByteReader r(bytes);
  EXPECT_EQ(r.u32_be().value(), 0x01020304U);
  EXPECT_EQ(r.u32_le().value(), 0x04030201U);
  EXPECT_TRUE(r.finish().has_value());
}

TEST(ByteReader, RejectsReadingPastTheEnd) {
  const Bytes bytes{1, 2, 3};
  ByteReader r(bytes);
  EXPECT_TRUE(r.u32_be().error().is(BaseError::kTruncated));
  EXPECT_EQ(r.offset(), 0U);
}

TEST(ByteReader, RejectsTrailingBytes) {
  const Bytes bytes{1, 2, 3};
  ByteReader r(bytes);
  ASSERT_TRUE(r.u16_be().has_value());
  EXPECT_TRUE(r.finish().error().is(BaseError::kTrailingBytes));
}

TEST(ToArray, RejectsOtherLengths) {
  EXPECT_TRUE(to_array<4>(Bytes(3)).error().is(BaseError::kTruncated));
  EXPECT_TRUE(to_array<4>(Bytes(5)).error().is(BaseError::kTrailingBytes));
}

TEST(SecretArray, WipesTheSourceOfAMove) {
  auto a = SecretArray<4>::from(Bytes{1, 2, 3, 4}).value();
  const SecretArray<4> b = std::move(a);
  // NOLINTNEXTLINE(bugprone-use-after-move): that it is wiped is the point.
  EXPECT_TRUE(all_zero(a.expose()));
  EXPECT_EQ(to_hex(b.expose()), "01020304");
}

std::size_t resident_pages(ByteView bytes) {
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  std::vector<unsigned char> in_memory((bytes.size() + page - 1) / page);
  EXPECT_EQ(mincore(const_cast<std::uint8_t*>(bytes.data()), bytes.size(), in_memory.data()), 0);
  return static_cast<std::size_t>(
      std::count_if(in_memory.begin(), in_memory.end(), [](auto flags) { return flags & 1; }));
}

// Locked pages refuse what gives others back to the system.
TEST(SecretBytes, DiscardsLockedPagesToo) {
  constexpr std::size_t kPages = 16;
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  SecretBytes secret(kPages * page);
  std::fill_n(secret.expose_mutable().data(), secret.size(), 7);
  if (mlock(secret.expose().data(), secret.size()) != 0) {
    GTEST_SKIP() << "RLIMIT_MEMLOCK allows nothing here";
  }
  secret.discard(0, kPages * page);
  EXPECT_EQ(resident_pages(secret.expose()), 0U);
  munlock(secret.expose().data(), secret.size());
}

TEST(KeptSecret, CopiesMovesAndWipes) {
  static_assert(!std::is_copy_constructible_v<KeptSecret>);
  static_assert(!std::is_convertible_v<KeptSecret, ByteView>);
  KeptSecret secret = KeptSecret::copy_of(as_bytes("a seed of a key"));
  const std::uint8_t* const place = secret.expose().data();
  KeptSecret moved = std::move(secret);
  EXPECT_EQ(as_text(moved.expose()), "a seed of a key");
  EXPECT_EQ(moved.expose().data(), place);
  KeptSecret other = KeptSecret::copy_of(as_bytes("another"));
  EXPECT_NE(other.expose().data(), place);
  moved = std::move(other);
  EXPECT_EQ(as_text(moved.expose()), "another");
  // The place is still mapped: what was there is not.
  EXPECT_TRUE(std::all_of(place, place + 15, [](std::uint8_t b) { return b == 0; }));
}

TEST(KeptSecret, HasRoomForMoreThanOneBlock) {
  std::vector<KeptSecret> many;
  for (int i = 0; i < 1000; ++i) {
    many.push_back(KeptSecret::copy_of(as_bytes(std::to_string(i))));
  }
  for (int i = 0; i < 1000; ++i) {
    EXPECT_EQ(as_text(many[static_cast<std::size_t>(i)].expose()), std::to_string(i));
  }
}

// The heap gives back what it does not use, also where everything is locked.
TEST(LockedMemory, TrimsTheHeapThatIsLocked) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a sanitizer has a heap of its own";
#endif
  if (!may_lock_all_memory()) {
    GTEST_SKIP() << "RLIMIT_MEMLOCK has a bound here";
  }
  const pid_t pid = fork();
  if (pid == 0) {
    if (lock_memory() != LockedMemory::kAll || locked_memory() != LockedMemory::kAll) {
      _exit(2);
    }
    const auto resident = [] {
      const Bytes statm = read_file("/proc/self/statm", 256).value();
      const std::string text(as_text(statm));
      return std::stoul(text.substr(text.find(' ')));
    };
    // Small blocks, so that they lie on the heap, and one at its end that stays.
    std::vector<std::unique_ptr<Bytes>> blocks;
    for (int i = 0; i < 4096; ++i) {
      blocks.push_back(std::make_unique<Bytes>(8192, 1));
    }
    const auto stays = std::make_unique<Bytes>(8192, 1);
    const unsigned long before = resident();
    blocks.clear();
    trim_heap();
    _exit(resident() + 4096 < before ? 0 : 1);
  }
  int status = 0;
  waitpid(pid, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST(SecretBytes, DiscardsAPartAndKeepsTheRest) {
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  SecretBytes secret(10 * page);
  std::fill_n(secret.expose_mutable().data(), secret.size(), 7);
  const auto is = [&](std::size_t begin, std::size_t end, std::uint8_t value) {
    const ByteView part = secret.expose().subspan(begin, end - begin);
    return std::all_of(part.begin(), part.end(), [&](std::uint8_t b) { return b == value; });
  };
  secret.discard(5 * page, 5 * page);
  secret.discard(page / 2, 2 * page + 1);
  EXPECT_EQ(resident_pages(secret.expose()), 9U);
  secret.discard(2 * page + 1, 3 * page);
  secret.discard(6 * page, 7 * page);
  secret.discard(4 * page, 5 * page);
  secret.discard(9 * page, 20 * page);
  EXPECT_EQ(resident_pages(secret.expose()), 6U);
  EXPECT_TRUE(is(0, page / 2, 7));
  EXPECT_TRUE(is(page / 2, 3 * page, 0));
  EXPECT_TRUE(is(3 * page, 4 * page, 7));
  EXPECT_TRUE(is(4 * page, 5 * page, 0));
  EXPECT_TRUE(is(5 * page, 6 * page, 7));
  EXPECT_TRUE(is(7 * page, 9 * page, 7));
  // Ranges that overlap, touch or lie within another.
  secret.discard(0, page);
  secret.discard(3 * page, 10 * page);
  secret.discard(0, 10 * page);
  secret.discard(4 * page, 5 * page);
  EXPECT_EQ(resident_pages(secret.expose()), 0U);
  const SecretBytes moved = std::move(secret);
  EXPECT_EQ(moved.size(), 10 * page);
}

// What a secret leaves is zeros, also where the next one has its pages and asks for more of them.
TEST(SecretBytes, PagesThatAreUsedAgainAreZeros) {
  constexpr std::size_t kLen = 100'000;  // 25 pages of 32
  SecretBytes first(kLen);
  const std::uint8_t* const pages = first.expose().data();
  std::fill_n(first.expose_mutable().data(), kLen, 7);
  first.discard(40'000, 60'000);
  first = SecretBytes();
  const SecretBytes second(kLen + 20'000);
  EXPECT_EQ(second.expose().data(), pages);
  EXPECT_TRUE(std::all_of(second.expose().begin(), second.expose().end(),
                          [](std::uint8_t b) { return b == 0; }));
}

// The pages of many and of large secrets go back to the system.
TEST(SecretBytes, KeepsAFewPagesOnly) {
  constexpr std::size_t kMiB = std::size_t{1024} * 1024;
  const auto mapped = [] {
    const Bytes statm = read_file("/proc/self/statm", 256).value();
    return std::stoull(std::string(as_text(statm))) *
           static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  };
  const std::size_t before = mapped();
  {
    std::vector<SecretBytes> many;
    for (int i = 0; i < 64; ++i) {
      many.emplace_back(kMiB);
      many.emplace_back(4 * kMiB);
    }
    EXPECT_GE(mapped(), before + 320 * kMiB);
  }
  EXPECT_LE(mapped(), before + 16 * kMiB);
}

TEST(SecretBytes, ComparesInConstantTime) {
  EXPECT_TRUE(equal_in_constant_time(Bytes{1, 2}, Bytes{1, 2}));
  EXPECT_FALSE(equal_in_constant_time(Bytes{1, 2}, Bytes{1, 3}));
  EXPECT_FALSE(equal_in_constant_time(Bytes{1, 2}, Bytes{1}));
}

TEST(Rfc3339, RoundTrips) {
  const Instant t = from_rfc3339("2026-11-23T05:00:29Z").value();
  EXPECT_EQ(to_rfc3339(t), "2026-11-23T05:00:29Z");
  EXPECT_FALSE(from_rfc3339("2026-11-23 05:00:29").has_value());
}

TEST(File, WritesWholeFilesWithTheExactMode) {
  const TemporaryFolder folder;
  const auto path = folder.path / "secret";
  ASSERT_TRUE(write_file_atomically(path, as_bytes("hello"), 0600).has_value());
  struct stat st {};
  ASSERT_EQ(stat(path.c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0777U, 0600U);
  EXPECT_EQ(as_text(read_secret_file(path).value().expose()), "hello");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path), {}), 1);
}

TEST(File, RejectsASecretThatOthersMayRead) {
  const TemporaryFolder folder;
  const auto path = folder.path / "secret";
  ASSERT_TRUE(write_file_atomically(path, as_bytes("hello"), 0644).has_value());
  EXPECT_TRUE(read_secret_file(path).error().is(BaseError::kInvalidArgument));
}

TEST(File, RejectsWhatIsLargerThanTheLimit) {
  const TemporaryFolder folder;
  const auto path = folder.path / "big";
  ASSERT_TRUE(write_file_atomically(path, Bytes(100)).has_value());
  EXPECT_TRUE(read_file(path, 99).error().is(BaseError::kTooLarge));
  EXPECT_EQ(read_file(path, 100).value().size(), 100U);
}

TEST(SeededRandom, RepeatsItself) {
  SeededRandom a(7);
  SeededRandom b(7);
  EXPECT_EQ(a.array<16>(), b.array<16>());
}

}  // namespace
}  // namespace ensconce
