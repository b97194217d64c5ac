"""Who stands beside the shipped worker and broker does not read their memory, and they have locked
themselves in.

They run as an ordinary user. A process of the same user and one of another try /proc/PID/mem, maps,
environ and fd, process_vm_readv and ptrace; then the worker is ended by signals that leave a core
dump. Each attack is made on an ordinary program as well, where it must succeed: else the test would
show nothing.

Exit code 0: refused. 1: something was read, or an attack does not work at all. 77: skipped aloud, as
only root can become two users.
"""

import argparse
import base64
import ctypes
import json
import os
import pathlib
import resource
import signal
import ssl
import subprocess
import sys
import tempfile
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
HOUSE_USER, OTHER_USER = 60123, 60124
SKIPPED = 77
SECRET = b"what the victim keeps in memory"

VICTIM = """
import ctypes, os, sys, time
kept = ctypes.create_string_buffer(%r)
if sys.argv[1] == "open":  # where siblings may not trace each other unless told (Yama)
    ctypes.CDLL(None).prctl(0x59616d61, ctypes.c_ulong(-1), 0, 0, 0)
print(ctypes.addressof(kept), flush=True)
time.sleep(600)
""" % SECRET

libc = ctypes.CDLL(None, use_errno=True)
PTRACE_SEIZE, PTRACE_DETACH = 0x4206, 17


class Iovec(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("len", ctypes.c_size_t)]


def by_proc_file(name):
    def attack(pid, _address):
        with open(f"/proc/{pid}/{name}", "rb") as file:
            return len(file.read(1)) == 1
    return attack


def by_proc_mem(pid, address):
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as file:
        file.seek(address)
        return len(file.read(len(SECRET))) == len(SECRET)


def by_descriptors(pid, _address):
    return len(os.listdir(f"/proc/{pid}/fd")) > 0


def by_vm_read(pid, address):
    got = ctypes.create_string_buffer(len(SECRET))
    here, there = Iovec(ctypes.addressof(got), len(SECRET)), Iovec(address, len(SECRET))
    n = libc.process_vm_readv(pid, ctypes.byref(here), 1, ctypes.byref(there), 1, 0)
    if n < 0:
        raise OSError(ctypes.get_errno(), "process_vm_readv")
    return n == len(SECRET)


def by_ptrace(pid, _address):
    if libc.ptrace(PTRACE_SEIZE, pid, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "ptrace")
    return True


ATTACKS = {"maps": by_proc_file("maps"), "mem": by_proc_mem, "environ": by_proc_file("environ"),
           "fd": by_descriptors, "process_vm_readv": by_vm_read, "ptrace": by_ptrace}


