"""The Gramine manifest templates render, parse, and say what deploy/gramine/README.md promises.

No Gramine is asked here; keys are held against the list of its manual, version 1.9.
"""

import pathlib
import subprocess
import sys
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


def main():
    for name in ("worker", "broker"):
        template = GRAMINE / f"ensconce-{name}.manifest.template"
        values = VALUES | OWN[name]
        done = render(template, values)
        assert done.returncode == 0, done.stderr
        same_as_jinja(template, values, done.stdout)
        manifest = tomllib.loads(done.stdout)
        check_manifest(name, manifest)
        assert render(template, VALUES).returncode != 0, "a variable is missing"
        assert render(template, values | {"more": "x"}).returncode != 0, "a variable too many"
        print(f"{template.name}: {len(manifest['fs']['mounts'])} mounts, as the README says")


if __name__ == "__main__":
    main()
