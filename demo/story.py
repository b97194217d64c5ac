"""The life of a confidential request, told while it happens.

Every program here is the shipped one, started as its user would start it. The secure processor is
SIMULATED: it makes evidence of the real format under a root of its own, which both policies name.
Exit code 0: right answers came back, and every attack was refused, each for its own reason.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys

from attacks import ATTACKS, play_fault
from house import MODELS, ROOT, DemoError, House, fill, write
from platforms import PLATFORMS, missing_for
from telling import bad, bold, chapter, dim, good, holds, loud, quote, say, short

IMAGES = {
    "models/samples/invoice.png": "Invoice No. 48213",
    "models/samples/patient.png": "Patient: Jane Example",
}
SENTENCES = "models/sentence-labels/held-out.tsv"
PAPER = "15–20 %"
SKIPPED = 77  # what test runners take for "could not run here"


def quoted(keys):
    return ", ".join(f'"{key}"' for key in keys)


def make_key(house, folder, name):
    path = folder / name
    return path, house.json(house.program("ensconce"), "key", "generate", "--out", path)["public_key"]


def start_broker(house, owner_keys, port=0):
    config = write(house.owner / "broker.toml", fill(
        "broker.toml", port=port, state=house.owner / "broker", owner_keys=quoted(owner_keys)))
    house.run(house.program("ensconce-broker"), "init", "--state", house.owner / "broker")
    broker = house.start("ensconce-broker", [house.program("ensconce-broker"), "--config", config])
    said = broker.ready()
    if said is None:
        raise DemoError("the broker did not start:\n" + "\n".join(broker.errors))
    return broker, said


def write_worker_config(house, broker, name, owner_keys, bundles, port=0, more=""):
    models = "\n".join(f'[[model]]\nbundle = "{path}"\nminimum_version = 1\n' for path in bundles)
    return write(house.operator / name, fill(
        "worker.toml", port=port, device=house.platform.settings, owner_keys=quoted(owner_keys), broker_port=broker["port"],
        broker_key=broker["key"], broker_pin=broker["tls_pin"], models=models, more=more))


def hardware(house, anchor, measurements, owner_keys, broker):
    return fill(house.platform.template, anchor=anchor, measurements=quoted(measurements),
                owner_keys=quoted(owner_keys), broker_key=broker["key"], sandbox=house.sandbox(),
                **house.constants)


def write_client_policy(house, name, anchor, measurements, owner_keys, broker, model_owner,
                        served=MODELS):
    models = "\n".join(fill("client-model.toml", name=m, owner_key=model_owner) for m in served)
    return write(house.data_owner / name, fill(
        "client-policy.toml", hardware=hardware(house, anchor, measurements, owner_keys, broker),
        broker_key=broker["key"], models=models))


def seal(house, broker, owner_key, model, source, folder, policy):
    out = folder / f"{model}.sealed"
    done = house.json(
        house.program("ensconce"), "model", "seal", source, "--out", out, "--name", model,
        "--version", 1, "--owner-key", owner_key, "--broker", f"https://127.0.0.1:{broker['port']}",
        "--broker-pin", broker["tls_pin"], "--policy", policy)
    return out, done


def set_policy(house, broker, owner_key, name, path):
    house.run(house.program("ensconce"), "broker", "policy", "set", name, path,
              "--broker", f"https://127.0.0.1:{broker['port']}", "--broker-pin", broker["tls_pin"],
              "--owner-key", owner_key)


def infer(house, port, policy, *arguments, expect=0):
    return house.run(house.program("ensconce"), "infer", "--policy", policy,
                     f"https://127.0.0.1:{port}", *arguments, expect=expect)


class Story:
    """What later steps and the attacks need of the earlier ones."""

    def __init__(self, house, pairs=0, worker_settings="", models=None):
        self.house = house
        self.pairs = pairs
        self.worker_settings = worker_settings  # more lines for the worker's configuration
        # What is served: names, and the model directories.
        self.models = models or {m: house.cache / "models" / m for m in MODELS}


def tell_cast(story):
    house = story.house
    chapter(1, "Three parties who do not trust each other, and a cloud nobody trusts")
    story.owner_key, story.owner = make_key(house, house.owner, "owner.key")
    house.run(house.program("ensconce-sim"), "init", "--state", house.chip)
    story.anchor = house.json(house.program("ensconce-sim"), "anchor", "--state", house.chip,
                              "--platform", house.platform.name)
    holds("model owner", f"the weights, and the key {short(story.owner)} that signs them")
    holds("data owner", "two images and some sentences; nothing of the model")
    holds("operator", "the machine; neither weights nor data may show there")
    holds("processor", loud("SIMULATED") + f" {house.platform.people}, root {short(story.anchor['spki_sha256'])}: "
          "real formats, protects nothing")


def tell_broker(story):
    house = story.house
    chapter(2, "The model owner starts a key broker on their own premises")
    story.other_key, story.other = make_key(house, house.top, "other-owner.key")
    story.broker_process, story.broker = start_broker(house, [story.owner, story.other])
    holds("broker", f"port {story.broker['port']}, signs with {short(story.broker['key'])}; no key yet")


def tell_policy(story):
    house = story.house
    chapter(3, "The operator shows what will run; the owner decides whether it may have the key")
    story.bundles = house.operator / "bundles"
    story.bundles.mkdir(mode=0o700)
    paths = [story.bundles / f"{m}.sealed" for m in story.models]
    story.worker_config = write_worker_config(house, story.broker, "worker.toml", [story.owner], paths,
                                              more=story.worker_settings)
    measured = house.measure(story.worker_config)
    story.measurement = measured["reference"]
    holds("measurement", short(story.measurement) + f" covers the executable, {len(measured['files']) - 1}"
          " libraries and files, arguments, environment")
    policy = write(house.owner / "release-policy.toml", fill(
        "release-policy.toml", hardware=hardware(
            house, story.anchor["spki_sha256"], [story.measurement], [story.owner], story.broker)))
    set_policy(house, story.broker, story.owner_key, "demo", policy)
    holds("owner", "release policy: that measurement, that root, no debug, nothing else")


def tell_seal(story):
    house = story.house
    chapter(4, "The owner seals the models; the keys go to the broker, the bundles anywhere")
    for model, source in story.models.items():
        out, done = seal(house, story.broker, story.owner_key, model, source, story.bundles, "demo")
        megabytes = out.stat().st_size / 1e6
        holds(model, f"{megabytes:.1f} MB sealed, manifest {short(done['manifest_digest'])}")
    holds("operator", "files of ciphertext")


def tell_worker(story):
    house = story.house
    chapter(5, "The operator starts the worker: it boots without keys, attests, then gets them")
    story.worker = house.start_worker(story.worker_config)
    said = story.worker.ready()
    if said is None:
        raise DemoError("the worker did not start:\n" + "\n".join(story.worker.errors[-30:]))
    story.port = said["port"]
    story.sealed_port = said.get("sealed_port")
    how = [line for line in story.worker.errors if "SIMULATED" in line]
    quote(how, limit=3)
    holds("worker", f"attested, serving {' and '.join(story.models)} on port {story.port}")


def tell_requests(story):
    house = story.house
    chapter(6, "The data owner verifies the worker, and only then sends anything")
    story.client_policy = write_client_policy(
        house, "client.toml", story.anchor["spki_sha256"], [story.measurement], [story.owner],
        story.broker, story.owner)
    story.wrong = 0
    for image, expected in IMAGES.items():
        done = infer(house, story.port, story.client_policy, "--model", "line-reader",
                     "--image", ROOT / image)
        answer = json.loads(done.stdout)
        if image == next(iter(IMAGES)):
            quote(done.stderr.splitlines(), limit=2)
        text = answer["outputs"]["text"][0]
        confidence = answer["outputs"]["confidence"][0]
        tell_answer(story, pathlib.Path(image).name, text, expected, f"{confidence:.3f}")
    rows = [line.split("\t") for line in
            (ROOT / SENTENCES).read_text(encoding="utf-8").splitlines() if "\t" in line][::6]
    arguments = [a for _, sentence in rows for a in ("--text", sentence)]
    done = infer(house, story.port, story.client_policy, "--model", "sentence-labels", *arguments)
    outputs = json.loads(done.stdout)["outputs"]
    for (label, sentence), got, score in zip(rows, outputs["label"], outputs["score"]):
        tell_answer(story, f"“{sentence[:44]}”", got, label, f"{score:.2f}")
    holds("cloud", f"saw ciphertext; answered by bundle {short(answer['bundle'])}")


def tell_answer(story, asked, got, expected, score):
    right = got == expected
    story.wrong += not right
    mark = good("✓") if right else bad(f"✗ expected {expected}")
    say(f"   {asked:<46} → {bold(got)}  {dim(score)} {mark}")


def tell_overhead(story):
    house = story.house
    chapter(7, "What it costs: the same server code, with and without protection")
    plain_models = [a for m in MODELS for a in ("--model", f"{m}={house.cache / 'models' / m}")]
    plain = house.start("ensconce-bench-plain",
                        [house.program("ensconce-bench-plain"), *plain_models, "--port", "0"])
    said = plain.ready()
    if said is None:
        raise DemoError("the plaintext baseline did not start:\n" + "\n".join(plain.errors))
    inputs = {"line-reader": ("--image", ROOT / "models/samples/invoice.png"),
              "sentence-labels": ("--text", "The lab results of my blood test have not arrived.")}
    for model, what in inputs.items():
        result = house.json(
            house.program("ensconce-bench-latency"), "--tls", f"https://127.0.0.1:{story.port}",
            "--plain", f"http://127.0.0.1:{said['port']}", "--policy", story.client_policy,
            "--model", model, *what, "--pairs", story.pairs)
        secure, open_ = (statistics.median(result["sides"][side]["ms"]) for side in ("tls", "plain"))
        over = (secure / open_ - 1) * 100
        say(f"   {model:<16} p50 {secure:.2f} ms, plain {open_:.2f} ms: "
            + bold(f"{over:+.1f} %") + dim(f"   (the paper this field starts from: {PAPER})"))
    say(dim(f"   {story.pairs} alternating pairs on this machine, busy or not: an impression, "
            "not the benchmark"))
    plain.stop()


def tell_attacks(story):
    chapter(8, "Six attacks, really attempted")
    succeeded = []
    for number, (title, attempt) in enumerate(ATTACKS, 1):
        say()
        say(f"   {bold(f'8.{number} {title}')}")
        refused_by, words = attempt(story)
        quote(words)
        if refused_by:
            say("   " + good(f"refused: {refused_by}"))
        else:
            say("   " + bad("NOT REFUSED as it must be"))
            succeeded.append(title)
    return succeeded


def tell_faults(story):
    house = story.house
    chapter(9, f"Attacks of {house.platform.people}, which the device takes part in")
    if house.transport == "pipes":
        say(dim("   not played: named pipes know no device that misbehaves"))
        return []
    succeeded = []
    for number, fault in enumerate(house.platform.faults, 1):
        say()
        say(f"   {bold(f'9.{number} {fault.title}')}" + dim(f"   --fault {fault.script}"))
        refused_by, words = play_fault(story, fault)
        quote(words)
        if refused_by:
            say("   " + good(f"refused: {refused_by}") + dim(f"   by the {fault.by}"))
        else:
            say("   " + bad(f"NOT REFUSED by the {fault.by} as it must be"))
            succeeded.append(fault.title)
    return succeeded


def tell(house, pairs):
    story = Story(house, pairs)
    say(bold("Ensconce: a model in somebody else's cloud, and neither the model nor the data shown"))
    say(loud("SIMULATED processor. Everything else below is the real thing; the chip is not."))
    tell_cast(story)
    tell_broker(story)
    tell_policy(story)
    tell_seal(story)
    tell_worker(story)
    tell_requests(story)
    tell_overhead(story)
    succeeded = tell_attacks(story) + tell_faults(story)
    chapter(10, "And after all of them the worker serves on")
    done = infer(house, story.port, story.client_policy, "--model", "line-reader", "--image",
                 ROOT / "models/samples/invoice.png")
    tell_answer(story, "invoice.png", json.loads(done.stdout)["outputs"]["text"][0],
                IMAGES["models/samples/invoice.png"], "")
    say()
    if succeeded or story.wrong:
        say(bad(f"{len(succeeded)} attacks not refused, {story.wrong} wrong answers"))
        return 1
    own = 0 if house.transport == "pipes" else len(house.platform.faults)
    say(good("right answers, six attacks refused" + (f", and {own} of this processor" if own else ""))
        + "   " + loud("SIMULATED") +
        dim(f": on real hardware the anchor is {house.platform.vendor}'s and the policy says so"))
    return 0


def main():
    parser = argparse.ArgumentParser(
        prog="demo/run", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", default=str(ROOT / "build/dev/bin"), help="where the programs are")
    parser.add_argument("--cache", default=os.environ.get("ENSCONCE_CACHE", str(ROOT / ".cache")))
    parser.add_argument("--platform", default="snp", choices=PLATFORMS,
                        help="whose secure processor is simulated (default snp)")
    parser.add_argument("--transport", default="auto", choices=("auto", "fuse", "pipes"),
                        help="how the simulated processor is reached")
    parser.add_argument("--pairs", type=int, default=100,
                        help="request pairs to measure the overhead with (default 100)")
    parser.add_argument("--keep", action="store_true", help="keep the parties' folders")
    arguments = parser.parse_args()
    if (missing := missing_for(arguments.platform, arguments.transport)) is not None:
        print(f"the demo of {arguments.platform} cannot run here: {missing}", file=sys.stderr)
        return SKIPPED
    house = House(arguments.bin, arguments.cache, arguments.transport, arguments.platform)
    try:
        return tell(house, arguments.pairs)
    except (DemoError, OSError, subprocess.SubprocessError, KeyError, ValueError) as error:
        print(bad(f"\nthe demo stopped: {error}"), file=sys.stderr)
        return 1
    finally:
        house.close(keep=arguments.keep)
        if arguments.keep:
            say(f"kept: {house.top}")


if __name__ == "__main__":
    sys.exit(main())
