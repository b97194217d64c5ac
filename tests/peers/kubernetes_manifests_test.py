#!/usr/bin/env python3
"""Holds deploy/kubernetes against the schemas of the Kubernetes API, and against our own programs.

    kubernetes_manifests_test.py ENSCONCE_WORKER

The schemas are those that kubernetes-validate (PyPI) carries: nothing is fetched, no cluster is asked. Beside them,
what a schema cannot know: that names, ports and paths in one manifest are those of the others and of the
worker.toml in them, and that the worker takes that file.

Exits 77, aloud, where the `kubernetes-validate` package (PyPI) cannot be imported. Tried with 1.37.0:

    python3 -m venv .cache/peers/kubernetes
    .cache/peers/kubernetes/bin/pip install kubernetes-validate==1.37.0
"""

from __future__ import annotations

import copy
import pathlib
import re
import subprocess
import sys
import tempfile
import tomllib
from typing import Any

try:
    import kubernetes_validate
    import yaml
except ImportError as missing:
    print(f"SKIPPED: this test needs the Python package 'kubernetes-validate' ({missing})",
          file=sys.stderr)
    sys.exit(77)

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
MANIFESTS = ROOT / "deploy" / "kubernetes"
# The oldest that is still maintained somewhere, and the newest that the package knows.
VERSIONS = ("1.29", kubernetes_validate.latest_version())
HEALTH = ROOT / "lib/server/src/attested_worker.cc"
Document = dict[str, Any]


def documents() -> list[tuple[str, Document]]:
    return [(path.name, document) for path in sorted(MANIFESTS.glob("*.yaml"))
            for document in yaml.safe_load_all(path.read_text())]


def refused(document: Document, version: str) -> str | None:
    try:
        kubernetes_validate.validate(document, version, strict=True)
    except kubernetes_validate.ValidationError as error:
        return str(error.message)
    return None


def check_schemas(everything: list[tuple[str, Document]]) -> None:
    for version in VERSIONS:
        for name, document in everything:
            why = refused(document, version)
            assert why is None, f"{name}, {document['kind']}, Kubernetes {version}: {why}"
    # The same check finds a misspelled member, a wrong type and a missing one.
    for name, document in everything:
        if document["kind"] != "Deployment":
            continue
        for spoil in (lambda c: c.update(imagePullPolice="Always"),
                      lambda c: c["ports"][0].update(containerPort="8443"),
                      lambda c: c.pop("name")):
            wrong = copy.deepcopy(document)
            spoil(wrong["spec"]["template"]["spec"]["containers"][0])
            assert refused(wrong, VERSIONS[1]) is not None, name


def check_config(worker: str, toml: str) -> Document:
    def run(text: str) -> subprocess.CompletedProcess[str]:
        with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
            file.write(text)
            file.flush()
            return subprocess.run([worker, "--check", "--config", file.name], check=False,
                                  capture_output=True, text=True)

    done = run(toml)
    assert done.returncode == 0, done.stderr
    wrong = run(toml.replace("epoch_seconds", "epoch_second"))
    assert wrong.returncode == 2 and "epoch_second" in wrong.stderr, wrong.stderr
    return tomllib.loads(toml)


def check_pod(deployment: Document, configs: dict[str, Document]) -> dict[str, int]:
    """The pod's own promises, and that it fits its configuration. Returns its ports by name."""
    template = deployment["spec"]["template"]
    assert deployment["spec"]["selector"]["matchLabels"].items() <= template["metadata"]["labels"].items()
    pod = template["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for sharing in ("hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace"):
        assert not pod.get(sharing)
    (worker,) = pod["containers"]
    assert "@sha256:" in worker["image"]
    context = worker["securityContext"]
    assert context == {"allowPrivilegeEscalation": False, "privileged": False,
                       "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
    assert worker["resources"]["requests"]["memory"] == worker["resources"]["limits"]["memory"]

    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    mounts = {mount["mountPath"]: mount for mount in worker["volumeMounts"]}
    assert {mount["name"] for mount in mounts.values()} == set(volumes)
    option, config_path = worker["args"]
    assert option == "--config"
    folder, file = config_path.rsplit("/", 1)
    config = configs[volumes[mounts[folder]["name"]]["configMap"]["name"]]
    assert file == "worker.toml"

    # Reports are made where the configuration says, in a volume that can be written, and only there.
    tsm = [mount for path, mount in mounts.items()
           if config["tsm_root"] == path or config["tsm_root"].startswith(path + "/")]
    assert len(tsm) == 1 and not tsm[0].get("readOnly")
    source = volumes[tsm[0]["name"]]["hostPath"]["path"]
    assert source + config["tsm_root"].removeprefix(tsm[0]["mountPath"]) == "/sys/kernel/config/tsm"
    assert all(mount.get("readOnly") for mount in mounts.values() if mount is not tsm[0])
    for model in config["model"]:
        assert model["bundle"].rsplit("/", 1)[0] in mounts

    ports = {port["name"]: port["containerPort"] for port in worker["ports"]}
    assert config["listen"] == f"0.0.0.0:{ports['attested-tls']}"
    assert config["listen_sealed"] == f"0.0.0.0:{ports['sealed']}"
    served = set(re.findall(r'k(?:Live|Ready)Path = "([^"]+)"', HEALTH.read_text()))
    assert len(served) == 2
    for probe, path in (("startupProbe", "live"), ("livenessProbe", "live"), ("readinessProbe", "ready")):
        get = worker[probe]["httpGet"]
        assert get["path"] in served and get["path"].endswith(path)
        assert get["port"] == "attested-tls" and get["scheme"] == "HTTPS"
    return ports


def main() -> None:
    (worker,) = sys.argv[1:]
    everything = documents()
    by_kind: dict[str, list[Document]] = {}
    for _, document in everything:
        by_kind.setdefault(document["kind"], []).append(document)
    assert {kind: len(found) for kind, found in by_kind.items()} == {
        "ConfigMap": 2, "Deployment": 2, "NetworkPolicy": 1, "Service": 1}
    check_schemas(everything)

    configs = {document["metadata"]["name"]: check_config(worker, document["data"]["worker.toml"])
               for document in by_kind["ConfigMap"]}
    ports = [check_pod(document, configs) for document in by_kind["Deployment"]]
    (service,) = by_kind["Service"]
    (rules,) = by_kind["NetworkPolicy"]
    labels = [document["spec"]["template"]["metadata"]["labels"] for document in by_kind["Deployment"]]
    for pod_labels, pod_ports in zip(labels, ports):
        assert service["spec"]["selector"].items() <= pod_labels.items()
        assert rules["spec"]["podSelector"]["matchLabels"].items() <= pod_labels.items()
        assert {p["targetPort"] for p in service["spec"]["ports"]} == set(pod_ports)
        opened = {p["port"] for rule in rules["spec"]["ingress"] for p in rule["ports"]}
        assert opened == set(pod_ports.values())
    broker_ports = {int(config["broker"]["url"].rsplit(":", 1)[1]) for config in configs.values()}
    assert broker_ports <= {p["port"] for rule in rules["spec"]["egress"] for p in rule["ports"]}
    coco = [d for d in by_kind["Deployment"] if "runtimeClassName" in d["spec"]["template"]["spec"]]
    assert len(coco) == 1
    print(f"{len(everything)} documents, Kubernetes {' and '.join(VERSIONS)}")


if __name__ == "__main__":
    main()
