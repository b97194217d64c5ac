#!/usr/bin/python3
"""Types the README's four terminals, word for word but for the ports and where the programs are, and
reads the answers that come back.

Usage: four_terminals.py BIN_DIR [CACHE]. Exit code 77: the models are not there.
"""

import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
WANTED = ["Invoice No. 48213", "test-results"]
READY_SECONDS = 120


def terminals():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    part = text[text.index("<!-- four-terminals -->"):text.index("<!-- /four-terminals -->")]
    scripts = re.findall(r"```sh\n(.*?)```", part, re.S)
    if len(scripts) != 4:
        raise AssertionError(f"expected four terminals in the README, found {len(scripts)}")
    return scripts


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def start(script, folder, log):
    return subprocess.Popen(["bash", "-c", "set -euo pipefail\n" + script], cwd=folder,
                            stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                            start_new_session=True)


def wait_ready(process, log):
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        if '{"ready":true' in log.read_text(encoding="utf-8"):
            return
        if process.poll() is not None:
            break
        time.sleep(0.05)
    raise AssertionError("not ready:\n" + log.read_text(encoding="utf-8"))


def stop(process):
    """Ctrl-C in that terminal."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGINT)
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def play(folder, scripts):
    running = []
    try:
        for number in (1, 3):
            if number == 3:
                subprocess.run(["bash", "-c", "set -euo pipefail\n" + scripts[1]], cwd=folder,
                               stdin=subprocess.DEVNULL, check=True)
            log = folder / f"terminal-{number}.log"
            with open(log, "w", encoding="utf-8") as out:
                running.append(start(scripts[number - 1], folder, out))
            wait_ready(running[-1], log)
        done = subprocess.run(["bash", "-c", "set -euo pipefail\n" + scripts[3]], cwd=folder,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                              check=True)
        return done.stdout
    finally:
        for process in reversed(running):
            stop(process)
        for log in sorted(folder.glob("terminal-*.log")):
            print(f"--- {log.name}\n{log.read_text(encoding='utf-8')}", file=sys.stderr)


def answers_of(text):
    decoder, out = json.JSONDecoder(), []
    while text.strip():
        value, end = decoder.raw_decode(text.lstrip())
        text = text.lstrip()[end:]
        outputs = value["outputs"]
        out.append((outputs.get("text") or outputs["label"])[0])
        if value["origin"] != "simulated":
            raise AssertionError(f"origin {value['origin']}")
    return out


def main(argv):
    programs = pathlib.Path(argv[1]).resolve()
    cache = pathlib.Path(argv[2]).resolve() if len(argv) > 2 else ROOT / ".cache"
    if not (cache / "models/line-reader/model.onnx").exists():
        print("skipped: the models are not there; setup/setup.sh build brings them")
        return 77
    broker, worker = free_ports(2)
    scripts = [s.replace("7001", str(broker)).replace("8443", str(worker)) for s in terminals()]
    with tempfile.TemporaryDirectory(prefix="ensconce-readme-") as name:
        folder = pathlib.Path(name)
        (folder / "build/dev").mkdir(parents=True)
        for link, to in (("build/dev/bin", programs), ("demo", ROOT / "demo"),
                         ("models", ROOT / "models"), (".cache", cache)):
            (folder / link).symlink_to(to)
        got = answers_of(play(folder, scripts))
    if got != WANTED:
        print(f"expected {WANTED}, got {got}")
        return 1
    print(f"the README's four terminals answer {got}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
