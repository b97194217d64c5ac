"""The cast of the demo: programs started as a user would start them, nothing linked, nothing faked.

Every party has a folder of its own under one temporary folder; what is not in a party's folder it
does not have. The simulated processor's keys live in the cache, because a chip is made once.
"""

import json
import os
import pathlib
import queue
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time

from platforms import PLATFORMS

ROOT = pathlib.Path(__file__).resolve().parent.parent
MODELS = ("line-reader", "sentence-labels")
READY_SECONDS = 120


class DemoError(Exception):
    """Something that must work did not; the text says what came."""


class Process:
    """A program that says one JSON line on stdout when it is ready. Its stderr is kept."""

    def __init__(self, name, argv, env=None, cwd=None):
        self.name = name
        self._lines = queue.Queue()
        self.errors = []
        self._popen = subprocess.Popen(
            [str(a) for a in argv], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, env=env, cwd=cwd, start_new_session=True)
        self._threads = [
            threading.Thread(target=self._read_stdout, daemon=True),
            threading.Thread(target=self._read_stderr, daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def _read_stdout(self):
        for line in self._popen.stdout:
            self._lines.put(line)
        self._lines.put(None)

    def _read_stderr(self):
        for line in self._popen.stderr:
            self.errors.append(line.rstrip("\n"))

    def ready(self):
        """The ready line, or None when the program ended without one."""
        deadline = time.monotonic() + READY_SECONDS
        while True:
            try:
                line = self._lines.get(timeout=max(0.1, deadline - time.monotonic()))
            except queue.Empty:
                raise DemoError(f"{self.name} was not ready within {READY_SECONDS} s:\n"
                                + "\n".join(self.errors[-20:])) from None
            if line is None:
                self._popen.wait()
                for thread in self._threads:
                    thread.join()
                return None
            try:
                said = json.loads(line)
            except ValueError:
                continue
            if isinstance(said, dict) and said.get("ready"):
                return said

    def ended(self):
        return self._popen.wait()

    @property
    def pid(self):
        return self._popen.pid

    @property
    def exit_code(self):
        """None while it runs; negative: the signal that ended it."""
        return self._popen.poll()

    def kill(self):
        """SIGKILL: nobody is asked, nothing is put in order. A simulated processor takes its program
        along."""
        if self._popen.poll() is None:
            os.killpg(self._popen.pid, signal.SIGKILL)
        self._popen.wait()

    def stop(self):
        if self._popen.poll() is None:
            os.killpg(self._popen.pid, signal.SIGTERM)  # a tracer would let go of the program
            try:
                self._popen.wait(timeout=20)
            except subprocess.TimeoutExpired:
                os.killpg(self._popen.pid, signal.SIGKILL)
                self._popen.wait()


class House:
    """All parties and where they keep their things."""

    def __init__(self, bin_dir, cache, transport="auto", platform="snp"):
        self.bin = pathlib.Path(bin_dir)
        self.cache = pathlib.Path(cache)
        self.transport = transport
        self.platform = PLATFORMS[platform]
        self.constants = {}  # what a policy pins besides a launch's digest; known once one is measured
        self.top = pathlib.Path(tempfile.mkdtemp(prefix="ensconce-demo-"))
        self.owner = self._folder("model-owner")
        self.data_owner = self._folder("data-owner")
        self.operator = self._folder("operator")
        self.chip = self.cache / "simulated-processor"
        self._running = []
        self._sandbox = None

    def _folder(self, name):
        path = self.top / name
        path.mkdir(mode=0o700)
        return path

    def program(self, name):
        return str(self.bin / name)

    def run(self, *argv, expect=0, env=None):
        """Runs a command to its end. Returns the finished process; another exit code than expected
        is an error. expect=None takes any."""
        done = subprocess.run([str(a) for a in argv], stdin=subprocess.DEVNULL, text=True,
                              capture_output=True, check=False, env=env)
        if expect is not None and done.returncode != expect:
            raise DemoError(f"{' '.join(map(str, argv))}\nended with {done.returncode}, expected "
                            f"{expect}\n{done.stdout}{done.stderr}")
        return done

    def json(self, *argv, **kwargs):
        return json.loads(self.run(*argv, **kwargs).stdout)

    def start(self, name, argv, env=None):
        process = Process(name, argv, env)
        self._running.append(process)
        return process

    def start_worker(self, config, worker=None, env=None, faults=()):
        return self.start("ensconce-worker", [
            self.program("ensconce-sim"), "run", "--state", self.chip, "--platform",
            self.platform.name, "--transport", self.transport,
            *(a for fault in faults for a in ("--fault", fault)),
            "--", worker or self.program("ensconce-worker"), "--config", config],
            env)

    def measure(self, config, worker=None):
        """What `ensconce-sim measure` says; "reference" is the digest that a policy pins."""
        measured = self.json(self.program("ensconce-sim"), "measure", "--state", self.chip,
                             "--platform", self.platform.name, "--",
                             worker or self.program("ensconce-worker"), "--config", config)
        self.constants = self.platform.constants(measured)
        return {**measured, "reference": self.platform.reference(measured)}

    def sandbox(self):
        """What a worker or broker of this machine says of its sandbox: what the kernel gives."""
        if self._sandbox is None:
            config = write(self.top / "any-worker.toml", (
                'format = "ensconce-worker/1"\nlisten = "127.0.0.1:0"\ntsm_root = "tsm"\n'
                f'owner_keys = ["{"00" * 32}"]\n[broker]\nurl = "https://127.0.0.1:1"\n'
                f'key = "{"00" * 32}"\ntls_pin = "{"00" * 32}"\n[[model]]\nbundle = "none"\n'))
            self._sandbox = self.json(self.program("ensconce-worker"), "--explain-sandbox", "--json",
                                      "--config", config)["security.sandbox"]
        return self._sandbox

    def close(self, keep=False):
        for process in reversed(self._running):
            process.stop()
        if not keep:
            shutil.rmtree(self.top, ignore_errors=True)


def descendants(pid):
    """A process and all that it started, and they in turn."""
    out = [pid]
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text(encoding="ascii").split():
            out += descendants(int(child))
    return out


def write(path, text, mode=0o600):
    """Writes a whole file or none."""
    temporary = path.with_name(path.name + ".tmp")
    with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w",
              encoding="utf-8") as f:
        f.write(text)
    temporary.rename(path)
    return path


def fill(template, **values):
    """Fills @NAME@ in one of the templates beside this file."""
    text = (ROOT / "demo" / "templates" / template).read_text(encoding="utf-8")
    for name, value in values.items():
        text = text.replace(f"@{name.upper()}@", str(value))
    left = re.findall(r"@[A-Z_]+@", text)
    if left:
        raise DemoError(f"{template}: nothing given for {left}")
    return text
