"""A broker in a secure processor of its own, before a worker and an owner's tool that demand evidence of it.

Broker and worker each run under `ensconce-sim run`, one simulated processor for both. With the broker as it
was measured, keys are given and released and the model is served. A broker that shows no evidence, one whose
program was changed, and a worker in the broker's place are refused, before anything but the question for
evidence is sent: no content key reaches them.
"""

import argparse
import json
import os
import pathlib
import shutil
import sys

import stack  # puts demo/ on the path
import story as told
from house import House, fill, write

MODEL = "simple"
POLICY = "workers"


def expect(holds, what):
    if not holds:
        raise SystemExit(f"broker_evidence: {what}")


class BrokerHouse:
    """A broker that can be started in several ways over one state directory."""

    def __init__(self, house):
        self.house = house
        self.state = house.owner / "broker"
        self.port = stack.free_port()
        self.owner_key, self.owner = told.make_key(house, house.owner, "owner.key")
        house.run(house.program("ensconce-sim"), "init", "--state", house.chip)
        self.anchor = house.json(house.program("ensconce-sim"), "anchor", "--state",
                                 house.chip)["spki_sha256"]
        house.run(house.program("ensconce-broker"), "init", "--state", self.state)
        self.identity = json.loads((self.state / "identity.json").read_text(encoding="utf-8"))
        self.identity["port"] = self.port
        self.process = None

    def config(self, evidence=True):
        text = fill("broker.toml", port=self.port, state=self.state,
                    owner_keys=told.quoted([self.owner]))
        return write(self.house.owner / "broker.toml", text + ('tsm_root = "tsm"\n' if evidence else ""))

    def measure(self, program=None):
        return self.house.measure(self.config(), program or self.house.program("ensconce-broker"))[
            "measurement"]

    def start(self, program=None, evidence=True):
        self.stop()
        config = self.config(evidence)
        program = program or self.house.program("ensconce-broker")
        if evidence:
            self.process = self.house.start_worker(config, program)
        else:
            self.process = self.house.start("ensconce-broker", [program, "--config", config])
        said = self.process.ready()
        expect(said is not None, "no broker:\n" + "\n".join(self.process.errors[-20:]))
        expect(said["tls_pin"] == self.identity["tls_pin"] and said["key"] == self.identity["key"],
               "a broker that starts again has other keys")

    def stop(self):
        if self.process is not None:
            self.process.stop()
            self.process = None

    def policy(self, name, measurement):
        """What a worker and an owner demand of the broker."""
        hardware = told.hardware(self.house, self.anchor, [measurement], [self.owner], self.identity)
        return write(self.house.owner / name, 'format = "ensconce-policy/1"\nrole = "peer"\n'
                     f"{hardware}\n[freshness]\nhardware = true\n")

    def ask(self, *words, policy=None, expect_code=0):
        more = ["--broker-policy", policy] if policy else []
        return self.house.run(
            self.house.program("ensconce"), *words, "--broker", f"https://127.0.0.1:{self.port}",
            "--broker-pin", self.identity["tls_pin"], "--owner-key", self.owner_key, *more,
            expect=expect_code)

    def keys(self):
        return json.loads(self.ask("broker", "key", "list").stdout)["keys"]

    def log_size(self):
        return json.loads(self.ask("broker", "log").stdout)["size"]

    def seal(self, name, policy, expect_code=0):
        out = self.house.operator / f"{name}.sealed"
        done = self.ask("model", "seal", self.source, "--out", out, "--name", MODEL, "--version", 1,
                        "--policy", POLICY, policy=policy, expect_code=expect_code)
        expect(out.exists() == (expect_code == 0), f"{out} is there, or is not")
        return out, done


def worker_config(broker, bundle, broker_policy, port=0):
    return told.write_worker_config(broker.house, broker.identity, "worker.toml", [broker.owner],
                                    [bundle], port, more=f'broker_policy = "{broker_policy}"')


def admit(broker, config):
    """The owner's release policy takes the worker as it will be started."""
    measurement = broker.house.measure(config)["measurement"]
    policy = write(broker.house.owner / "release-policy.toml", fill(
        "release-policy.toml", hardware=told.hardware(broker.house, broker.anchor, [measurement],
                                                      [broker.owner], broker.identity)))
    broker.ask("broker", "policy", "set", POLICY, policy)
    return measurement


def refused_worker(broker, config, code):
    before = broker.log_size()
    worker = broker.house.start_worker(config)
    expect(worker.ready() is None, f"a worker came up, and {code} was expected")
    said = "\n".join(worker.errors)
    expect(f"cannot serve: {code}" in said and "the broker was not affirmed" in said,
           f"expected {code}, the worker said:\n{said}")
    expect(broker.log_size() == before, "a worker that refused its broker asked it for something")


