"""Triton's own client against the worker's request path, here without protection: ensconce-bench-plain.

Builds the models of models/simple, serves them and runs tests/peers/tritonclient_test.py with the
Python that has `tritonclient[http]`. Exit code 77, aloud, where there is none.
"""

import argparse
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / "demo"), str(ROOT / "models" / "simple")]

import build as simple  # noqa: E402
from house import Process  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", default=ROOT / "build" / "dev" / "bin", type=pathlib.Path)
    parser.add_argument("--python", default="python3")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ensconce-triton-") as folder:
        models = [word for name in simple.MODELS
                  for word in ("--model", f"{name}={simple.write(pathlib.Path(folder), name)}")]
        server = Process("ensconce-bench-plain",
                         [arguments.bin / "ensconce-bench-plain", *models, "--port", "0"])
        try:
            said = server.ready()
            if said is None:
                raise SystemExit("the server did not start:\n" + "\n".join(server.errors))
            return subprocess.run(
                [arguments.python, "-B", ROOT / "tests/peers/tritonclient_test.py",
                 f"127.0.0.1:{said['port']}"], check=False).returncode
        finally:
            server.stop()


if __name__ == "__main__":
    sys.exit(main())
