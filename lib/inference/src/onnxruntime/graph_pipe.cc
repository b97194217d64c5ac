#include "graph_pipe.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>

namespace ensconce {

namespace {

constexpr std::size_t kPiece = std::size_t{1024} * 1024;
constexpr std::chrono::microseconds kReadsOn{100};  // in which some hundred KiB are read

void pump(const Fd& to, ByteView graph, const ReadUpTo& read_up_to) {
  // A reader that had enough ends this by EPIPE.
  sigset_t pipe;
  sigemptyset(&pipe);
  sigaddset(&pipe, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
  std::size_t at = 0;
  std::size_t told = 0;
  while (at < graph.size()) {
    const ByteView piece = graph.subspan(at, std::min(kPiece, graph.size() - at));
    const ssize_t n = ::write(to.get(), piece.data(), piece.size());
    if (n < 0 && errno == EAGAIN) {
      // A full pipe would wake this thread for each page that is read; it looks again when there is
      // room for many.
      std::this_thread::sleep_for(kReadsOn);
      continue;
    }
    if (n < 0 && errno != EINTR) {
      return;
    }
    at += n > 0 ? static_cast<std::size_t>(n) : 0;
    if (at - told >= kPiece || at == graph.size()) {
      read_up_to(at);
      told = at;
    }
  }
}

}  // namespace

std::unique_ptr<GraphPipe> GraphPipe::start(ByteView graph, const ReadUpTo& read_up_to) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
    return nullptr;
  }
  Fd from(ends[0]);
  Fd to(ends[1]);
  std::string path = "/proc/self/fd/" + std::to_string(from.get());
  if (::access(path.c_str(), R_OK) != 0) {
    return nullptr;
  }
  (void)::fcntl(to.get(), F_SETPIPE_SZ, static_cast<int>(kPiece));  // fewer turns, if allowed
  if (::fcntl(to.get(), F_SETFL, O_NONBLOCK) != 0) {
    return nullptr;
  }
  return std::unique_ptr<GraphPipe>(
      new GraphPipe(std::move(from), std::move(to), std::move(path), graph, read_up_to));
}

GraphPipe::GraphPipe(Fd from, Fd to, std::string path, ByteView graph, const ReadUpTo& read_up_to)
    : from_(std::move(from)),
      path_(std::move(path)),
      pump_([to = std::move(to), graph, &read_up_to] { pump(to, graph, read_up_to); }) {}

GraphPipe::~GraphPipe() {
  from_ = Fd();
  pump_.join();
}

}  // namespace ensconce
