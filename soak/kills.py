"""Worker, broker and proxy are killed (SIGKILL) at seeded random moments, one or several at once, some
of them again while they start, and started again, while clients ask through `ensconce infer` and
through `ensconce proxy`.

What must be so: an answer is right or a refusal in words; nobody waits longer than a client's own
limits; a proxy that lives breaks no connection off; after each round a good request is answered over
both ways within a bound, and from then to the next kill every one is; the broker's release log verifies
after each round, goes on where it stood before, and knows of every key a worker has.
"""

import concurrent.futures
import contextlib
import dataclasses
import json
import os
import random
import signal
import sys
import threading
import time

import questions
import stack
from bars import Tally, bar, percentile
from house import DemoError, descendants

NAMES = ("worker", "broker", "proxy")
BACK_SECONDS = 10  # from the last start of a round to good answers over both ways
CHANNELS = ("tls", "ohttp", "ohttp-chunked")
NUM_INFER, NUM_PROXY = 2, 3  # clients of each kind
# Short, so that beacons and leases are asked for amid the kills; an outage is shorter than a lease.
LEASE_SECONDS, EPOCH_SECONDS = 60, 5
LONGEST_OUTAGE = 1.5


@dataclasses.dataclass(frozen=True)
class Moment:
    round: int
    calm: bool  # everything had been back, and answered
    proxy_lives: bool
    proxy_life: int


class Weather:
    """What clients may expect at a moment: in a calm every answer, from a proxy that lives words."""

    def __init__(self):
        self._lock = threading.Lock()
        self._now = Moment(0, False, False, 0)

    def now(self):
        with self._lock:
            return self._now

    def change(self, **what):
        with self._lock:
            self._now = dataclasses.replace(self._now, **what)

    def storm(self):
        with self._lock:
            self._now = dataclasses.replace(self._now, round=self._now.round + 1, calm=False)

    def proxy(self, lives):
        with self._lock:
            self._now = dataclasses.replace(self._now, proxy_lives=lives,
                                            proxy_life=self._now.proxy_life + 1)


class Kept:
    """A program that is started again until it is up, as a service manager does."""

    def __init__(self, name, start, tally):
        self.name = name
        self.process = None
        self._start = start
        self._tally = tally

    def up(self, interrupted=None):
        """Starts it until it says that it is ready. interrupted: the first start is killed after so
        many seconds."""
        deadline = time.monotonic() + BACK_SECONDS
        if interrupted is not None:
            self.process = self._start()
            time.sleep(interrupted)
            self.kill(whole=True)
            self._tally.add("kills_while_starting")
        while True:
            self.process = self._start()
            said = self.process.ready()
            if said is not None:
                self._tally.add(f"{self.name}_starts")
                return said
            code = self.process.exit_code
            if code < 0 or code >= 128:  # of a worker, by the simulated processor
                self._tally.add("crashes", fault=self._last_words(code))
            self._tally.add(f"{self.name}_starts_refused")
            if time.monotonic() > deadline:
                raise DemoError(f"not up again within {BACK_SECONDS} s: {self._last_words(code)}")
            time.sleep(0.05)

    def kill(self, whole):
        """SIGKILL. whole: with the simulated processor, if it runs under one."""
        under_it = [] if whole else descendants(self.process.pid)[1:]
        if not under_it:
            self.process.kill()
        for pid in under_it:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.ended()
        self._tally.add(f"{self.name}_kills")

    def look(self):
        """Between kills nobody may have ended."""
        if (code := self.process.exit_code) is not None:
            self._tally.add("crashes", fault=self._last_words(code))

    def _last_words(self, code):
        return f"{self.name} ended with {code}: " + " | ".join(self.process.errors[-5:])


