#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "ensconce/sandbox/plan.h"

namespace ensconce::sandbox {

// Arguments says for which arguments a call on the list is allowed.
enum class Arguments : std::uint8_t {
  kAny,
  kNoCode,         // mmap, mprotect: memory that is not executable
  kThread,         // clone: a thread of this process, no namespace
  kSocket,         // socket: TCP over IPv4 and IPv6, and UDP where the plan has datagrams
  kNoFastOpen,     // sendto and its kin: not MSG_FASTOPEN, which connects past landlock
  kOwnProcess,     // kill, tgkill: to itself
  kOwnLimitsRead,  // prlimit64: of itself, without new values
  kIoctl,          // the requests of kPlainIoctls and of the plan
  kFcntl,          // the commands of kFcntls
  kTighter,        // seccomp: one more filter, for all threads
  kPrctl,          // names of threads, and reading whether dumpable
};
// what_of says an Arguments in words; empty for kAny.
std::string_view what_of(Arguments arguments);

struct Call {
  int number = 0;
  std::string_view name;
  Arguments arguments = Arguments::kAny;
  bool store_only = false;  // for programs that keep a store
};

// allowed_calls are those that the program, OpenSSL, ONNX Runtime, SQLite and the C library make.
std::span<const Call> allowed_calls();
// fatal_calls are those that none of them makes and an intruder would: they end the process.
std::span<const Call> fatal_calls();

inline constexpr std::uint32_t kPlainIoctls[] = {
    0x5401,  // TCGETS: is this a terminal
    0x541b,  // FIONREAD
    0x5421,  // FIONBIO
};

}  // namespace ensconce::sandbox
