"""The worker's image, as `make package` made it: the same again, readable, and it starts.

Exit code 0 when so; 77 where there is no image to look at or nothing to look with (skipped aloud).
--others lets skopeo and umoci read it instead of us.
"""

import argparse
import filecmp
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
IMAGE = "ensconce-worker.oci"
EMPTY = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}  # for unshare and chroot; no LD_LIBRARY_PATH
FORBIDDEN = ("sh", "bash", "dash", "busybox", "apt-get", "dpkg", "ensconce-sim", "python3")


class Failure(Exception):
    pass


def run(*argv, expect=0, **options):
    done = subprocess.run([str(a) for a in argv], check=False, text=True, capture_output=True, **options)
    if done.returncode != expect:
        raise Failure(f"{' '.join(map(str, argv))}\nended with {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def skip(why):
    print(f"SKIPPED: {why}")
    return 77


def image_of(layout):
    (listed,) = json.loads((layout / "index.json").read_text(encoding="utf-8"))["manifests"]

    def blob(descriptor):
        return layout / "blobs" / descriptor["digest"].replace(":", "/")

    manifest = json.loads(blob(listed).read_text(encoding="utf-8"))
    config = json.loads(blob(manifest["config"]).read_text(encoding="utf-8"))
    return (listed["annotations"]["org.opencontainers.image.ref.name"], config,
            [blob(one) for one in manifest["layers"]])


def same(first, second):
    """Problems: what differs between two folders."""
    compared = filecmp.dircmp(first, second)
    out = [f"only in one: {name}" for name in compared.left_only + compared.right_only]
    for name in compared.common_files:
        if not filecmp.cmp(first / name, second / name, shallow=False):
            out.append(f"differs: {first / name}")
    for name in compared.common_dirs:
        out += same(first / name, second / name)
    return out


def starts(rootfs, version):
    """The worker runs in there, as whoever unpacked it and with nothing else to load."""
    inside = ("unshare", "--user", "--map-root-user", "chroot", rootfs, "/usr/bin/ensconce-worker")
    said = run(*inside, "--version", env=EMPTY)
    if said != f"ensconce-worker {version}\n":
        raise Failure(f"--version said {said!r}")
    shutil.copyfile(ROOT / "packaging/etc/worker.example.toml", rootfs / "etc/ensconce/worker.toml")
    run(*inside, "--config", "/etc/ensconce/worker.toml", "--check", env=EMPTY)
    (rootfs / "etc/ensconce/worker.toml").unlink()
    run(*inside, "--config", "/etc/ensconce/worker.toml", "--check", env=EMPTY, expect=11)  # no such file


def holds_nothing_else(rootfs):
    names = {path.name for path in rootfs.rglob("*") if path.is_file()}
    if found := names.intersection(FORBIDDEN):
        raise Failure(f"in the image: {sorted(found)}")
    programs = [path for path in (rootfs / "usr/bin").iterdir()]
    if [p.name for p in programs] != ["ensconce-worker"]:
        raise Failure(f"programs in the image: {programs}")
    listed = (rootfs / "usr/share/doc/ensconce-worker/libraries.txt").read_text(encoding="utf-8")
    for line in listed.splitlines():
        _, soname, package, version = line.split()
        if not (rootfs / "usr/share/doc" / package / "copyright").is_file():
            raise Failure(f"no notice of {package} {version}, which has {soname}")


def by_ourselves(packages):
    layout = packages / IMAGE
    version, config, layers = image_of(layout)
    if config["config"]["User"] in ("", "0", "root") or config["config"]["User"].startswith("0:"):
        raise Failure("the image runs as root")
    with tempfile.TemporaryDirectory() as top:
        rootfs = pathlib.Path(top) / "rootfs"
        rootfs.mkdir()
        for one in layers:
            with tarfile.open(one) as archive:
                archive.extractall(rootfs, filter="tar") if hasattr(tarfile, "tar_filter") else (
                    archive.extractall(rootfs))
        holds_nothing_else(rootfs)
        starts(rootfs, version)
        again = pathlib.Path(top) / "again"
        run("/usr/bin/python3", ROOT / "packaging/build", "--out", again,
            env={**os.environ, "TMPDIR": top})
        if problems := same(packages, again):
            raise Failure("a second time it is not the same:\n" + "\n".join(problems))
    return 0


def by_others(packages):
    if missing := [tool for tool in ("skopeo", "umoci") if shutil.which(tool) is None]:
        return skip(f"{' and '.join(missing)} not here; `setup/setup.sh packaging` installs them")
    version, config, _ = image_of(packages / IMAGE)
    where = f"{packages / IMAGE}:{version}"
    seen = json.loads(run("skopeo", "inspect", f"oci:{where}"))
    if seen["Labels"] != config["config"]["Labels"] or len(seen["Layers"]) != 3:
        raise Failure(f"skopeo sees {seen}")
    with tempfile.TemporaryDirectory() as top:
        # A copy is read whole: every blob is held against its digest.
        run("skopeo", "copy", "--insecure-policy", f"oci:{where}", f"dir:{top}/copy")
        bundle = pathlib.Path(top) / "bundle"
        run("umoci", "unpack", *([] if os.geteuid() == 0 else ["--rootless"]), "--image", where, bundle)
        runtime = json.loads((bundle / "config.json").read_text(encoding="utf-8"))
        if runtime["process"]["args"] != ["/usr/bin/ensconce-worker", "--config",
                                          "/etc/ensconce/worker.toml"]:
            raise Failure(f"umoci would run {runtime['process']['args']}")
        if runtime["process"]["user"]["uid"] == 0:
            raise Failure("umoci would run it as root")
        starts(bundle / "rootfs", version)
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--packages", default=ROOT / "build/package", type=pathlib.Path)
    parser.add_argument("--others", action="store_true")
    arguments = parser.parse_args()
    if not (arguments.packages / IMAGE / "index.json").is_file():
        return skip(f"no image in {arguments.packages}: `make package` makes it")
    return (by_others if arguments.others else by_ourselves)(arguments.packages)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failure as failure:
        print(failure)
        sys.exit(1)
