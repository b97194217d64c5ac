"""Attacks on the running story: six that need no device, and those that a device takes part in. Each
attempt returns (refused_by, words): the id of the refusal, or None when it was not refused for the
reason it must be, and the verdict in the programs' words."""

import os
import re
import shutil
import subprocess

import middle
from house import MODELS, ROOT, DemoError




def _refusal(lines, expected):
    """The expected id if the lines refuse by it: a verdict also names checks that hold."""
    refuses = re.compile(rf"(refused by\s+|^ensconce: |cannot serve: ){re.escape(expected)}(\s|:|$)")
    return expected if any(refuses.search(line) for line in lines) else None


def _verdict(lines):
    """What a person would read of it: the check that does not hold, and what to do."""
    told = ("✗", "expected  ", "got  ", "remedy  ", "what to do", "refused by", "CONTRAINDICATED",
            "ensconce: ", "error cannot")
    return [line for line in lines if any(word in line for word in told)] or lines


def _worker_is_refused(story, expected, config=None, by_broker=None, **start):
    """Starts a worker that must not become ready. The broker's verdict explains, or the worker's
    own words; by_broker says whose must, where that matters."""
    before = len(story.broker_process.errors)
    worker = story.house.start_worker(config or story.worker_config, **start)
    if worker.ready() is not None:
        worker.stop()
        return None, ["the worker became ready"]
    of_broker = story.broker_process.errors[before:]
    words = of_broker + worker.errors
    judged = words if by_broker is None else of_broker if by_broker else worker.errors
    if by_broker is False and of_broker:
        return None, ["the broker was asked", *words]
    return _refusal(judged, expected), _verdict(words)


def write_changed_worker(house, folder):
    """A copy of the worker that runs as before and differs in one byte. Returns its path."""
    folder.mkdir(exist_ok=True)
    path = folder / "ensconce-worker"
    data = bytearray((house.bin / "ensconce-worker").read_bytes())
    at = data.find(b"serve sealed models from inside")
    if at < 0:
        raise DemoError("the byte to change was not found in ensconce-worker")
    data[at] ^= 0x20  # one letter of the help text
    path.write_bytes(data)
    path.chmod(0o755)
    return path


def changed_worker(story):
    path = write_changed_worker(story.house, story.house.operator / "changed")
    return _worker_is_refused(story, story.house.platform.measurement_rule, worker=path)


def preloaded_library(story):
    folder = story.house.operator / "preload"
    folder.mkdir(exist_ok=True)
    source, library = folder / "spy.c", folder / "libspy.so"
    source.write_text("static int calls; __attribute__((constructor)) static void spy(void) "
                      "{ ++calls; }\n", encoding="ascii")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source], check=True)
    env = dict(os.environ, LD_PRELOAD=str(library))
    return _worker_is_refused(story, story.house.platform.measurement_rule, env=env)


def changed_bundle(story):
    path = story.bundles / f"{MODELS[0]}.sealed"
    genuine = path.with_suffix(".genuine")
    shutil.copy2(path, genuine)
    try:
        with open(path, "r+b") as f:
            f.seek(path.stat().st_size // 2)
            byte = f.read(1)[0]
            f.seek(-1, os.SEEK_CUR)
            f.write(bytes([byte ^ 1]))
        return _worker_is_refused(story, "sealed.segment")
    finally:
        genuine.rename(path)


def _client_is_refused(story, port, policy, expected, between=None):
    import story as told
    done = told.infer(story.house, port, policy, "--model", "line-reader", "--image",
                      ROOT / "models/samples/patient.png", "--explain", expect=None)
    words = done.stderr.splitlines()
    if done.returncode == 0 or done.stdout.strip():
        return None, ["an answer came back", *words]
    if between is not None and between.saw_input:
        return None, ["the input reached the one in the middle", *words]
    return _refusal(words, expected), _verdict(words)


def impostor(story):
    folder = story.house.top / "impostor"
    folder.mkdir(exist_ok=True)
    chain, key = middle.certificate(folder)
    between = middle.Middle(chain, key, middle.forger(story.port, chain))
    try:
        return _client_is_refused(story, between.port, story.client_policy,
                                  story.house.platform.report_data_rule, between)
    finally:
        between.close()


def relay(story):
    folder = story.house.top / "relay"
    folder.mkdir(exist_ok=True)
    chain, key = middle.certificate(folder)
    between = middle.Middle(chain, key, middle.forwarder(story.port))
    try:
        return _client_is_refused(story, between.port, story.client_policy, "channel.tls_key", between)
    finally:
        between.close()


def other_owner(story):
    """A genuine worker, measured and allowed by every policy, that serves another owner's model
    under the same name."""
    import story as told
    house = story.house
    folder = house.operator / "other-bundles"
    folder.mkdir(mode=0o700, exist_ok=True)
    config = told.write_worker_config(house, story.broker, "other-worker.toml",
                                      [story.owner, story.other],
                                      [folder / f"{MODELS[0]}.sealed"])
    measurement = house.measure(config)["reference"]
    owners = [story.owner, story.other]
    policy = told.write(house.top / "other-release.toml", told.fill(
        "release-policy.toml", hardware=told.hardware(
            house, story.anchor["spki_sha256"], [measurement], owners, story.broker)))
    told.set_policy(house, story.broker, story.other_key, "other", policy)
    told.seal(house, story.broker, story.other_key, MODELS[0], house.cache / "models" / MODELS[0],
              folder, "other")
    worker = house.start_worker(config)
    said = worker.ready()
    if said is None:
        raise DemoError("the other owner's worker did not start:\n" + "\n".join(worker.errors[-20:]))
    client = told.write_client_policy(house, "client-both.toml", story.anchor["spki_sha256"],
                                      [story.measurement, measurement], owners, story.broker,
                                      story.owner)
    try:
        return _client_is_refused(story, said["port"], client, "channel.model.owner")
    finally:
        worker.stop()


def play_fault(story, fault):
    """A genuine worker on a device that takes part in an attack. Who refuses must be who the fault
    says: the worker itself, the broker, or the client that was about to send something."""
    if fault.by != "client":
        return _worker_is_refused(story, fault.refused_by, by_broker=fault.by == "broker",
                                  faults=[fault.script])
    worker = story.house.start_worker(story.worker_config, faults=[fault.script])
    said = worker.ready()
    if said is None:
        raise DemoError("the worker did not start:\n" + "\n".join(worker.errors[-20:]))
    try:
        return _client_is_refused(story, said["port"], story.client_policy, fault.refused_by)
    finally:
        worker.stop()


ATTACKS = (
    ("the worker's binary, one byte changed", changed_worker),
    ("a library preloaded into the genuine worker", preloaded_library),
    ("the sealed bundle, one byte changed", changed_bundle),
    ("an impostor in the middle with a valid certificate", impostor),
    ("a relay that forwards the genuine worker's evidence", relay),
    ("a genuine worker serving a bundle sealed by another owner", other_owner),
)
