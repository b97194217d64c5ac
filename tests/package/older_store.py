"""A broker's state as an earlier release left it, kept as text, and laid out again for tests of upgrades.

    older_store.py --bin build/dev/bin > store-N.json      makes one, with the programs of that release

Its keys are of nobody and open nothing but the model in it. A fixture is never made anew: a release
that changes the store adds one, and every one must still open.
"""

import argparse
import base64
import json
import os
import pathlib
import sqlite3
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path[:0] = [str(ROOT / "demo"), str(ROOT / "models" / "simple")]

import build as simple  # noqa: E402
import story as told  # noqa: E402
from house import House, fill, write  # noqa: E402

POLICY = "demo"
MODEL = "simple"
SECRETS = ("root.key", "signing.key", "tls.key", "tls.crt")
PRAGMAS = ("application_id", "user_version")


def release_policy(anchor, measurement, owner, broker_key, sandbox):
    """The text of a release policy that takes one simulated measurement."""
    return fill("release-policy.toml", hardware=fill(
        "hardware.toml", anchor=anchor, measurements=told.quoted([measurement]),
        owner_keys=told.quoted([owner]), broker_key=broker_key, sandbox=sandbox))


def make(bin_dir):
    house = House(bin_dir, ROOT / ".cache")
    try:
        key_file, owner = told.make_key(house, house.owner, "owner.key")
        process, broker = told.start_broker(house, [owner])
        policy = write(house.owner / "release.toml",
                       release_policy("00" * 32, "00" * 48, owner, broker["key"],
                                      house.sandbox()))
        told.set_policy(house, broker, key_file, POLICY, policy)
        directory = simple.write(house.owner / "models", MODEL)
        bundle, sealed = told.seal(house, broker, key_file, MODEL, directory, house.owner, POLICY)
        process.stop()  # what the write-ahead log has goes into the database
        state = house.owner / "broker"
        return {
            "made_by": house.run(house.program("ensconce-broker"), "--version").stdout.strip(),
            "identity": {name: broker[name] for name in ("key", "tls_pin")},
            "owner": owner,
            "owner.key": key_file.read_text(encoding="ascii"),
            "manifest_digest": sealed["manifest_digest"],
            "bundle": base64.b64encode(bundle.read_bytes()).decode(),
            "state": {name: (state / name).read_bytes().hex() for name in SECRETS},
            "broker.db": dump(state / "broker.db"),
        }
    finally:
        house.close()


def dump(path):
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
        pragmas = [f"PRAGMA {name}={database.execute(f'PRAGMA {name}').fetchone()[0]};"
                   for name in PRAGMAS]
        return pragmas + list(database.iterdump())


def fixtures():
    return sorted(HERE.glob("store-*.json"))


def load(path):
    return json.loads(path.read_text(encoding="utf-8"))


def lay(store, state):
    """Writes the state directory as the broker of that release had it: files of mode 0600."""
    state.mkdir(mode=0o700, exist_ok=True)
    old = os.umask(0o077)
    try:
        for name, text in store["state"].items():
            (state / name).write_bytes(bytes.fromhex(text))
        with sqlite3.connect(state / "broker.db") as database:
            database.executescript("\n".join(store["broker.db"]))
            database.execute("PRAGMA journal_mode=WAL")
        database.close()
    finally:
        os.umask(old)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", default=ROOT / "build" / "dev" / "bin", type=pathlib.Path)
    print(json.dumps(make(parser.parse_args().bin), indent=1))


if __name__ == "__main__":
    main()
