"""Nothing secret reaches a disk.

A worker and a broker run under strace while both models are sealed, opened and asked. No write of
64 bytes or more may go anywhere but to sockets, the log (stderr, stdout), the broker's database, and,
exactly 64 bytes of report data, the secure processor's device.
Afterwards canaries from the weights, the tokenizer and the inputs are looked for in every file that
was written meanwhile; only the owner's and the data owner's own copies may hold them.

Exit code 0: nothing found. 1: something found. 77: strace cannot see here (skipped aloud).
"""

import argparse
import os
import pathlib
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "demo"))

import story as told  # noqa: E402
from house import MODELS, House  # noqa: E402

LARGE = 64
REPORT_DATA = 64
WRITES = "write,writev,pwrite64,pwritev,pwritev2,sendfile,copy_file_range,splice"
TRACE = f"strace -f -y -s 0 -qq -e trace={WRITES},execve,clone,clone3,vfork,fork -e signal=none"
RESULT = re.compile(r"= (-?\d+)")
HARMLESS = ("socket:", "pipe:", "anon_inode:", "TCP", "UNIX", "UDP", "/dev/null")


def can_trace():
    try:
        return subprocess.run(["strace", "-qq", "-e", "trace=none", "true"], check=False,
                              capture_output=True).returncode == 0
    except OSError:
        return False


def with_canaries(source, target):
    """Copies a model directory and plants a canary in each text file; returns what to look for."""
    shutil.copytree(source, target)
    canaries = {}
    for path in sorted(target.iterdir()):
        data = path.read_bytes()
        if path.suffix == ".onnx":
            # Three slices of the weights themselves, none of them all alike.
            for part in (0.3, 0.6, 0.9):
                at = int(len(data) * part)
                while len(set(data[at:at + 24])) < 12:
                    at += 1
                canaries[f"{path.name} at {at}"] = data[at:at + 24]
        elif path.name in ("vocab.tsv", "charset.txt"):
            lines = data.splitlines()
            at = len(lines) * 3 // 4
            canaries[f"{path.name} from line {at}"] = b"\n".join(lines[at:at + 3])
        elif path.name == "examples.tsv":
            word = "canary" + secrets.token_hex(12)
            label = data.split(b"\t", 1)[0].decode("utf-8")
            path.write_bytes(data.rstrip(b"\n") + f"\n{label}\t{word} in the examples\n".encode())
            canaries[path.name] = word.encode()
    return canaries


