"""Verifies one SNP report, one TDX and one SGX quote with ours and with a public verifier in turn.

Each verifier is a process that is told how often to verify and answers how long that took, so that
blocks of the two alternate within one run and a machine that is busy now and then is busy for both.
Both have the same files, with full chain and revocation lists, and verify at the same time, in one
thread and without a network. "cold": each verification begins with bytes and remembers nothing.
"warm": evidence of the same platform came before. Ours then knows the endorsements' signatures again,
but not the evidence's own, which is new in each verification; go-sev-guest keeps its parsed roots and
list, and dcap-qvl keeps nothing. The public verifiers judge no policy, so ours is a row of its own.
"""

import dataclasses
import datetime
import hashlib
import json
import os
import pathlib
import random
import shutil
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
PEERS = HERE / "peers"
BOUNDS = {"cold": 1.0, "warm": 0.5}
RESAMPLES = 4000
INSTALL_SECONDS = 600


class Skip(Exception):
    """What is missing, and what would bring it."""


@dataclasses.dataclass
class Case:
    """One piece of evidence, and how each side is started on it."""
    name: str
    peer: str
    ours: list
    theirs: list


class Side:
    """A verifier that waits to be told."""

    def __init__(self, words):
        self.process = subprocess.Popen([str(w) for w in words], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.ready = json.loads(self._line())
        if self.ask("altered") != "refused":
            raise RuntimeError(f"{words[0]} takes evidence with one bit flipped")

    def _line(self):
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.process.args[0]} ended with {self.process.wait()}")
        return line.strip()

    def ask(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return self._line()

    def nanoseconds(self, mode, times):
        """Of one verification, the mean of so many."""
        return int(self.ask(f"{mode} {times}")) / times

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=60)


# ---- Peers ---------------------------------------------------------------------------------------


def install(words, what, **options):
    """Runs an installer, or says why there is no peer."""
    try:
        done = subprocess.run([str(w) for w in words], stdin=subprocess.DEVNULL, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=INSTALL_SECONDS, **options)
    except subprocess.TimeoutExpired:
        raise Skip(f"{what}: no answer in {INSTALL_SECONDS} s") from None
    if done.returncode != 0:
        last = (done.stdout.strip().splitlines() or ["no output"])[-1]
        raise Skip(f"{what}: {last}")


def dcap_qvl(cache):
    """A Python that has dcap-qvl, and what to call it."""
    requirements = PEERS / "requirements.txt"
    text = requirements.read_text(encoding="utf-8")
    home = cache / "peers" / ("dcap-qvl-" + hashlib.sha256(text.encode()).hexdigest()[:16])
    python, done = home / "bin/python", home / "installed"
    if not done.exists():
        shutil.rmtree(home, ignore_errors=True)
        install([sys.executable, "-m", "venv", home], "python3 -m venv (package python3-venv)")
        install([python, "-m", "pip", "install", "--disable-pip-version-check", "--no-deps",
                 "--only-binary", ":all:", "--require-hashes", "-r", requirements],
                "pip install dcap-qvl")
        done.touch()
    pinned = next(w for w in text.split() if w.startswith("dcap-qvl=="))
    return python, pinned.replace("==", " ")


def go_sev_guest(cache):
    """The loop built with go-sev-guest, and what to call it."""
    if shutil.which("go") is None:
        raise Skip("there is no go on PATH (package golang-go)")
    source, home = PEERS / "go_snp", cache / "peers"
    home.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "GOTOOLCHAIN": "local", "GOWORK": "off", "CGO_ENABLED": "0",
                   "GOMODCACHE": str(home / "go"),
                   "GOFLAGS": "-mod=readonly -modcacherw -buildvcs=false -trimpath"}
    install(["go", "build", "-o", home / "go_snp", "."], "go build", cwd=source, env=environment)
    go = subprocess.run(["go", "version"], capture_output=True, text=True, check=True,
                        cwd=source, env=environment).stdout.split()[2]
    pinned = next(line.split()[-1] for line in
                  (source / "go.mod").read_text(encoding="utf-8").splitlines()
                  if line.startswith("require github.com/google/go-sev-guest "))
    return home / "go_snp", f"go-sev-guest {pinned} ({go})"


# ---- Cases ---------------------------------------------------------------------------------------


def vectors():
    root = HERE.parent.parent
    path = pathlib.Path(os.environ.get("ENSCONCE_VECTORS") or root / "../shared/vectors").resolve()
    if not path.is_dir():
        raise Skip(f"real evidence is not part of this repository, and {path} is not there; "
                   "ENSCONCE_VECTORS names the folder")
    return path


def ours(arguments, kind, at, evidence, endorsements):
    words = [pathlib.Path(arguments.bin) / "bench_verify", "--type", kind, "--at", at,
             "--evidence", evidence]
    for option, path in endorsements:
        words += ["--" + option, path]
    policy = HERE / "policy.toml"
    return words + (["--policy", policy] if policy.exists() else [])


def snp_case(arguments, folder):
    program, peer = go_sev_guest(pathlib.Path(arguments.cache))
    at, snp = "2025-05-20T18:31:36Z", folder / "snp"
    report = snp / "reports/genoa-v3-vcek-tsm.report.bin"
    vcek = snp / "reports/genoa-v3-vcek-tsm.vcek.der"
    ask, ark = snp / "anchors/ask_genoa.der", snp / "anchors/ark_genoa.der"
    crl = snp / "crl/genoa-20241023.crl.der"
    return Case("snp", peer,
                ours(arguments, "snp", at, report,
                     [("certificate", vcek), ("certificate", ask), ("certificate", ark),
                      ("crl", crl)]),
                [program, at, report, vcek, ask, ark, crl])


