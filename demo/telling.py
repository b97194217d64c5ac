"""How the story is told: words for people on stdout, plain when piped."""

import re
import sys
import textwrap
import time

_COLOR = sys.stdout.isatty()
_START = time.monotonic()
WIDTH = 116


def _paint(code, text):
    return f"\033[{code}m{text}\033[0m" if _COLOR else text


def bold(text):
    return _paint("1", text)


def good(text):
    return _paint("32", text)


def bad(text):
    return _paint("31", text)


def loud(text):
    return _paint("33;1", text)


def dim(text):
    return _paint("2", text)


def say(text=""):
    print(text, flush=True)


def chapter(number, title):
    say()
    say(bold(f"{number}. {title}") + dim(f"   [{time.monotonic() - _START:.1f} s]"))


def holds(party, text):
    say(f"   {party:<12} {text}")


def short(digest):
    return digest[:16] + "…" if len(digest) > 16 else digest


_LOG_PREFIX = re.compile(r"^\d{4}-\d\d-\d\dT[\d:]+Z (ensconce-\w+) \w+ ")
_DIGEST = re.compile(r"\b([0-9a-f]{24})[0-9a-f]{16,}")
_SOURCE = re.compile(r" \[[\w./-]+:\d+\]$")


def quote(lines, limit=14):
    """Prints what programs said, without the times and source lines of their logs."""
    lines = [_DIGEST.sub(r"\1…", _SOURCE.sub("", _LOG_PREFIX.sub(r"\1: ", line))).rstrip()
             for line in lines]
    for line in [line for line in lines if line][-limit:]:
        indent = len(line) - len(line.lstrip())
        if "  " in line.strip():  # a table row: goes on under its last column
            indent = line.rstrip().rfind("  ") + 2
        for part in textwrap.wrap(line, WIDTH, subsequent_indent=" " * min(indent, 42),
                                  drop_whitespace=False, break_on_hyphens=False):
            say(dim("   | ") + part.rstrip())
