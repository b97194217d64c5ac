#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "broker_client.h"
#include "cli.h"
#include "ensconce/codec/json.h"
#include "ensconce/keybroker/key_broker.h"
#include "ensconce/sealed_model/open.h"
#include "ensconce/sealed_model/seal.h"
#include "key_files.h"

namespace ensconce::cli {

namespace {

namespace fs = std::filesystem;

struct ModelArguments {
  std::string path;
  std::string out;
  std::string name;
  std::uint64_t version = 1;
  std::string owner_key_file;
  std::string key_out;
  BrokerTarget broker;
  std::string broker_policy;
  std::string not_after;
  std::vector<std::string> owners;
  std::uint64_t minimum_version = 1;
  std::string content_key_file;
  unsigned num_threads = 0;
};

json::Object header_members(const BundleHeader& header, const Sha256Digest& manifest_digest) {
  return {{"name", header.name},
          {"version", header.version},
          {"manifest_digest", to_hex(manifest_digest)},
          {"owner_key", to_hex(header.owner_key.bytes)},
          {"bundle_id", to_hex(header.bundle_id)},
          {"key_id", to_hex(header.key_id)},
          {"key_commitment", to_hex(header.key_commitment)},
          {"payload_len", header.payload_len},
          {"table_digest", to_hex(header.table_digest)}};
}

int print(json::Object members) {
  std::fputs(json::write_pretty(json::Value(std::move(members))).c_str(), stdout);
  return 0;
}

// StagedFile is removed unless it was put in its place.
class StagedFile {
 public:
  explicit StagedFile(fs::path place)
      : place_(std::move(place)), path_(place_.string() + ".part") {}
  ~StagedFile() {
    std::error_code ignored;
    fs::remove(path_, ignored);
  }
  StagedFile(const StagedFile&) = delete;
  StagedFile& operator=(const StagedFile&) = delete;
  [[nodiscard]] const fs::path& path() const { return path_; }
  Result<void> put_in_place() {
    std::error_code failure;
    fs::rename(path_, place_, failure);
    if (failure) {
      return Error(SealedModelError::kIo, place_.string() + ": " + failure.message());
    }
    return ok();
  }

