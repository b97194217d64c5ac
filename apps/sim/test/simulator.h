#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "ensconce/codec/json.h"

namespace ensconce {

namespace fs = std::filesystem;

using Strings = std::vector<std::string>;

inline std::string from_environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// Spawned is a program whose output lands in files; stdout can be waited for.
class Spawned {
 public:
  Spawned(const fs::path& scratch, Strings argv, Strings environment = {})
      : out_((scratch / "stdout").string()), err_((scratch / "stderr").string()) {
    fs::create_directories(scratch);
    environment.push_back("PATH=/usr/bin:/bin");
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    const int create = O_WRONLY | O_CREAT | O_TRUNC;
    posix_spawn_file_actions_addopen(&actions, 1, out_.c_str(), create, 0600);
    posix_spawn_file_actions_addopen(&actions, 2, err_.c_str(), create, 0600);
    const auto argp = pointers(argv);
    const auto envp = pointers(environment);
    EXPECT_EQ(posix_spawn(&pid_, argv[0].c_str(), &actions, nullptr, argp.data(), envp.data()), 0);
    posix_spawn_file_actions_destroy(&actions);
  }
  ~Spawned() {
    if (pid_ > 0) {
      kill(pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
    }
  }
  Spawned(const Spawned&) = delete;
  Spawned& operator=(const Spawned&) = delete;

  void signal(int number) const { kill(pid_, number); }
  int wait() {
    int status = 0;
    waitpid(pid_, &status, 0);
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  std::string out() const { return slurp(out_); }
  std::string err() const { return slurp(err_); }
  // line waits for a whole line of stdout that starts with `start` and returns the rest of it.
  std::string line(const std::string& start) const {
    for (int i = 0; i < 2000; ++i) {
      std::istringstream lines(out());
      for (std::string line; std::getline(lines, line);) {
        if (line.starts_with(start) && !lines.eof()) {
          return line.substr(start.size());
        }
      }
      poll(nullptr, 0, 10);
    }
    ADD_FAILURE() << "no line " << start << " in " << out() << err();
    return "";
  }

 private:
  static std::vector<char*> pointers(Strings& strings) {
    std::vector<char*> out;
    for (std::string& s : strings) {
      out.push_back(s.data());
    }
    out.push_back(nullptr);
    return out;
  }
  static std::string slurp(const std::string& path) {
    std::ifstream in(path);
    std::stringstream text;
    text << in.rdbuf();
    return text.str();
  }
  pid_t pid_ = -1;
  std::string out_;
  std::string err_;
};

struct Ran {
  int code = -1;
  std::string out;
  std::string err;
};

class Simulator : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    sim_ = from_environment("ENSC_SIM");
    probe_ = from_environment("ENSC_PROBE");
    foreign_ = from_environment("ENSC_FOREIGN");
    std::string pattern = (fs::temp_directory_path() / "ensc-sim-test-XXXXXX").string();
    scratch_ = mkdtemp(pattern.data());
    ASSERT_EQ(run({"init", "--state", state()}).code, 0);
  }
  static void TearDownTestSuite() { fs::remove_all(scratch_); }

  static std::string state() { return (scratch_ / "state").string(); }

  static Strings command(Strings arguments) {
    arguments.insert(arguments.begin(), sim_);
    return arguments;
  }
  static Ran run(Strings arguments, Strings environment = {}) {
    Spawned program(scratch_ / std::to_string(++num_runs_), command(std::move(arguments)),
                    std::move(environment));
    const int code = program.wait();
    return {code, program.out(), program.err()};
  }

  struct Measured {
    std::string measurement;
    json::Value document;
  };
  static Measured measure(Strings program, Strings environment = {}, const Strings& options = {}) {
    Strings arguments = {"measure", "--state", state()};
    arguments.insert(arguments.end(), options.begin(), options.end());
    arguments.emplace_back("--");
    arguments.insert(arguments.end(), program.begin(), program.end());
    const Ran ran = run(arguments, std::move(environment));
    EXPECT_EQ(ran.code, 0) << ran.err;
    const auto document = json::parse(ran.out);
    if (!document || document->find("measurement") == nullptr) {
      ADD_FAILURE() << ran.out;
      return {};
    }
    return {*document->find("measurement")->as_text("measurement"), *document};
  }

  static Strings runs_left() {
    Strings left;
    for (const auto& entry : fs::directory_iterator(scratch_ / "state" / "run")) {
      left.push_back(entry.path().filename().string());
    }
    return left;
  }

  static inline std::string sim_;
  static inline std::string probe_;
  static inline std::string foreign_;
  static inline fs::path scratch_;
  static inline int num_runs_ = 0;
};

}  // namespace ensconce
