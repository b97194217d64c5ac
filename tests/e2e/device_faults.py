"""What the shipped worker makes of a secure processor's device that misbehaves.

For each fault of one platform: it asks again and then serves, or it does not come up and says by which
error; a report for another challenge never leaves it.

Exit code 0 when it is so. 77: this machine cannot play the platform (skipped aloud).
"""

import argparse
import os
import sys

import stack
from house import DemoError
from platforms import missing_for

SERVES = None

# What befalls, and what comes of it: SERVES, or the id of the worker's error.
EVERYWHERE = (
    ("busy:2", SERVES),
    ("busy", "tee.busy"),
    ("throttled:2", SERVES),
    ("throttled", "tee.busy"),
    ("firmware-error", {"snp": "tee.io", "tdx": "tee.io", "sgx": "tee.io", "azure": "tee.firmware"}),
    ("short-read", "tee.bad_answer"),
    ("denied", "tee.denied"),
    ("hang", "tee.timed_out"),
    ("stale", "tee.wrong_report"),
)
OWN = {
    "snp": (("wrong-generation:1", SERVES), ("wrong-generation", "tee.busy"),
            ("privilege-level", "tee.privilege_level")),
    "tdx": (("wrong-generation:1", SERVES), ("wrong-generation", "tee.busy"),
            ("tdreport", "tee.tdreport")),
    "sgx": (),
    "azure": (("other-ak", "tee.wrong_key"), ("other-vm", "tee.wrong_key")),
}


def came_of(running, fault):
    """SERVES, or the last words of a worker that did not come up."""
    try:
        running.restart_worker(faults=[fault])
    except DemoError as refused:
        return str(refused)
    return SERVES


def check(running, fault, expected):
    words = came_of(running, fault)
    if expected is SERVES:
        if words is not SERVES:
            raise SystemExit(f"{fault}: the worker should have asked again and served:\n{words}")
        if not any("befalls request" in line for line in running.worker.errors):
            raise SystemExit(f"{fault}: it never befell")
        print(f"{fault}: asked again, serves")
    else:
        if words is SERVES or f"cannot serve: {expected}:" not in words:
            raise SystemExit(f"{fault}: expected {expected}, got\n{words or 'a worker that serves'}")
        print(f"{fault}: {expected}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", default=stack.BIN)
    parser.add_argument("--cache", default=os.environ.get("ENSCONCE_CACHE", str(stack.CACHE)))
    parser.add_argument("--platform", default="snp", choices=OWN)
    arguments = parser.parse_args()
    if (missing := missing_for(arguments.platform, "fuse")) is not None:
        print(f"SKIPPED: {arguments.platform} cannot be played here: {missing}")
        return 77
    with stack.start(["simple"], bin_dir=arguments.bin, cache=arguments.cache, transport="fuse",
                     platform=arguments.platform) as running:
        for fault, expected in EVERYWHERE + OWN[arguments.platform]:
            if isinstance(expected, dict):
                expected = expected[arguments.platform]
            check(running, fault, expected)
        running.restart_worker()
        words = running.ensconce("infer", "--policy", running.client_policy, running.worker_url,
                                 "--model", "simple", "--text", "a", expect=None).stderr
        if "verified" not in words:
            raise SystemExit(f"a worker whose device behaves is not verified:\n{words}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
