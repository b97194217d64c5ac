"""The soaks for some seconds each, so that they cannot rot; and that they see what they look for.

The bars on speed and memory are of long runs on a machine of their own and are not judged here; every
other bar is.
"""

import argparse
import json
import pathlib
import random
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / folder) for folder in
                ("soak", "demo", "tests/e2e", "models/simple")]

import bars  # noqa: E402
import crowd  # noqa: E402
import kills  # noqa: E402
import questions  # noqa: E402

SECONDS = 6


def expect(what, got, wanted):
    if got != wanted:
        raise SystemExit(f"{what}: expected {wanted!r}, got {got!r}")


def judged(question, status, said):
    return questions.judge(question, status, json.dumps(said).encode()).kind


def answers_are_judged():
    mine, other = (questions.sums(random.Random(seed), rows=1) for seed in (1, 2))
    said = {"outputs": [{"name": name, "data": data} for name, data in mine.answer.items()]}
    expect("the right answer", judged(mine, 200, said), "answered")
    expect("the answer to another question", judged(other, 200, said), "wrong")
    expect("half an answer", judged(mine, 200, {"outputs": said["outputs"][:1]}), "wrong")
    expect("no answer", questions.judge(mine, 200, b"").kind, "wrong")
    expect("a refusal", judged(mine, 503, {"error": "server busy"}), "refused")
    expect("a refusal without words", judged(mine, 503, {"error": ""}), "wordless")
    expect("a refusal in no form", questions.judge(mine, 502, b"<html>").kind, "wordless")
    expect("an answer under an error's status", judged(mine, 500, said), "wordless")


def kinds_are_counted():
    """What is no fault while something is down is one in a calm, and of a proxy that lives."""
    soak = kills.Kills.__new__(kills.Kills)
    soak.tally = bars.Tally()
    calm = kills.Moment(4, True, True, 2)
    storm = kills.Moment(5, False, True, 2)
    dead = kills.Moment(5, False, False, 3)
    broken = questions.Outcome("broken", "reset")
    for outcome, before, after, wanted in (
            (broken, storm, dead, {}),
            (broken, storm, storm, {"broken_by_living_proxy": 1}),
            (questions.Outcome("refused", "busy", 503), storm, storm, {}),
            (questions.Outcome("refused", "busy", 503), calm, storm, {}),
            (questions.Outcome("refused", "busy", 503), calm, calm, {"unanswered_in_calm": 1}),
            (questions.Outcome("answered"), calm, calm, {})):
        soak.tally.counts.clear()
        soak.count("proxy", outcome, before, after)
        expect(f"{outcome} from {before} to {after}", {
            name: number for name, number in soak.tally.counts.items()
            if name in ("broken_by_living_proxy", "unanswered_in_calm")}, wanted)


def logs_are_read(verified, size, entries, wanted):
    """A broker's log that is shown after [1, 2] was."""
    class Running:
        broker_url, broker, owner_key = "", {"tls_pin": "", "key": "k"}, ""

        @staticmethod
        def ensconce(*_, expect):  # pylint: disable=unused-argument
            said = {"verified": verified, "size": size, "entries": entries, "broker_key": "k"}
            return subprocess.CompletedProcess([], 0, json.dumps(said), "")
    soak = kills.Kills.__new__(kills.Kills)
    soak.tally, soak.running, soak.log = bars.Tally(), Running, [1, 2]
    soak.read_log()
    expect(f"faults of {entries}", soak.tally.of("log_faults"), wanted)


def busy_is_told_apart():
    for status, words, wanted in ((503, "server busy", True), (500, "internal error", False),
                                  (502, "…: outside the envelope, status 503", True),
                                  (502, "snp.measurement", False),
                                  (400, "…: outside the envelope, status 503", False)):
        expect(f"busy, of {status} {words}",
               crowd.says_busy(questions.Outcome("refused", words, status)), wanted)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", default=str(ROOT / "build/dev/bin"))
    arguments = parser.parse_args()
    answers_are_judged()
    kinds_are_counted()
    busy_is_told_apart()
    logs_are_read(True, 3, [1, 2, 3], 0)
    logs_are_read(False, 3, [1, 2, 3], 1)
    logs_are_read(True, 1, [1], 1)
    logs_are_read(True, 3, [1, 7, 3], 1)
    logs_are_read(True, 4, [1, 2, 3], 1)
    with tempfile.TemporaryDirectory(prefix="ensconce-soak-") as results:
        code = subprocess.run(
            [ROOT / "soak/run", "--bin", arguments.bin, "--seconds", str(SECONDS), "--results",
             results, "kills", "overload"], stdin=subprocess.DEVNULL, check=False).returncode
        for name in ("kills", "overload"):
            path = pathlib.Path(results) / f"{name}.json"
            if not path.exists():
                raise SystemExit(f"soak/run ended with {code} and without a result of {name}")
            found = json.loads(path.read_text(encoding="utf-8"))
            for key in ("name", "commit", "changed", "machine", "seconds", "counts", "bars"):
                if key not in found:
                    raise SystemExit(f"{name}.json: no {key}")
            failed = [bar["what"] for bar in found["bars"]
                      if not bar["holds"] and not bar.get("of_the_machine")]
            if failed:
                raise SystemExit(f"{name}: {'; '.join(failed)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
