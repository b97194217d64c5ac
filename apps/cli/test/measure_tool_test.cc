// `ensconce measure`, started as a person starts it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <sstream>

#include "ensconce/base/file.h"
#include "made_sigstruct.h"
#include "run_tool.h"

namespace ensconce {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;

class MeasureTool : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "ensc-measure-test-XXXXXX").string();
    scratch_ = mkdtemp(pattern.data());
  }
  void TearDown() override { fs::remove_all(scratch_); }

  [[nodiscard]] std::string path() const { return (scratch_ / "worker.sig").string(); }
  Ran measure(ByteView file) {
    EXPECT_TRUE(write_file_atomically(path(), file));
    return run_tool(scratch_, {"measure", "sgx", "--sigstruct", path()});
  }
  Ran measure(Sigstruct unsigned_one) {
    return measure(write_sigstruct(made::signed_by_test_key(unsigned_one)));
  }

  fs::path scratch_;
};

TEST_F(MeasureTool, TellsWhatAQuoteWillSay) {
  const Sigstruct made = made::signed_by_test_key(made::sigstruct());
  const Ran ran = measure(made::sigstruct());
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(ran.text("mr_enclave"), to_hex(made.mr_enclave));
  EXPECT_EQ(ran.text("mr_signer"), to_hex(made.mr_signer()));
  EXPECT_EQ(ran.text("debug"), "off");
  EXPECT_EQ(ran.json().find("isv_prod_id")->as_uint("isv_prod_id").value(), 0x0102U);
  EXPECT_EQ(ran.json().find("isv_svn")->as_uint("isv_svn").value(), 3U);
  EXPECT_THAT(ran.err, Not(HasSubstr("note:")));
}

// The lines said to people are lines of a policy: put in the place of the drafted ones, it loads.
TEST_F(MeasureTool, SaysLinesThatAPolicyTakes) {
  const Ran lines = measure(made::sigstruct());
  ASSERT_EQ(lines.code, 0) << lines.err;
  const Ran draft = run_tool(scratch_, {"policy", "init", "--role", "broker", "--kind", "sgx"});
  ASSERT_EQ(draft.code, 0) << draft.err;
  const auto said = [&lines](const std::string& name) -> std::string {
    const std::size_t at = lines.err.find("\n" + name + " = ");
    return at == std::string::npos
               ? ""
               : lines.err.substr(at + 1, lines.err.find('\n', at + 1) - at - 1);
  };
  // What only a person knows is marked "# TODO name = example".
  constexpr std::string_view kTodo = "# TODO ";
  constexpr std::string_view kDigits = "<64 hex digits>";
  std::string policy;
  std::istringstream drafted(draft.out);
  std::size_t replaced = 0;
  for (std::string line; std::getline(drafted, line);) {
    if (line.starts_with(kTodo)) {
      line.erase(0, kTodo.size());
    }
    if (const std::string ours = said(line.substr(0, line.find(" = "))); !ours.empty()) {
      line = ours;
      ++replaced;
    } else if (const std::size_t at = line.find(kDigits); at != std::string::npos) {
      line.replace(at, kDigits.size(), std::string(64, '2'));
    }
    policy += line + "\n";
  }
  EXPECT_EQ(replaced, 8U) << draft.out;
  const std::string file = (scratch_ / "policy.toml").string();
  EXPECT_TRUE(write_file_atomically(file, as_bytes(policy)));
  const Ran check = run_tool(scratch_, {"policy", "check", file});
  EXPECT_EQ(check.code, 0) << check.err << policy;
}

TEST_F(MeasureTool, SaysThatADebugEnclaveIsRefused) {
  Sigstruct debug = made::sigstruct();
  debug.attributes[0] |= 2;
  const Ran on = measure(debug);
  EXPECT_EQ(on.code, 0);
  EXPECT_EQ(on.text("debug"), "on");
  EXPECT_THAT(on.err, HasSubstr("debug = { exactly = false }"));
  EXPECT_THAT(on.err, HasSubstr("the lines above refuse it"));
  debug.attribute_mask[0] = 0xfd;
  const Ran open = measure(debug);
  EXPECT_EQ(open.text("debug"), "launcher's choice");
  EXPECT_THAT(open.err, HasSubstr("whoever launches"));
}

TEST_F(MeasureTool, RefusesWhatIsNoSigstruct) {
  const Ran none = measure(Bytes(1807));
  EXPECT_EQ(none.code, 3);
  EXPECT_THAT(none.err, HasSubstr("sgx.form.sigstruct"));
  EXPECT_EQ(none.out, "");
  EXPECT_EQ(run_tool(scratch_, {"measure", "sgx", "--sigstruct", "/no/such"}).code, 11);
  EXPECT_EQ(run_tool(scratch_, {"measure", "sgx"}).code, 2);
  EXPECT_EQ(run_tool(scratch_, {"measure"}).code, 2);
}

TEST_F(MeasureTool, RefusesASignatureThatDoesNotHold) {
  Bytes other = write_sigstruct(made::signed_by_test_key(made::sigstruct()));
  other[960] ^= 1;
  const Ran ran = measure(other);
  EXPECT_EQ(ran.code, 4);
  EXPECT_THAT(ran.err, HasSubstr("crypto.bad_signature"));
  EXPECT_EQ(ran.out, "");
}

}  // namespace
}  // namespace ensconce
