#pragma once

#include "ensconce/base/file.h"
#include "ensconce/sealed_model/bundle_head.h"

namespace ensconce::internal {

// encode_signed_part writes everything before the signature: magic, format, suite, length, header.
Bytes encode_signed_part(const BundleHeader& header);
// signature_message is what the owner signs: the domain, a zero byte, the signed part.
Bytes signature_message(ByteView signed_part);
Result<UnverifiedHead> read_head(const Fd& fd, const std::filesystem::path& path);
// verify_len holds the length of a file against what the signed payload length asks for: kTruncated
// or kExtended. Without it a bundle cut or grown would only show as a segment that fails.
Result<void> verify_len(const VerifiedHead& head, std::uint64_t file_len);

}  // namespace ensconce::internal
