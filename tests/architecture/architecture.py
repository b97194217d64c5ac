#!/usr/bin/python3
"""Reads every #include, and every DEPS of a CMake library, against edges.txt.

Usage: architecture.py [ROOT]. Prints what breaks the rule and exits 1, or what was read and exits 0.
Tests and fakes (any folder named test, and tests/) may use anything that exists; nothing shipped may
use them.
"""

import fnmatch
import pathlib
import re
import sys

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.MULTILINE)
PARTS = ("evidence", "endorsements", "verify", "policy", "appraise", "result")  # folders inside attestation
ALL = None  # every header of a unit


class Rule:
    """edges.txt, with everything that a unit reaches."""

    def __init__(self, text):
        self.edges = {}  # unit -> {unit: headers or ALL}
        self.targets = {}  # CMake library -> (unit, headers or ALL)
        self.foreign = []  # (prefixes, patterns of files)
        self.problems = []
        for number, line in enumerate(text.splitlines(), 1):
            line = line.split("#", 1)[0].strip()
            if line and not self._read(line):
                self.problems.append(f"edges.txt:{number}: cannot read: {line}")
        self.reach = {unit: self._reach(unit, ()) for unit in list(self.edges)}

    def _read(self, line):
        if line.startswith("target "):
            name, _, what = line[len("target "):].partition("=")
            [(unit, headers)] = list(self._units(what)) or [(None, ALL)]
            self.targets[name.strip()] = (unit, headers)
            return unit is not None
        if line.startswith("foreign "):
            prefixes, _, files = line[len("foreign "):].partition(":")
            self.foreign.append((tuple(prefixes.split()), tuple(files.split())))
            return bool(prefixes.split() and files.split())
        left, arrow, right = line.partition(">")
        to = self.edges.setdefault(left.strip(), {})
        for unit, headers in self._units(right):
            to[unit] = headers
            self.edges.setdefault(unit, {})
        return arrow == ">" and bool(to)

    @staticmethod
    def _units(text):
        for match in re.finditer(r"([a-z_/]+)(?:\(([^)]*)\))?", text):
            yield match[1], ALL if match[2] is None else frozenset(match[2].split())

    def _reach(self, unit, path):
        if unit in path:
            self.problems.append("edges.txt: a cycle: " + " > ".join((*path, unit)))
            return {}
        out = {}
        for to, headers in self.edges.get(unit, {}).items():
            _merge(out, to, headers)
            for further, of_it in self._reach(to, (*path, unit)).items():
                _merge(out, further, of_it)
        return out

    def may(self, unit, to, header):
        if unit == to or to.startswith(unit + "/"):
            return True
        allowed = self.reach.get(unit, {})
        return to in allowed and (allowed[to] is ALL or header in allowed[to])

    def may_link(self, unit, to, headers):
        """A library that gives more than the edge allows may be linked only where no smaller one
        exists that gives just that."""
        if unit == to or to.startswith(unit + "/"):
            return True
        allowed = self.reach.get(unit, {})
        if to not in allowed:
            return False
        if allowed[to] is ALL or (headers is not ALL and allowed[to] <= headers):
            return True
        return not any(of == to and has is not ALL for of, has in self.targets.values())


def _merge(out, unit, headers):
    known = out.get(unit, frozenset())
    out[unit] = ALL if headers is ALL or known is ALL else known | headers


def unit_of(path):
    """The unit a file belongs to; None for tests, which may use anything."""
    parts = path.parts
    if "test" in parts or "tests" in parts or parts[0] == "fuzz":
        return None
    if parts[0] == "apps":
        return "/".join(parts[:2])
    if parts[0] != "lib":
        return parts[0]
    if parts[1] == "attestation":
        for part in PARTS:
            if part in parts[2:-1]:
                return f"attestation/{part}"
    return parts[1]


def unit_of_header(name):
    """The unit of an include such as ensconce/attestation/verify/verified.h."""
    parts = name.split("/")
    if parts[1] == "attestation" and len(parts) > 3:
        return f"attestation/{parts[2]}"
    return parts[1]


