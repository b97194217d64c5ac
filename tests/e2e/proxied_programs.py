"""Programs that know nothing of us, through `ensconce proxy`: curl, and the clients of Triton and OpenAI.

A worker serves the demo's models and three small ones; the proxy carries both channels. When the worker
is another one (a new measurement) the proxy refuses every request, says why, and falls back to nothing;
when the first is back, so is the answer. A client is left out, aloud, where --triton has no
`tritonclient[http]` or --openai no `openai`; everything else runs.
"""

import argparse
import json
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / "demo"), str(ROOT / "models" / "simple"), str(ROOT / "tests" / "e2e")]

import build as simple  # noqa: E402
import stack  # noqa: E402

SENTENCE = "The lab results of my blood test have not arrived."


class Failure(Exception):
    pass


def expect(what, got, wanted):
    if got != wanted:
        raise Failure(f"{what}: expected {wanted!r}, got {got!r}")


def curl(url, body=None, headers=()):
    """Status and body; curl is what a person would type."""
    argv = ["curl", "-sS", "--max-time", "60", "-w", "\\n%{http_code}", url]
    for header in headers:
        argv += ["-H", header]
    if body is not None:
        argv += ["-H", "Content-Type: application/json", "--data-binary", json.dumps(body)]
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True)
    text, status = done.stdout.rsplit("\n", 1)
    return int(status), json.loads(text) if text else None


def ask(base):
    return curl(f"{base}/v2/models/sentence-labels/infer", {
        "inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": [SENTENCE]}],
        "outputs": [{"name": "label"}]})


def expect_answer(base):
    status, answer = ask(base)
    expect("status of an answer", status, 200)
    expect("label", answer["outputs"][0]["data"][0], "test-results")


def has(python, module):
    return subprocess.run([python, "-c", f"import {module}"], stdin=subprocess.DEVNULL,
                          capture_output=True, check=False).returncode == 0


def start_proxy(running, channel):
    process = running.house.start("ensconce proxy", [
        running.house.program("ensconce"), "proxy", f"https://127.0.0.1:{running.worker_port}",
        "--policy", running.client_policy, "--listen", "127.0.0.1:0", "--channel", channel])
    ready = process.ready()
    if ready is None:
        raise Failure("the proxy did not start:\n" + "\n".join(process.errors))
    return process, ready["url"]


def loopback_alone(running):
    """What the proxy says in the clear is for this machine: no other address is listened on."""
    for address in ("0.0.0.0:0", "192.0.2.1:0", "127.0.0.1"):
        done = running.ensconce("proxy", running.worker_url, "--policy", running.client_policy,
                                "--listen", address, expect=None)
        expect(f"exit code for --listen {address}", done.returncode, 7)
        if "loopback" not in done.stderr:
            raise Failure(f"the refusal does not say why: {done.stderr}")


def run_peer(python, test, *arguments):
    subprocess.run([python, "-B", ROOT / "tests/peers" / test, *arguments],
                   stdin=subprocess.DEVNULL, check=True)


def one_channel(running, channel, triton, openai):
    process, base = start_proxy(running, channel)
    expect_answer(base)
    status, verified = curl(f"{base}/.well-known/ensconce/proxy")
    expect("verified", (status, verified["verified"], verified["origin"]), (200, True, "simulated"))
    status, _ = curl(f"{base}/v2/health/ready", headers=["Host: attacker.example"])
    expect("status for a foreign Host", status, 403)
    status, listed = curl(f"{base}/v1/models")
    expect("models of OpenAI's list", (status, listed["object"]), (200, "list"))
    if triton:
        run_peer(triton, "tritonclient_test.py", base.removeprefix("http://"))
    if openai:
        run_peer(openai, "openai_test.py", f"{base}/v1")
    return process, base


def changed_worker(running, base):
    """A worker of another measurement, which the owner even gives keys to: this client's policy does
    not name it, so nothing is sent to it."""
    running.restart_worker(changed="binary")
    status, refused = ask(base)
    expect("status when the worker changed", status, 502)
    if "snp.measurement" not in refused["error"]:
        raise Failure(f"another reason than the measurement: {refused}")
    running.restart_worker()
    expect_answer(base)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", default=ROOT / "build" / "dev" / "bin", type=pathlib.Path)
    parser.add_argument("--triton", default="python3")
    parser.add_argument("--openai", default="python3")
    arguments = parser.parse_args()
    triton = arguments.triton if has(arguments.triton, "tritonclient.http") else None
    openai = arguments.openai if has(arguments.openai, "openai") else None
    models = [*stack.MODELS, *simple.MODELS]
    with stack.start(models=models, bin_dir=arguments.bin) as running:
        loopback_alone(running)
        proxies = [one_channel(running, channel, triton, openai)
                   for channel in ("tls", "ohttp", "ohttp-chunked")]
        for process, _ in proxies[1:-1]:
            process.stop()
        for _, base in (proxies[0], proxies[-1]):
            changed_worker(running, base)
    print("curl answered through both channels; a changed worker was refused and not fallen back from")
    for python, name, package in ((triton, arguments.triton, "tritonclient[http]"),
                                  (openai, arguments.openai, "openai")):
        if python is None:
            print(f"skipped: {name} has no {package}: that client was not run")
    if triton is None or openai is None:
        return 77
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failure as failure:
        print(f"FAILED: {failure}")
        sys.exit(1)
