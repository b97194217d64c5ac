"""The systemd units are well formed and as closed as they say.

systemd-analyze reads them offline, with and without the drop-ins. Exit code 77 where it is missing.
"""

import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
UNITS = ROOT / "packaging" / "systemd"

# systemd's exposure level, from 0.0 (closed) to 10.0 (open): no more than this, in tenths.
CASES = (
    ("ensconce-worker", None, 25),
    ("ensconce-worker", "without-configfs", 20),
    ("ensconce-broker", None, 17),
    ("ensconce-broker", "attested", 25),
)
# What no unit may lose, whatever the sum says.
ALWAYS = ("NoNewPrivileges=yes", "ProtectSystem=strict", "PrivateTmp=yes", "LimitCORE=0",
          "MemorySwapMax=0", "MemoryDenyWriteExecute=yes", "SystemCallFilter=@system-service",
          "RestrictAddressFamilies=AF_INET AF_INET6", "DevicePolicy=closed", "ProtectHome=yes",
          "SystemCallArchitectures=native", "UMask=0077")


def analyze(*arguments):
    return subprocess.run(["systemd-analyze", *map(str, arguments)], check=False, text=True,
                          capture_output=True)


def lay(top, name, drop_in):
    """A root folder with the unit, a program in its place, and the drop-in where it belongs."""
    units = top / "etc/systemd/system"
    units.mkdir(parents=True)
    shutil.copyfile(UNITS / f"{name}.service", units / f"{name}.service")
    if drop_in:
        folder = units / f"{name}.service.d"
        folder.mkdir()
        shutil.copyfile(UNITS / f"{name}-{drop_in}.conf", folder / f"{drop_in}.conf")
    program = top / "usr/bin" / name
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n", encoding="ascii")
    program.chmod(0o755)
    # Units of systemd's own, which ours name.
    lib = top / "usr/lib/systemd/system"
    lib.mkdir(parents=True)
    for path in pathlib.Path("/usr/lib/systemd/system").glob("*"):
        if path.is_file():
            shutil.copyfile(path, lib / path.name)
    return units / f"{name}.service"


def examine(name, drop_in, tenths):
    problems = []
    with tempfile.TemporaryDirectory() as top:
        unit = lay(pathlib.Path(top), name, drop_in)
        verified = analyze("verify", f"--root={top}", "--man=no", "--recursive-errors=no", unit)
        ours = [line for line in verified.stderr.splitlines() if name in line]
        if verified.returncode != 0 or ours:
            problems += [f"verify ended with {verified.returncode}", verified.stderr]
        judged = analyze("security", "--offline=true", f"--root={top}", "--no-pager",
                         f"--threshold={tenths}", f"{name}.service")
        level = re.search(r"Overall exposure level for \S+: (\S+)", judged.stdout)
        if judged.returncode != 0 or level is None:
            problems += [f"more exposed than {tenths / 10}", judged.stdout, judged.stderr]
        print(f"{name} {drop_in or 'as installed'}: exposure {level[1] if level else 'unknown'}")
    return problems


def main():
    if shutil.which("systemd-analyze") is None:
        print("SKIPPED: systemd-analyze is not here, so nobody reads the units")
        return 77
    problems = []
    for name in sorted({case[0] for case in CASES}):
        lines = (UNITS / f"{name}.service").read_text(encoding="utf-8").splitlines()
        problems += [f"{name}.service lacks {line}" for line in ALWAYS if line not in lines]
    for case in CASES:
        problems += [f"{case[0]} {case[1] or ''}: {problem}" for problem in examine(*case)]
    # The reader does read: a unit with a word that systemd does not know is found.
    with tempfile.TemporaryDirectory() as top:
        unit = lay(pathlib.Path(top), "ensconce-broker", None)
        unit.write_text(unit.read_text(encoding="utf-8").replace("PrivateTmp", "PrivateTemp"),
                        encoding="utf-8")
        found = analyze("verify", f"--root={top}", "--man=no", unit)
        if "PrivateTemp" not in found.stderr:
            problems.append("a misspelt key was not found")
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
