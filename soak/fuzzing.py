"""Every fuzz target for a long time, by fuzz/run."""

import json
import pathlib
import subprocess
import sys
import tempfile

from bars import bar

ROOT = pathlib.Path(__file__).resolve().parent.parent


def run(arguments):
    with tempfile.TemporaryDirectory(prefix="ensconce-soak-") as folder:
        path = pathlib.Path(folder) / "fuzz.json"
        code = subprocess.run(
            [ROOT / "fuzz/run", "--seconds", str(arguments.seconds), "--build", arguments.fuzz_build,
             "--json", path], stdin=subprocess.DEVNULL, stdout=sys.stderr, check=False).returncode
        if not path.exists():
            sys.exit(f"fuzz/run ended with {code} and no result; setup/build.sh fuzz fuzzers "
                     f"makes the targets, expected in {arguments.fuzz_build}")
        found = json.loads(path.read_text(encoding="utf-8"))
    targets = found["targets"]
    counts = {"targets": len(targets), "failed": len(found["failed"]),
              "executions": sum(one["executions"] for one in targets.values()),
              "crashes": sum(len(one["crashes"]) for one in targets.values())}
    return {"counts": counts, "rows": [{"target": name, **did} for name, did in targets.items()],
            "failed": found["failed"], "bars": [
                bar("inputs that make a target crash, hang or grow", counts["crashes"], "==", 0),
                bar("targets that did not run to their end", counts["failed"], "==", 0),
                bar("fewest executions of a target", min(
                    (one["executions"] for one in targets.values()), default=None), ">=", 1)]}