def intel_case(arguments, folder, kind, quote, collateral, at):
    python, peer = dcap_qvl(pathlib.Path(arguments.cache))
    quote, collateral = folder / quote, folder / "intel/collateral" / collateral
    seconds = int(datetime.datetime.fromisoformat(at.replace("Z", "+00:00")).timestamp())
    return Case(kind, peer,
                ours(arguments, kind, at, quote,
                     [("chain", collateral / "pck_crl_issuer_chain.pem"),
                      ("chain", collateral / "tcb_signing_chain.pem"),
                      ("crl", collateral / "pck_crl.der"), ("crl", collateral / "root_ca_crl.der"),
                      ("tcb-info", collateral / "tcb_info.json"),
                      ("qe-identity", collateral / "qe_identity.json")]),
                [python, PEERS / "dcap_qvl_loop.py", seconds, quote, collateral])


def tdx_case(arguments, folder):
    return intel_case(arguments, folder, "tdx", "tdx/quotes/v4-b0c06f.quote.bin",
                      "tdx-B0C06F000000-2025-06", "2025-07-04T10:16:31Z")


def sgx_case(arguments, folder):
    return intel_case(arguments, folder, "sgx", "sgx/quotes/v3-00a06711.quote.bin",
                      "sgx-00A067110000-2025-06", "2025-07-04T10:28:44Z")


CASES = {"snp": snp_case, "tdx": tdx_case, "sgx": sgx_case}


# ---- Measuring -----------------------------------------------------------------------------------


def median_interval(values):
    """The 95 % bootstrap interval of the median."""
    generator = random.Random(1)
    medians = sorted(statistics.median(generator.choices(values, k=len(values)))
                     for _ in range(RESAMPLES))
    return medians[int(0.025 * RESAMPLES)], medians[int(0.975 * RESAMPLES)]


def compare(case, left, right, mode, arguments):
    """Blocks of both in turn; which is first changes, too."""
    longer = max(left.nanoseconds(mode, 10), right.nanoseconds(mode, 10))
    times = max(5, round(arguments.block_ms * 1e6 / longer))
    pairs = []
    for i in range(arguments.blocks):
        sides = [left, right] if i % 2 == 0 else [right, left]
        took = {side: side.nanoseconds(mode, times) for side in sides}
        pairs.append((took[left], took[right]))
    ratios = [a / b for a, b in pairs]
    low, high = median_interval(ratios)
    return {"evidence": case.name, "mode": mode, "peer": case.peer, "blocks": len(pairs),
            "iterations": times, "ours_us": round(statistics.median(a for a, _ in pairs) / 1e3, 1),
            "peer_us": round(statistics.median(b for _, b in pairs) / 1e3, 1),
            "ratio": round(statistics.median(ratios), 4), "ratio_low": round(low, 4),
            "ratio_high": round(high, 4)}


def policy_row(case, side, arguments):
    blocks = [side.nanoseconds("policy", 200) for _ in range(arguments.blocks)]
    return {"evidence": case.name, "mode": "policy", "appraisal": side.ready["appraisal"],
            "ours_us": round(statistics.median(blocks) / 1e3, 1)}


def rows_of(case, arguments):
    left = Side(case.ours)
    right = Side(case.theirs)
    try:
        if left.ready["status"] != right.ready["status"]:
            raise RuntimeError(f"{case.name}: ours says {left.ready['status']}, "
                               f"{case.peer} {right.ready['status']}")
        rows = [compare(case, left, right, mode, arguments) for mode in BOUNDS]
        return rows + ([policy_row(case, left, arguments)] if "appraisal" in left.ready else [])
    finally:
        left.close()
        right.close()


def bar(name, mode, row):
    """Holds, or does not, where the whole interval says so; else nobody knows."""
    bound = BOUNDS[mode]
    out = {"what": f"verify {name}, {mode}: ours / {row['peer'] if row else 'a public verifier'}",
           "value": row["ratio"] if row else None, "op": "<=", "bound": bound, "holds": None}
    if row and (row["ratio_high"] <= bound or row["ratio_low"] > bound):
        out["holds"] = row["ratio_high"] <= bound
    return out


def say(row):
    if "skipped" in row:
        text = f"SKIPPED: {row['skipped']}"
    elif row["mode"] == "policy":
        text = f"policy  {row['ours_us']:8.1f} us, alone"
    else:
        text = (f"{row['mode']}    {row['ours_us']:8.1f} us, {row['peer']} {row['peer_us']:8.1f} us, "
                f"ratio {row['ratio']:.3f} [{row['ratio_low']:.3f}, {row['ratio_high']:.3f}]")
    print(f"   {row['evidence']}  {text}", file=sys.stderr, flush=True)


def run(arguments):
    try:
        folder = vectors()
    except Skip as why:
        print(f"   SKIPPED: {why}", file=sys.stderr, flush=True)
        return {"skipped": str(why)}
    rows, bars = [], []
    for name, case_of in CASES.items():
        try:
            measured = rows_of(case_of(arguments, folder), arguments)
        except Skip as why:
            measured = [{"evidence": name, "skipped": str(why)}]
        for row in measured:
            say(row)
        rows += measured
        of = {row["mode"]: row for row in measured if "mode" in row}
        bars += [bar(name, mode, of.get(mode)) for mode in BOUNDS]
    out = {"rows": rows, "bars": bars}
    if all("skipped" in row for row in rows):
        out["skipped"] = "; ".join(f"{row['evidence']}: {row['skipped']}" for row in rows)
    return out
