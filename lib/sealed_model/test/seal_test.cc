#include "ensconce/sealed_model/seal.h"

#include <sys/stat.h>
#include <unistd.h>

#include <functional>

#include "bundle_fixture.h"
#include "seal_internal.h"

namespace ensconce {
namespace {

using testing::Files;
using testing::pseudo_random_bytes;

using SealTest = testing::BundleTest;
namespace fs = std::filesystem;

TEST_F(SealTest, NeverUsesARandomValueTwice) {
  const Files files{{"f", to_bytes("same")}};
  const SealedResult a = seal(files, "a.sealed");
  const SealedResult b = seal(files, "b.sealed");
  EXPECT_NE(a.header.bundle_id, b.header.bundle_id);
  EXPECT_NE(a.header.key_id, b.header.key_id);
  EXPECT_NE(a.manifest_digest, b.manifest_digest);
  EXPECT_FALSE(a.content_key.equals(b.content_key));
}

TEST_F(SealTest, WritesNoPlaintextAndNoKey) {
  const std::string canary = "CANARY-CANARY-CANARY-CANARY";
  const SealedResult sealed =
      seal({{"a.bin", to_bytes(canary)}, {"secret-name.txt", to_bytes(canary)}}, "m.sealed");
  const Bytes bundle = read(path("m.sealed"));
  const std::string_view text = as_text(bundle);
  EXPECT_EQ(text.find("CANARY"), std::string_view::npos);
  EXPECT_EQ(text.find("secret-name"), std::string_view::npos);
  EXPECT_EQ(text.find(as_text(sealed.content_key.expose())), std::string_view::npos);
  EXPECT_EQ(text.find(as_text(sha256(as_bytes(canary)))), std::string_view::npos);
}

TEST_F(SealTest, SealsTheSameBytesWithAnyNumberOfThreads) {
  const Files files{{"a", pseudo_random_bytes(2'500'000, 1)}, {"b", {}}, {"c", Bytes(10)}};
  const fs::path from = make_dir("in", files);
  Bytes first;
  for (const unsigned num_threads : {1U, 4U}) {
    internal::SealMaterial material{key_.copy(), {1}, {2}, {{3}, {4}}};
    ASSERT_TRUE(internal::seal_with(std::move(material), from, path("m.sealed"), owner_,
                                    {.name = "m", .num_threads = num_threads}));
    if (first.empty()) {
      first = read(path("m.sealed"));
    }
    EXPECT_EQ(read(path("m.sealed")), first);
  }
}

TEST_F(SealTest, RejectsDirectoryWithoutFiles) {
  const fs::path from = make_dir("in", {});
  EXPECT_TRUE(try_seal(from, "m.sealed").error().is(SealedModelError::kEmpty));
  fs::create_directories(from / "below");
  EXPECT_TRUE(try_seal(from, "m.sealed").error().is(SealedModelError::kEmpty));
  EXPECT_FALSE(fs::exists(path("m.sealed")));
}

TEST_F(SealTest, RejectsLinksAndSpecialFiles) {
  const fs::path from = make_dir("in", {{"f", Bytes(1)}});
  write(path("outside"), Bytes(1));
  fs::create_symlink(path("outside"), from / "link");
  EXPECT_TRUE(try_seal(from, "m.sealed").error().is(SealedModelError::kUnsafeFile));
  fs::remove(from / "link");
  fs::create_directory_symlink(dir_, from / "link");
  EXPECT_TRUE(try_seal(from, "m.sealed").error().is(SealedModelError::kUnsafeFile));
  fs::remove(from / "link");
  ASSERT_EQ(mkfifo((from / "pipe").c_str(), 0600), 0);
  EXPECT_TRUE(try_seal(from, "m.sealed").error().is(SealedModelError::kUnsafeFile));
  fs::remove(from / "pipe");
  EXPECT_TRUE(try_seal(from, "m.sealed"));
}

TEST_F(SealTest, RejectsUnsafeNames) {
  EXPECT_TRUE(try_seal(make_dir("a", {{"two words", Bytes(1)}}), "m.sealed")
                  .error()
                  .is(SealedModelError::kUnsafeName));
  EXPECT_TRUE(try_seal(make_dir("b", {{"a\\b/f", Bytes(1)}}), "m.sealed")
                  .error()
                  .is(SealedModelError::kUnsafeName));
}

TEST_F(SealTest, RejectsMoreFilesThanATableHolds) {
  const fs::path from = make_dir("in", {});
  for (std::size_t i = 0; i <= kMaxBundleFiles; ++i) {
    const std::ofstream touch(from / std::to_string(i));
  }
  EXPECT_TRUE(try_seal(from, "m.sealed").error().is(SealedModelError::kTooLarge));
}

TEST_F(SealTest, RejectsBadNameVersionAndPlace) {
  const fs::path from = make_dir("in", {{"f", Bytes(1)}});
  EXPECT_TRUE(try_seal(from, "m.sealed", {.name = "Line Reader"})
                  .error()
                  .is(SealedModelError::kInvalidArgument));
  EXPECT_TRUE(try_seal(from, "m.sealed", {.name = "m", .version = 0})
                  .error()
                  .is(SealedModelError::kInvalidArgument));
  EXPECT_TRUE(try_seal(from, "in/m.sealed").error().is(SealedModelError::kInvalidArgument));
  EXPECT_TRUE(
      try_seal(from, "other/../in/m.sealed").error().is(SealedModelError::kInvalidArgument));
  EXPECT_TRUE(try_seal(path("missing"), "m.sealed").error().is(SealedModelError::kIo));
  EXPECT_TRUE(try_seal(from, "missing/m.sealed").error().is(SealedModelError::kIo));
}

TEST_F(SealTest, LeavesTheOldBundleWhenItFails) {
  write(path("m.sealed"), to_bytes("old"));
  const fs::path from = make_dir("in", {{"f", Bytes(1)}});
  fs::create_symlink("f", from / "link");
  EXPECT_FALSE(try_seal(from, "m.sealed"));
  EXPECT_EQ(read(path("m.sealed")), to_bytes("old"));
  fs::remove(from / "link");
  EXPECT_TRUE(try_seal(from, "m.sealed"));
  EXPECT_NE(read(path("m.sealed")), to_bytes("old"));
  for (const auto& entry : fs::directory_iterator(dir_)) {
    EXPECT_EQ(entry.path().string().find(".tmp-"), std::string::npos) << entry.path();
  }
}

TEST_F(SealTest, RejectsFileThatChangesBetweenItsReadings) {
  const Bytes content = pseudo_random_bytes(3'000'000, 1);
  const auto seal_while = [&](const std::function<void(const fs::path& from)>& change) {
    fs::remove_all(path("in"));
    const fs::path from = make_dir("in", {{"f", content}, {"z", {}}});
    internal::SealMaterial material{key_.copy(), {}, {}, {}};
    return internal::seal_with(std::move(material), from, path("m.sealed"), owner_, {.name = "m"},
                               [&] { change(from); });
  };
  const auto refuses = [&](const std::function<void(const fs::path& from)>& change) {
    const auto sealed = seal_while(change);
    return !sealed && sealed.error().is(SealedModelError::kChangedWhileSealing);
  };
  const std::vector<std::function<void(const fs::path& from)>> changes{
      [&](const fs::path& from) {
        Bytes other = content;
        other.back() ^= 1;
        write(from / "f", other);
      },
      [](const fs::path& from) { fs::resize_file(from / "f", 2'999'999); },
      [](const fs::path& from) { fs::resize_file(from / "f", 3'000'001); },
      [](const fs::path& from) { fs::resize_file(from / "z", 1); },
      [](const fs::path& from) { fs::remove(from / "f"); },
      [](const fs::path& from) { fs::remove(from / "z"); },
      [&](const fs::path& from) {
        fs::rename(from / "f", path("elsewhere"));
        fs::create_symlink(path("elsewhere"), from / "f");
      },
  };
  for (std::size_t i = 0; i < changes.size(); ++i) {
    EXPECT_TRUE(refuses(changes[i])) << i;
    EXPECT_FALSE(fs::exists(path("m.sealed"))) << i;
  }
  EXPECT_TRUE(seal_while([](const fs::path& /*from*/) {}));
}

TEST_F(SealTest, FollowsNoLinkPutInPlaceOfADirectory) {
  const fs::path from = make_dir("in", {{"sub/f", to_bytes("inside")}});
  make_dir("outside", {{"f", to_bytes("inside")}});
  internal::SealMaterial material{key_.copy(), {}, {}, {}};
  const auto sealed =
      internal::seal_with(std::move(material), from, path("m.sealed"), owner_, {.name = "m"}, [&] {
        fs::remove_all(from / "sub");
        fs::create_directory_symlink(path("outside"), from / "sub");
      });
  ASSERT_FALSE(sealed);
  EXPECT_TRUE(sealed.error().is(SealedModelError::kChangedWhileSealing));
}

}  // namespace
}  // namespace ensconce
