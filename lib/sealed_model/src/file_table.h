#pragma once

#include <string>
#include <vector>

#include "ensconce/crypto/hash.h"
#include "ensconce/sealed_model/bundle_head.h"

namespace ensconce::internal {

struct FileEntry {
  std::string name = {};
  std::uint64_t len = 0;     // bytes
  Sha256Digest digest{};     // SHA-256 of the content
  std::uint64_t offset = 0;  // of the content in the payload
};

// encode_file_table writes the entries as they stand; their offsets are not written.
Bytes encode_file_table(const std::vector<FileEntry>& entries);
// parse_payload_front reads the file table at the front of an authenticated payload and says where
// each file lies. Errors: kBadTable, kTableDigest, kUnsafeName.
Result<std::vector<FileEntry>> parse_payload_front(ByteView payload, const BundleHeader& header);

}  // namespace ensconce::internal
