"""The README's four terminals, typed as they stand there, give the demo's answers.

Each terminal's block runs under `bash -e` in a folder of its own that looks like the checkout; only the
two ports are replaced by free ones. Exit code 0 when the answers are right.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
LIMIT_SECONDS = 120


def blocks():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    part = text.split("<!-- four-terminals -->")[1].split("<!-- /four-terminals -->")[0]
    found = re.findall(r"```sh\n(.*?)```", part, re.DOTALL)
    if len(found) != 4:
        raise SystemExit(f"expected four terminals in the README, found {len(found)}")
    return found


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


class Terminal:
    """One terminal that goes on; its output is kept in a file."""

    def __init__(self, script, folder, name):
        self.log = folder / f"{name}.log"
        with open(self.log, "wb") as out:
            self._process = subprocess.Popen(["bash", "-e", "-c", script], cwd=folder, stdout=out,
                                             stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                                             start_new_session=True)

    def wait_until_ready(self):
        end = time.monotonic() + LIMIT_SECONDS
        while '"ready":true' not in self.log.read_text(encoding="utf-8", errors="replace"):
            if self._process.poll() is not None or time.monotonic() > end:
                raise SystemExit("a terminal did not become ready:\n" + self.log.read_text("utf-8"))
            time.sleep(0.05)  # a poll with a deadline: the line is the condition

    def stop(self):
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGTERM)
            self._process.wait(timeout=30)


def first_use(folder, worker_port):
    """A policy written from the running worker affirms that worker, and says what that implies."""
    address = f"https://127.0.0.1:{worker_port}"
    script = f""". try/env
ensconce policy init {address} --out try/first-use.toml
ensconce policy check try/first-use.toml
ensconce policy diff try/client.toml try/first-use.toml || [ $? = 1 ]
ensconce infer --policy try/first-use.toml {address} --model line-reader --image models/samples/invoice.png
"""
    done = subprocess.run(["bash", "-e", "-c", script], cwd=folder, text=True, capture_output=True,
                          stdin=subprocess.DEVNULL)
    if done.returncode != 0 or "48213" not in done.stdout or "FIRST USE" not in done.stderr:
        print(f"a policy from first use does not serve:\n{done.stdout}{done.stderr}")
        return False
    return True


def kept(folder):
    """What `infer --save` wrote is all it should, and a receipt is not written over."""
    saved = folder / "try" / "kept"
    names = sorted(p.name for p in saved.iterdir())
    modes = {p.name: p.stat().st_mode & 0o777 for p in saved.iterdir()}
    if names != ["evidence.json", "receipt-key.hex", "receipt.cose", "receipt.json"]:
        print(f"infer --save wrote {names}")
        return False
    if modes["receipt-key.hex"] != 0o600:
        print(f"the key of the receipt has mode {modes['receipt-key.hex']:o}")
        return False
    again = subprocess.run(
        [folder / "build/dev/bin/ensconce", "infer", "--policy", "try/client.toml", "--model", "x",
         "--text", "x", "--save", "try/kept", "https://127.0.0.1:1"],
        cwd=folder, text=True, capture_output=True, stdin=subprocess.DEVNULL)
    if again.returncode != 2 or "holds a receipt already" not in again.stderr:
        print(f"a receipt would be written over: {again.stderr}")
        return False
    return True


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", required=True)
    parser.add_argument("--cache", default=os.environ.get("ENSCONCE_CACHE", str(ROOT / ".cache")))
    arguments = parser.parse_args()
    broker_port, worker_port = free_ports(2)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="ensconce-readme-"))
    terminals = []
    try:
        for name in ("demo", "models"):
            (folder / name).symlink_to(ROOT / name)
        (folder / ".cache").symlink_to(arguments.cache)
        (folder / "build" / "dev").mkdir(parents=True)
        (folder / "build" / "dev" / "bin").symlink_to(pathlib.Path(arguments.bin).resolve())
        scripts = [b.replace("7001", str(broker_port)).replace("8443", str(worker_port))
                   for b in blocks()]
        terminals.append(Terminal(scripts[0], folder, "terminal-1"))
        terminals[-1].wait_until_ready()
        subprocess.run(["bash", "-e", "-c", scripts[1]], cwd=folder, check=True,
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        terminals.append(Terminal(scripts[2], folder, "terminal-3"))
        terminals[-1].wait_until_ready()
        asked = subprocess.run(["bash", "-e", "-c", scripts[3]], cwd=folder, check=True, text=True,
                               stdin=subprocess.DEVNULL, capture_output=True)
        decoder, answers, rest = json.JSONDecoder(), [], asked.stdout.strip()
        while rest:
            answer, end = decoder.raw_decode(rest)
            answers.append(answer["outputs"])
            rest = rest[end:].strip()
        got = [answers[0]["text"][0], answers[1]["label"][0]]
        expected = ["Invoice No. 48213", "test-results"]
        print(f"expected {expected}, got {got}")
        if "RECEIPT HOLDS" not in asked.stderr:
            print("the receipt was not judged to hold")
            return 1
        if "SIMULATED" not in asked.stderr:
            print("the client did not say SIMULATED")
            return 1
        return 0 if got == expected and kept(folder) and first_use(folder, worker_port) else 1
    finally:
        for terminal in reversed(terminals):
            terminal.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
