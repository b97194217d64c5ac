"""A worker that serves, with its broker and its simulated processor, for tests that talk to it.

    with stack.start(models=["simple"], bin_dir=…) as running:
        client_of(f"https://127.0.0.1:{running.worker_port}", policy=running.client_policy)

Everything is the shipped programs, started as their users start them (demo/house.py). The client's
policy affirms the worker as it was started first, and no other measurement; after restart_worker with
something changed it must therefore be refused.

By hand: `stack.py [--bin DIR] MODEL…` starts one, prints where it is as JSON, and waits for SIGINT.
"""

import argparse
import contextlib
import json
import os
import pathlib
import random
import signal
import socket
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / "demo"), str(ROOT / "models" / "simple")]

import attacks  # noqa: E402
import build as simple  # noqa: E402
import story as told  # noqa: E402
from house import MODELS, DemoError, House, fill, write  # noqa: E402

BIN = ROOT / "build" / "dev" / "bin"
CACHE = pathlib.Path(os.environ.get("ENSCONCE_CACHE", str(ROOT / ".cache")))
POLICY = "stack"  # the release policy's name at the broker


def free_port():
    """A port that was free a moment ago: a worker that is started again must come back to its own.
    If it can be, it is none that the kernel gives to connections: one of those might have it then."""
    given = pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii")
    end = int(given.split()[0])
    end = end if end > 4096 else 32768  # a machine that leaves no ports for servers
    candidates = range(max(1024, end - 12000), end)
    for port in random.sample(candidates, len(candidates)):
        with socket.socket() as s, contextlib.suppress(OSError):
            s.bind(("127.0.0.1", port))
            return port
    raise DemoError(f"no port is free between {candidates.start} and {candidates.stop}")


