#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "ensconce/codec/json.h"

namespace ensconce {

// Ran is what a run of the program left: exit code, standard output, standard error.
struct Ran {
  int code = -1;
  std::string out;
  std::string err;
  // json parses standard output; a test fails where it is none.
  [[nodiscard]] json::Value json() const;
  // text is a member of it, or "".
  [[nodiscard]] std::string text(std::string_view member) const;
};

// run_tool starts the program ensconce (ENSC_CLI) with a file, or nothing, at its standard input.
// What it writes passes through files in `scratch`.
Ran run_tool(const std::filesystem::path& scratch, std::vector<std::string> arguments,
             const std::string& in = "/dev/null");

}  // namespace ensconce