class Kills:
    def __init__(self, arguments, running):
        self.running = running
        self.seconds = arguments.seconds
        self.seed = arguments.seed
        # Apart, so that the moments of a seed do not hang on how often something had to be asked.
        self.moments, self.asking, self.channels = (
            random.Random(f"{arguments.seed} {what}") for what in ("moments", "asking", "channels"))
        self.tally = Tally()
        self.weather = Weather()
        self.ended = threading.Event()
        self.rows = questions.sentences()
        self.log = []
        self.recoveries = []
        self._prepare()

    def _prepare(self):
        house, running = self.running.house, self.running
        running.restart_worker(settings={"epoch_seconds": EPOCH_SECONDS})
        self.policy = running.client_policy_for("soak.toml", [running.measurement])
        running.stop_worker()
        running.broker_process.stop()
        broker_config = house.owner / "broker.toml"
        text = broker_config.read_text(encoding="utf-8")
        stack.write(broker_config, text.replace("lease_seconds = 3600",
                                                f"lease_seconds = {LEASE_SECONDS}"))
        proxy_port = stack.free_port()
        self.proxy_url = f"http://127.0.0.1:{proxy_port}"

        def start_proxy():
            return house.start("ensconce proxy", [
                house.program("ensconce"), "proxy", running.worker_url, "--policy", self.policy,
                "--listen", f"127.0.0.1:{proxy_port}", "--channel",
                self.channels.choice(CHANNELS)])

        self.kept = {
            "broker": Kept("broker", lambda: house.start("ensconce-broker", [
                house.program("ensconce-broker"), "--config", broker_config]), self.tally),
            "worker": Kept("worker", lambda: house.start_worker(house.operator / "worker.toml"),
                           self.tally),
            "proxy": Kept("proxy", start_proxy, self.tally),
        }

    # ---- Clients -------------------------------------------------------------------------------

    def client(self, number):
        rng = random.Random(f"{self.seed} client {number}")
        while not self.ended.is_set():
            before = self.weather.now()
            way, outcome = self.ask(rng, by_infer=number < NUM_INFER)
            self.count(way, outcome, before, self.weather.now())
            if outcome.kind in ("broken", "refused"):
                self.ended.wait(rng.uniform(0.01, 0.1))

    def ask(self, rng, by_infer):
        if by_infer:
            question = questions.labels(rng, self.rows)
            return "infer", questions.ask_infer(
                self.running.house.program("ensconce"), self.running.worker_url, self.policy,
                rng.choice(CHANNELS), question)
        question = questions.sums(rng) if rng.random() < 0.6 else questions.labels(rng, self.rows)
        return "proxy", questions.ask_url(self.proxy_url, question)

    def count(self, way, outcome, before, after):
        kind, words = outcome.kind, f"{way}: {outcome.status} {outcome.words}"
        bad = kind in ("wrong", "wordless", "hung")
        self.tally.add(f"{way}_{kind}")
        self.tally.add(kind, fault=words if bad else None)
        if kind == "refused":
            self.tally.add(f"{way}_refused_by_{outcome.status}")
        if kind == "answered":
            self.tally.highest("slowest_answer_s", round(outcome.seconds, 3))
        elif before == after and before.calm:
            self.tally.add("unanswered_in_calm", fault=words)
        if (kind == "broken" and before.proxy_lives and after.proxy_lives
                and before.proxy_life == after.proxy_life):
            self.tally.add("broken_by_living_proxy", fault=words)

    # ---- A round -------------------------------------------------------------------------------

    def victims(self, number):
        """Each alone first, then any of them together."""
        if number < len(NAMES):
            return [NAMES[(number + self.seed) % len(NAMES)]]
        return self.moments.sample(NAMES, self.moments.choice((1, 1, 1, 2, 2, 3)))

    def round(self, number):
        rng, victims = self.moments, self.victims(number)
        outages = {name: rng.uniform(0, LONGEST_OUTAGE if number >= len(NAMES) else 0.3)
                   for name in victims}
        whole = {name: rng.random() < 0.3 for name in victims}
        interrupted = {name: rng.uniform(0, 0.4) if rng.random() < 0.25 else None
                       for name in victims}
        self.weather.storm()
        if "proxy" in victims:
            self.weather.proxy(lives=False)
        for name in victims:
            self.kept[name].kill(whole[name])

        def bring_back(name):
            time.sleep(outages[name])
            began = time.monotonic()
            self.kept[name].up(interrupted[name])
            if name == "proxy":
                self.weather.proxy(lives=True)
            return began

        with concurrent.futures.ThreadPoolExecutor(len(NAMES)) as pool:
            began = max(pool.map(bring_back, victims))
        self.good_again(began, victims)

    def good_again(self, began, victims):
        waiting, last = ["infer", "proxy"], None
        while waiting:
            _, last = self.ask(self.asking, by_infer=waiting[0] == "infer")
            if last.kind == "answered":
                waiting.pop(0)
            elif last.kind not in ("refused", "broken"):
                self.tally.add(last.kind, fault=f"first request after a kill: {last.words}")
            if waiting and time.monotonic() - began > BACK_SECONDS:
                self.recoveries.append(time.monotonic() - began)
                raise DemoError(f"{' and '.join(victims)} killed and back, and no good answer over "
                                f"{waiting[0]} within {BACK_SECONDS} s: {last}")
        self.recoveries.append(time.monotonic() - began)
        self.read_log()
        self.weather.change(calm=True)

    def read_log(self):
        """The log verifies, and what it said before it says still."""
        running = self.running
        done = running.ensconce("broker", "log", "--broker", running.broker_url, "--broker-pin",
                                running.broker["tls_pin"], "--owner-key", running.owner_key,
                                expect=None)
        try:
            if done.returncode != 0:
                raise ValueError(f"exit code {done.returncode}: {done.stderr}")
            said = json.loads(done.stdout)
            entries = said["entries"]
            if not said["verified"] or said["size"] != len(entries):
                raise ValueError(f"verified {said['verified']}, {said['size']} entries announced, "
                                 f"{len(entries)} shown")
            if entries[:len(self.log)] != self.log:
                raise ValueError(f"{len(self.log)} entries were there before, and of those not all "
                                 f"are the same among the {len(entries)} now")
            if said["broker_key"] != running.broker["key"]:
                raise ValueError(f"signed by {said['broker_key']}")
            self.log = entries
            self.tally.add("logs_verified")
        except (ValueError, KeyError) as error:
            self.tally.add("log_faults", fault=error)

    # ---- The whole -----------------------------------------------------------------------------

    def run(self):
        for name in ("broker", "worker", "proxy"):
            self.kept[name].up()
        self.tally.counts.clear()  # those starts belong to no kill
        self.weather.proxy(lives=True)
        self.read_log()
        released_before = self.releases()
        began = time.monotonic()
        threads = [threading.Thread(target=self.client, args=(number,), daemon=True)
                   for number in range(NUM_INFER + NUM_PROXY)]
        for thread in threads:
            thread.start()
        number = 0
        try:
            self.good_again(began, ["nobody"])
            self.recoveries.clear()
            while time.monotonic() - began < self.seconds:
                # Short calms and long ones: what is asked for by the clock comes due in either.
                calm = 0.3 if number < len(NAMES) else self.moments.choice(
                    (0.1, 0.5, EPOCH_SECONDS + 1))
                left = began + self.seconds - time.monotonic()
                time.sleep(min(self.moments.uniform(0, calm), max(0.1, left)))
                for kept in self.kept.values():
                    kept.look()
                self.round(number)
                number += 1
            time.sleep(0.2)  # a last calm
        except DemoError as error:
            self.tally.add("not_back", fault=error)
        self.ended.set()
        for thread in threads:
            thread.join(questions.DEADLINE_SECONDS + 15)
            if thread.is_alive():
                self.tally.add("hung", fault="a client's thread")
        self.read_log()
        for name in ("proxy", "worker", "broker"):
            self.kept[name].process.stop()
            if (code := self.kept[name].process.exit_code) != 0:
                self.tally.add("not_stopped", fault=f"{name}: SIGTERM, exit code {code}")
        return number, self.releases() - released_before

    def releases(self):
        return sum(entry["decision"] == "release" for entry in self.log)


