#!/usr/bin/python3
"""Compiles a file with ENSC_MISUSE defined, which must fail at the line marked so and with the words
given there. The build has compiled it without, which must pass.

    // MISUSE: words of the compiler's complaint | or words of another compiler's

Usage: compile_fail.py COMPILER FILE INCLUDE_FOLDER…
"""

import pathlib
import re
import subprocess
import sys


def compiled(compiler, file, folders):
    done = subprocess.run(
        [compiler, "-std=c++20", "-fsyntax-only", "-Wall", "-Wextra", "-Werror",
         *(f"-I{folder}" for folder in folders), "-DENSC_MISUSE", str(file)],
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C"},
        capture_output=True, text=True, check=False)
    return done.returncode == 0, done.stderr


def main(argv):
    compiler, file, folders = argv[1], pathlib.Path(argv[2]), argv[3:]
    text = file.read_text(encoding="utf-8")
    wanted = re.search(r"// MISUSE: (.+)", text)
    if not wanted:
        print(f"{file}: no line marked MISUSE")
        return 1
    passed, said = compiled(compiler, file, folders)
    if passed:
        print(f"{file}: the wrong use compiles")
        return 1
    line = text.count("\n", 0, wanted.start()) + 1
    if f"{file.name}:{line}:" not in said:
        print(f"{file}: expected a complaint about line {line}, got:\n{said}")
        return 1
    words = [w.strip() for w in wanted[1].split("|")]
    if not any(w in said for w in words):
        print(f"{file}: expected the complaint to say one of {words}, got:\n{said}")
        return 1
    print(f"{file.name}: the wrong use does not compile")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