def as_user(uid, work):
    """Runs work() as this user in a process of its own; returns what it returns, by JSON."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.setgroups([])
            os.setgid(uid)
            os.setuid(uid)
            os.write(writer, json.dumps(work()).encode())
            code = 0
        finally:
            os._exit(code)
    os.close(writer)
    with os.fdopen(reader) as file:
        said = file.read()
    _, status = os.waitpid(pid, 0)
    if status != 0:
        raise SystemExit(f"what was to run as user {uid} failed: {status}")
    return json.loads(said)


def attacked(pid, address):
    """What each attack on this process came to: "read", or the errno that refused it."""
    out = {}
    for name, attack in ATTACKS.items():
        try:
            out[name] = "read" if attack(pid, address) else "nothing"
        except OSError as refused:
            out[name] = os.strerror(refused.errno)
    return out


class House:
    """The programs, as HOUSE_USER has them: in a process that answers until its input ends."""

    def __init__(self, bin_dir, cache):
        self._process = subprocess.Popen(
            [sys.executable, "-B", __file__, "--bin", bin_dir, "--cache", cache, "--household"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, user=HOUSE_USER,
            group=HOUSE_USER, extra_groups=[], env={**os.environ, "TMPDIR": cache}, cwd=cache)
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit("worker and broker did not start as an ordinary user")
        self.said = json.loads(line)

    def close(self):
        self._process.stdin.close()
        self._process.wait(timeout=60)


def household(bin_dir, cache):
    """Runs as HOUSE_USER: starts broker and worker, and says who they are."""
    import stack  # noqa: PLC0415: it makes folders of whoever imports it
    with stack.start(["simple"], bin_dir=bin_dir, cache=cache, transport="pipes") as running:
        worker = processes_under(running.worker.pid)[1]  # of the simulated processor
        broker = running.broker_process.pid
        unverified = ssl.create_default_context()
        unverified.check_hostname, unverified.verify_mode = False, ssl.CERT_NONE
        with urllib.request.urlopen(
                f"{running.worker_url}/.well-known/ensconce/evidence?nonce={'ab' * 32}",
                context=unverified) as answer:
            statement = base64.b64decode(json.load(answer)["statement"])
        print(json.dumps({"worker": worker, "broker": broker,
                          "sandbox": running.house.sandbox(), "statement": statement.hex()}),
              flush=True)
        sys.stdin.read()
    return 0


def processes_under(pid):
    out = [pid]
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text(encoding="ascii").split():
            out += processes_under(int(child))
    return out


def status_of(path):
    lines = pathlib.Path(path).read_text(encoding="utf-8").splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def check_status(name, pid, sandbox):
    """Every thread of a program is locked in, as its statement says."""
    wanted = {"NoNewPrivs": "1", "Seccomp": "2" if "calls" in sandbox.split("+") else "0"}
    threads = list(pathlib.Path(f"/proc/{pid}/task").iterdir())
    for thread in threads:
        got = status_of(thread / "status")
        for key, value in wanted.items():
            if got[key].strip() != value:
                raise SystemExit(f"{name}, thread {thread.name}: {key} is {got[key]}, not {value}")
    locked = int(status_of(f"/proc/{pid}/status")["VmLck"].split()[0])
    # Where RLIMIT_MEMLOCK does not reach for all, it does for the pages of secrets.
    if locked < (1024 if "locked" in sandbox.split("+") else 4):
        raise SystemExit(f"{name}: its sandbox is {sandbox}, and {locked} KiB are locked")
    limits = pathlib.Path(f"/proc/{pid}/limits").read_text(encoding="ascii")
    core = next(line for line in limits.splitlines() if line.startswith("Max core file size"))
    if core.split()[4:6] != ["0", "0"]:
        raise SystemExit(f"{name}: {core}")
    print(f"{name}: {len(threads)} threads locked in ({sandbox}), {locked} KiB locked, no core")


def check_memory(name, pid, victim, address):
    for who, uid in (("the same user", HOUSE_USER), ("another user", OTHER_USER)):
        got = as_user(uid, lambda: attacked(pid, address))
        read = [attack for attack, what in got.items() if what in ("read", "nothing")]
        if read:
            raise SystemExit(f"{name} was read by {who}: {', '.join(read)}")
        print(f"{name}, by {who}: {', '.join(f'{k}: {v}' for k, v in got.items())}")
    counter = as_user(HOUSE_USER, lambda: attacked(victim, address))
    failed = {attack: what for attack, what in counter.items() if what != "read"}
    if failed:
        raise SystemExit(f"these attacks do not even read an ordinary program: {failed}")


def check_no_core(name, pid, folder, sent):
    as_user(HOUSE_USER, lambda: os.kill(pid, sent))
    for _ in range(1000):
        if not pathlib.Path(f"/proc/{pid}").exists() or \
                status_of(f"/proc/{pid}/status")["State"].startswith("Z"):
            break
        signal.sigtimedwait([], 0.02)
    else:
        raise SystemExit(f"{name} did not end by signal {sent}")
    cores = [path for path in pathlib.Path(folder).rglob("core*") if path.is_file()]
    if cores:
        raise SystemExit(f"{name} left {cores}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", default=str(ROOT / "build" / "dev" / "bin"))
    parser.add_argument("--cache")
    parser.add_argument("--household", action="store_true")
    arguments = parser.parse_args()
    if arguments.household:
        sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
        return household(arguments.bin, arguments.cache)
    if os.geteuid() != 0:
        print("SKIPPED: only root can become two users")
        return SKIPPED
    for limit in (resource.RLIMIT_MEMLOCK, resource.RLIMIT_CORE):
        try:
            resource.setrlimit(limit, (resource.RLIM_INFINITY,) * 2)
        except ValueError:  # root, and not allowed to: as far as it goes
            most = resource.getrlimit(limit)[1]
            resource.setrlimit(limit, (most, most))
    with tempfile.TemporaryDirectory(prefix="ensconce-sandbox-") as folder:
        os.chown(folder, HOUSE_USER, HOUSE_USER)
        victim = subprocess.Popen([sys.executable, "-c", VICTIM, "open"], stdout=subprocess.PIPE,
                                  user=HOUSE_USER, group=HOUSE_USER, extra_groups=[], cwd=folder)
        address = int(victim.stdout.readline())
        house = House(str(pathlib.Path(arguments.bin).resolve()), folder)
        try:
            said = house.said
            if said["sandbox"].encode().hex() not in said["statement"]:
                raise SystemExit(f"the statement does not say {said['sandbox']}")
            for name in ("worker", "broker"):
                check_status(name, said[name], said["sandbox"])
                check_memory(name, said[name], victim.pid, address)
            check_no_core("worker", said["worker"], folder, signal.SIGSEGV)
            check_no_core("broker", said["broker"], folder, signal.SIGQUIT)
            os.kill(victim.pid, signal.SIGSEGV)
            victim.wait()
            if pathlib.Path("/proc/sys/kernel/core_pattern").read_text(encoding="ascii")[:1] != "|" \
                    and not list(pathlib.Path(folder).glob("core*")):
                print("no program leaves a core here: that part of the test shows nothing")
        finally:
            victim.kill()
            house.close()
    print("nothing was read")
    return 0


if __name__ == "__main__":
    sys.exit(main())
