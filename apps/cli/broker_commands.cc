#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <memory>

#include "broker_connection.h"
#include "cli.h"
#include "ensconce/attestation/policy/policy.h"
#include "ensconce/base/file.h"
#include "ensconce/codec/base64.h"
#include "ensconce/codec/json.h"
#include "ensconce/keybroker/release_log.h"
#include "ensconce/transparency/merkle_tree.h"
#include "key_files.h"

namespace ensconce::cli {

namespace {

struct BrokerArguments {
  std::string url;
  std::string pin;
  std::string broker_policy;
  std::string owner_key_file;
  std::string broker_key;
  std::string name;
  std::string file;
  std::string key_id;
  std::uint64_t version = 0;
  std::uint64_t from = 0;
};
using Arguments = std::shared_ptr<BrokerArguments>;

constexpr const char* kAdmin = "/ensconce/v1/admin/";

// Desk is an owner at work: the connection and the key that signs.
struct Desk {
  std::unique_ptr<OwnerConnection> broker;
  Ed25519PrivateKey owner;

  static Result<Desk> open(const BrokerArguments& a, const Context& context) {
    ENSC_TRY_ASSIGN(Ed25519PrivateKey owner, read_owner_key_file(a.owner_key_file));
    BrokerDoor door{a.url, a.pin, std::nullopt, std::nullopt};
    ENSC_TRY_ASSIGN(door.policy, policy_for_broker(a.broker_policy));
    if (!a.broker_key.empty()) {
      ENSC_TRY_ASSIGN(door.key, parse_public_key(a.broker_key));
    }
    ENSC_TRY_ASSIGN(std::unique_ptr<OwnerConnection> broker, OwnerConnection::open(door, context));
    return Desk{std::move(broker), std::move(owner)};
  }
  [[nodiscard]] Result<json::Value> ask(const std::string& method, const std::string& path,
                                        const json::Value& body = {}) const {
    ENSC_TRY_ASSIGN(const Bytes answer,
                    broker->ask(owner, method, kAdmin + path,
                                body.is_null() ? Bytes() : to_bytes(json::write(body))));
    return json::parse(as_text(answer));
  }
};

int print(const json::Value& value) {
  std::fputs(json::write_pretty(value).c_str(), stdout);
  return 0;
}

Result<int> ask_and_print(const BrokerArguments& a, const Context& context,
                          const std::string& method, const std::string& path,
                          const json::Value& body = {}) {
  ENSC_TRY_ASSIGN(const Desk desk, Desk::open(a, context));
  ENSC_TRY_ASSIGN(const json::Value answer, desk.ask(method, path, body));
  return print(answer);
}

Result<int> set_policy(const BrokerArguments& a, const Context& context) {
  ENSC_TRY_ASSIGN(const std::string toml, read_text_file(a.file == "-" ? "/dev/stdin" : a.file));
  // The broker says no more than that it is malformed; here it can be said where.
  ENSC_TRY_ASSIGN(const AppraisalPolicy policy, AppraisalPolicy::parse(toml, a.file));
  if (policy.role() != PolicyRole::kBroker) {
    return Error(PolicyError::kFormat, a.file + ": a release policy has role = \"broker\"");
  }
  return ask_and_print(a, context, "POST", "policies",
                       json::Object{{"name", a.name}, {"toml", toml}});
}

// ---- Log --------------------------------------------------------------------------------------

json::Value entry_to_json(std::uint64_t index, const LogEntry& entry) {
  json::Object out{{"index", index},
                   {"time", to_rfc3339(entry.time)},
                   {"decision", std::string(name_of(entry.decision))}};
  const auto text = [&out](const char* name, const std::optional<std::string>& value) {
    if (value) {
      out.emplace_back(name, *value);
    }
  };
  const auto hex = [&out](const char* name, const auto& value) {
    if (value) {
      out.emplace_back(name, to_hex(*value));
    }
  };
  if (!entry.code.empty()) {
    out.emplace_back("code", entry.code);
  }
  if (entry.count) {
    out.emplace_back("count", *entry.count);
  }
  hex("key_id", entry.key_id);
  text("name", entry.name);
  if (entry.version) {
    out.emplace_back("version", *entry.version);
  }
  hex("manifest", entry.manifest);
  text("policy", entry.policy);
  hex("policy_sha256", entry.policy_sha256);
  hex("measurement", entry.measurement);
  text("origin", entry.origin);
  hex("statement", entry.statement);
  if (entry.session) {
    out.emplace_back("session", to_hex(entry.session->bytes));
  }
  hex("lease_id", entry.lease_id);
  if (entry.verdict) {
    Result<json::Value> verdict = json::parse(*entry.verdict);
    out.emplace_back("verdict", verdict ? *std::move(verdict) : json::Value(*entry.verdict));
  }
  return json::Value(std::move(out));
}

struct LogLine {
  Sha256Digest leaf{};
  json::Value shown;
};

Result<LogLine> read_line(const json::Value& value, std::uint64_t index) {
  ENSC_TRY_ASSIGN(json::Fields fields, json::Fields::of(value, "log entry"));
  ENSC_TRY_ASSIGN(const json::Value* number, fields.take("index"));
  ENSC_TRY_ASSIGN(const std::uint64_t got, number->as_uint("index"));
  ENSC_TRY_ASSIGN(const json::Value* leaf, fields.take("leaf"));
  ENSC_TRY_ASSIGN(const std::string leaf_hex, leaf->as_text("leaf"));
  ENSC_TRY_ASSIGN(const Bytes leaf_bytes, from_hex(leaf_hex));
  LogLine line;
  ENSC_TRY_ASSIGN(line.leaf, to_array<32>(leaf_bytes));
  ENSC_TRY_ASSIGN(const json::Value* entry, fields.take("entry"));
  ENSC_TRY(fields.finish());
  if (got != index) {
    return Error(KeyBrokerError::kUntrustedAnswer, "the log leaves an entry out");
  }
  if (entry->is_null()) {
    line.shown = json::Object{{"index", index}, {"leaf", leaf_hex}};
    return line;
  }
  ENSC_TRY_ASSIGN(const std::string text, entry->as_text("entry"));
  ENSC_TRY_ASSIGN(const Bytes bytes, base64_decode(text));
  if (leaf_hash(bytes) != line.leaf) {
    return Error(KeyBrokerError::kUntrustedAnswer,
                 "log entry " + std::to_string(index) + " is not the one that was hashed");
  }
  ENSC_TRY_ASSIGN(const LogEntry parsed, parse_log_entry(bytes));
  line.shown = entry_to_json(index, parsed);
  return line;
}

Result<Ed25519PublicKey> broker_key_of(const BrokerArguments& a, OwnerConnection& broker) {
  if (!a.broker_key.empty()) {
    return parse_public_key(a.broker_key);
  }
  if (const auto attested = broker.attested_key()) {
    return *attested;
  }
  // Without a key of one's own to compare, whoever holds the pinned TLS key may name it.
  ENSC_TRY_ASSIGN(const Bytes answer, broker.get("/ensconce/v1/identity"));
  ENSC_TRY_ASSIGN(const json::Value body, json::parse(as_text(answer)));
  const json::Value* key = body.find("key");
  if (key == nullptr) {
    return Error(KeyBrokerError::kMalformed, "the broker does not say its key");
  }
  ENSC_TRY_ASSIGN(const std::string hex, key->as_text("key"));
  return parse_public_key(hex);
}

Result<int> show_log(const BrokerArguments& a, const Context& context) {
  ENSC_TRY_ASSIGN(const Desk desk, Desk::open(a, context));
  ENSC_TRY_ASSIGN(const Ed25519PublicKey key, broker_key_of(a, *desk.broker));
  ENSC_TRY_ASSIGN(const Bytes head_bytes, desk.broker->get("/ensconce/v1/log/head"));
  ENSC_TRY_ASSIGN(const LogHead head, verify_log_head(key, head_bytes));
  MerkleTree tree;
  json::Array entries;
  while (tree.size() < head.size) {
    ENSC_TRY_ASSIGN(const json::Value page,
                    desk.ask("GET", "log?from=" + std::to_string(tree.size()) + "&limit=" +
                                        std::to_string(std::min<std::uint64_t>(
                                            1000, head.size - tree.size()))));
    const json::Value* list = page.find("entries");
    ENSC_TRY_ASSIGN(const json::Array* lines, (list == nullptr ? page : *list).as_array("entries"));
    if (lines->empty()) {
      return Error(KeyBrokerError::kUntrustedAnswer, "the log is shorter than its head says");
    }
    for (const json::Value& value : *lines) {
      ENSC_TRY_ASSIGN(LogLine line, read_line(value, tree.size()));
      if (tree.size() >= a.from) {
        entries.push_back(std::move(line.shown));
      }
      tree.append(line.leaf);
    }
  }
  if (tree.size() != head.size || tree.root() != head.root) {
    return Error(KeyBrokerError::kUntrustedAnswer,
                 "the entries do not add up to the root the broker signed");
  }
  return print(json::Object{{"size", head.size},
                            {"root", to_hex(head.root)},
                            {"time", to_rfc3339(head.time)},
                            {"broker_key", to_hex(key.bytes)},
                            {"verified", true},
                            {"entries", std::move(entries)}});
}

// ---- Arguments --------------------------------------------------------------------------------

using Action = Result<int> (*)(const BrokerArguments&, const Context&);

CLI::App* add_verb(CLI::App& noun, Registrar registrar, const Arguments& a, const char* name,
                   const char* help, Action action) {
  CLI::App* verb = noun.add_subcommand(name, help);
  verb->add_option("--broker", a->url, "https address of the broker")->required();
  verb->add_option("--broker-pin", a->pin, "SHA-256 of the broker's public key (hex)")->required();
  verb->add_option("--broker-policy", a->broker_policy,
                   "say nothing to a broker whose evidence this policy of role \"peer\" does not "
                   "affirm");
  verb->add_option("--owner-key", a->owner_key_file, "owner key (ensconce key generate)")
      ->required();
  verb->callback([a, action, registrar] {
    registrar.chosen = [a, action, &context = registrar.context] { return action(*a, context); };
  });
  return verb;
}

void register_policy_verbs(CLI::App& broker, Registrar registrar) {
  CLI::App* noun = broker.add_subcommand("policy", "Release policies");
  noun->require_subcommand(1);
  const auto a = std::make_shared<BrokerArguments>();
  CLI::App* set = add_verb(*noun, registrar, a, "set",
                           "Give the broker a release policy, or replace one of that name.\n"
                           "example: ensconce broker policy set line-reader release.toml --broker "
                           "https://127.0.0.1:7443 --broker-pin HEX --owner-key owner.key",
                           set_policy);
  set->add_option("name", a->name, "name of the policy: [a-z0-9._-]")->required();
  set->add_option("file", a->file, "policy with role = \"broker\" (docs/policy.md), - for stdin")
      ->required();
  add_verb(*noun, registrar, std::make_shared<BrokerArguments>(), "list",
           "Print your policies at the broker", [](const BrokerArguments& args, const Context& c) {
             return ask_and_print(args, c, "GET", "policies");
           });
}

void register_key_verbs(CLI::App& broker, Registrar registrar) {
  CLI::App* noun = broker.add_subcommand("key", "Content keys");
  noun->require_subcommand(1);
  add_verb(*noun, registrar, std::make_shared<BrokerArguments>(), "list",
           "Print what your content keys are for, and how often each was released",
           [](const BrokerArguments& args, const Context& c) {
             return ask_and_print(args, c, "GET", "keys");
           });
  const auto a = std::make_shared<BrokerArguments>();
  CLI::App* revoke = add_verb(
      *noun, registrar, a, "revoke",
      "Never release a key again, and renew no lease. Workers that have it stop when their lease "
      "ends.",
      [](const BrokerArguments& args, const Context& c) {
        return ask_and_print(args, c, "POST", "keys/" + args.key_id + "/revoke");
      });
  revoke->add_option("id", a->key_id, "key id: 32 hex digits (ensconce model inspect)")->required();
}

void register_model_verbs(CLI::App& broker, Registrar registrar) {
  CLI::App* noun = broker.add_subcommand("model", "Models of yours, by name");
  noun->require_subcommand(1);
  const auto a = std::make_shared<BrokerArguments>();
  CLI::App* minimum = add_verb(
      *noun, registrar, a, "minimum", "Release no version older than this one; it can only rise",
      [](const BrokerArguments& args, const Context& c) {
        return ask_and_print(args, c, "POST", "models/" + args.name + "/minimum-version",
                             json::Object{{"version", args.version}});
      });
  minimum->add_option("name", a->name, "name of the model")->required();
  minimum->add_option("version", a->version, "oldest version to release")->required();
}

}  // namespace

void register_broker_commands(Registrar registrar) {
  CLI::App* broker = registrar.app.add_subcommand(
      "broker", "An owner's work at a broker: policies, keys, versions, and its log");
  broker->require_subcommand(1);
  register_policy_verbs(*broker, registrar);
  register_key_verbs(*broker, registrar);
  register_model_verbs(*broker, registrar);
  const auto a = std::make_shared<BrokerArguments>();
  CLI::App* log = add_verb(*broker, registrar, a, "log",
                           "Print the broker's release log and verify it against its signed head.\n"
                           "What concerns other owners is shown as a hash. Refusals that name no "
                           "owner are shown to\nevery owner, by code, time and count alone; older "
                           "ones that tell of a worker, as a hash.",
                           show_log);
  log->add_option("--from", a->from, "first entry to print");
  log->add_option("--broker-key", a->broker_key,
                  "public key the head must be signed by (default: the one the broker names)");
}

}  // namespace ensconce::cli
