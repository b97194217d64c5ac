#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>  // NOLINT(modernize-deprecated-headers): mkdtemp is not in <cstdlib>.

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>

#include "ensconce/base/file.h"
#include "ensconce/sealed_model/open.h"
#include "ensconce/sealed_model/seal.h"
#include "file_table.h"
#include "head.h"
#include "stream.h"

namespace ensconce::testing {

using Files = std::map<std::string, Bytes>;

inline Bytes pseudo_random_bytes(std::size_t len, std::uint64_t seed) {
  Bytes out(len);
  SeededRandom(seed).fill(out);
  return out;
}

// NeverAsked is a key source that a bundle must be refused before.
class NeverAsked final : public KeySource {
 public:
  Result<ContentKey> key_for(const BundleHeader& /*header*/,
                             const Sha256Digest& /*digest*/) override {
    ADD_FAILURE() << "the key was asked for";
    return Error(SealedModelError::kWrongKey);
  }
};

class BundleTest : public ::testing::Test {
 protected:
  BundleTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "sealed-XXXXXX").string();
    dir_ = mkdtemp(pattern.data());
  }
  ~BundleTest() override { std::filesystem::remove_all(dir_); }

  static Ed25519PrivateKey make_owner(std::uint8_t seed) {
    return Ed25519PrivateKey::from_seed(Bytes(32, seed)).value();
  }

  [[nodiscard]] std::filesystem::path path(const std::string& name) const { return dir_ / name; }

  static void write(const std::filesystem::path& file, ByteView bytes) {
    std::filesystem::create_directories(file.parent_path());
    std::ofstream out(file, std::ios::binary);
    out.write(reinterpret_cast<const char*>(bytes.data()),
              static_cast<std::streamsize>(bytes.size()));
    ASSERT_TRUE(out.good());
  }
  static Bytes read(const std::filesystem::path& file) {
    return read_file(file, std::size_t{64} * 1024 * 1024).value();
  }

  std::filesystem::path make_dir(const std::string& name, const Files& files) {
    const std::filesystem::path root = path(name);
    std::filesystem::create_directories(root);
    for (const auto& [file, content] : files) {
      write(root / file, content);
    }
    return root;
  }

  Result<SealedResult> try_seal(const std::filesystem::path& from, const std::string& to,
                                SealOptions options = {}) {
    if (options.name.empty()) {
      options.name = "line-reader";
    }
    return seal_directory(from, path(to), owner_, options, random_);
  }
  SealedResult seal(const Files& files, const std::string& to, SealOptions options = {}) {
    return try_seal(make_dir("files-of-" + to, files), to, std::move(options)).value();
  }

  [[nodiscard]] OpenOptions options() const {
    OpenOptions out;
    out.accepted_owners = {owner_.public_key()};
    return out;
  }
  [[nodiscard]] Result<OpenedBundle> open(const std::string& name, const ContentKey& key) const {
    HeldKeySource keys(key.copy());
    return open_bundle(path(name), keys, options());
  }
  // open_bytes opens a bundle that the test made by hand.
  Result<OpenedBundle> open_bytes(ByteView bundle, const ContentKey& key) {
    write(path("by-hand.sealed"), bundle);
    return open("by-hand.sealed", key);
  }

  // Forgery is what an owner who lies, or whose sealer is wrong, could sign and encrypt.
  struct Forgery {
    std::string name = "forged";
    std::uint64_t version = 1;
    Bytes payload;
    std::optional<std::uint64_t> payload_len;
    Sha256Digest table_digest{};
  };
  Bytes forge(const Forgery& forgery) {
    BundleHeader header;
    header.bundle_id = random_.array<16>();
    header.name = forgery.name;
    header.version = forgery.version;
    header.key_commitment = key_commitment_of(key_, header.bundle_id);
    header.owner_key = owner_.public_key();
    header.payload_len = forgery.payload_len.value_or(forgery.payload.size());
    header.table_digest = forgery.table_digest;
    return concat({sign(header), encrypt(forgery.payload, sign(header))});
  }
  Bytes sign(const BundleHeader& header) const {
    const Bytes part = internal::encode_signed_part(header);
    return concat({part, owner_.sign(internal::signature_message(part))});
  }
  Bytes encrypt(ByteView payload, ByteView head) {
    const internal::StreamHeader stream{random_.array<32>(), random_.array<7>()};
    Aes256Gcm aead(internal::derive_stream_key(key_, stream, sha256(head)));
    Bytes out = internal::encode_stream_header(stream);
    const internal::StreamLayout layout(payload.size());
    for (std::uint32_t i = 0; i < layout.num_segments(); ++i) {
      const internal::Segment s = layout.segment(i);
      Bytes sealed(s.cipher_len);
      aead.seal(internal::segment_nonce(stream, s), {},
                payload.subspan(static_cast<std::size_t>(s.plain_offset), s.plain_len), sealed);
      out.insert(out.end(), sealed.begin(), sealed.end());
    }
    return out;
  }
  // forge_table signs and encrypts a table as it is, with the contents behind it.
  Bytes forge_table(ByteView table, ByteView contents) {
    ByteWriter w;
    w.u32_be(static_cast<std::uint32_t>(table.size())).raw(table).raw(contents);
    Forgery forgery;
    forgery.table_digest = sha256(table);
    forgery.payload = std::move(w).take();
    return forge(forgery);
  }

  std::filesystem::path dir_;
  SeededRandom random_{7};
  Ed25519PrivateKey owner_ = make_owner(1);
  ContentKey key_ = ContentKey::from(Bytes(32, 9)).value();
};

}  // namespace ensconce::testing
