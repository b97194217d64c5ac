#include "run_tool.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

#include "ensconce/base/file.h"

namespace ensconce {

json::Value Ran::json() const {
  auto value = json::parse(out);
  if (!value) {
    ADD_FAILURE() << value.error().to_string() << "\n" << out << err;
    return {};
  }
  return *std::move(value);
}

std::string Ran::text(std::string_view member) const {
  const json::Value value = json();
  const json::Value* found = value.find(member);
  return found == nullptr || !found->is_text() ? "" : found->as_text(member).value();
}

Ran run_tool(const std::filesystem::path& scratch, std::vector<std::string> arguments,
             const std::string& in) {
  const char* variable = std::getenv("ENSC_CLI");
  const std::string tool = variable == nullptr ? "" : variable;
  arguments.insert(arguments.begin(), tool);
  const std::string out = (scratch / "stdout").string();
  const std::string err = (scratch / "stderr").string();
  const int create = O_WRONLY | O_CREAT | O_TRUNC;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, in.c_str(), O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, out.c_str(), create, 0600);
  posix_spawn_file_actions_addopen(&actions, 2, err.c_str(), create, 0600);
  std::vector<char*> argv;
  for (std::string& argument : arguments) {
    argv.push_back(argument.data());
  }
  argv.push_back(nullptr);
  char* environment[] = {nullptr};
  pid_t pid = -1;
  EXPECT_EQ(posix_spawn(&pid, tool.c_str(), &actions, nullptr, argv.data(), environment), 0);
  posix_spawn_file_actions_destroy(&actions);
  int status = 0;
  waitpid(pid, &status, 0);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
          read_text_file(out).value(), read_text_file(err).value()};
}

}  // namespace ensconce
