#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include "cli.h"
#include "ensconce/codec/json.h"
#include "ensconce/doctor/advice.h"

namespace ensconce::cli {

namespace {

struct DoctorArguments {
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

json::Value to_json(const MachineFacts& facts, const std::vector<PlatformAdvice>& platforms,
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

Result<int> examine(const DoctorArguments& a) {
  const char* path = std::getenv("PATH");
  const MachineFacts facts = look_at_machine("/", path == nullptr ? "" : path);
  const std::vector<PlatformAdvice> platforms = advise(facts);
  const std::vector<HygieneFinding> hygiene = look_at_hygiene(facts);
  say_machine(facts);
  say("");
  for (const PlatformAdvice& one : platforms) {
    say_platform(one);
  }
  say("");
  for (const HygieneFinding& one : hygiene) {
    say_hygiene(one);
  }
  if (a.json) {
    std::printf("%s\n", json::write_pretty(to_json(facts, platforms, hygiene)).c_str());
  }
  return 0;
}

}  // namespace

void register_doctor_command(Registrar registrar) {
  auto arguments = std::make_shared<DoctorArguments>();
  CLI::App* verb = registrar.app.add_subcommand(
      "doctor", "What this machine has for attestation, what it lacks, and how to get it.");
  verb->add_flag("--json", arguments->json, "print what was found on stdout");
  verb->callback(
      [arguments, registrar] { registrar.chosen = [arguments] { return examine(*arguments); }; });
}

}  // namespace ensconce::cli
