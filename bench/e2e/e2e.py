"""The honest number: what confidentiality costs one request, from a client to its answer.

In one run, over connections that stay open, the same request goes in turn to

  engine   in this process, no server: ONNX Runtime as it comes for the networks, the task's own code
           for the real ones
  plain    the worker's own code in a program without protection: plain HTTP, plain model files
  tls      the shipped worker: attested TLS, sealed model, a receipt with each answer
  ohttp    the same worker, through Oblivious HTTP

One thread an inference. Networks with weights from a seed (architectures.py: latency only) and the
real tasks. Of each side the median; of two sides the median of the ratio round by round, with its
95 % bootstrap interval. A bar is on the upper end of that interval, and undecided (null) where the
interval is wider than two points. Then loading: how long from nothing to ready, and the most memory.

The processor is simulated, so what memory encryption itself costs is not in these figures.
"""

import statistics
import sys

import architectures
import story as told
from compare import median_interval
from house import ROOT, House, descendants

WIDEST = 0.02
# p50 of the attested channel against the same server code in the open.
LATENCY_BARS = {"resnet50": 1.02, "bert-base": 1.02, "mobilenetv2": 1.05, "minilm": 1.05}
CPU_BAR, READY_BAR, EXTRA_MEMORY_BAR = 1.05, 1.10, 0.05
TASKS = {
    "line-reader": ("--image", ROOT / "models/samples/invoice.png"),
    "sentence-labels": ("--text", "The lab results of my blood test are missing."),
    "page-reader": ("--image", ROOT / "models/samples/pages/clean-form.png"),
}
SLOW = ("page-reader",)  # half a second each, and no bar
LOADED = ("resnet50", "bert-base", "minilm")
LOAD_ROUNDS = 9
SETTINGS = 'listen_sealed = "127.0.0.1:0"\n'


def say(text):
    print(text, file=sys.stderr, flush=True)


def between(left, right):
    """The ratio round by round: median, and its interval."""
    ratios = [a / b for a, b in zip(left, right)]
    low, high = median_interval(ratios)
    return {"ratio": round(statistics.median(ratios), 4), "low": round(low, 4),
            "high": round(high, 4), "rounds": len(ratios)}


def bar(what, value, bound, low=None, high=None, op="<="):
    """low and high: the interval of the value; the bar is on its upper end."""
    holds = (high if high is not None else value) <= bound
    if low is not None and high - low > WIDEST and low <= bound:
        holds = None
    said = {True: "holds", False: "does NOT hold", None: "undecided"}[holds]
    span = f" [{low}, {high}]" if low is not None else ""
    say(f"   {what:<66} {value}{span}  {op} {bound}: {said}")
    return {"what": what, "value": value, "low": low, "high": high, "op": op, "bound": bound,
            "holds": holds}


# ---- Latency -----------------------------------------------------------------------------------


def worker_pid(process):
    """The worker below the simulated processor that started it."""
    _, worker = descendants(process.pid)
    return worker


def latency_of(house, story, plain, model, inputs, policy, rounds):
    took = house.json(
        house.program("ensconce-bench-latency"), "--model", model, *inputs,
        "--engine" if model in LATENCY_BARS else "--task", story.models[model], "--plain", f"http://127.0.0.1:{plain.port}", "--tls",
        f"https://127.0.0.1:{story.port}", "--ohttp", f"http://127.0.0.1:{story.sealed_port}",
        "--policy", policy, "--plain-pid", plain.process.pid, "--worker-pid",
        worker_pid(story.worker), "--pairs", rounds)["sides"]
    row = {"model": model, "weights": "seeded" if model in LATENCY_BARS else "trained"}
    for side, values in took.items():
        ms = sorted(values["ms"])
        row[side] = {"p50_ms": round(statistics.median(ms), 3),
                     "p99_ms": round(ms[round(0.99 * (len(ms) - 1))], 3),
                     "cpu_ms": round(statistics.fmean(values["cpu_ms"]), 3)}
    row["tls_to_plain"] = between(took["tls"]["ms"], took["plain"]["ms"])
    row["ohttp_to_plain"] = between(took["ohttp"]["ms"], took["plain"]["ms"])
    row["tls_to_engine"] = between(took["tls"]["ms"], took["engine"]["ms"])
    row["cpu_tls_to_engine"] = between(took["tls"]["cpu_ms"], took["engine"]["cpu_ms"])
    row["cpu_ohttp_to_engine"] = between(took["ohttp"]["cpu_ms"], took["engine"]["cpu_ms"])
    say(f"   {model:<16} p50 ms: " + ", ".join(
        f"{side} {row[side]['p50_ms']}" for side in took)
        + f"; tls/plain {row['tls_to_plain']['ratio']}, ohttp/plain "
          f"{row['ohttp_to_plain']['ratio']}, cpu tls/engine {row['cpu_tls_to_engine']['ratio']}")
    return row


