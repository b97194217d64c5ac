"""What a result is of: which commit, which machine. For everything that writes figures down."""

import os
import pathlib
import platform
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent


def machine():
    model = next((line.split(":", 1)[1].strip() for line in
                  pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
                  if line.startswith("model name")), "unknown")
    return {"cpu": model, "processors": os.cpu_count(), "kernel": platform.release(),
            "load_average": os.getloadavg()[0]}


def commit():
    def git(*words):
        done = subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True,
                              check=False)
        return done.stdout.strip() if done.returncode == 0 else ""
    return {"commit": git("rev-parse", "HEAD") or "unknown",
            "changed": bool(git("status", "--porcelain", "--untracked-files=no"))}
