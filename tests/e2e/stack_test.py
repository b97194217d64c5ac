"""The stack serves a model of plain tensors; changed, it is refused by its measurement and no other rule.

Exit code 0 when it is so.
"""

import argparse
import os
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent

import stack
from house import DemoError


def ask(running, policy=None):
    """What a verified worker says to an input that "simple" has not, or why it was not verified."""
    done = running.ensconce("infer", "--policy", policy or running.client_policy,
                            running.worker_url, "--model", "simple", "--text", "a", expect=None)
    return done.stderr


def expect(words, *parts):
    for part in parts:
        if part not in words:
            raise SystemExit(f"expected {part!r} in:\n{words}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", default=stack.BIN)
    parser.add_argument("--cache", default=os.environ.get("ENSCONCE_CACHE", str(ROOT / ".cache")))
    arguments = parser.parse_args()
    with stack.start(["simple", "every_type"], bin_dir=arguments.bin, cache=arguments.cache) as running:
        first = running.measurement
        served = ("verified", "inference.unknown_input")
        expect(ask(running), *served)
        if running.restart_worker() != first:
            raise SystemExit("the same worker is measured otherwise")
        expect(ask(running), *served)
        for change in ({"changed": "binary"}, {"changed": "config"},
                       {"settings": {"handler_threads": 4}}):
            measurement = running.restart_worker(**change)
            if measurement == first:
                raise SystemExit(f"{change} does not show in the measurement")
            expect(ask(running), "snp.measurement")
            expect(ask(running, running.client_policy_for("other.toml", [measurement])), *served)
            print(f"{change}: refused by the policy that was there, served under another")
        try:
            running.restart_worker(changed="config", admit=False)
        except DemoError as refused:
            expect(str(refused), "cannot serve")
            print("not admitted: no keys")
        else:
            raise SystemExit("a worker that was not admitted serves")
    return 0


if __name__ == "__main__":
    sys.exit(main())
