// Seals and opens for tests/peers/tink_stream_test.py, which does the same by other means.
//   bundle_tool seal DIR OUT CONTENT_KEY_OUT   (the owner's seed is 32 bytes of 1)
//   bundle_tool open FILE CONTENT_KEY          prints JSON: file name to SHA-256
// The content key's file holds 32 bytes.

#include <cstdio>
#include <string>
#include <vector>

#include "ensconce/base/file.h"
#include "ensconce/codec/json.h"
#include "ensconce/sealed_model/open.h"
#include "ensconce/sealed_model/seal.h"

namespace {

using namespace ensconce;

Result<void> run(const std::vector<std::string>& args) {
  ENSC_TRY_ASSIGN(const Ed25519PrivateKey owner, Ed25519PrivateKey::from_seed(Bytes(32, 1)));
  if (args.size() == 4 && args[0] == "seal") {
    SystemRandom random;
    ENSC_TRY_ASSIGN(
        const SealedResult sealed,
        seal_directory(args[1], args[2], owner, {.name = "from-cpp", .version = 2}, random));
    return write_file_atomically(args[3], sealed.content_key.expose(), 0600);
  }
  if (args.size() == 3 && args[0] == "open") {
    ENSC_TRY_ASSIGN(const SecretBytes key_bytes, read_secret_file(args[2]));
    ENSC_TRY_ASSIGN(ContentKey key, ContentKey::from(key_bytes.expose()));
    HeldKeySource keys(std::move(key));
    ENSC_TRY_ASSIGN(const OpenedBundle bundle,
                    open_bundle(args[1], keys, {.accepted_owners = {owner.public_key()}}));
    json::Object digests;
    for (const std::string& name : bundle.names()) {
      ENSC_TRY_ASSIGN(const ByteView content, bundle.find(name));
      digests.emplace_back(name, to_hex(sha256(content)));
    }
    std::puts(json::write(digests).c_str());
    return ok();
  }
  return Error(BaseError::kInvalidArgument, "seal DIR OUT KEY_OUT | open FILE KEY");
}

}  // namespace

int main(int argc, char** argv) {
  const auto done = run({argv + 1, argv + argc});
  if (!done) {
    std::fprintf(stderr, "%s\n", done.error().to_string().c_str());
    return 1;
  }
  return 0;
}
