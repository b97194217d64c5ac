#include "ensconce/sandbox/explain.h"

#include <algorithm>
#include <string_view>

#include "calls.h"
#include "landlock.h"

namespace ensconce {

namespace {

constexpr std::size_t kLine = 100;

std::string_view words_of(FileUse use) {
  switch (use) {
    case FileUse::kRead:
      return "read";
    case FileUse::kDevice:
      return "read, write, ioctl";
    case FileUse::kReports:
      return "read, write, make and remove directories";
    case FileUse::kStore:
      return "read, write, make and remove files";
  }
  return "";
}

bool exists(const FileRule& rule) {
  std::error_code error;
  return std::filesystem::exists(rule.path, error);
}

std::string port_of(const PortRule& rule) {
  return rule.port == 0 ? "any the kernel gives" : std::to_string(rule.port);
}

// listed sets words in lines, each indented.
std::string listed(const std::vector<std::string>& words) {
  std::string out;
  std::string line = "   ";
  for (const std::string& word : words) {
    if (line.size() + word.size() + 1 > kLine) {
      out += line + "\n";
      line = "   ";
    }
    line += " " + word;
  }
  return out + line + "\n";
}

std::vector<std::string> names_of(std::span<const sandbox::Call> calls, bool store,
                                  bool with_arguments) {
  std::vector<std::string> out;
  for (const sandbox::Call& call : calls) {
    if (call.store_only && !store) {
      continue;
    }
    std::string name(call.name);
    if (with_arguments && call.arguments != sandbox::Arguments::kAny) {
      name += "(" + std::string(sandbox::what_of(call.arguments)) + ")";
    }
    out.push_back(std::move(name));
  }
  return out;
}

// An argument is judged by filter and rule alike; what is not judged at all is said as well.
std::string network_words(const SandboxPlan& plan) {
  std::string out = "\nNetwork: TCP over IPv4 and IPv6. The kernel judges ports, not addresses.\n";
  for (const PortRule& rule : plan.listens) {
    out += "  listen   " + port_of(rule) + ": " + rule.why + "\n";
  }
  for (const PortRule& rule : plan.connects) {
    out += "  connect  " + port_of(rule) + ": " + rule.why + "\n";
  }
  out +=
      plan.datagrams
          ? "  UDP      to anywhere, since names are resolved: no port of it is judged. Name the "
            "broker by\n           its address to do without\n"
          : "  refused  UDP, Unix sockets, netlink, raw and every other kind of socket\n";
  return out + "  refused  every other port; a new listener once those above are there\n";
}

std::string support_words(const SandboxSupport& support) {
  std::string out = "\nThis kernel";
  out += support.sanitized
             ? " (and a sanitizer's build, which filters no calls and locks no memory)"
             : "";
  out += "\n  landlock      ";
  out += support.landlock_abi == 0 ? "no: neither files nor ports are restricted"
                                   : "ABI " + std::to_string(support.landlock_abi) +
                                         (support.landlock_abi < sandbox::kAbiTcp
                                              ? ": files; ports need ABI 4 (Linux 6.7)"
                                              : ": files and TCP ports");
  out += "\n  seccomp       " +
         std::string(support.calls ? "yes" : "no: system calls are not filtered");
  out += "\n  locked memory " +
         std::string(support.locked
                         ? "yes, the whole process"
                         : "no: needs RLIMIT_MEMLOCK unlimited or CAP_IPC_LOCK; small secrets are "
                           "locked as far as it reaches");
  out += "\n  memfd_secret  " +
         std::string(support.secret_pages ? "yes, for signing keys"
                                          : "no: signing keys lie in "
                                            "ordinary pages") +
         "\n";
  return out;
}

}  // namespace

std::string explain_sandbox(const SandboxPlan& plan, SandboxMode mode,
                            const SandboxSupport& support) {
  const SandboxInForce in_force = expected_in_force(plan, support);
  std::string out = "What " + plan.program + " can still do once it is locked in\n\nFiles\n";
  for (const FileRule& rule : plan.files) {
    out += "  " + rule.path.string() + (exists(rule) ? "" : " (not there now: refused)") +
           "\n    " + std::string(words_of(rule.use)) + ": " + rule.why + "\n";
  }
  out += "  refused  every other path, running programs, links, devices and sockets made new\n";
  out += network_words(plan);
  const bool store = plan.keeps_a_store();
  out += "\nSystem calls\n  allowed\n" + listed(names_of(sandbox::allowed_calls(), store, true));
  if (!plan.ioctls.empty()) {
    out += "  ioctls of devices\n";
    for (const IoctlRule& rule : plan.ioctls) {
      out += "    " + rule.name + "\n";
    }
  }
  out += "  end the process (SIGSYS)\n" + listed(names_of(sandbox::fatal_calls(), store, false));
  out += "  refused  every other, with EPERM; clone3 with ENOSYS, so that clone is used\n";
  out +=
      "\nMemory and dumps\n"
      "  no core dump, no ptrace and no /proc/PID/mem by others of the same user; no new "
      "privileges\n";
  out += support_words(support);
  out += "\nsandbox = \"" + std::string(mode == SandboxMode::kRequired ? "required" : "auto") +
         "\". The statement will say\n  security.sandbox = \"" + in_force.to_string() + "\"\n";
  return out;
}

json::Value sandbox_to_json(const SandboxPlan& plan, SandboxMode mode,
                            const SandboxSupport& support) {
  json::Array files;
  for (const FileRule& rule : plan.files) {
    files.emplace_back(json::Object{{"path", rule.path.string()},
                                    {"use", words_of(rule.use)},
                                    {"why", rule.why},
                                    {"exists", exists(rule)}});
  }
  const auto ports = [](const std::vector<PortRule>& rules) {
    json::Array out;
    for (const PortRule& rule : rules) {
      out.emplace_back(json::Object{{"port", static_cast<int>(rule.port)}, {"why", rule.why}});
    }
    return out;
  };
  const auto names = [&](std::span<const sandbox::Call> calls) {
    json::Array out;
    for (std::string& name : names_of(calls, plan.keeps_a_store(), false)) {
      out.emplace_back(std::move(name));
    }
    return out;
  };
  return json::Object{{"program", plan.program},
                      {"files", std::move(files)},
                      {"listen", ports(plan.listens)},
                      {"connect", ports(plan.connects)},
                      {"datagrams", plan.datagrams},
                      {"calls", json::Object{{"allowed", names(sandbox::allowed_calls())},
                                             {"fatal", names(sandbox::fatal_calls())}}},
                      {"support", json::Object{{"landlock_abi", support.landlock_abi},
                                               {"seccomp", support.calls},
                                               {"locked_memory", support.locked},
                                               {"memfd_secret", support.secret_pages},
                                               {"sanitized", support.sanitized}}},
                      {"mode", mode == SandboxMode::kRequired ? "required" : "auto"},
                      {"security.sandbox", expected_in_force(plan, support).to_string()}};
}

}  // namespace ensconce