class Tree:
    """One checkout, and what in it breaks the rule."""

    def __init__(self, root, rule):
        self.root = root
        self.rule = rule
        self.num_includes = 0
        self.problems = list(rule.problems)
        self.headers = {str(p.relative_to(d.parent))
                        for d in root.glob("lib/*/include/ensconce") for p in d.rglob("*.h")}

    def files(self):
        for top in ("lib", "apps", "fuzz", "bench", "tests"):
            for path in sorted((self.root / top).rglob("*")):
                if path.suffix in (".h", ".cc", ".c", ".inc") and path.is_file():
                    yield path.relative_to(self.root)

    def examine(self):
        for path in self.files():
            unit = unit_of(path)
            if unit is not None and unit not in self.rule.edges:
                self.problems.append(f"{path}: edges.txt does not know {unit}")
                continue
            text = (self.root / path).read_text(encoding="utf-8")
            for match in INCLUDE.finditer(text):
                self.num_includes += 1
                line = text.count("\n", 0, match.start()) + 1
                why = self.refuses(path, unit, match[1] == '"', match[2])
                if why:
                    self.problems.append(f"{path}:{line}: {match[2]}: {why}")
        for top in ("lib", "apps", "bench"):
            for path in sorted((self.root / top).rglob("*")):
                if path.name == "CMakeLists.txt" or path.suffix == ".cmake":
                    self.examine_links(path.relative_to(self.root))

    def refuses(self, path, unit, quoted, name):
        if name.startswith("ensconce/"):
            if name not in self.headers:
                return "no such public header"
            if unit is None:
                return None
            to = unit_of_header(name)
            if not self.rule.may(unit, to, name.rsplit("/", 1)[1]):
                return f"{unit} may not use {to}"
            return None
        if quoted and self.is_private_header_of_its_own(path, name):
            return None
        public = "include" in path.parts
        for prefixes, files in self.rule.foreign:
            if name.startswith(prefixes):
                if public:
                    return "a public header sees no library but ours"
                if unit is not None and not any(fnmatch.fnmatch(str(path), f) for f in files):
                    return "this file may not see that library"
                return None
        if quoted:
            return "neither a public header nor a private one of its own folder"
        if public and ("/" in name and not name.startswith("sys/") or name.endswith(".hpp")):
            return "a public header sees no library but ours"
        return None

    def is_private_header_of_its_own(self, path, name):
        home = self.root.joinpath(*path.parts[: 1 if path.parts[0] == "bench" else 2])
        folders = [(self.root / path).parent, home / "src"]
        if unit_of(path) is None:
            folders.append(home / "test")
        for folder in folders:
            found = (folder / name).resolve()
            if found.is_file() and found.is_relative_to(home.resolve()):
                return True
        # A test may borrow another's fixture, never another library's inside.
        return unit_of(path) is None and any(
            found for top in ("lib", "apps") for found in self.root.glob(f"{top}/*/test/{name}"))

    def examine_links(self, path):
        text = re.sub(r"#[^\n]*", "", (self.root / path).read_text(encoding="utf-8"))
        for match in re.finditer(r"ensc_(library|program)\(\s*NAME\s+(\S+)([^)]*)\)", text):
            kind, name, rest = match.groups()
            if kind == "library":
                unit = self.rule.targets.get(name, (name, ALL))[0]
            else:
                unit = unit_of(path)
            if unit is None:
                continue
            words = re.sub(r"\$\{[^}]*\}|\$<[^>]*>", "", rest).split()
            if unit not in self.rule.edges:
                self.problems.append(f"{path}: edges.txt does not know {unit} ({name})")
                continue
            self.examine_deps(path, name, unit, _after(words, "DEPS"))
        for match in re.finditer(r"target_link_libraries\(\s*(\S+)([^)]*)\)", text):
            name = match[1].removeprefix("ensc_")
            if match[1] != name:  # a library of ours; anything else here is a test or a tool
                unit = self.rule.targets.get(name, (name, ALL))[0]
                self.examine_deps(path, name, unit, re.findall(r"ensconce::(\w+)", match[2]))

    def examine_deps(self, path, name, unit, deps):
        for dep in deps:
            to, headers = self.rule.targets.get(dep, (dep, ALL))
            if not self.rule.may_link(unit, to, headers):
                self.problems.append(f"{path}: {name} links {dep}: {unit} may not use it")


def _after(words, keyword):
    taking = False
    for word in words:
        if re.fullmatch("[A-Z]+", word):
            taking = word == keyword
        elif taking:
            yield word


def examine(root, edges):
    tree = Tree(pathlib.Path(root).resolve(), Rule(edges))
    tree.examine()
    return tree


def main(argv):
    here = pathlib.Path(__file__).resolve().parent
    root = argv[1] if len(argv) > 1 else here.parent.parent
    tree = examine(root, (here / "edges.txt").read_text(encoding="utf-8"))
    for problem in tree.problems:
        print(problem)
    print(f"{tree.num_includes} includes and {len(tree.headers)} public headers read, "
          f"{len(tree.problems)} against the rule")
    return 1 if tree.problems or tree.num_includes == 0 else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