class Stack:
    """See start(). What a test may read:

    worker_port, worker_url, broker_url    where they listen
    broker          {"port", "key", "tls_pin"} as the broker said when it was ready
    models          names of what is served
    manifests       manifest digest (hex) of each model's bundle, by name
    owner           the model owner's public key (hex); owner_key: the file
    anchor          SHA-256 (hex) of the simulated vendor's root key
    measurement     of the worker that runs now (hex); of an Azure VM what PCR 11 holds of it
    client_policy   a file: affirms the worker as it was started first
    worker, broker_process    house.Process: pid, errors (lines of stderr)
    house           demo/house.House: programs, folders of the parties
    """

    def __init__(self, models, bin_dir=BIN, cache=CACHE, transport="auto", platform="snp"):
        self.house = House(bin_dir, cache, transport, platform)
        self.worker = None
        self._number = 0
        self._admitted = []
        try:
            self._start(models)
        except BaseException:
            self.stop()
            raise

    # ---- What a test does ----------------------------------------------------------------------

    def ensconce(self, *arguments, expect=0):
        """Runs the command-line tool to its end; another exit code than expected is an error, and
        expect=None takes any. Returns subprocess.CompletedProcess."""
        return self.house.run(self.house.program("ensconce"), *arguments, expect=expect)

    def stop_worker(self):
        if self.worker is not None:
            self.worker.stop()
            self.worker = None

    def restart_worker(self, changed=None, settings=None, worker=None, admit=True, faults=()):
        """Stops the worker and starts it again on its port. Returns its measurement.

        changed     "binary": one byte of a copy of the program; "config": a comment in its file
        settings    more lines for its configuration file, a dict: {"handler_threads": 4}
        worker      another program altogether
        faults      how its device misbehaves: docs/simulator.md, --fault
        admit       whether the model owner's release policy takes the new measurement. If not,
                    and it is a new one, the worker gets no keys and does not come up: DemoError.

        The client's policy never changes: client_policy_for() writes another."""
        self.stop_worker()
        self._number += 1
        if changed == "binary":
            worker = attacks.write_changed_worker(self.house, self.house.operator / "changed")
        elif changed == "config":
            settings = {**(settings or {}), "# changed": self._number}
        elif changed is not None:
            raise ValueError(f"what is changed: {changed}")
        config = self._config(settings or {})
        self.measurement = self.house.measure(config, worker)["reference"]
        if admit:
            self._admit(self.measurement)
        self._run(config, worker, faults)
        return self.measurement

    def start_twin(self):
        """Starts one more worker of the same models, on a port of its own, beside the first. Returns
        (house.Process, url); it ends with the stack. The client's policy does not affirm it."""
        port = free_port()
        config = told.write_worker_config(
            self.house, self.broker, "twin.toml", [self.owner],
            [self.bundles / f"{name}.sealed" for name in self.models], port)
        self._admit(self.house.measure(config)["reference"])
        twin = self.house.start_worker(config)
        if twin.ready() is None:
            raise DemoError("the twin did not start:\n" + "\n".join(twin.errors[-30:]))
        return twin, f"https://127.0.0.1:{port}"

    def client_policy_for(self, name, measurements):
        """Writes a client policy that affirms these measurements of this worker's kind."""
        return told.write_client_policy(self.house, name, self.anchor, measurements, [self.owner],
                                        self.broker, self.owner, self.models)

    def stop(self):
        self.house.close()

    # ---- How it comes up -----------------------------------------------------------------------

    def _start(self, models):
        house = self.house
        directories = dict(self._directory(one) for one in models)
        self.models = tuple(directories)
        self.owner_key, self.owner = told.make_key(house, house.owner, "owner.key")
        house.run(house.program("ensconce-sim"), "init", "--state", house.chip)
        self.anchor = house.json(house.program("ensconce-sim"), "anchor", "--state", house.chip,
                                 "--platform", house.platform.name)["spki_sha256"]
        self.broker_process, self.broker = told.start_broker(house, [self.owner],
                                                              free_port())
        self.broker_url = f"https://127.0.0.1:{self.broker['port']}"
        self.bundles = house.operator / "bundles"
        self.bundles.mkdir(mode=0o700)
        self.worker_port = free_port()
        self.worker_url = f"https://127.0.0.1:{self.worker_port}"
        config = self._config({})
        self.measurement = house.measure(config)["reference"]
        self._admit(self.measurement)
        self.manifests = {}
        for name, directory in directories.items():
            _, done = told.seal(house, self.broker, self.owner_key, name, directory, self.bundles,
                                POLICY)
            self.manifests[name] = done["manifest_digest"]
        self.client_policy = self.client_policy_for("client.toml", [self.measurement])
        self._run(config)

    def _directory(self, model):
        """(name, directory) of a model that is given so, or named."""
        if not isinstance(model, str):
            name, directory = model
            return name, pathlib.Path(directory)
        if model in (*MODELS, "page-reader"):
            return model, self.house.cache / "models" / model
        return model, simple.write(self.house.owner / "models", model)

    def _config(self, settings):
        path = told.write_worker_config(
            self.house, self.broker, "worker.toml", [self.owner],  # its name is measured as well
            [self.bundles / f"{name}.sealed" for name in self.models], self.worker_port)
        more = "".join(f"{key} = {json.dumps(value)}\n" for key, value in settings.items())
        return write(path, more + path.read_text(encoding="utf-8"))

    def _admit(self, measurement):
        if measurement in self._admitted:
            return
        self._admitted.append(measurement)
        policy = write(self.house.owner / "release-policy.toml", fill(
            "release-policy.toml", hardware=told.hardware(
                self.house, self.anchor, self._admitted, [self.owner], self.broker)))
        told.set_policy(self.house, self.broker, self.owner_key, POLICY, policy)

    def _run(self, config, worker=None, faults=()):
        self.worker = self.house.start_worker(config, worker, faults=faults)
        if self.worker.ready() is None:
            errors, self.worker = self.worker.errors, None
            raise DemoError("the worker did not start:\n" + "\n".join(errors[-30:]))


@contextlib.contextmanager
def start(models=("simple",), **options):
    """Starts simulator, broker and worker, and stops them at the end. Yields a Stack.

    models      names: "line-reader", "page-reader" and "sentence-labels" out of the cache, "simple",
                "simple_identity" and "every_type" of models/simple; or (name, directory) pairs
    bin_dir     where the programs are; cache: where models and the simulated processor are
    transport   how the simulated processor is reached: auto, fuse, pipes
    platform    whose processor it is: snp, tdx, sgx, azure
    """
    running = Stack(models, **options)
    try:
        yield running
    finally:
        running.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", default=["simple"], metavar="MODEL")
    parser.add_argument("--bin", default=BIN)
    parser.add_argument("--cache", default=CACHE)
    arguments = parser.parse_args()
    with start(arguments.models, bin_dir=arguments.bin, cache=arguments.cache) as running:
        print(json.dumps({"ready": True, "worker": running.worker_url, "broker": running.broker,
                          "client_policy": str(running.client_policy)}), flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            signal.pause()
    return 0


if __name__ == "__main__":
    sys.exit(main())
