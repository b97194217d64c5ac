#include "ensconce/tee/tsm_tree.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <thread>

#include "ensconce/base/file.h"

namespace ensconce {
namespace {

namespace fs = std::filesystem;

constexpr Millis kShort{50};

// A directory of ordinary files and FIFOs in the place of the tree.
class TsmTreeTest : public ::testing::Test {
 protected:
  TsmTreeTest() {
    std::string pattern = (fs::temp_directory_path() / "tsm-tree-XXXXXX").string();
    root_ = mkdtemp(pattern.data());
    fs::create_directory(root_ / "report");
    tree_ = make_tsm_tree(root_, kShort);
  }
  ~TsmTreeTest() override { fs::remove_all(root_); }

  fs::path entry() const { return root_ / "report" / "r"; }
  void put(const std::string& attribute, const std::string& text) const {
    std::ofstream(entry() / attribute) << text;
  }

  fs::path root_;
  std::unique_ptr<TsmTree> tree_;
};

TEST_F(TsmTreeTest, MakesReadsWritesAndRemoves) {
  ASSERT_EQ(tree_->make("r"), 0);
  EXPECT_TRUE(fs::is_directory(entry()));
  put("provider", "sev_guest\n");
  put("inblob", "");
  EXPECT_EQ(as_text(tree_->read("provider", 100).bytes), "sev_guest\n");
  EXPECT_EQ(tree_->write("inblob", as_bytes("abc")), 0);
  EXPECT_EQ(*read_text_file(entry() / "inblob"), "abc");
  EXPECT_EQ(tree_->remove(), ENOTEMPTY);
  fs::remove(entry() / "provider");
  fs::remove(entry() / "inblob");
  EXPECT_EQ(tree_->remove(), 0);
  EXPECT_FALSE(fs::exists(entry()));
}

TEST_F(TsmTreeTest, SaysThatARootOrANameIsNotThere) {
  EXPECT_EQ(make_tsm_tree(root_ / "absent")->make("r"), ENOENT);
  EXPECT_EQ(make_tsm_tree(root_ / "report")->make("r"), ENOENT);
  ASSERT_EQ(tree_->make("r"), 0);
  EXPECT_EQ(make_tsm_tree(root_)->make("r"), EEXIST);
  EXPECT_EQ(tree_->read("outblob", 10).error, ENOENT);
}

TEST_F(TsmTreeTest, CreatesNoFileAndCutsNone) {
  ASSERT_EQ(tree_->make("r"), 0);
  EXPECT_EQ(tree_->write("inblob", as_bytes("abc")), ENOENT);
  EXPECT_FALSE(fs::exists(entry() / "inblob"));
  put("inblob", "123456");
  EXPECT_EQ(tree_->write("inblob", as_bytes("abc")), 0);
  EXPECT_EQ(*read_text_file(entry() / "inblob"), "abc456");
}

TEST_F(TsmTreeTest, RejectsSymbolicLinksBelowTheRoot) {
  ASSERT_EQ(tree_->make("r"), 0);
  std::ofstream(root_ / "secret") << "secret";
  fs::create_symlink(root_ / "secret", entry() / "outblob");
  EXPECT_EQ(tree_->read("outblob", 100).error, ELOOP);
  EXPECT_EQ(tree_->write("outblob", as_bytes("x")), ELOOP);

  fs::rename(root_ / "report", root_ / "elsewhere");
  fs::create_directory_symlink(root_ / "elsewhere", root_ / "report");
  EXPECT_EQ(make_tsm_tree(root_)->make("r2"), ENOTDIR);
}

TEST_F(TsmTreeTest, RejectsWhatIsNeitherFileNorFifo) {
  ASSERT_EQ(tree_->make("r"), 0);
  fs::create_directory(entry() / "outblob");
  EXPECT_EQ(tree_->read("outblob", 100).error, EINVAL);
}

TEST_F(TsmTreeTest, ReadsNoMoreThanTheLimit) {
  ASSERT_EQ(tree_->make("r"), 0);
  put("outblob", std::string(5000, 'x'));
  EXPECT_EQ(tree_->read("outblob", 5000).bytes.size(), 5000U);
  EXPECT_EQ(tree_->read("outblob", 4999).error, EFBIG);
}

TEST_F(TsmTreeTest, ReadsAndWritesFifos) {
  tree_ = make_tsm_tree(root_, Millis(10'000));
  ASSERT_EQ(tree_->make("r"), 0);
  ASSERT_EQ(mkfifo((entry() / "inblob").c_str(), 0600), 0);
  ASSERT_EQ(mkfifo((entry() / "outblob").c_str(), 0600), 0);
  const Fd reader(open((entry() / "inblob").c_str(), O_RDONLY | O_NONBLOCK));
  ASSERT_EQ(tree_->write("inblob", as_bytes("question")), 0);
  char question[16] = {};
  EXPECT_EQ(read(reader.get(), question, sizeof question), 8);

  std::thread device([&] {
    const Fd writer(open((entry() / "outblob").c_str(), O_WRONLY));  // waits for the reader
    EXPECT_EQ(write(writer.get(), "answer", 6), 6);
  });
  const TsmAnswer answer = tree_->read("outblob", 100);
  device.join();
  EXPECT_EQ(answer.error, 0);
  EXPECT_EQ(as_text(answer.bytes), "answer");
}

TEST_F(TsmTreeTest, DoesNotHangOnAFifoNobodyServes) {
  ASSERT_EQ(tree_->make("r"), 0);
  ASSERT_EQ(mkfifo((entry() / "fifo").c_str(), 0600), 0);
  EXPECT_EQ(tree_->write("fifo", as_bytes("x")), ENXIO);
  EXPECT_EQ(tree_->read("fifo", 100).error, ETIMEDOUT);
  const Fd silent(open((entry() / "fifo").c_str(), O_RDWR));
  EXPECT_EQ(tree_->read("fifo", 100).error, ETIMEDOUT);
}

}  // namespace
}  // namespace ensconce
