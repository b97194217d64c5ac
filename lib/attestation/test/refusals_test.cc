// Refusals are rules: each goes through CheckLog with an id, and docs/verification.md lists every
// id.

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <regex>
#include <set>

#include "ensconce/attestation/evidence/error.h"
#include "ensconce/attestation/verify/check.h"
#include "ensconce/base/file.h"

namespace ensconce {
namespace {

namespace fs = std::filesystem;

fs::path source_dir() {
  const char* dir = std::getenv("ENSCONCE_SOURCE_DIR");
  return dir == nullptr ? fs::current_path() : fs::path(dir);
}

std::size_t count(const std::string& text, const std::regex& pattern) {
  return static_cast<std::size_t>(
      std::distance(std::sregex_iterator(text.begin(), text.end(), pattern), {}));
}

std::vector<fs::path> sources_of(std::initializer_list<const char*> parts) {
  std::vector<fs::path> out;
  for (const char* part : parts) {
    for (const auto& entry : fs::directory_iterator(source_dir() / "lib/attestation/src" / part)) {
      out.push_back(entry.path());
    }
  }
  return out;
}

// In verify/ and appraise/ an error is made in one place, CheckLog, and a rule reaches it by one
// macro. What parses (a policy, a root of the user's) lies in other folders.
TEST(Refusals, GoThroughTheMacro) {
  const std::regex makes_error(R"(\bError\(|\bError [a-z_]+\(|\bError\{)");
  const std::regex by_hand(R"([.>](require|warn)\()");
  std::size_t files = 0;
  std::size_t rules = 0;
  for (const fs::path& path : sources_of({"verify", "appraise"})) {
    const std::string name = path.filename().string();
    const std::string text = read_text_file(path).value();
    ++files;
    rules += count(text, std::regex(R"(\bENSC_(REQUIRE|WARN)\()"));
    EXPECT_EQ(count(text, makes_error), name == "check.cc" ? 1U : 0U) << name;
    EXPECT_EQ(count(text, by_hand), 0U) << name;
  }
  EXPECT_GE(files, 8U);
  EXPECT_GE(rules, 60U);
}

TEST(Refusals, HaveIdsOfTheirOwn) {
  std::set<std::string_view> ids;
  for (const CheckInfo& check : all_checks()) {
    EXPECT_TRUE(ids.insert(check.id).second) << check.id;
    EXPECT_EQ(error_info(check.code).id, check.id);
  }
}

std::string stage_cell(const CheckInfo& check) { return std::string(name_of(check.stage)); }

std::string table() {
  std::string out =
      "| id | stage | rule and source | what an attacker gains without it | remedy |\n";
  out += "|---|---|---|---|---|\n";
  for (const CheckInfo& check : all_checks()) {
    out += "| `" + std::string(check.id) + "` | " + stage_cell(check) + " | " +
           std::string(check.rule) + " | " + std::string(check.gain) + " | " +
           std::string(check.remedy) + " |\n";
  }
  return out;
}

// The table in the documentation is the one in the code; ENSCONCE_WRITE_DOCS=1 writes it.
TEST(Refusals, AreListedInTheDocumentation) {
  const fs::path path = source_dir() / "docs/verification.md";
  std::string page = read_text_file(path).value();
  const std::string begin = "<!-- checks: begin -->\n";
  const std::string end = "<!-- checks: end -->";
  const std::size_t from = page.find(begin);
  const std::size_t to = page.find(end);
  ASSERT_NE(from, std::string::npos);
  ASSERT_NE(to, std::string::npos);
  const std::size_t start = from + begin.size();
  if (std::getenv("ENSCONCE_WRITE_DOCS") != nullptr) {
    page.replace(start, to - start, table());
    ASSERT_TRUE(write_file_atomically(path, as_bytes(page)));
    return;
  }
  EXPECT_EQ(page.substr(start, to - start), table());
  for (int code = 0; code <= static_cast<int>(EvidenceError::kEvidenceUnknown); ++code) {
    const std::string id(error_info(static_cast<EvidenceError>(code)).id);
    EXPECT_NE(page.find("`" + id + "`"), std::string::npos) << id;
  }
}

}  // namespace
}  // namespace ensconce
