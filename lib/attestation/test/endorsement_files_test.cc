#include "ensconce/attestation/endorsements/endorsement_files.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "made_snp.h"

namespace ensconce {
namespace {

namespace fs = std::filesystem;

class EndorsementFilesTest : public ::testing::Test {
 protected:
  EndorsementFilesTest() {
    std::string name = (fs::temp_directory_path() / "ensc-files-XXXXXX").string();
    root_ = ::mkdtemp(name.data());
  }
  ~EndorsementFilesTest() override { fs::remove_all(root_); }
  void file(const std::string& name, ByteView bytes) const {
    std::ofstream(root_ / name) << as_text(bytes);
  }
  static Bytes certificate() {
    static const Bytes made = [] {
      SeededRandom random(1);
      SnpPkiOptions options;
      options.rsa_bits = 2048;
      return SnpPki::generate(options, random, made::kNow).endorsements({}).front().data;
    }();
    return made;
  }
  fs::path root_;
};

TEST_F(EndorsementFilesTest, ReadsADirectoryInTheOrderOfNamesAndPassesOverWhatIsNone) {
  file("b.der", certificate());
  file("a.txt", as_bytes("words\n"));
  file("c.der", ByteView(certificate()).first(200));
  fs::create_directory(root_ / "below");
  std::ofstream(root_ / "below/d.der") << as_text(certificate());
  const auto files = read_endorsement_files(root_);
  ASSERT_TRUE(files) << files.error().to_string();
  ASSERT_EQ(files->items.size(), 1U);
  EXPECT_EQ(files->items.front().data, certificate());
}

TEST_F(EndorsementFilesTest, AFileThatOneNamesMustBeAnEndorsement) {
  file("words", as_bytes("words\n"));
  EXPECT_FALSE(read_endorsement_files(root_ / "words"));
  EXPECT_FALSE(read_endorsement_files(root_ / "absent"));
  file("good", certificate());
  EXPECT_EQ(read_endorsement_files(root_ / "good")->items.size(), 1U);
}

TEST_F(EndorsementFilesTest, BoundsFilesAndBytes) {
  file("one", certificate());
  file("two", certificate());
  const std::size_t len = certificate().size();
  EXPECT_TRUE(read_endorsement_files(root_, {len, 2 * len}));
  EXPECT_TRUE(read_endorsement_files(root_, {len, 2 * len - 1}).error().is(BaseError::kTooLarge));
  const auto small = read_endorsement_files(root_, {len - 1, 2 * len});
  ASSERT_TRUE(small);
  EXPECT_TRUE(small->items.empty());
  EXPECT_EQ(small->notes.size(), 2U);
  for (std::size_t i = 0; i < kMaxEndorsementFiles; ++i) {
    file("more" + std::to_string(i), as_bytes("x"));
  }
  EXPECT_TRUE(read_endorsement_files(root_).error().is(BaseError::kTooLarge));
}

}  // namespace
}  // namespace ensconce
