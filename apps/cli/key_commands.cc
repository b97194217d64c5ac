#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <optional>
#include <system_error>

#include "cli.h"
#include "ensconce/base/file.h"
#include "ensconce/codec/json.h"
#include "key_files.h"

namespace ensconce::cli {

namespace {

constexpr std::size_t kSecretLen = 32;
using Secret = SecretArray<kSecretLen>;

Error exists_already(const std::filesystem::path& path) {
  return Error(BaseError::kInvalidArgument, path.string() + " exists already")
      .with_remedy("choose another name: what only that key opens is lost with it");
}

std::optional<std::uint8_t> nibble(std::uint8_t c) {
  if (c >= '0' && c <= '9') {
    return static_cast<std::uint8_t>(c - '0');
  }
  if (c >= 'a' && c <= 'f') {
    return static_cast<std::uint8_t>(c - 'a' + 10);
  }
  return std::nullopt;
}

// Not from_hex and to_hex: they would leave the secret in memory that nobody wipes.
SecretBytes key_line(std::string_view kind, std::span<const std::uint8_t, kSecretLen> secret) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  SecretBytes line(kind.size() + 1 + 2 * kSecretLen + 1);
  auto out = std::copy(kind.begin(), kind.end(), line.expose_mutable().begin());
  *out++ = ' ';
  for (const std::uint8_t byte : secret) {
    *out++ = static_cast<std::uint8_t>(kDigits[byte >> 4U]);
    *out++ = static_cast<std::uint8_t>(kDigits[byte & 15U]);
  }
  *out = '\n';
  return line;
}

Result<Secret> read_key_file(const std::filesystem::path& path, std::string_view kind) {
  ENSC_TRY_ASSIGN(const SecretBytes line, read_secret_file(path, 1024));
  const auto bad = [&] {
    return Error(BaseError::kInvalidArgument,
                 path.string() + " is no \"" + std::string(kind) + "\" file");
  };
  ByteView rest = line.expose();
  if (rest.size() != kind.size() + 1 + 2 * kSecretLen + 1 ||
      as_text(rest.first(kind.size())) != kind || rest[kind.size()] != ' ' || rest.back() != '\n') {
    return bad();
  }
  rest = rest.subspan(kind.size() + 1);
  Secret secret;
  for (std::size_t i = 0; i < kSecretLen; ++i) {
    const auto high = nibble(rest[2 * i]);
    const auto low = nibble(rest[2 * i + 1]);
    if (!high || !low) {
      return bad();
    }
    secret.expose_mutable()[i] = static_cast<std::uint8_t>(*high << 4U | *low);
  }
  return secret;
}

Result<void> create_exclusively(const std::filesystem::path& path, ByteView content) {
  const Fd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!fd.valid()) {
    if (errno == EEXIST) {
      return exists_already(path);
    }
    return Error(BaseError::kIo,
                 "cannot create " + path.string() + ": " + std::generic_category().message(errno));
  }
  const bool written =
      fchmod(fd.get(), 0600) == 0 &&
      write(fd.get(), content.data(), content.size()) == static_cast<ssize_t>(content.size()) &&
      fsync(fd.get()) == 0;
  if (!written) {
    Error e(BaseError::kIo,
            "cannot write " + path.string() + ": " + std::generic_category().message(errno));
    unlink(path.c_str());
    return e;
  }
  return ok();
}

void print_public_key(const Ed25519PrivateKey& key) {
  const json::Value out =
      json::Object{{"type", "ed25519"}, {"public_key", to_hex(key.public_key().bytes)}};
  std::fputs(json::write_pretty(out).c_str(), stdout);
}

}  // namespace

Result<void> write_key_file(const std::filesystem::path& path, std::string_view kind,
                            std::span<const std::uint8_t, kSecretLen> secret, Overwrite overwrite) {
  const SecretBytes line = key_line(kind, secret);
  return overwrite == Overwrite::kAllow ? write_file_atomically(path, line.expose(), 0600)
                                        : create_exclusively(path, line.expose());
}

Result<Ed25519PrivateKey> read_owner_key_file(const std::filesystem::path& path) {
  ENSC_TRY_ASSIGN(const Secret seed, read_key_file(path, kOwnerKeyKind));
  return Ed25519PrivateKey::from_seed(seed.expose());
}

Result<ContentKey> read_content_key_file(const std::filesystem::path& path) {
  ENSC_TRY_ASSIGN(const Secret secret, read_key_file(path, kContentKeyKind));
  return ContentKey::from(secret.expose());
}

Result<Ed25519PublicKey> parse_public_key(std::string_view hex) {
  const auto bytes = from_hex(hex);
  if (bytes && bytes->size() == 32) {
    return Ed25519PublicKey{to_array<32>(*bytes).value()};
  }
  return Error(BaseError::kInvalidArgument, "\"" + std::string(hex) + "\" is no public key")
      .with_remedy("give its 64 hex digits: `ensconce key show FILE` prints them");
}

void register_key_commands(Registrar registrar) {
  CLI::App* noun = registrar.app.add_subcommand("key", "Owner keys: Ed25519, kept in 0600 files");
  noun->require_subcommand(1);

  struct Arguments {
    std::string file;
    bool force = false;
  };
  // Shared: the callbacks outlive this function, and the command outlives its callback.
  auto generate_arguments = std::make_shared<Arguments>();
  CLI::App* generate = noun->add_subcommand("generate",
                                            "Make an owner key and print its public half as JSON.\n"
                                            "example: ensconce key generate --out owner.key");
  generate->add_option("--out", generate_arguments->file, "file to write, mode 0600")->required();
  generate->add_flag("--force", generate_arguments->force, "replace an existing file");
  generate->callback([arguments = generate_arguments, registrar] {
    registrar.chosen = [arguments, &context = registrar.context]() -> Result<int> {
      const Ed25519PrivateKey key = Ed25519PrivateKey::generate(context.random);
      ENSC_TRY(write_key_file(arguments->file, kOwnerKeyKind, key.seed().expose().first<32>(),
                              arguments->force ? Overwrite::kAllow : Overwrite::kRefuse));
      print_public_key(key);
      return 0;
    };
  });

  auto show_arguments = std::make_shared<Arguments>();
  CLI::App* show = noun->add_subcommand(
      "show",
      "Print the public half of an owner key as JSON.\nexample: ensconce key show owner.key");
  show->add_option("file", show_arguments->file, "owner key file")->required();
  show->callback([arguments = show_arguments, registrar] {
    registrar.chosen = [arguments]() -> Result<int> {
      ENSC_TRY_ASSIGN(const Ed25519PrivateKey key, read_owner_key_file(arguments->file));
      print_public_key(key);
      return 0;
    };
  });
}

}  // namespace ensconce::cli