 private:
  fs::path place_;
  fs::path path_;
};

// target_of reads what is to be read before the work begins.
Result<BrokerTarget> target_of(const ModelArguments& a) {
  BrokerTarget target = a.broker;
  ENSC_TRY_ASSIGN(target.door.policy, policy_for_broker(a.broker_policy));
  if (!a.not_after.empty()) {
    const Result<Instant> not_after = from_rfc3339(a.not_after);
    if (!not_after) {
      return Error(BaseError::kInvalidArgument, "--not-after " + a.not_after + " is no time")
          .with_remedy("write it in UTC, like 2027-01-31T12:00:00Z");
    }
    target.not_after = *not_after;
  }
  return target;
}

Result<int> seal(const ModelArguments& a, const Context& context) {
  ENSC_TRY_ASSIGN(const BrokerTarget target, target_of(a));
  ENSC_TRY_ASSIGN(const Ed25519PrivateKey owner, read_owner_key_file(a.owner_key_file));
  if (!a.key_out.empty() && fs::exists(fs::symlink_status(a.key_out))) {
    return Error(BaseError::kInvalidArgument, a.key_out + " exists already")
        .with_remedy("choose another name: the bundles it opens need it");
  }
  // The bundle takes its name when its key is safe, so there is none that nobody can open.
  StagedFile staged(a.out);
  ENSC_TRY_ASSIGN(const SealedResult sealed, seal_directory(a.path, staged.path(), owner,
                                                            {.name = a.name,
                                                             .version = a.version,
                                                             .num_threads = a.num_threads,
                                                             .progress_label = "sealing " + a.name},
                                                            context.random));
  if (a.key_out.empty()) {
    ENSC_TRY(upload_content_key(target, owner, sealed, context));
  } else {
    ENSC_TRY(write_key_file(a.key_out, kContentKeyKind, sealed.content_key.expose(),
                            Overwrite::kRefuse));
  }
  ENSC_TRY(staged.put_in_place());
  json::Object out = header_members(sealed.header, sealed.manifest_digest);
  out.emplace_back("file", a.out);
  out.emplace_back("key", a.key_out.empty() ? a.broker.door.url : a.key_out);
  return print(std::move(out));
}

Result<int> inspect(const ModelArguments& a) {
  ENSC_TRY_ASSIGN(const UnverifiedHead head, read_bundle_head(a.path));
  json::Object out = header_members(head.header, head.manifest_digest);
  out.emplace_back("verified", false);
  return print(std::move(out));
}

Result<int> verify(const ModelArguments& a) {
  std::vector<Ed25519PublicKey> owners;
  for (const std::string& hex : a.owners) {
    ENSC_TRY_ASSIGN(owners.emplace_back(), parse_public_key(hex));
  }
  if (a.content_key_file.empty()) {
    ENSC_TRY_ASSIGN(const VerifiedHead head, read_verified_head(a.path, owners, a.minimum_version));
    json::Object out = header_members(head.header(), head.manifest_digest());
    out.emplace_back("verified", "header, signature and length");
    return print(std::move(out));
  }
  ENSC_TRY_ASSIGN(ContentKey key, read_content_key_file(a.content_key_file));
  HeldKeySource keys(std::move(key));
  ENSC_TRY_ASSIGN(const OpenedBundle bundle, open_bundle(a.path, keys,
                                                         {.accepted_owners = owners,
                                                          .minimum_version = a.minimum_version,
                                                          .num_threads = a.num_threads,
                                                          .progress_label = "verifying"}));
  json::Object out = header_members(bundle.header(), bundle.manifest_digest());
  out.emplace_back("verified", "every byte");
  json::Array files;
  for (const std::string& name : bundle.names()) {
    ENSC_TRY_ASSIGN(const ByteView content, bundle.find(name));
    files.emplace_back(json::Object{{"name", name}, {"len", std::uint64_t{content.size()}}});
  }
  out.emplace_back("files", std::move(files));
  return print(std::move(out));
}

void add_threads(CLI::App& verb, ModelArguments& a) {
  verb.add_option("--threads", a.num_threads, "threads to use (default: one for each core)")
      ->check(CLI::Range(1, 256));
}

void register_seal(CLI::App& noun, Registrar registrar) {
  // Shared: the callbacks outlive this function, and the command outlives its callback.
  auto a = std::make_shared<ModelArguments>();
  CLI::App* verb = noun.add_subcommand(
      "seal",
      "Seal every file of a directory into one encrypted, signed bundle.\n"
      "The content key goes to a broker, or to a 0600 file if you say so.\n"
      "example: ensconce model seal ./line-reader --out line-reader.sealed --name line-reader "
      "--version 1 --owner-key owner.key --broker https://127.0.0.1:7443 --broker-pin HEX "
      "--policy line-reader");
  verb->add_option("directory", a->path, "directory of the model")->required();
  verb->add_option("--out", a->out, "bundle to write")->required();
  verb->add_option("--name", a->name, "name of the model: [a-z0-9._-]")->required();
  verb->add_option("--version", a->version, "version, from 1; workers can refuse older ones")
      ->required()
      ->check(CLI::PositiveNumber);
  verb->add_option("--owner-key", a->owner_key_file, "owner key (ensconce key generate)")
      ->required();
  CLI::Option_group* where = verb->add_option_group("content key", "Exactly one of:");
  where->add_option("--key-out", a->key_out, "new file for the content key, mode 0600");
  CLI::Option* broker = where->add_option("--broker", a->broker.door.url,
                                          "https address of the broker to give it to");
  where->require_option(1);
  CLI::Option* pin = verb->add_option("--broker-pin", a->broker.door.pin,
                                      "SHA-256 of the broker's public key (hex)");
  CLI::Option* policy =
      verb->add_option("--policy", a->broker.policy, "release policy at the broker, by name");
  for (CLI::Option* condition :
       {verb->add_option(
            "--broker-policy", a->broker_policy,
            "give the key only to a broker whose evidence this policy of role \"peer\" "
            "affirms"),
        verb->add_option("--max-uses", a->broker.max_uses,
                         "release the key so often and no more; a lease is no use "
                         "(default: no bound)")
            ->check(CLI::PositiveNumber),
        verb->add_option("--not-after", a->not_after,
                         "release nothing and renew no lease from this time on, like "
                         "2027-01-31T12:00:00Z\n(default: no end)"),
        verb->add_option("--lease-seconds", a->broker.lease_seconds,
                         "how long a worker may serve before it asks again "
                         "(default: the broker's)")
            ->check(CLI::Range(std::uint64_t{1}, kMaxLeaseSeconds))}) {
    condition->needs(broker);
  }
  pin->needs(broker);
  policy->needs(broker);
  broker->needs(pin);
  broker->needs(policy);
  add_threads(*verb, *a);
  verb->callback([a, registrar] {
    registrar.chosen = [a, &context = registrar.context] { return seal(*a, context); };
  });
}

void register_inspect(CLI::App& noun, Registrar registrar) {
  auto a = std::make_shared<ModelArguments>();
  CLI::App* verb = noun.add_subcommand("inspect",
                                       "Print what a bundle says about itself; nothing is "
                                       "verified.\nexample: ensconce model inspect m.sealed");
  verb->add_option("file", a->path, "sealed bundle")->required();
  verb->callback([a, registrar] { registrar.chosen = [a] { return inspect(*a); }; });
}

void register_verify(CLI::App& noun, Registrar registrar) {
  auto a = std::make_shared<ModelArguments>();
  CLI::App* verb = noun.add_subcommand(
      "verify",
      "Verify a bundle's signature, version and length; with its content key, every byte.\n"
      "example: ensconce model verify m.sealed --owner HEX");
  verb->add_option("file", a->path, "sealed bundle")->required();
  verb->add_option("--owner", a->owners, "accepted owner's public key (hex); may be repeated")
      ->required()
      ->allow_extra_args(false);  // or it would take the file for an owner
  verb->add_option("--minimum-version", a->minimum_version, "refuse older versions")
      ->check(CLI::PositiveNumber);
  verb->add_option("--key", a->content_key_file, "content key file: decrypt everything too");
  add_threads(*verb, *a);
  verb->callback([a, registrar] { registrar.chosen = [a] { return verify(*a); }; });
}

}  // namespace

void register_model_commands(Registrar registrar) {
  CLI::App* noun = registrar.app.add_subcommand("model", "Sealed bundles: seal, inspect, verify");
  noun->require_subcommand(1);
  register_seal(*noun, registrar);
  register_inspect(*noun, registrar);
  register_verify(*noun, registrar);
}

}  // namespace ensconce::cli
