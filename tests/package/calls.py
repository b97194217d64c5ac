"""What broker and worker ask of the kernel, the systemd units allow.

Both serve under strace: a boot, a sealed model, an inference over each channel, an orderly stop. Every
system call that succeeded must be in the unit's SystemCallFilter, every socket of an allowed family, and
no memory both written and run. systemd says what its groups of calls hold. So a program that comes to need a call makes its
unit's author think, here and not at a user's.

Exit code 0 when so; 77 where strace, systemd-analyze or the models are missing (skipped aloud).
"""

import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / "tests" / "e2e"), str(ROOT / "demo")]

import no_plaintext  # noqa: E402
import stack  # noqa: E402
from house import House  # noqa: E402

UNITS = ROOT / "packaging" / "systemd"
TRACE = "strace -f -qq -s 0 -e signal=none"
# SQLite gives its files their owner where it runs as root, as this test may and a unit does not.
OF_ROOT = {"ensconce-broker": {"fchown"}}
LINE = re.compile(r"^(\d+) +(?:<\.\.\. )?(\w+)(?:\((.*)| resumed>(.*))$")


class TracedHouse(House):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.traces = {}

    def start(self, name, argv, env=None):
        if name in no_plaintext.STARTED_AS:
            self.traces[name] = self.top / f"{name}.calls"
            argv = [*TRACE.split(), "-o", self.traces[name], *argv]
        return super().start(name, argv, env)


def group(name):
    """The calls of one of systemd's groups, without the groups inside it resolved."""
    said = subprocess.run(["systemd-analyze", "syscall-filter", "--no-pager", name], check=True,
                          text=True, capture_output=True).stdout
    words = [line.strip() for line in said.splitlines()[1:]]
    return [word for word in words if word and not word.startswith("#")]


def resolved(word):
    if not word.startswith("@"):
        return {word}
    return set().union(*(resolved(inner) for inner in group(word)))


def allowed(unit):
    """The calls that the lines of a unit let through, as systemd adds them up; @default always."""
    lines = re.findall(r"(?m)^SystemCallFilter=(.*)$", unit)
    out = resolved("@default")
    for line in lines:
        words = set().union(*(resolved(word) for word in line.removeprefix("~").split()))
        out = out - words if line.startswith("~") else out | words
    return out | resolved("@default")


def calls_of(trace, program):
    """(call, rest of the line) of one program and its threads, after its execve."""
    own = set()
    for line in trace.read_text(encoding="utf-8", errors="replace").splitlines():
        found = LINE.match(line)
        if not found:
            continue
        pid, call, rest = int(found[1]), found[2], found[3] or found[4] or ""
        if call == "execve" and re.search(rf'^"[^"]*{program}"', rest):
            own.add(pid)
        elif pid in own:
            made = re.search(r"= (\d+)$", rest)
            if call in ("clone", "clone3") and made:
                own.add(int(made[1]))
            yield call, rest


def against_the_unit(name, trace):
    unit = (UNITS / f"{name}.service").read_text(encoding="utf-8")
    families = set(re.search(r"(?m)^RestrictAddressFamilies=(.*)$", unit)[1].split())
    may = allowed(unit)
    found, problems = set(), set()
    for call, rest in calls_of(trace, no_plaintext.STARTED_AS[name]):
        found.add(call)
        if "= -1 " in rest:
            continue  # what the kernel refuses anyway is no need
        if call not in may and not (os.geteuid() == 0 and call in OF_ROOT.get(name, ())):
            problems.add(f"{name} calls {call}, which its unit refuses")
        if call in ("socket", "socketpair") and (family := re.match(r"AF_\w+", rest)):
            if family[0] not in families:
                problems.add(f"{name} opens a socket of {family[0]}")
        if call == "mmap" and "PROT_WRITE|PROT_EXEC" in rest:
            problems.add(f"{name} maps memory to write and run")
        if call in ("mprotect", "pkey_mprotect") and "PROT_EXEC" in rest:
            problems.add(f"{name} makes memory runnable")
    if not {"mmap", "socket", "exit_group"} <= found:
        problems.add(f"the trace of {name} is none: {sorted(found)}")
    print(f"{name}: {len(found)} calls of {len(may)} allowed: {' '.join(sorted(found))}")
    return problems


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", default=stack.BIN)
    parser.add_argument("--cache", default=os.environ.get("ENSCONCE_CACHE", str(ROOT / ".cache")))
    arguments = parser.parse_args()
    if shutil.which("systemd-analyze") is None or not no_plaintext.can_trace():
        print("SKIPPED: it takes systemd-analyze, and strace that can trace")
        return 77
    if not (pathlib.Path(arguments.cache) / "models" / "sentence-labels").is_dir():
        print("SKIPPED: the models are not here")
        return 77
    if "ptrace" in allowed((UNITS / "ensconce-worker.service").read_text(encoding="utf-8")):
        print("a unit allows ptrace, or its filter is not read")
        return 1
    stack.House = TracedHouse
    problems = set()
    with stack.start(["sentence-labels"], bin_dir=arguments.bin, cache=arguments.cache) as running:
        running.restart_worker(settings={"intra_op_threads": 2})  # the engine's own threads
        policy = running.client_policy_for("traced.toml", [running.measurement])
        for channel in ("tls", "ohttp"):
            running.ensconce("infer", "--policy", policy, running.worker_url, "--channel", channel,
                             "--model", "sentence-labels", "--text", "Where is my bill?")
        running.stop_worker()
        running.broker_process.stop()
        for name, trace in running.house.traces.items():
            problems |= against_the_unit(name, trace)
    for problem in sorted(problems):
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
