#include "own_code.h"

#include <fstream>
#include <set>
#include <sstream>

#include "ensconce/sim/process_gate.h"

namespace ensconce {

std::vector<std::filesystem::path> own_code() {
  std::ifstream maps("/proc/self/maps");
  std::stringstream text;
  text << maps.rdbuf();
  std::set<std::filesystem::path> paths;
  for (const Mapping& mapping : parse_executable_mappings(text.str())) {
    paths.insert(mapping.path);
  }
  return {paths.begin(), paths.end()};
}

}  // namespace ensconce
