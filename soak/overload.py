"""Many more clients than a worker serves at a time, straight to it and through proxies of both kinds of
channel, each with its next question at once; and at times no room is left for any body, so that
whoever asks is refused.

What must be so: an answer is right, or it is a 503 in words (502 where the proxy cannot know whose it
is), and who asks again gets the answer; no connection is broken off; the health check is answered
throughout; and when the crowd has gone, an ordinary request takes as long as before and the worker's
memory is as before.
"""

import http.client
import json
import pathlib
import random
import subprocess
import sys
import time

import crowd
import questions
import stack
from bars import bar, percentile
from house import DemoError, descendants

CLIENTS = 32  # the worker runs two requests at a time (handler_threads)
PROXY_CHANNELS = ("tls", "ohttp")
HEALTH = "/v2/health/ready"
HEALTH_EVERY = 0.02
HEALTH_P99_MS = 250
ORDINARY = 100  # pairs of requests
WARM_SECONDS = 1
SLOWER = 1.25
PEAK_MIB, LEFT_MIB = 64, 32  # more than a short crowd took: while a long one is there, afterwards
CALM_SECONDS = 20  # at most, within which speed and memory are back


def memory_mib(pid):
    """(now, the most so far)"""
    lines = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    values = {line.split(":")[0]: line.split() for line in lines}
    return tuple(int(values[name][1]) / 1024 for name in ("VmRSS", "VmHWM"))


class Ordinary:
    """One sentence after the other, asked in turn of the worker and of a twin that no crowd knows: what
    else the machine does slows both."""

    def __init__(self, worker_url, twin_url, bundles):
        self._connections = [crowd.connect(url) for url in (worker_url, twin_url)]
        self._bundles = bundles

    def ratio(self):
        """(worker / twin, the worker's ms): medians, of the ratio pair by pair and of the worker."""
        rng, rows = random.Random("ordinary"), questions.sentences()
        ratios, worker_ms = [], []
        for number in range(ORDINARY):
            question, took = questions.labels(rng, rows, 1), {}
            for side in (0, 1) if number % 2 else (1, 0):
                outcome = questions.ask_connection(self._connections[side], question,
                                                   self._bundles[question.model])
                if outcome.kind != "answered":
                    raise DemoError(f"an ordinary request, nobody else there: {outcome}")
                took[side] = outcome.seconds * 1000
            ratios.append(took[0] / took[1])
            worker_ms.append(took[0])
        for connection in self._connections:
            connection.close()  # it would be idle too long; the next request opens it
        return percentile(ratios, 0.5), percentile(worker_ms, 0.5)


class Health:
    """The health check, asked over a connection of its own that stays open."""

    def __init__(self, url):
        self._connection = crowd.connect(url, timeout=10)
        self.took_ms, self.failures = [], []

    def check(self):
        began = time.monotonic()
        try:
            self._connection.request("GET", HEALTH)
            response = self._connection.getresponse()
            response.read()
            if response.status != 200:
                self.failures.append(f"status {response.status}")
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            self.failures.append(repr(error))
        self.took_ms.append((time.monotonic() - began) * 1000)


def start_proxies(running):
    urls = []
    for channel in PROXY_CHANNELS:
        process = running.house.start("ensconce proxy", [
            running.house.program("ensconce"), "proxy", running.worker_url, "--policy",
            running.client_policy, "--listen", "127.0.0.1:0", "--channel", channel, "--threads",
            CLIENTS])
        said = process.ready()
        if said is None:
            raise DemoError("the proxy did not start:\n" + "\n".join(process.errors))
        urls.append(said["url"])
    return urls


