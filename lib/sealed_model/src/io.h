#pragma once

#include <filesystem>
#include <string_view>

#include "ensconce/base/file.h"
#include "ensconce/sealed_model/error.h"

namespace ensconce::internal {

// io_error reads errno.
Error io_error(std::string_view doing, const std::filesystem::path& path);
// open_regular_file opens for reading, without waiting, what is a regular file. Links are followed.
Result<Fd> open_regular_file(const std::filesystem::path& path);
Result<std::uint64_t> file_len(const Fd& fd, const std::filesystem::path& path);
// read_some_at reads until `out` is full or the file ends, and returns how much it read.
Result<std::size_t> read_some_at(const Fd& fd, std::uint64_t offset, MutableByteView out,
                                 const std::filesystem::path& path);
Result<void> write_all_at(const Fd& fd, std::uint64_t offset, ByteView bytes,
                          const std::filesystem::path& path);

}  // namespace ensconce::internal
