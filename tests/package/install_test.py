"""Install, upgrade over an older store, remove, purge: in a folder that debootstrap filled.

A Debian 12 of nothing but the base gets the four packages with apt from a repository of its own, first
of an older version, and broker states as earlier releases left them (store-*.json). What was there
is there after the upgrade, to the last proof: a worker gets a key of the older store and opens the
bundle of then. Removing leaves the state; purging takes it.

Exit code 0 when so; 77 (skipped aloud) without root, debootstrap, packages or a network. Debian's part
is kept in the cache, ENSCONCE_CACHE/debootstrap, so only the first run needs the network.
"""

import argparse
import base64
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path[:0] = [str(HERE), str(ROOT / "packaging"), str(ROOT / "demo")]

import deb  # noqa: E402
import older_store  # noqa: E402
import story as told  # noqa: E402
from house import DemoError, Process, fill  # noqa: E402

SUITE = "bookworm"
NAMES = ("ensconce", "ensconce-worker", "ensconce-broker", "ensconce-sim")
STATE = "var/lib/ensconce-broker"
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/root",
               "DEBIAN_FRONTEND": "noninteractive",
               **{k: v for k, v in os.environ.items() if k.lower().endswith("_proxy")}}


class Failure(Exception):
    pass


class NoNetwork(Exception):
    pass


def expect(holds, what):
    if not holds:
        raise Failure(what)


def say(text):
    print(text, flush=True)


def run(*argv, expect=0, **options):
    done = subprocess.run([str(a) for a in argv], check=False, text=True, capture_output=True,
                          stdin=subprocess.DEVNULL, **options)
    if expect is not None and done.returncode != expect:
        raise Failure(f"{' '.join(map(str, argv))}\nended with {done.returncode}\n"
                      f"{done.stdout[-4000:]}{done.stderr[-4000:]}")
    return done


class Folder:
    """A Debian in a folder."""

    def __init__(self, root):
        self.root = root
        self._running = []

    def run(self, *argv, expect=0):
        return run("chroot", self.root, *argv, expect=expect, env=ENVIRONMENT)

    def json(self, *argv):
        return json.loads(self.run(*argv).stdout)

    def as_user(self, user, *argv):
        """As a unit runs it: its account, no privileges and no way to any."""
        return ("setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "--inh-caps=-all",
                "--bounding-set=-all", "--no-new-privs", *argv)

    def apt(self, *arguments, expect=0):
        return self.run("apt-get", "-q", "-y", "--no-install-recommends",
                        "-o", "Dpkg::Options::=--force-confold", "-o", "APT::Get::List-Cleanup=0",
                        *arguments, expect=expect)

    def start(self, name, *argv):
        process = Process(name, ["chroot", str(self.root), *map(str, argv)], env=ENVIRONMENT)
        self._running.append(process)
        said = process.ready()
        if said is None:
            raise Failure(f"{name} did not start:\n" + "\n".join(process.errors[-30:]))
        return process, said

    def stop(self):
        for process in reversed(self._running):
            process.stop()

    def path(self, name):
        return self.root / name

    def repository(self, name):
        """Takes our packages from /srv/NAME, and no other folder's."""
        self.path("etc/apt/sources.list.d/ensconce.list").write_text(
            f"deb [trusted=yes] file:/srv/{name} ./\n", encoding="ascii")
        self.run("apt-get", "-q", "update", "-o", "APT::Get::List-Cleanup=0",
                 "-o", "Dir::Etc::sourcelist=/etc/apt/sources.list.d/ensconce.list",
                 "-o", "Dir::Etc::sourceparts=/dev/null")


# ---- Debian in a folder -------------------------------------------------------------------------


def mirrors():
    """[(address, suite)] of what this machine installs from, Debian's own suites alone."""
    said = run("apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME) $(ORIGIN)").stdout
    found = []
    for line in said.splitlines():
        address, suite, origin = (*line.split(" ", 2), "")[:3]
        if origin == "Debian" and suite.startswith(SUITE) and (address, suite) not in found:
            found.append((address, suite))
    return found


