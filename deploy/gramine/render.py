#!/usr/bin/env python3
"""Fills in a manifest template where Gramine's own gramine-manifest is not installed.

    render.py TEMPLATE NAME=VALUE… > MANIFEST

Templates here use names alone, {{ name }}, of Jinja's language. gramine.libos and
gramine.runtimedir() are what Gramine 1.9's Debian package has, unless given. The result is for reading and for
tests: gramine-sgx-sign wants the one that gramine-manifest wrote, and both are equal but for these two.
"""

import re
import sys

DEFAULTS = {
    "gramine.libos": "/usr/lib/x86_64-linux-gnu/gramine/libsysdb.so",
    "gramine.runtimedir()": "/usr/lib/x86_64-linux-gnu/gramine/runtime/glibc",
}


def render(template: str, values: dict[str, str]) -> str:
    known = DEFAULTS | values
    used: set[str] = set()

    def value(found: re.Match[str]) -> str:
        name = found.group(1)
        if name not in known:
            raise SystemExit(f"the template needs {name}=VALUE")
        used.add(name)
        return known[name]

    text = re.sub(r"\{\{ (.+?) \}\}", value, template)
    if "{{" in text or "{%" in text:
        raise SystemExit("the template uses more of Jinja than {{ name }}")
    if unused := set(values) - used:
        raise SystemExit(f"the template has no {', '.join(sorted(unused))}")
    return text


def main(arguments: list[str]) -> None:
    if not arguments or any("=" not in word for word in arguments[1:]):
        raise SystemExit(__doc__)
    with open(arguments[0], encoding="utf-8") as file:
        sys.stdout.write(render(file.read(), dict(word.split("=", 1) for word in arguments[1:])))


if __name__ == "__main__":
    main(sys.argv[1:])
