#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include "cli.h"
#include "ensconce/attestation/result/render.h"
#include "ensconce/base/file.h"
#include "ensconce/codec/json.h"
#include "ensconce/codec/toml.h"
#include "ensconce/doctor/advice.h"
#include "ensconce/tee/detect.h"
#include "evidence_input.h"

namespace ensconce::cli {

namespace {

struct DoctorArguments {
  std::string config;
  std::string policy;
  bool json = false;
};

void say(const std::string& line) { std::fprintf(stderr, "%s\n", line.c_str()); }

void say_platform(const PlatformAdvice& advice) {
  std::fprintf(stderr, "%-9s %-10s %s\n", std::string(name_of(advice.readiness)).c_str(),
               advice.platform.c_str(), advice.words.c_str());
  for (const std::string& found : advice.found) {
    say("            has    " + found);
  }
  for (const Missing& missing : advice.missing) {
    say("            lacks  " + missing.what);
    say("                   -> " + missing.how);
  }
}

void say_hygiene(const HygieneFinding& finding) {
  std::fprintf(stderr, "%-9s %-15s %s%s%s\n", finding.good ? "good" : "CHANGE",
               finding.name.c_str(), finding.found.c_str(), finding.how.empty() ? "" : " -> ",
               finding.how.c_str());
}

std::string or_unknown(const std::string& text) { return text.empty() ? "unknown" : text; }

void say_machine(const MachineFacts& facts) {
  say("machine    " + or_unknown(facts.processor) + " (" + or_unknown(facts.processor_vendor) +
      "), Linux " + or_unknown(facts.kernel));
  if (!facts.maker.empty()) {
    say("           " + facts.maker + " " + facts.product);
  }
}

json::Value to_json(const PlatformAdvice& advice) {
  json::Array missing;
  for (const Missing& one : advice.missing) {
    missing.push_back(json::Object{{"what", one.what}, {"how", one.how}});
  }
  return json::Object{{"platform", advice.platform},
                      {"readiness", name_of(advice.readiness)},
                      {"found", json::Array(advice.found.begin(), advice.found.end())},
                      {"missing", std::move(missing)}};
}

json::Object to_json(const MachineFacts& facts, const std::vector<PlatformAdvice>& platforms,
                     const std::vector<HygieneFinding>& hygiene) {
  json::Array advice;
  for (const PlatformAdvice& one : platforms) {
    advice.push_back(to_json(one));
  }
  json::Array findings;
  for (const HygieneFinding& one : hygiene) {
    findings.push_back(json::Object{
        {"name", one.name}, {"good", one.good}, {"found", one.found}, {"how", one.how}});
  }
  return json::Object{{"machine", json::Object{{"processor", facts.processor},
                                               {"vendor", facts.processor_vendor},
                                               {"kernel", facts.kernel},
                                               {"maker", facts.maker},
                                               {"product", facts.product}}},
                      {"platforms", std::move(advice)},
                      {"hygiene", std::move(findings)}};
}

// Of a worker's or broker's configuration, the keys that say which device to ask; what else is
// wrong with it, `--check` tells.
Result<AttesterSettings> settings_of(const std::string& path) {
  if (path.empty()) {
    return AttesterSettings();
  }
  ENSC_TRY_ASSIGN(const std::string text, read_text_file(path));
  ENSC_TRY_ASSIGN(const json::Value root, toml::parse(text, path));
  ENSC_TRY_ASSIGN(json::Fields fields, json::Fields::of(root, path));
  return read_attester_settings(fields);
}

void say_detection(const Detection& detection) {
  for (const AttesterFinding& one : detection.findings) {
    std::fprintf(stderr, "%-9s %-13s %s\n",
                 detection.chosen == one.kind ? "chosen"
                 : one.there                  ? "there"
                                              : "absent",
                 std::string(name_of(one.kind)).c_str(), one.found.c_str());
  }
}

json::Value to_json(const Detection& detection) {
  json::Array findings;
  for (const AttesterFinding& one : detection.findings) {
    findings.push_back(json::Object{{"attester", name_of(one.kind)},
                                    {"there", one.there},
                                    {"found", one.found},
                                    {"remedy", one.remedy}});
  }
  return json::Object{
      {"chosen", detection.chosen ? json::Value(name_of(*detection.chosen)) : json::Value(nullptr)},
      {"findings", std::move(findings)}};
}

// try_policy makes evidence as a worker here would, and holds it against a policy. Keys and
// freshness are a running worker's to show, so the best that bare evidence comes to is a warning.
Result<AttestationResult> try_policy(const DoctorArguments& a, const AttesterSettings& settings,
                                     const Context& context) {
  ENSC_TRY_ASSIGN(const std::string text, read_text_file(a.policy));
  ENSC_TRY_ASSIGN(AppraisalPolicy policy, AppraisalPolicy::parse(text, a.policy));
  ENSC_TRY_ASSIGN(EvidenceQuestion question,
                  read_question(EvidenceArguments(), std::move(policy), context));
  ENSC_TRY_ASSIGN(const std::unique_ptr<EvidenceProvider> provider,
                  make_evidence_provider(settings, context.clock, context.random, say));
  ByteArray<64> report_data{};
  context.random.fill(MutableByteView(report_data).first(32));
  ENSC_TRY_ASSIGN(HardwareEvidence hardware, provider->attest(report_data));
  question.report_data = report_data;
  question.endorsements = std::move(hardware.endorsements);
  for (const std::string& missing : hardware.missing) {
    question.notes.push_back("missing: " + missing +
                             " (a verifier wants it; docs/deploy/endorsements.md)");
  }
  const AttestationResult result = judge(recognise_evidence(hardware.evidence.data), question);
  say_notes(question.notes);
  say_verdict(result);
  return result;
}

Result<int> examine(const DoctorArguments& a, const Context& context) {
  ENSC_TRY_ASSIGN(const AttesterSettings settings, settings_of(a.config));
  const char* path = std::getenv("PATH");
  MachineFacts facts = look_at_machine("/", path == nullptr ? "" : path);
  const Detection detection = detect_attester(settings);
  for (const AttesterFinding& one : detection.findings) {
    if (one.there) {
      facts.attesters.emplace(name_of(one.kind));
    }
  }
  const std::vector<PlatformAdvice> platforms = advise(facts);
  const std::vector<HygieneFinding> hygiene = look_at_hygiene(facts);
  say_machine(facts);
  say("");
  for (const PlatformAdvice& one : platforms) {
    say_platform(one);
  }
  say("\nattesters" +
      (a.config.empty() ? std::string(", at Linux's own paths") : ", as " + a.config + " says"));
  say_detection(detection);
  say("");
  for (const HygieneFinding& one : hygiene) {
    say_hygiene(one);
  }
  json::Object out = to_json(facts, platforms, hygiene);
  out.emplace_back("attesters", to_json(detection));
  int code = 0;
  if (!a.policy.empty()) {
    say("\nevidence made here, held against " + a.policy);
    ENSC_TRY_ASSIGN(const AttestationResult result, try_policy(a, settings, context));
    out.emplace_back("result", result_to_json(result));
    code = exit_code_of(result);
  }
  if (a.json) {
    std::printf("%s\n", json::write_pretty(json::Value(std::move(out))).c_str());
  }
  return code;
}

}  // namespace

void register_doctor_command(Registrar registrar) {
  auto arguments = std::make_shared<DoctorArguments>();
  CLI::App* verb = registrar.app.add_subcommand(
      "doctor",
      "What this machine has for attestation, what it lacks, and how to get it.\n"
      "Looks at processor, kernel and devices for each platform, at the attester a worker here "
      "would\n"
      "choose and why, and at what else keeps a worker's memory to itself. With --policy it makes "
      "evidence\n"
      "as a worker here would and holds it against the policy: in a virtual machine that is the "
      "worker's\n"
      "own measurement. Keys and freshness are a running worker's to show, so the best it comes to "
      "is a\n"
      "warning. What it sees is what this machine says of itself, and proves nothing to others.\n"
      "Exit codes: 0; with --policy those of `ensconce evidence verify`, 11 where no evidence was "
      "made.\n"
      "example: ensconce doctor\n"
      "example: ensconce doctor --config worker.toml --policy client.toml");
  verb->add_option("--config", arguments->config,
                   "worker.toml or broker.toml, for its attester, paths and endorsements");
  verb->add_option("--policy", arguments->policy,
                   "appraisal policy that evidence made here must satisfy");
  verb->add_flag("--json", arguments->json, "print what was found on stdout");
  verb->callback([arguments, registrar] {
    registrar.chosen = [arguments, &context = registrar.context] {
      return examine(*arguments, context);
    };
  });
}

}  // namespace ensconce::cli