def run(arguments):
    with stack.start(questions.MODELS, bin_dir=arguments.bin, cache=arguments.cache) as running:
        soak = Kills(arguments, running)
        rounds, releases = soak.run()
    of = soak.tally.of
    kills = {name: of(f"{name}_kills") for name in NAMES}
    keys = of("worker_starts") * len(questions.MODELS)
    slowest = round(max(soak.recoveries), 3) if soak.recoveries else None
    counts = {"rounds": rounds, "kills": sum(kills.values()), "log_entries": len(soak.log),
              "releases": releases, **dict(sorted(soak.tally.counts.items()))}
    print(f"   {counts['kills']} kills in {rounds} rounds; {of('answered')} answers, "
          f"{of('refused')} refusals, {of('broken')} connections that ended with a proxy",
          file=sys.stderr, flush=True)
    for fault in soak.tally.faults:
        print(f"   ! {fault}", file=sys.stderr)
    return {"counts": counts, "faults": soak.tally.faults,
            "recovery_s": {"median": percentile(soak.recoveries, 0.5), "slowest": slowest},
            "bars": [
                bar("wrong answers", of("wrong"), "==", 0),
                bar("refusals without words", of("wordless"), "==", 0),
                bar(f"requests that took over {questions.DEADLINE_SECONDS} s", of("hung"), "==", 0),
                bar("connections broken off by a proxy that lived", of("broken_by_living_proxy"),
                    "==", 0),
                bar("requests not answered though everything was back", of("unanswered_in_calm"),
                    "==", 0),
                bar("programs that ended by themselves", of("crashes"), "==", 0),
                bar("programs that SIGTERM did not end with exit code 0", of("not_stopped"), "==", 0),
                bar("rounds after which no good answer came in time", of("not_back"), "==", 0),
                bar("slowest recovery, s", slowest, "<=", BACK_SECONDS),
                bar("release logs that did not verify or had changed", of("log_faults"), "==", 0),
                bar("keys in the log, of those that workers started with", releases, ">=", keys),
                bar("fewest kills of a program", min(kills.values()), ">=", 1),
                bar("answers", of("answered"), ">=", 1)]}