def write_base(root, packages):
    """Fills a folder with a base system, package lists, and what our packages will need."""
    listed = mirrors()
    main = next((address for address, suite in listed if suite == SUITE), None)
    if main is None:
        raise NoNetwork(f"this machine has no package lists of Debian's {SUITE}")
    say(f"debootstrap of {SUITE}, once: kept in the cache")
    made = run("debootstrap", "--variant=minbase", SUITE, root, main, expect=None)
    if made.returncode != 0:
        raise NoNetwork(f"debootstrap ended with {made.returncode}: {made.stdout[-600:]}")
    folder = Folder(root)
    folder.path("etc/apt/sources.list").write_text(
        "".join(f"deb {address} {suite} main\n" for address, suite in listed), encoding="ascii")
    if folder.apt("update", expect=None).returncode != 0:
        raise NoNetwork("apt-get update did not succeed in the folder")
    place_both(folder, packages)
    folder.apt("install", "--download-only", *NAMES)


def base(root, cache, packages):
    """Fills the folder from the cache, or anew where what is cached no longer gives all we need."""
    archive = cache / "debootstrap" / f"{SUITE}.tar"
    if archive.is_file():
        run("tar", "--extract", "--file", archive, "--directory", root, "--numeric-owner")
        folder = Folder(root)
        place_both(folder, packages)
        if folder.apt("install", "--download-only", *NAMES, expect=None).returncode == 0:
            return
        say("what is cached is too old")
        for path in root.iterdir():
            run("rm", "-rf", "--one-file-system", path)
    write_base(root, packages)
    archive.parent.mkdir(parents=True, exist_ok=True)
    temporary = archive.with_suffix(".new")
    run("tar", "--create", "--file", temporary, "--directory", root, "--numeric-owner",
        "--one-file-system", "--exclude=./proc/*", "--exclude=./sys/*", "--exclude=./dev/*",
        "--exclude=./srv/*", ".")
    temporary.rename(archive)


def place(folder, name, packages):
    """A repository in /srv/NAME: "older" is the packages under a version that sorts before theirs."""
    where = folder.path(f"srv/{name}")
    where.mkdir(parents=True)
    for path in sorted(packages.glob("*.deb")):
        package, version, arch = path.stem.split("_")
        if name == "older":
            deb.repack(path, f"{version}~older", where / f"{package}_{version}~older_{arch}.deb", 1)
        else:
            shutil.copyfile(path, where / path.name)
    with open(where / "Packages", "w", encoding="utf-8") as listing:
        listing.write(run("dpkg-scanpackages", "--multiversion", ".", cwd=where).stdout)


def place_both(folder, packages):
    place(folder, "older", packages)
    place(folder, "newer", packages)
    folder.repository("older")


def mount(root):
    run("mount", "-t", "proc", "proc", root / "proc")
    run("mount", "--rbind", "/dev", root / "dev")


# ---- What must hold -----------------------------------------------------------------------------


def versions(folder):
    said = folder.run("dpkg-query", "-W", "-f", "${Package} ${Version}\n", *NAMES).stdout
    return dict(line.split() for line in said.splitlines())


def installed_as_it_should(folder, version):
    expect(versions(folder) == dict.fromkeys(NAMES, version), versions(folder))
    for program in NAMES:
        said = folder.run(program, "--version").stdout
        expect(said.startswith(f"{program} {version.split('~')[0]}"), said)
    for kind in ("worker", "broker"):
        folder.run(f"ensconce-{kind}", "--config", f"/etc/ensconce/{kind}.example.toml", "--check")
        user = folder.run("getent", "passwd", f"ensconce-{kind}").stdout
        expect(user.rstrip().endswith("/nologin"), f"the account can log in: {user}")
        expect(not folder.path(f"etc/ensconce/{kind}.toml").exists(),
               f"{kind}.toml is there, so a start would begin with somebody else's values")
    expect(folder.run("dpkg", "--verify", *NAMES).stdout == "", "dpkg --verify finds changes")
    engine = folder.run("ldd", "/usr/bin/ensconce-worker").stdout
    expect("=> /usr/lib/ensconce/libonnxruntime.so.1 " in engine, engine)
    expect("not found" not in engine, engine)
    state = folder.run("stat", "-c", "%U:%G %a", f"/{STATE}").stdout.strip()
    expect(state == "ensconce-broker:ensconce-broker 700", f"the state directory is {state}")
    listed = folder.run("dpkg", "-L", *NAMES).stdout.split()
    for name in listed:
        path = folder.path(name.lstrip("/"))
        if path.is_file() and not path.is_symlink():
            expect(path.stat().st_mode & 0o7022 == 0, f"{name} is setuid, or others may write it")
    enabled = list(folder.path("etc/systemd/system").rglob("ensconce*"))
    expect(not enabled, f"installing enabled {enabled}")