class TracedHouse(House):
    """Starts broker and worker under strace."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.traces = []

    def start(self, name, argv, env=None):
        if name in ("ensconce-broker", "ensconce-worker"):
            trace = self.top / f"{name}.strace"
            self.traces.append((name, trace))
            argv = [*TRACE.split(), "-o", trace, *argv]
        return super().start(name, argv, env)


# What a program's execve names: the simulated processor starts the worker's copy through the loader.
STARTED_AS = {"ensconce-broker": "/ensconce-broker", "ensconce-worker": "/lib/ld-linux-x86-64.so.2"}


def programs_of(trace, program):
    """The processes and threads of one program in a trace, from its execve on."""
    own = set()
    for line in trace.read_text(encoding="utf-8", errors="replace").splitlines():
        found = re.match(r"^(\d+) +(\w+)\(", line)
        if not found:
            continue
        pid, call = int(found[1]), found[2]
        if call == "execve" and re.search(rf'execve\("[^"]*{program}"', line):
            own.add(pid)
        elif call in ("clone", "clone3") and pid in own and (made := RESULT.search(line)):
            own.add(int(made[1]))
        elif own and pid in own:
            yield line


class Blind(Exception):
    """strace could not say where a write went: the programs are not dumpable, and only who has
    CAP_SYS_PTRACE may look up their files."""


def large_writes(name, trace, database):
    """Lines of the trace that write LARGE bytes or more to a file."""
    seen = 0
    for line in programs_of(trace, STARTED_AS[name]):
        found = re.match(r"^\d+ +(\w+)\((\d+)<(.*?)>", line)
        if not found or found[1] not in WRITES.split(","):
            if re.match(r"^\d+ +(" + WRITES.replace(",", "|") + r")\(\d+,", line):
                raise Blind(name)
            continue
        seen += 1
        size = RESULT.search(line)
        fd, target = int(found[2]), found[3]
        if size is None or int(size[1]) < LARGE or fd in (1, 2):
            continue
        if target.startswith(HARMLESS) or database and target.startswith(str(database)):
            continue
        if target.endswith("/inblob") and int(size[1]) == REPORT_DATA:
            continue  # the secure processor's device takes the hash of a public statement
        yield line
    if seen == 0:
        raise SystemExit(f"the trace of {name} shows no write at all: it was not traced")


def files_written_since(start, folders, own):
    for folder in folders:
        for top, names, files in os.walk(folder, onerror=lambda _: None):
            names[:] = [n for n in names if pathlib.Path(top, n) not in own]
            for file in files:
                path = pathlib.Path(top, file)
                try:
                    if path.is_file() and not path.is_symlink() and path.stat().st_mtime >= start:
                        yield path
                except OSError:
                    continue


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", required=True)
    parser.add_argument("--cache", default=os.environ.get("ENSCONCE_CACHE", str(ROOT / ".cache")))
    arguments = parser.parse_args()
    if not can_trace():
        print("SKIPPED: strace cannot trace here (no ptrace, or strace is missing)")
        return 77
    start = time.time() - 1
    owned = pathlib.Path(tempfile.mkdtemp(prefix="ensconce-plain-"))
    canaries = {}
    for model in MODELS:
        for name, value in with_canaries(pathlib.Path(arguments.cache) / "models" / model,
                                         owned / "models" / model).items():
            canaries[f"{model}/{name}"] = value
    sentence = "canary" + secrets.token_hex(12)
    canaries["the sentence"] = sentence.encode()
    image = (ROOT / "models/samples/patient.png").read_bytes()
    canaries["the image"] = image[len(image) // 2:len(image) // 2 + 24]

    house = TracedHouse(arguments.bin, arguments.cache)
    bad = []
    try:
        story = told.Story(house)
        told.tell_cast(story)
        told.tell_broker(story)
        told.tell_policy(story)
        policy = "demo"
        for model in MODELS:
            told.seal(house, story.broker, story.owner_key, model, owned / "models" / model,
                      story.bundles, policy)
        told.tell_worker(story)
        story.client_policy = told.write_client_policy(
            house, "client.toml", story.anchor["spki_sha256"], [story.measurement], [story.owner],
            story.broker, story.owner)
        told.infer(house, story.port, story.client_policy, "--model", "sentence-labels", "--text",
                   f"Where is my {sentence} bill?")
        told.infer(house, story.port, story.client_policy, "--model", "line-reader", "--image",
                   ROOT / "models/samples/patient.png")
        story.worker.stop()
        story.broker_process.stop()
        for name, trace in house.traces:
            database = house.owner / "broker" / "broker.db" if name == "ensconce-broker" else None
            bad += [f"{name}: {line}" for line in large_writes(name, trace, database)]
        logs = "\n".join(story.worker.errors + story.broker_process.errors).encode()
        bad += [f"{name} is in a log" for name, value in canaries.items() if value in logs]
        folders = {pathlib.Path(tempfile.gettempdir()), pathlib.Path("/var/tmp"), pathlib.Path.cwd(),
                   pathlib.Path.home(), pathlib.Path(arguments.cache)}
        own = {owned, ROOT / ".git", ROOT / "build", pathlib.Path("/proc"), pathlib.Path("/sys")}
        looked_at = 0
        for path in files_written_since(start, folders, own):
            looked_at += 1
            try:
                data = path.read_bytes()
            except OSError:
                continue
            bad += [f"{name} is in {path}" for name, value in canaries.items() if value in data]
        # The search itself must be able to find: the owner's own copy holds every weight canary.
        whole = b"".join(p.read_bytes() for p in owned.rglob("*") if p.is_file())
        blind = [n for n, v in canaries.items() if "/" in n and v not in whole]
        if blind:
            bad.append(f"canaries that are not even in the plaintext: {blind}")
    except Blind as blind:
        print(f"SKIPPED: strace cannot see the files of {blind} without CAP_SYS_PTRACE; run as root")
        return 77
    finally:
        house.close()
        shutil.rmtree(owned, ignore_errors=True)
    for line in bad:
        print(f"FOUND: {line}")
    print(f"{len(canaries)} canaries, {looked_at} files, {len(bad)} findings")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
