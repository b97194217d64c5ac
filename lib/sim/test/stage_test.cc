#include "ensconce/sim/stage.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "ensconce/base/file.h"

namespace ensconce {
namespace {

namespace fs = std::filesystem;

TEST(LoaderList, ReadsWhatTheDynamicLoaderPrints) {
  const auto objects = parse_loader_list(
      "\tlinux-vdso.so.1 (0x00007ffd2a1f2000)\n"
      "\t/tmp/with space/libp.so (0x00007f0000000000)\n"
      "\tlibfoo.so.1 => /usr/lib/libfoo.so.1 (0x00007f0000000000)\n"
      "\tlib/relative.so (0x00007f0000000000)\n"
      "\t/lib64/ld-linux-x86-64.so.2 (0x00007f0000000000)\n");
  ASSERT_TRUE(objects);
  ASSERT_EQ(objects->size(), 4U);
  EXPECT_EQ((*objects)[0].path, "/tmp/with space/libp.so");
  EXPECT_EQ((*objects)[1].name, "libfoo.so.1");
  EXPECT_EQ((*objects)[1].path, "/usr/lib/libfoo.so.1");
  EXPECT_EQ((*objects)[2].path, "lib/relative.so");
  EXPECT_TRUE(parse_loader_list("\tstatically linked\n")->empty());
}

TEST(LoaderList, RejectsLibrariesThatWereNotFound) {
  for (const char* text : {"\tlibfoo.so.1 => not found\n", "\tlibfoo.so.1 (0x00007f00)\n",
                           "something else\n", "\tlibfoo.so =>  (0x00007f00)\n"}) {
    const auto objects = parse_loader_list(text);
    ASSERT_FALSE(objects) << text;
    EXPECT_TRUE(objects.error().is(SimError::kClosure));
  }
}

TEST(LaunchEnvironment, TakesOverOnlyWhatChangesAProgramAndWhatWasAdded) {
  const Environment out = launch_environment({{"LD_PRELOAD", "x"},
                                              {"ENSCONCE_LOG", "debug"},
                                              {"MALLOC_ARENA_MAX", "2"},
                                              {"GLIBC_TUNABLES", "t"},
                                              {"HOME", "/root"},
                                              {"PATH", "/bin"},
                                              {"AWS_SECRET", "s"}},
                                             {{"ENSCONCE_LOG", "info"}, {"PATH", "/only"}});
  EXPECT_EQ(out, (Environment{{"LD_PRELOAD", "x"},
                              {"ENSCONCE_LOG", "info"},
                              {"MALLOC_ARENA_MAX", "2"},
                              {"GLIBC_TUNABLES", "t"},
                              {"PATH", "/only"}}));
}

class StageTest : public ::testing::Test {
 protected:
  StageTest() {
    std::string pattern = (fs::temp_directory_path() / "stage-XXXXXX").string();
    scratch_ = fs::canonical(mkdtemp(pattern.data()));
    root_ = scratch_ / "root";
    fs::create_directory(root_);
  }
  ~StageTest() override {
    unstage(root_);
    fs::remove_all(scratch_);
  }
  static unsigned mode_of(const fs::path& path) {
    struct stat st {};
    return stat(path.c_str(), &st) == 0 ? st.st_mode & 0777U : 0U;
  }
  static std::string self() { return fs::read_symlink("/proc/self/exe").string(); }

  fs::path scratch_;
  fs::path root_;
};

TEST_F(StageTest, FindsTheInterpreterOfADynamicProgram) {
  const auto interpreter = elf_interpreter(self());
  ASSERT_TRUE(interpreter);
  EXPECT_TRUE(fs::exists(*interpreter));
}

TEST_F(StageTest, RejectsEveryCutOfAnElfHeader) {
  const Bytes whole = *read_file("/proc/self/exe", std::size_t{1} << 30U);
  for (const std::size_t len : {0U, 3U, 16U, 63U, 64U, 100U}) {
    const fs::path cut = scratch_ / "cut";
    ASSERT_TRUE(write_file_atomically(cut, ByteView(whole).first(len), 0700));
    const auto interpreter = elf_interpreter(cut);
    ASSERT_FALSE(interpreter) << len;
    EXPECT_TRUE(interpreter.error().is(SimError::kNotElf));
  }
}

TEST_F(StageTest, RejectsAnElfHeaderWithWildOffsets) {
  Bytes head = *read_file("/proc/self/exe", std::size_t{1} << 30U);
  head.resize(4096);
  std::fill(head.begin() + 32, head.begin() + 40, 0xff);  // e_phoff
  const fs::path wild = scratch_ / "wild";
  ASSERT_TRUE(write_file_atomically(wild, head, 0700));
  EXPECT_TRUE(elf_interpreter(wild).error().is(SimError::kNotElf));
}

TEST_F(StageTest, CopiesReadOnlyAndMeasuresTheCopies) {
  const fs::path config = scratch_ / "w.toml";
  std::ofstream(config) << "x = 1\n";
  const auto launch = stage_launch({{self(), "--config=" + config.string(), "-"}, {}, ""}, root_);
  ASSERT_TRUE(launch) << launch.error().to_string();
  EXPECT_EQ(launch->manifest.argv[1], "--config=etc/0-w.toml");
  EXPECT_EQ(launch->manifest.argv[2], "-");
  EXPECT_EQ(launch->manifest.configuration[0].sha256, sha256(as_bytes("x = 1\n")));
  EXPECT_EQ(mode_of(root_), 0500U);
  EXPECT_EQ(mode_of(root_ / "bin"), 0500U);
  EXPECT_EQ(mode_of(root_ / launch->manifest.executable.path), 0500U);
  EXPECT_EQ(mode_of(root_ / "etc/0-w.toml"), 0400U);
  EXPECT_EQ(launch->measurement, launch_measurement(launch->manifest));
  EXPECT_EQ(launch->code.size(), launch->manifest.libraries.size() + 1);
}

TEST_F(StageTest, RejectsADirectoryTheLoaderCannotBeTold) {
  const fs::path odd = scratch_ / "a:b";
  fs::create_directory(odd);
  EXPECT_TRUE(stage_launch({{self()}, {}, ""}, odd).error().is(SimError::kStage));
}

TEST_F(StageTest, RemovesItsDirectoryAndFollowsNoLinkOutOfIt) {
  const fs::path outside = scratch_ / "outside";
  fs::create_directory(outside);
  std::ofstream(outside / "kept") << "x";
  chmod(outside.c_str(), 0500);
  fs::create_directory_symlink(outside, root_ / "link");
  fs::create_directory(root_ / "bin");
  std::ofstream(root_ / "bin" / "file") << "x";
  chmod((root_ / "bin").c_str(), 0500);
  unstage(root_);
  EXPECT_FALSE(fs::exists(root_));
  EXPECT_TRUE(fs::exists(outside / "kept"));
  EXPECT_EQ(mode_of(outside), 0500U);
  chmod(outside.c_str(), 0700);
}

}  // namespace
}  // namespace ensconce
