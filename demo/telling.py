"""How the story is told: words for people on stdout, plain when piped."""

import sys
import time

_COLOR = sys.stdout.isatty()
_START = time.monotonic()


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


def quote(lines, limit=14):
    lines = [line for line in lines if line.strip()]
    for line in lines[-limit:]:
        say(dim("   | ") + line[:118])
