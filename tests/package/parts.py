"""What packages are made of: the table, the writers of packages and images, scripts and examples.

With programs of any build; the packages themselves are looked at by the tests labelled "package".
Exit code 0 when all holds.
"""

import argparse
import gzip
import hashlib
import io
import json
import os
import pathlib
import subprocess
import sys
import tarfile
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "packaging"))

import contents  # noqa: E402
import deb  # noqa: E402
import oci  # noqa: E402

BIN = ROOT / "build" / "dev" / "bin"
EPOCH = 1_700_000_000


def files_of(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


class Table(unittest.TestCase):
    def test_the_simulator_is_in_its_own_package_alone(self):
        for package in contents.PACKAGES:
            for file in package.files:
                sim = file.source.startswith("SIM/") or "sim" in pathlib.Path(file.source).name
                self.assertEqual(sim, package.name == "ensconce-sim", file)

    def test_each_file_has_one_place_and_its_source_is_there(self):
        for package in contents.PACKAGES:
            targets = [file.target for file in package.files]
            self.assertEqual(len(targets), len(set(targets)), package.name)
            for file in package.files:
                if not file.source.startswith(("BIN/", "SIM/", "ENGINE/")):
                    self.assertTrue((ROOT / file.source).is_file(), file.source)

    def test_packages_share_no_file(self):
        every = [f.target for package in contents.PACKAGES for f in package.files]
        self.assertEqual(len(every), len(set(every)))

    def test_what_lies_in_etc_is_a_conffile(self):
        for package in contents.PACKAGES:
            for file in package.files:
                self.assertEqual(file.conffile, file.target.startswith("etc/"), file)

    def test_the_engine_is_the_one_that_the_set_up_checks(self):
        self.assertRegex(contents.engine_digest(), r"^[0-9a-f]{64}$")


class Scripts(unittest.TestCase):
    def test_every_script_is_one_for_sh(self):
        scripts = [p for p in (ROOT / "packaging/debian").glob("*/*") if p.name in deb.SCRIPTS]
        self.assertGreaterEqual(len(scripts), 6)
        for script in scripts:
            self.assertTrue(script.read_text(encoding="utf-8").startswith("#!/bin/sh\nset -e\n"))
            subprocess.run(["sh", "-n", script], check=True)

    def test_no_script_starts_or_enables_a_service(self):
        for script in (ROOT / "packaging/debian").glob("*/p*"):
            for line in script.read_text(encoding="utf-8").splitlines():
                self.assertNotRegex(line, r"^[^#]*(\benable\b|invoke start|systemctl start)", script)


class Examples(unittest.TestCase):
    def check(self, program, name):
        return subprocess.run([BIN / program, "--config", ROOT / "packaging/etc" / name, "--check"],
                              check=False, capture_output=True, text=True)

    def test_the_programs_take_their_examples(self):
        for kind in ("worker", "broker"):
            done = self.check(f"ensconce-{kind}", f"{kind}.example.toml")
            self.assertEqual(done.returncode, 0, done.stderr)

    def test_check_does_look(self):
        self.assertNotEqual(self.check("ensconce-worker", "broker.example.toml").returncode, 0)
        self.assertNotEqual(self.check("ensconce-broker", "worker.example.toml").returncode, 0)

    def test_the_unit_and_the_example_name_the_same_places(self):
        for kind in ("worker", "broker"):
            unit = (ROOT / f"packaging/systemd/ensconce-{kind}.service").read_text(encoding="utf-8")
            self.assertIn(f"ExecStart=/usr/bin/ensconce-{kind} --config /etc/ensconce/{kind}.toml\n", unit)
            self.assertIn(f"ConditionPathExists=/etc/ensconce/{kind}.toml\n", unit)
        example = (ROOT / "packaging/etc/broker.example.toml").read_text(encoding="utf-8")
        self.assertIn('state = "/var/lib/ensconce-broker"\n', example)


class Packages(unittest.TestCase):
    broker = next(p for p in contents.PACKAGES if p.name == "ensconce-broker")

    def build(self, out, mask, version="1.2.3"):
        old = os.umask(mask)
        try:
            sources = contents.Sources(BIN.parent, BIN.parent, ROOT)
            return deb.Builder(sources, version, "c0ffee", EPOCH, out).build(self.broker)
        finally:
            os.umask(old)

    def test_a_package_is_the_same_twice_whoever_builds(self):
        with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
            first = self.build(one, 0o077)
            self.assertEqual(first.read_bytes(), self.build(other, 0o002).read_bytes())
            self.assertEqual(first.name.split("_")[:2], ["ensconce-broker", "1.2.3"])
            fields = deb.run("dpkg-deb", "--field", first)
            self.assertRegex(fields, r"(?m)^Depends: .*\blibsqlite3-0 \(>= ")
            self.assertRegex(fields, r"(?m)^Depends: .*\blibssl3 \(>= ")
            self.assertIn("Ensconce-Commit: c0ffee\n", fields)
            listing = deb.run("dpkg-deb", "--contents", first)
            for line in listing.splitlines():
                self.assertRegex(line, r"^(-rw-r--r--|-rwxr-xr-x|drwxr-xr-x) root/root ")
            self.assertEqual(deb.run("dpkg-deb", "--info", first, "conffiles"),
                             "/etc/ensconce/broker.example.toml\n")

    def test_another_version_of_it_differs_in_that_alone(self):
        with tempfile.TemporaryDirectory() as top:
            first = self.build(top, 0o022)
            again = pathlib.Path(top) / "again.deb"
            deb.repack(first, "1.2.3~older", again, EPOCH)
            self.assertEqual(deb.run("dpkg-deb", "--field", again, "Version").strip(), "1.2.3~older")
            compared = deb.run("dpkg-deb", "--contents", again)
            self.assertEqual(compared, deb.run("dpkg-deb", "--contents", first))

    def test_a_missing_program_is_named(self):
        sources = contents.Sources("/nonexistent", "/nonexistent", ROOT)
        with tempfile.TemporaryDirectory() as top, self.assertRaisesRegex(
                deb.PackageError, "/nonexistent/bin/ensconce-broker is missing"):
            deb.Builder(sources, "1", None, EPOCH, top).build(self.broker)


class Image(unittest.TestCase):
    def entries(self, folder):
        file = pathlib.Path(folder) / "file"
        file.write_bytes(b"content")
        return [oci.Entry("usr/bin/program", file, mode=0o755), oci.Entry("lib", link="usr/lib"),
                oci.Entry("etc/passwd", b"root"), oci.Entry("etc/empty")]

    def write(self, top):
        out = pathlib.Path(top) / "image"
        digest = oci.Layout(out).finish(
            [self.entries(top), [oci.Entry("usr/lib/more", b"more")]], {"User": "1:1"},
            {"org.opencontainers.image.version": "1"}, "1", "amd64", EPOCH)
        return out, digest

    def test_a_layout_is_the_same_twice(self):
        with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
            first, digest = self.write(one)
            second, again = self.write(other)
            self.assertEqual(digest, again)
            self.assertEqual(files_of(first), files_of(second))

    def test_every_digest_and_size_is_that_of_the_bytes(self):
        with tempfile.TemporaryDirectory() as top:
            out, digest = self.write(top)

            def blob(descriptor):
                kind, name = descriptor["digest"].split(":")
                data = (out / "blobs" / kind / name).read_bytes()
                self.assertEqual(hashlib.sha256(data).hexdigest(), name)
                self.assertEqual(len(data), descriptor["size"])
                return data

            self.assertEqual(json.loads((out / "oci-layout").read_bytes()),
                             {"imageLayoutVersion": "1.0.0"})
            (listed,) = json.loads((out / "index.json").read_bytes())["manifests"]
            self.assertEqual(listed["digest"], digest)
            manifest = json.loads(blob(listed))
            config = json.loads(blob(manifest["config"]))
            layers = [gzip.decompress(blob(one)) for one in manifest["layers"]]
            self.assertEqual(config["rootfs"]["diff_ids"],
                             ["sha256:" + hashlib.sha256(one).hexdigest() for one in layers])
            self.assertEqual(len(list((out / "blobs/sha256").iterdir())), 2 + len(layers))
            members = tarfile.open(fileobj=io.BytesIO(layers[0])).getmembers()
            self.assertEqual([(m.name, oct(m.mode), m.mtime, m.uid, m.gid) for m in members], [
                ("etc", "0o755", EPOCH, 0, 0), ("etc/empty", "0o755", EPOCH, 0, 0),
                ("etc/passwd", "0o644", EPOCH, 0, 0), ("lib", "0o777", EPOCH, 0, 0),
                ("usr", "0o755", EPOCH, 0, 0), ("usr/bin", "0o755", EPOCH, 0, 0),
                ("usr/bin/program", "0o755", EPOCH, 0, 0)])

    def test_two_things_of_one_name_are_refused(self):
        with self.assertRaises(ValueError):
            oci.layer([oci.Entry("a", b"1"), oci.Entry("a", b"2")], EPOCH)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", default=BIN, type=pathlib.Path)
    BIN = parser.parse_args().bin.resolve()
    unittest.main(argv=sys.argv[:1])