def files(folder):
    """{name: (owner, mode, bytes or None)} of the broker's state; the database changes when opened."""
    out = {}
    expect(folder.path(STATE).is_dir(), f"/{STATE} is gone")
    for path in sorted(folder.path(STATE).iterdir()):
        info = path.stat()
        out[path.name] = (info.st_uid, oct(info.st_mode),
                          None if path.name.startswith("broker.db") else path.read_bytes())
    return out


class Broker:
    """The broker of the folder, started by the words of its unit, and an owner who asks it."""

    def __init__(self, folder, store):
        self._folder = folder
        self._store = store
        unit = folder.path("usr/lib/systemd/system/ensconce-broker.service").read_text("utf-8")
        start = re.search(r"(?m)^ExecStart=(.*)$", unit)[1].split()
        user = re.search(r"(?m)^User=(.*)$", unit)[1]
        self.process, self.said = folder.start("ensconce-broker", *folder.as_user(user, *start))

    def at(self):
        return ("--broker", f"https://127.0.0.1:{self.said['port']}", "--broker-pin",
                self.said["tls_pin"], "--owner-key", "/root/owner.key")

    def ask(self, *words):
        return self._folder.json("ensconce", "broker", *words, *self.at())

    def log(self):
        said = self.ask("log", "--broker-key", self._store["identity"]["key"])
        expect(said["verified"], said)
        return said["entries"]

    def key_ids(self):
        said = self.ask("key", "list")
        return sorted(re.findall(r'"(?:id|key_id)": ?"([0-9a-f]{32})"', json.dumps(said)))


def lay_older_store(folder, store):
    state = folder.path(STATE)
    older_store.lay(store, state)
    folder.run("chown", "-R", "ensconce-broker:ensconce-broker", f"/{STATE}")
    owner_key = folder.path("root/owner.key")
    owner_key.write_text(store["owner.key"], encoding="ascii")
    owner_key.chmod(0o600)
    folder.path("var/lib/ensconce-worker/simple.sealed").write_bytes(
        base64.b64decode(store["bundle"]))
    folder.path("etc/ensconce/broker.toml").write_text(fill(
        "broker.toml", port=0, state=f"/{STATE}", owner_keys=told.quoted([store["owner"]])),
        encoding="utf-8")


def seal_another(folder, broker):
    import build as simple  # models/simple, which older_store put on the path
    simple.write(folder.path("root/models"), "simple_identity")
    folder.json("ensconce", "model", "seal", "/root/models/simple_identity", "--out",
                "/var/lib/ensconce-worker/second.sealed", "--name", "second", "--version", "1",
                "--policy", older_store.POLICY, *broker.at())


def a_worker_gets_its_key(folder, broker, store):
    """The older store's key opens the older bundle: in a worker that the owner now allows."""
    sim = ("ensconce-sim", "--state", "/root/chip")
    folder.run(sim[0], "init", *sim[1:])
    anchor = folder.json(sim[0], "anchor", *sim[1:])["spki_sha256"]
    models = "".join(f'[[model]]\nbundle = "/var/lib/ensconce-worker/{name}.sealed"\n'
                     for name in ("simple", "second"))
    folder.path("etc/ensconce/worker.toml").write_text(fill(
        "worker.toml", port=0, device='tsm_root = "tsm"', owner_keys=told.quoted([store["owner"]]), more="",
        broker_port=broker.said["port"], broker_key=broker.said["key"],
        broker_pin=broker.said["tls_pin"], models=models), encoding="utf-8")
    program = ("--", "/usr/bin/ensconce-worker", "--config", "/etc/ensconce/worker.toml")
    measurement = folder.json(sim[0], "measure", *sim[1:], *program)["measurement"]
    sandbox = folder.json(*program[1:], "--explain-sandbox", "--json")["security.sandbox"]
    folder.path("root/release.toml").write_text(older_store.release_policy(
        anchor, measurement, store["owner"], broker.said["key"], sandbox), encoding="utf-8")
    broker.ask("policy", "set", older_store.POLICY, "/root/release.toml")
    worker, _ = folder.start("ensconce-worker", sim[0], "run", *sim[1:], *program)
    releases = [entry for entry in broker.log() if entry.get("decision") == "release"]
    expect(len(releases) >= 2, "the log has no release of both keys")
    worker.stop()


