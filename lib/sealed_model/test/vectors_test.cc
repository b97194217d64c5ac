// The vectors were made by another implementation (tests/peers/tink_stream_test.py).

#include <cstdlib>

#include "bundle_fixture.h"
#include "ensconce/codec/json.h"
#include "seal_internal.h"

namespace ensconce {
namespace {

namespace fs = std::filesystem;
using json::Value;

fs::path vectors_dir() {
  const char* source = std::getenv("ENSCONCE_SOURCE_DIR");  // NOLINT(concurrency-mt-unsafe)
  return fs::path(source == nullptr ? "." : source) / "tests" / "vectors";
}

std::string text(const Value& v, std::string_view name) {
  return v.find(name)->as_text(name).value();
}
std::uint64_t number(const Value& v, std::string_view name) {
  return v.find(name)->as_uint(name).value();
}
Bytes hex(const Value& v, std::string_view name) { return from_hex(text(v, name)).value(); }
template <std::size_t N>
ByteArray<N> fixed(const Value& v, std::string_view name) {
  return to_array<N>(hex(v, name)).value();
}

class VectorsTest : public testing::BundleTest {
 protected:
  VectorsTest()
      : vectors_(
            json::parse(read_text_file(vectors_dir() / "sealed_bundle.json").value()).value()) {}

  [[nodiscard]] const json::Array& list(std::string_view name) const {
    return **vectors_.find(name)->as_array(name);
  }
  [[nodiscard]] const Value& bundle(std::string_view name) const {
    for (const Value& v : list("bundles")) {
      if (text(v, "name") == name) {
        return v;
      }
    }
    ADD_FAILURE() << "no bundle " << name;
    return list("bundles")[0];
  }

  static testing::Files files_of(const Value& v) {
    testing::Files files;
    for (const Value& file : **v.find("files")->as_array("files")) {
      Bytes content;
      if (file.find("hex") != nullptr) {
        content = hex(file, "hex");
      } else {
        content.resize(static_cast<std::size_t>(number(file, "len")));
        const std::uint64_t cycle = number(file, "cycle");
        for (std::size_t i = 0; cycle != 0 && i < content.size(); ++i) {
          content[i] = static_cast<std::uint8_t>(i % cycle);
        }
      }
      files[text(file, "name")] = std::move(content);
    }
    return files;
  }

  Value vectors_;
};

TEST_F(VectorsTest, SealsTheSameBytesAsTheOtherImplementation) {
  const auto owner = Ed25519PrivateKey::from_seed(hex(vectors_, "owner_seed")).value();
  EXPECT_EQ(to_hex(owner.public_key().bytes), text(vectors_, "owner_key"));
  for (const Value& v : list("bundles")) {
    const std::string name = text(v, "name");
    internal::SealMaterial material{ContentKey::from(hex(v, "content_key")).value(),
                                    fixed<16>(v, "bundle_id"),
                                    fixed<16>(v, "key_id"),
                                    {fixed<32>(v, "salt"), fixed<7>(v, "nonce_prefix")}};
    const auto sealed = internal::seal_with(std::move(material), make_dir(name, files_of(v)),
                                            path(name + ".sealed"), owner,
                                            {.name = name, .version = number(v, "version")});
    ASSERT_TRUE(sealed) << name << sealed.error().to_string();
    EXPECT_EQ(to_hex(sealed->header.key_commitment), text(v, "key_commitment")) << name;
    EXPECT_EQ(to_hex(sealed->header.table_digest), text(v, "table_digest")) << name;
    EXPECT_EQ(to_hex(sealed->manifest_digest), text(v, "manifest_digest")) << name;
    EXPECT_EQ(sealed->header.payload_len, number(v, "payload_len")) << name;
    const Bytes bundle = read(path(name + ".sealed"));
    EXPECT_EQ(bundle.size(), number(v, "bundle_len")) << name;
    EXPECT_EQ(to_hex(sha256(bundle)), text(v, "bundle_sha256")) << name;
    EXPECT_TRUE(open(name + ".sealed", sealed->content_key)) << name;
  }
}

TEST_F(VectorsTest, OpensBundlesOfTheOtherImplementation) {
  int num_opened = 0;
  for (const Value& v : list("bundles")) {
    if (v.find("file") == nullptr) {
      continue;
    }
    HeldKeySource keys(ContentKey::from(hex(v, "content_key")).value());
    const auto bundle =
        open_bundle(vectors_dir() / text(v, "file"), keys,
                    {.accepted_owners = {Ed25519PublicKey{fixed<32>(vectors_, "owner_key")}}});
    ASSERT_TRUE(bundle) << bundle.error().to_string();
    EXPECT_EQ(bundle->header().name, text(v, "name"));
    const testing::Files files = files_of(v);
    EXPECT_EQ(bundle->names().size(), files.size());
    for (const auto& [name, content] : files) {
      EXPECT_TRUE(equal(bundle->find(name).value(), content)) << name;
    }
    ++num_opened;
  }
  EXPECT_GE(num_opened, 2);
}

TEST_F(VectorsTest, RejectsEachChangeByItsName) {
  for (const Value& v : list("refused")) {
    const Value& base = bundle(text(v, "bundle"));
    Bytes bytes = read(vectors_dir() / text(base, "file"));
    Bytes content_key = hex(base, "content_key");
    OpenOptions with;
    with.accepted_owners = {Ed25519PublicKey{fixed<32>(vectors_, "owner_key")}};
    if (const Value* change = v.find("xor")) {
      const json::Array& at = **change->as_array("xor");
      bytes[static_cast<std::size_t>(at[0].as_uint("xor").value())] ^=
          static_cast<std::uint8_t>(at[1].as_uint("xor").value());
    } else if (v.find("truncate") != nullptr) {
      bytes.resize(static_cast<std::size_t>(number(v, "truncate")));
    } else if (v.find("append") != nullptr) {
      bytes = concat({bytes, hex(v, "append")});
    } else if (v.find("content_key") != nullptr) {
      content_key = hex(v, "content_key");
    } else if (v.find("owner_key") != nullptr) {
      with.accepted_owners = {Ed25519PublicKey{fixed<32>(v, "owner_key")}};
    } else {
      with.minimum_version = number(v, "minimum_version");
    }
    write(path("changed.sealed"), bytes);
    HeldKeySource keys(ContentKey::from(content_key).value());
    const auto opened = open_bundle(path("changed.sealed"), keys, with);
    ASSERT_FALSE(opened) << text(v, "what");
    EXPECT_EQ(opened.error().id(), text(v, "error")) << text(v, "what");
  }
}

}  // namespace
}  // namespace ensconce
