#pragma once

#include <memory>
#include <string>
#include <thread>

#include "ensconce/base/file.h"
#include "ensconce/inference/engine.h"

namespace ensconce {

// GraphPipe gives an engine that reads from a path what lies in memory, so that each piece can go
// while the engine makes its own of it. From an array, an engine has both whole at once: its
// parser's copy and the array.
class GraphPipe {
 public:
  // start returns nullptr where a pipe has no path, such as without /proc.
  static std::unique_ptr<GraphPipe> start(ByteView graph, const ReadUpTo& read_up_to);
  // ~GraphPipe ends the pump, whether all was read or not.
  ~GraphPipe();
  GraphPipe(const GraphPipe&) = delete;
  GraphPipe& operator=(const GraphPipe&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  GraphPipe(Fd from, Fd to, std::string path, ByteView graph, const ReadUpTo& read_up_to);
  Fd from_;
  std::string path_;
  std::jthread pump_;
};

}  // namespace ensconce