def crowd_for(seconds, seed, urls, bundles, meanwhile=lambda: None, more=()):
    """Runs the crowd; meanwhile() is called over and over. Returns what came of it."""
    named = [word for one in bundles.items() for word in ("--bundle", "=".join(one))]
    with subprocess.Popen(
            [sys.executable, "-B", crowd.__file__, *urls, *named, "--clients", str(CLIENTS),
             "--seconds", str(seconds), "--seed", str(seed), *more],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as process:
        while process.poll() is None:
            meanwhile()
            time.sleep(HEALTH_EVERY)
        said = process.stdout.read()
    if process.returncode != 0:
        raise DemoError(f"the crowd ended with {process.returncode}")
    return json.loads(said)


def measure(arguments, running):
    pid = descendants(running.worker.pid)[1]
    bundles = running.manifests
    urls = [running.worker_url, *start_proxies(running)]
    _, twin_url = running.start_twin()
    # What every thread keeps for its next request is there before anything is measured.
    for url in (running.worker_url, twin_url):
        crowd_for(WARM_SECONDS, arguments.seed, [url], bundles, more=["--no-hoard"])
    ordinary = Ordinary(running.worker_url, twin_url, bundles)
    before, before_ms = ordinary.ratio()
    # Not what it has at the moment, which hangs on when freed memory went back last.
    now, start = memory_mib(pid)
    health, peak = Health(running.worker_url), [now]

    def meanwhile():
        health.check()
        peak[0] = max(peak[0], memory_mib(pid)[0])

    came = crowd_for(arguments.seconds, arguments.seed, urls, bundles, meanwhile)
    _, highest = memory_mib(pid)
    if highest > start:  # it was in this crowd, and between two looks
        peak[0] = highest
    began = time.monotonic()
    (first, after_ms), (left, _) = ordinary.ratio(), memory_mib(pid)
    after = first
    while (after > SLOWER * before or left > start + LEFT_MIB) and (
            time.monotonic() - began < min(CALM_SECONDS, arguments.seconds / 2)):
        (after, after_ms), (left, _) = ordinary.ratio(), memory_mib(pid)
    alive = running.worker.exit_code is None and descendants(running.worker.pid)[1] == pid
    return came, {
        "alive": alive,
        "memory_mib": {"most_before": round(start, 1), "before": round(now, 1),
                       "peak": round(peak[0], 1), "after": round(left, 1)},
        "health": {"checks": len(health.took_ms), "failures": health.failures[:20],
                   "num_failures": len(health.failures),
                   "p50_ms": round(percentile(health.took_ms, 0.5), 3),
                   "p99_ms": round(percentile(health.took_ms, 0.99), 3),
                   "slowest_ms": round(max(health.took_ms), 3)},
        "ordinary": {"before_ms": round(before_ms, 3), "after_ms": round(after_ms, 3),
                     "to_twin_before": round(before, 3), "to_twin_right_after": round(first, 3),
                     "to_twin_after": round(after, 3), "ratio": round(after / before, 3)},
        "calm_again_s": round(time.monotonic() - began, 2)}


def run(arguments):
    with stack.start(questions.MODELS, bin_dir=arguments.bin, cache=arguments.cache) as running:
        came, found = measure(arguments, running)
    counts, memory = came["counts"], found["memory_mib"]

    def of(what):
        return counts.get(what, 0)

    print(f"   {of('answered')} answers, {of('refused')} times 503, {of('hoards')} times no room; "
          f"health p99 {found['health']['p99_ms']} ms; MiB {memory}; ordinary ms "
          f"{found['ordinary']}", file=sys.stderr, flush=True)
    for fault in came["faults"]:
        print(f"   ! {fault}", file=sys.stderr)
    return {**came, **found, "bars": [
        bar("wrong answers", of("wrong"), "==", 0),
        bar("refusals without words", of("wordless"), "==", 0),
        bar("refusals for another reason than being busy", of("other_refusals"), "==", 0),
        bar("connections broken off", of("broken"), "==", 0),
        bar(f"requests that took over {questions.DEADLINE_SECONDS} s", of("hung"), "==", 0),
        bar("refused ones who asked again and got no answer",
            of("never_answered") + of("lost_after_refusal"), "==", 0),
        bar("refusals: the crowd was too much", of("refused"), ">=", 1),
        bar("answers", of("answered"), ">=", 1),
        bar("health checks that failed", found["health"]["num_failures"], "==", 0),
        bar("health check, p99, ms", found["health"]["p99_ms"], "<=", HEALTH_P99_MS,
            of_the_machine=True),
        bar("the worker is the same process", int(found["alive"]), "==", 1),
        bar("memory at its peak over the most of before, MiB",
            round(memory["peak"] - memory["most_before"], 1), "<=", PEAK_MIB, of_the_machine=True),
        bar("memory afterwards over the most of before, MiB",
            round(memory["after"] - memory["most_before"], 1), "<=", LEFT_MIB, of_the_machine=True),
        bar("an ordinary request beside a twin's, after / before", found["ordinary"]["ratio"], "<=",
            SLOWER, of_the_machine=True)]}
