"""The Gramine manifest templates render, parse, and say what deploy/gramine/README.md promises.

    gramine_manifests.py --bin DIR

No Gramine is asked here; keys are held against the list of its manual, version 1.9. The configurations beside
the templates are read by the shipped programs.
"""

import argparse
import pathlib
import subprocess
import sys
import tempfile
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
GRAMINE = ROOT / "deploy" / "gramine"
VALUES = {"rootfs": "/srv/ensconce/rootfs", "config": "/srv/ensconce/config",
          "endorsements": "/srv/ensconce/endorsements"}
OWN = {"worker": {"bundles": "/srv/ensconce/bundles"}, "broker": {"state": "/srv/ensconce/state"}}

# Gramine 1.9, Documentation/manifest-syntax.rst: those used here. A misspelled one would be ignored.
KNOWN = {
    "loader": {"entrypoint", "log_level", "argv", "env"},
    "libos": {"entrypoint"},
    "sys": {"stack", "disallow_subprocesses", "enable_sigterm_injection",
            "enable_extra_runtime_domain_names_conf"},
    "fs": {"root", "mounts"},
    "sgx": {"debug", "remote_attestation", "enclave_size", "edmm_enable", "max_threads", "isvprodid",
            "isvsvn", "require_avx", "trusted_files", "allowed_files"},
}
SIZES = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def render(template, values):
    command = [sys.executable, "-B", GRAMINE / "render.py", template,
               *(f"{name}={value}" for name, value in values.items())]
    return subprocess.run(command, check=False, capture_output=True, text=True)


def same_as_jinja(template, values, rendered):
    """Where Jinja is at hand, it says the same: Gramine's own tool renders with it."""
    try:
        import jinja2
    except ImportError:
        print("note: no jinja2 here to compare with")
        return
    class Gramine:
        libos = "/usr/lib/x86_64-linux-gnu/gramine/libsysdb.so"
        runtimedir = staticmethod(lambda: "/usr/lib/x86_64-linux-gnu/gramine/runtime/glibc")
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
    assert environment.from_string(template.read_text()).render(gramine=Gramine, **values) == rendered


def size(text):
    return int(text[:-1]) * SIZES[text[-1]]


def check_manifest(name, manifest):
    for table, keys in manifest.items():
        assert table in KNOWN and set(keys) <= KNOWN[table], f"{name}: {table}: {set(keys)}"
    assert manifest["libos"]["entrypoint"] == f"/usr/bin/ensconce-{name}"
    # Nothing of the host's choosing: arguments, variables, log.
    assert manifest["loader"]["argv"] == [f"ensconce-{name}", "--config", f"/etc/ensconce/{name}.toml"]
    assert all(isinstance(value, str) for value in manifest["loader"]["env"].values())
    assert manifest["loader"]["log_level"] == "error"
    sgx = manifest["sgx"]
    assert sgx["debug"] is False and sgx["remote_attestation"] == "dcap"
    enclave = size(sgx["enclave_size"])
    assert enclave & (enclave - 1) == 0, "an enclave's size is a power of two"
    assert sgx["max_threads"] * size(manifest["sys"]["stack"]["size"]) < enclave // 2
    # What decides is hashed; what is not hashed decides nothing.
    assert f"file:{VALUES['config']}/" in sgx["trusted_files"]
    assert f"file:{VALUES['rootfs']}/usr/bin/ensconce-{name}" in sgx["trusted_files"]
    data = {f"file:{VALUES['endorsements']}/"}
    if name == "worker":
        data.add(f"file:{OWN['worker']['bundles']}/")
    assert set(sgx["allowed_files"]) == data
    for mount in manifest["fs"]["mounts"]:
        assert set(mount) <= {"type", "path", "uri", "key_name"}
        if mount.get("type") == "encrypted":
            assert mount["key_name"] == "_sgx_mrenclave"
    for part in manifest["loader"]["env"]["LD_LIBRARY_PATH"].split(":"):
        assert part == "/lib" or part.startswith("/usr/lib/")


def mounted(manifest, path):
    return any(path.startswith(mount["path"] + "/") or path == mount["path"]
               for mount in manifest["fs"]["mounts"])


def check_config(name, manifest, bin_dir):
    """Its program takes the configuration, and each path in it is one the manifest mounts."""
    path = GRAMINE / f"{name}.toml"
    config = tomllib.loads(path.read_text())
    assert config["gramine_root"] == "/dev/attestation" and config["attester"] == "gramine"
    named = [config["endorsements"]]
    named += [model["bundle"] for model in config.get("model", [])]
    named += [config["state"]] if "state" in config else []
    assert all(mounted(manifest, one) for one in named), named
    program = [bin_dir / f"ensconce-{name}", "--check", "--config"]
    done = subprocess.run([*program, path], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as wrong:
        wrong.write(path.read_text().replace("gramine_root", "gramine_rot"))
        wrong.flush()
        assert subprocess.run([*program, wrong.name], check=False, capture_output=True).returncode == 2


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", default=ROOT / "build" / "dev" / "bin", type=pathlib.Path)
    arguments = parser.parse_args()
    for name in ("worker", "broker"):
        template = GRAMINE / f"ensconce-{name}.manifest.template"
        values = VALUES | OWN[name]
        done = render(template, values)
        assert done.returncode == 0, done.stderr
        same_as_jinja(template, values, done.stdout)
        manifest = tomllib.loads(done.stdout)
        check_manifest(name, manifest)
        check_config(name, manifest, arguments.bin)
        assert render(template, VALUES).returncode != 0, "a variable is missing"
        assert render(template, values | {"more": "x"}).returncode != 0, "a variable too many"
        print(f"{template.name}: {len(manifest['fs']['mounts'])} mounts, as the README says")


if __name__ == "__main__":
    main()
