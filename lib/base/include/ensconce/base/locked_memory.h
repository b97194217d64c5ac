#pragma once

#include <cstddef>
#include <cstdint>

namespace ensconce {

// LockedMemory is how much of this process the kernel keeps out of swap.
enum class LockedMemory : std::uint8_t {
  kNone,
  kSecrets,  // pages of SecretBytes of at most 1 MiB, as far as RLIMIT_MEMLOCK reaches
  kAll,      // every page there is and every page to come
};

// may_lock_all_memory says whether RLIMIT_MEMLOCK, or the right to pass it, allows kAll. A limit
// that is not "unlimited" does not: the memory of a model has no bound that is known beforehand.
bool may_lock_all_memory();
// lock_memory locks what is allowed, each page once it is used (MCL_ONFAULT), and returns what that
// was. For a program's start; children do not inherit it.
LockedMemory lock_memory();
// locked_memory is what lock_memory returned last.
LockedMemory locked_memory();

// trim_heap gives memory that the heap does not use back to the kernel, also where it is locked.
// Pages in use are unlocked for the milliseconds that takes.
void trim_heap();

// lock_pages locks newly mapped pages of a secret if lock_memory said kSecrets; a refusal is
// passed over. What is unmapped is unlocked.
void lock_pages(void* pages, std::size_t len) noexcept;
// discard_pages gives whole pages back to the kernel; they read as zeros afterwards. Says whether
// it could.
bool discard_pages(void* pages, std::size_t len) noexcept;

}  // namespace ensconce
