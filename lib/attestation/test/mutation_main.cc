// Mutation of rules: verify/ and appraise/ compiled so that each rule can be turned off, with their
// tests. Every rule is turned off once, and some test must then fail by an assertion. A crash is no
// answer: code that leans on a rule to stay alive would crash the day the rule is wrong.
//
// ENSCONCE_MUTATION_REPORT names the file for the report, JSON:
//   {"rules":[{"id","killed_by","how"}],"killed","total"}
// Arguments are ids of rules, to try those alone.

#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <set>

#include "ensconce/attestation/verify/check.h"
#include "ensconce/base/check.h"
#include "ensconce/base/file.h"
#include "ensconce/codec/json.h"

namespace ensconce {
namespace {

// Longer than any test takes; a rule turned off must not make one hang.
constexpr unsigned kMaxSecondsPerTest = 60;

std::string id_of(AttestationError code) { return std::string(error_info(code).id); }

// ---- Which test sees which rule broken ---------------------------------------------------------

struct Sightings {
  std::string running;                                        // "Suite.Test"
  std::map<std::string, std::set<AttestationError>> by_test;  // of those that saw any
};
Sightings& sightings() {
  static Sightings out;
  return out;
}

class Watcher : public testing::EmptyTestEventListener {
  void OnTestStart(const testing::TestInfo& test) override {
    sightings().running = std::string(test.test_suite_name()) + "." + test.name();
  }
};

// watch runs every test with every rule on. It also makes what tests share, keys above all, so that
// the children need not.
bool watch() {
  // Vectors are not part of the repository: what is committed must kill every rule alone.
  testing::GTEST_FLAG(filter) = "-Real*:*/Real*";
  testing::TestEventListeners& listeners = testing::UnitTest::GetInstance()->listeners();
  auto* watcher = new Watcher;
  listeners.Append(watcher);  // owns it
  internal::on_broken_rule = [](AttestationError code) {
    sightings().by_test[sightings().running].insert(code);
  };
  const bool passed = RUN_ALL_TESTS() == 0;
  internal::on_broken_rule = [](AttestationError) {};
  delete listeners.Release(watcher);
  return passed;
}

// candidates_for are the tests that saw the rule broken, the most specific first.
std::vector<std::string> candidates_for(AttestationError code) {
  std::vector<std::pair<std::size_t, std::string>> found;
  for (const auto& [test, seen] : sightings().by_test) {
    if (seen.contains(code)) {
      found.emplace_back(seen.size(), test);
    }
  }
  std::sort(found.begin(), found.end());
  std::vector<std::string> out;
  out.reserve(found.size());
  for (auto& [breadth, test] : found) {
    out.push_back(std::move(test));
  }
  return out;
}

// ---- One rule off ------------------------------------------------------------------------------

enum class End : std::uint8_t { kPassed, kFailed, kSignal };
using RuleOff = std::optional<AttestationError>;

[[noreturn]] void run_in_child(const std::string& test, RuleOff off) {
  const int null = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
  ::dup2(null, STDOUT_FILENO);
  ::dup2(null, STDERR_FILENO);
  ::alarm(kMaxSecondsPerTest);
  internal::rule_off = off;
  testing::GTEST_FLAG(filter) = test;
  std::_Exit(RUN_ALL_TESTS() == 0 ? 0 : 1);
}

End end_of(const std::string& test, RuleOff off) {
  std::fflush(nullptr);
  const pid_t child = ::fork();
  ENSC_CHECK(child >= 0);
  if (child == 0) {
    run_in_child(test, off);
  }
  int status = 0;
  ENSC_CHECK(::waitpid(child, &status, 0) == child);
  if (!WIFEXITED(status)) {
    return End::kSignal;
  }
  return WEXITSTATUS(status) == 0 ? End::kPassed : End::kFailed;
}

// stands_alone tells whether a test passes in a child of its own with every rule on: else its
// failure with a rule off would say nothing of the rule.
bool stands_alone(const std::string& test) {
  static std::map<std::string, bool> known;
  const auto found = known.find(test);
  return found != known.end()
             ? found->second
             : known.emplace(test, end_of(test, std::nullopt) == End::kPassed).first->second;
}

struct Killing {
  std::string id;
  std::string test;  // "": the rule survived
  End how = End::kPassed;
};

Killing kill(AttestationError code) {
  for (const std::string& test : candidates_for(code)) {
    const End end = end_of(test, code);
    if (end != End::kPassed && stands_alone(test)) {
      return {id_of(code), test, end};
    }
  }
  return {id_of(code), "", End::kPassed};
}

// ---- Report ------------------------------------------------------------------------------------

json::Value report_of(const std::vector<Killing>& killings) {
  json::Array rules;
  int killed = 0;
  for (const Killing& killing : killings) {
    const bool survived = killing.test.empty();
    killed += survived ? 0 : 1;
    rules.push_back(json::Object{
        {"id", killing.id},
        {"killed_by", survived ? json::Value() : json::Value(killing.test)},
        {"how", survived ? json::Value()
                         : json::Value(killing.how == End::kSignal ? "signal" : "assertion")}});
  }
  return json::Object{{"rules", std::move(rules)},
                      {"killed", killed},
                      {"total", static_cast<std::int64_t>(killings.size())}};
}

// documented_ids are those of the table in docs/verification.md.
std::set<std::string> documented_ids() {
  const char* dir = std::getenv("ENSCONCE_SOURCE_DIR");
  const auto root = dir == nullptr ? std::filesystem::current_path() : std::filesystem::path(dir);
  const std::string page = read_text_file(root / "docs/verification.md").value();
  const std::size_t begin = page.find("<!-- checks: begin -->");
  const std::size_t end = page.find("<!-- checks: end -->");
  ENSC_CHECK(begin < end && end != std::string::npos);
  std::set<std::string> ids;
  const std::string_view row = "\n| `";
  for (std::size_t at = page.find(row, begin); at < end; at = page.find(row, at + 1)) {
    const std::size_t from = at + row.size();
    ids.insert(page.substr(from, page.find('`', from) - from));
  }
  return ids;
}

// The ids of the documentation, of the binary and of the report are the same.
bool same_ids(const json::Value& report) {
  std::set<std::string> reported;
  for (const json::Value& rule : **report.find("rules")->as_array("rules")) {
    reported.insert(rule.find("id")->as_text("id").value());
  }
  std::set<std::string> known;
  for (const CheckInfo& check : all_checks()) {
    known.emplace(check.id);
  }
  const std::set<std::string> documented = documented_ids();
  for (const std::set<std::string>* other : std::array{&std::as_const(reported), &documented}) {
    std::set<std::string> differ;
    std::set_symmetric_difference(known.begin(), known.end(), other->begin(), other->end(),
                                  std::inserter(differ, differ.end()));
    for (const std::string& id : differ) {
      std::printf("%s: not the same in the binary and in the %s\n", id.c_str(),
                  other == &reported ? "report" : "documentation");
    }
  }
  return known == reported && known == documented;
}

int run(const std::set<std::string>& wanted) {
  if (!watch()) {
    std::printf("tests fail with every rule on\n");
    return 1;
  }
  std::vector<Killing> killings;
  bool good = true;
  for (const CheckInfo& check : all_checks()) {
    if (!wanted.empty() && !wanted.contains(std::string(check.id))) {
      continue;
    }
    killings.push_back(kill(check.code));
    const Killing& last = killings.back();
    const bool killed = last.how == End::kFailed;
    good = good && killed;
    std::printf("%-40s %s\n", last.id.c_str(),
                killed                               ? last.test.c_str()
                : last.how == End::kSignal           ? ("DIED OF A SIGNAL in " + last.test).c_str()
                : candidates_for(check.code).empty() ? "SURVIVED: no test breaks it"
                                                     : "SURVIVED: tests break it and do not mind");
  }
  const json::Value report = report_of(killings);
  std::printf("%s of %zu rules: some test fails when they are off\n",
              json::write(*report.find("killed")).c_str(), killings.size());
  if (const char* path = std::getenv("ENSCONCE_MUTATION_REPORT"); path != nullptr) {
    ENSC_CHECK(
        write_file_atomically(path, as_bytes(json::write_pretty(report) + "\n")).has_value());
  }
  return good && (!wanted.empty() || same_ids(report)) ? 0 : 1;
}

}  // namespace
}  // namespace ensconce

int main(int argc, char** argv) {
  testing::GTEST_FLAG(brief) = true;
  testing::InitGoogleTest(&argc, argv);
  return ensconce::run(std::set<std::string>(argv + 1, argv + argc));
}