def story(folder, packages, store):
    version = next(p.stem.split("_")[1] for p in packages.glob("ensconce-broker_*.deb"))
    folder.repository("older")
    folder.apt("install", *NAMES)
    installed_as_it_should(folder, f"{version}~older")
    say("installed: four packages, accounts, an empty state directory, nothing enabled")

    lay_older_store(folder, store)
    broker = Broker(folder, store)
    expect({k: broker.said[k] for k in ("key", "tls_pin")} == store["identity"],
           "the broker is another than the one of the older store")
    before = broker.log()
    seal_another(folder, broker)
    keys = broker.key_ids()
    expect(len(keys) == 2, f"keys in the store: {keys}")
    broker.process.stop()
    configuration = folder.path("etc/ensconce/broker.toml").read_bytes()
    state = files(folder)

    folder.repository("newer")
    upgrade = folder.apt("install", *NAMES).stdout
    expect("4 upgraded, 0 newly installed, 0 to remove" in upgrade, upgrade)
    expect(versions(folder) == dict.fromkeys(NAMES, version), versions(folder))
    expect(folder.path("etc/ensconce/broker.toml").read_bytes() == configuration, "broker.toml changed")
    expect(files(folder) == state, "the upgrade touched the state")
    broker = Broker(folder, store)
    expect({k: broker.said[k] for k in ("key", "tls_pin")} == store["identity"],
           "after the upgrade the broker is another")
    expect(broker.key_ids() == keys, "after the upgrade keys are missing")
    expect(broker.log()[:len(before)] == before, "after the upgrade the log is another")
    a_worker_gets_its_key(folder, broker, store)
    broker.process.stop()
    say("upgraded: same identity, keys, log; a worker got the older store's key and opened its bundle")

    state = files(folder)
    removed = folder.apt("remove", *NAMES)
    expect(f"/{STATE}" in removed.stdout + removed.stderr, "removing does not say what stays")
    expect(files(folder) == state, "removing touched the state")
    expect(folder.path("etc/ensconce/broker.toml").read_bytes() == configuration,
           "removing took broker.toml")
    for name in NAMES:
        expect(not folder.path(f"usr/bin/{name}").exists(), f"{name} is still there")
    expect(not folder.path("usr/lib/ensconce").exists(), "the engine is still there")
    say("removed: programs gone; keys, database, log and configuration as they were")

    purged = folder.apt("purge", *NAMES)
    expect(f"deleting /{STATE}" in purged.stdout + purged.stderr, "purging does not say what goes")
    for name in (STATE, "var/lib/ensconce-worker", "etc/ensconce"):
        expect(not folder.path(name).exists(), f"purging left /{name}")
    say("purged: nothing left but the two accounts")


def inside(root, packages, cache):
    started = time.monotonic()
    base(root, cache, packages)
    mount(root)
    for number, fixture in enumerate(older_store.fixtures()):
        folder = Folder(root)
        try:
            if number:  # the simulated chip of one story is none of the next
                shutil.rmtree(root / "root" / "chip")
            say(f"with the store of {fixture.name}")
            story(folder, packages, older_store.load(fixture))
        finally:
            folder.stop()
    say(f"in {time.monotonic() - started:.0f} s")


def skip(why):
    print(f"SKIPPED: {why}")
    return 77


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--packages", default=ROOT / "build/package", type=pathlib.Path)
    parser.add_argument("--cache", default=os.environ.get("ENSCONCE_CACHE", ROOT / ".cache"),
                        type=pathlib.Path)
    parser.add_argument("--inside", type=pathlib.Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.inside:
        inside(arguments.inside, arguments.packages, arguments.cache)
        return 0
    if len(list(arguments.packages.glob("*.deb"))) != len(NAMES):
        return skip(f"no packages in {arguments.packages}: `make package` makes them")
    if os.geteuid() != 0:
        return skip("installing packages in a folder needs root")
    if missing := [t for t in ("debootstrap", "dpkg-scanpackages", "unshare") if not shutil.which(t)]:
        return skip(f"{', '.join(missing)} not here; `setup/setup.sh packaging` installs them")
    # Mounts and processes of the folder end with a namespace of their own, whatever happens.
    with tempfile.TemporaryDirectory(prefix="ensconce-install-") as top:
        root = pathlib.Path(top) / "debian"
        root.mkdir(mode=0o755)
        done = subprocess.run(
            ["unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child",
             sys.executable, "-B", __file__, "--inside", root, "--packages",
             arguments.packages.resolve(), "--cache", arguments.cache.resolve()], check=False)
        return done.returncode


if __name__ == "__main__":
    try:
        sys.exit(main())
    except NoNetwork as why:
        sys.exit(skip(str(why)))
    except (Failure, DemoError, deb.PackageError) as failure:
        print(failure)
        sys.exit(1)
