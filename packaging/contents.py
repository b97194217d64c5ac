"""What goes into which package: one table, read by the Debian packages and by the image.

Paths of sources are relative to the checkout, but for BIN (the release build's programs), SIM (the
developer build's, for the simulator alone) and ENGINE (ONNX Runtime's prefix).
"""

import dataclasses
import pathlib

ROOT = pathlib.Path(__file__).resolve().parent.parent

# The one place that says which file of the engine is the right one.
ENGINE_LIBRARY = "lib/libonnxruntime.so.1"
ARTIFACTS = ROOT / "setup" / "artifacts.sha256"


@dataclasses.dataclass(frozen=True)
class File:
    source: str  # "BIN/…", "SIM/…", "ENGINE/…", or a path in the checkout
    target: str  # below /
    mode: int = 0o644
    strip: bool = False
    conffile: bool = False


@dataclasses.dataclass(frozen=True)
class Package:
    name: str
    files: tuple[File, ...]
    folders: tuple[str, ...] = ()  # empty ones
    third_party: tuple[str, ...] = ()  # Debian packages of header libraries whose code is inside


def program(name, build="BIN"):
    return File(f"{build}/{name}", f"usr/bin/{name}", 0o755, strip=True)


def document(package, source, folder=""):
    return File(source, f"usr/share/doc/{package}/{folder}{pathlib.PurePath(source).name}")


def service(kind):
    """What worker and broker have alike: unit, account, example, pages."""
    name = f"ensconce-{kind}"
    return (
        program(name),
        File(f"packaging/systemd/{name}.service", f"usr/lib/systemd/system/{name}.service"),
        File(f"packaging/sysusers/{name}.conf", f"usr/lib/sysusers.d/{name}.conf"),
        File(f"packaging/etc/{kind}.example.toml", f"etc/ensconce/{kind}.example.toml",
             conffile=True),
        document(name, "docs/packages.md"),
        document(name, "docs/attesters.md"),
    )


def example(package, source, name):
    return File(source, f"usr/share/doc/{package}/examples/{name}")


# Boost's licence asks for no notice in programs.
HEADERS = ("libtomlplusplus-dev",)

ENGINE = (
    File(f"ENGINE/{ENGINE_LIBRARY}", "usr/lib/ensconce/libonnxruntime.so.1"),
    document("ensconce-worker", "ENGINE/LICENSE", "onnxruntime/"),
    document("ensconce-worker", "ENGINE/ThirdPartyNotices.txt", "onnxruntime/"),
)

PACKAGES = (
    Package("ensconce", (
        program("ensconce"),
        *(document("ensconce", f"docs/{page}.md") for page in (
            "policy", "verification", "proxy", "threat-model", "limitations")),
        example("ensconce", "demo/templates/client-policy.toml", "client-policy.toml.in"),
        example("ensconce", "demo/templates/release-policy.toml", "release-policy.toml.in"),
        example("ensconce", "demo/templates/hardware.toml", "hardware.toml.in"),
    ), third_party=(*HEADERS, "libcli11-dev")),
    Package("ensconce-worker", (
        *service("worker"),
        *ENGINE,
        document("ensconce-worker", "docs/config.md"),
        example("ensconce-worker", "packaging/systemd/ensconce-worker-without-configfs.conf",
                "without-configfs.conf"),
    ), folders=("var/lib/ensconce-worker",), third_party=HEADERS),
    Package("ensconce-broker", (
        *service("broker"),
        document("ensconce-broker", "docs/config-broker.md"),
        example("ensconce-broker", "packaging/systemd/ensconce-broker-attested.conf",
                "attested.conf"),
    ), third_party=HEADERS),
    Package("ensconce-sim", (
        program("ensconce-sim", "SIM"),
        document("ensconce-sim", "docs/simulator.md"),
    ), third_party=("libcli11-dev",)),
)


class Sources:
    """Where the table's BIN, SIM and ENGINE are."""

    def __init__(self, release, developer, engine):
        self._places = {"BIN": pathlib.Path(release) / "bin",
                        "SIM": pathlib.Path(developer) / "bin",
                        "ENGINE": pathlib.Path(engine)}

    def path(self, file):
        head, _, rest = file.source.partition("/")
        return self._places[head] / rest if head in self._places else ROOT / file.source


def engine_digest():
    """What setup/artifacts.sha256 says of the engine's library."""
    for line in ARTIFACTS.read_text(encoding="ascii").splitlines():
        digest, name = line.split(maxsplit=1)
        if name == f"onnxruntime/{ENGINE_LIBRARY}":
            return digest
    raise LookupError(f"{ARTIFACTS} does not list the engine's library")