def affirmed(broker, good):
    """The owner gives a key to the broker it affirmed, and the worker gets it from there."""
    admit(broker, worker_config(broker, "not-there.sealed", good))
    bundle, _ = broker.seal("genuine", good)
    expect(len(broker.keys()) == 1, "the affirmed broker has not one key")
    config = worker_config(broker, bundle, good)
    measurement = admit(broker, config)
    worker = broker.house.start_worker(config)
    said = worker.ready()
    expect(said is not None, "no worker:\n" + "\n".join(worker.errors[-20:]))
    expect(any("broker affirmed: ensconce-broker" in line for line in worker.errors),
           "the worker did not say whom it affirmed")
    client = told.write_client_policy(broker.house, "client.toml", broker.anchor, [measurement],
                                      [broker.owner], broker.identity, broker.owner, [MODEL])
    asked = broker.house.run(
        broker.house.program("ensconce"), "infer", "--policy", client,
        f"https://127.0.0.1:{said['port']}", "--model", MODEL, "--text", "a", expect=None)
    # The model is asked and has no such input: it takes tensors.
    expect("verified" in asked.stderr and "inference.unknown_input" in asked.stderr, asked.stderr)
    return config, worker, said["port"]


def drafted(broker, good):
    """What `policy init --role peer` writes of the running broker affirms it."""
    draft = broker.house.owner / "drafted.toml"
    broker.house.run(broker.house.program("ensconce"), "policy", "init",
                     f"https://127.0.0.1:{broker.port}", "--role", "peer", "--out", draft)
    broker.ask("broker", "key", "list", policy=draft)
    fields = {line.split("=")[0].strip(): line for line in draft.read_text("utf-8").splitlines()}
    expect("hardware" in fields and broker.identity["key"] in fields["broker_key"],
           "the draft does not name the broker's key, or its freshness")
    expect(good.exists(), "no policy")


def run(house):
    broker = BrokerHouse(house)
    broker.source = stack.simple.write(house.owner / "models", MODEL)
    measured = broker.measure()
    good = broker.policy("broker-policy.toml", measured)
    broker.start()
    config, worker, port = affirmed(broker, good)
    drafted(broker, good)
    print("affirmed: key given, key released, model served; `policy init` writes what affirms it")

    # No evidence.
    broker.start(evidence=False)
    _, done = broker.seal("blind", good, expect_code=7)
    expect("channel.no_evidence" in done.stderr, done.stderr)
    expect(len(broker.keys()) == 1, "a key was given to a broker without evidence")
    refused_worker(broker, config, "channel.no_evidence")
    print("no evidence: no key given, none asked for")

    # Another program, over the same keys.
    changed = house.operator / "changed" / "ensconce-broker"
    changed.parent.mkdir(mode=0o700)
    shutil.copy(house.program("ensconce-broker"), changed)
    with open(changed, "ab") as f:
        f.write(b"\0")
    changed.chmod(0o755)
    broker.start(program=str(changed))
    _, done = broker.seal("changed", good, expect_code=6)
    expect("snp.measurement" in done.stderr and measured in done.stderr, done.stderr)
    expect(len(broker.keys()) == 1, "a key was given to a changed broker")
    refused_worker(broker, config, "snp.measurement")
    print("another program: no key given, none asked for")

    # A policy that knows vendors' roots alone, as they all do by default.
    text = good.read_text(encoding="utf-8")
    at = text.index("[[anchors.listed]]")
    vendors = write(house.owner / "vendors.toml",
                    text[:at].replace("accept = []", "") + '[anchors]\naccept = ["vendor"]\n\n'
                    + text[text.index("[snp]"):])
    broker.start()
    _, done = broker.seal("simulated", vendors, expect_code=None)
    expect(done.returncode == 4 and "snp.chain.ark_pinned" in done.stderr, done.stderr)
    expect(len(broker.keys()) == 1, "a key was given to a simulated broker")
    print("a simulated broker under a vendors' policy: no key given")

    # A worker in the broker's place is measured otherwise, and has another TLS key than the pinned.
    broker_port, broker.port = broker.port, port
    done = broker.ask("broker", "key", "list", policy=good, expect_code=None)
    expect(done.returncode == 7 and "net.tls_pin" in done.stderr, done.stderr)
    broker.port = broker_port
    worker.stop()
    print("a worker in the broker's place: refused")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", default=stack.BIN)
    parser.add_argument("--cache", default=os.environ.get("ENSCONCE_CACHE", str(stack.ROOT / ".cache")))
    parser.add_argument("--transport", default="auto")
    arguments = parser.parse_args()
    house = House(pathlib.Path(arguments.bin), pathlib.Path(arguments.cache), arguments.transport)
    try:
        run(house)
    finally:
        house.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