class Plain:
    def __init__(self, house, models):
        argv = [a for name, folder in models.items() for a in ("--model", f"{name}={folder}")]
        self.process = house.start("ensconce-bench-plain", [
            house.program("ensconce-bench-plain"), *argv, "--port", "0"])
        self.port = self.process.ready()["port"]


def latency(house, networks, rounds):
    real = {name: house.cache / "models" / name for name in TASKS
            if (house.cache / "models" / name).exists()}
    story = told.Story(house, worker_settings=SETTINGS, models={**networks, **real})
    for step in (told.tell_cast, told.tell_broker, told.tell_policy, told.tell_seal,
                 told.tell_worker):
        step(story)
    policy = told.write_client_policy(
        house, "client.toml", story.anchor["spki_sha256"], [story.measurement], [story.owner],
        story.broker, story.owner, served=story.models)
    plain = Plain(house, story.models)
    rows = [latency_of(house, story, plain, model, TASKS.get(model, ()), policy,
                       max(20, rounds // 25) if model in SLOW else rounds)
            for model in story.models]
    story.worker.stop()
    plain.process.stop()
    return rows


def latency_bars(rows):
    bars = []
    for row in rows:
        if row["model"] in LATENCY_BARS:
            for side, words in (("tls", "attested TLS"), ("ohttp", "OHTTP")):
                found = row[f"{side}_to_plain"]
                bars.append(bar(f"p50 latency, {row['model']}: {words} / plain HTTP",
                                found["ratio"], LATENCY_BARS[row["model"]], found["low"],
                                found["high"]))
        for side, words in (("tls", "attested TLS"), ("ohttp", "OHTTP")):
            found = row[f"cpu_{side}_to_engine"]
            bars.append(bar(f"server CPU, {row['model']}: {words} / engine alone",
                            found["ratio"], CPU_BAR, found["low"], found["high"]))
    return bars


# ---- Loading -----------------------------------------------------------------------------------


def load_rows(house, networks):
    program = house.program("bench_load")
    rows = []
    for name in LOADED:
        folder = networks[name]
        mib = (folder / "model.onnx").stat().st_size / 2**20
        bundle = house.top / f"{name}.bundle"
        keys = house.json(program, "seal", folder, bundle)
        sides = {"sealed": ("sealed", bundle, keys["key"], keys["owner"]),
                 "plain": ("plain", folder), "engine_path": ("engine-path", folder),
                 "engine_memory": ("engine-memory", folder)}
        took = {side: [] for side in sides}
        for i in range(LOAD_ROUNDS + 1):
            order = list(sides)[i % len(sides):] + list(sides)[:i % len(sides)]
            for side in order:
                got = house.json(program, *sides[side])
                if i > 0:  # the first warms the page cache
                    took[side].append(got)
        bundle.unlink()
        row = {"model": name, "mib": round(mib, 1)}
        for side, each in took.items():
            row[side] = {key: round(statistics.median(one[key] for one in each), 1)
                         for key in ("ms", "peak_mib", "left_mib")}
        row["sealed_to_plain"] = between([one["ms"] for one in took["sealed"]],
                                         [one["ms"] for one in took["plain"]])
        row["sealed_to_engine_path"] = between([one["ms"] for one in took["sealed"]],
                                               [one["ms"] for one in took["engine_path"]])
        say(f"   {name:<16} ready ms: " + ", ".join(f"{s} {row[s]['ms']}" for s in sides)
            + "; peak MiB: " + ", ".join(f"{s} {row[s]['peak_mib']}" for s in sides))
        rows.append(row)
    return rows


def load_bars(rows):
    bars = []
    for row in rows:
        name, ready = row["model"], row["sealed_to_plain"]
        bars.append(bar(f"to ready, {name}: sealed / plain files, the same server code",
                        ready["ratio"], READY_BAR, ready["low"], ready["high"]))
        path = row["sealed_to_engine_path"]
        bars.append(bar(f"to ready, {name}: sealed / the engine alone, from the path",
                        path["ratio"], READY_BAR, path["low"], path["high"]))
        # The engine's own loading from a path never has the file whole in memory.
        extra = (row["sealed"]["peak_mib"] - row["engine_path"]["peak_mib"]) / row["mib"]
        bars.append(bar(f"peak memory, {name}: sealed - the engine from the path, of the bundle",
                        round(extra, 3), EXTRA_MEMORY_BAR))
        bars.append(bar(f"peak memory, {name}: sealed / the engine's own from memory",
                        round(row["sealed"]["peak_mib"] / row["engine_memory"]["peak_mib"], 3), 1.0))
    return bars


def run(arguments):
    house = House(arguments.bin, arguments.cache)
    try:
        networks = {name: architectures.build(house.cache / "bench-models", name)
                    for name in architectures.NETWORKS}
        loads = load_rows(house, networks)
        rows = latency(house, networks, arguments.pairs)
        bars = latency_bars(rows) + load_bars(loads)
        return {"rows": rows, "loads": loads, "bars": bars}
    finally:
        house.close()
