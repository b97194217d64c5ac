#pragma once

#include <filesystem>
#include <string_view>

#include "ensconce/base/random.h"
#include "ensconce/crypto/keys.h"
#include "ensconce/sealed_model/content_key.h"

namespace ensconce::cli {

// Key files are one line of text, mode 0600: what it is, a space, 64 hex digits
// (docs/protocols/sealed-bundle.md, "Key files").
inline constexpr std::string_view kOwnerKeyKind = "ensconce-key-ed25519-seed/1";
inline constexpr std::string_view kContentKeyKind = "ensconce-content-key/1";

enum class Overwrite : std::uint8_t { kRefuse, kAllow };

// write_key_file writes 32 secret bytes; an existing file is refused unless allowed.
Result<void> write_key_file(const std::filesystem::path& path, std::string_view kind,
                            std::span<const std::uint8_t, 32> secret, Overwrite overwrite);
// The readers refuse a file that others may read, of another kind, or of another form.
Result<Ed25519PrivateKey> read_owner_key_file(const std::filesystem::path& path);
Result<ContentKey> read_content_key_file(const std::filesystem::path& path);
// parse_public_key reads the 64 hex digits of an Ed25519 public key.
Result<Ed25519PublicKey> parse_public_key(std::string_view hex);

}  // namespace ensconce::cli
