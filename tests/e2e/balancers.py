"""Two workers behind a balancer that ends the outer TLS: HAProxy, then nginx.

Each runs with its file of docs/deploy, in which only places are replaced. Between balancer and
workers a relay keeps every byte: it has what the balancer sees. Sealed requests succeed in both
forms, before and after one worker is killed; the capture shows nothing of what is inside, and with
`bucket` padding two inputs of one bucket look alike. What is not sealed is refused by the worker,
and attested TLS by the client.

Exit code 0: all of that holds. 1: something does not. 77: no HAProxy or nginx here (skipped aloud).
"""

import argparse
import base64
import http.client
import json
import os
import pathlib
import re
import secrets
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "demo"))

import story as told  # noqa: E402
from house import DemoError, House, fill, write  # noqa: E402

MODEL = "sentence-labels"
PADDING = "bucket:4096"
HEALTH = b"GET /v2/health/ready "
GATEWAY = "/.well-known/ohttp-gateway"
EVIDENCE = "/.well-known/ensconce/evidence"
CHANNELS = ("ohttp", "ohttp-chunked")
READY_SECONDS = 20


def expect(holds, words):
    if not holds:
        raise DemoError(words)


# ---- What the balancer sees ----------------------------------------------------------------------

class Message:
    """One HTTP/1.1 message at the start of some bytes; `end` is where the next one begins."""

    def __init__(self, data, at):
        head_end = data.find(b"\r\n\r\n", at)
        if head_end < 0:
            raise IndexError
        self.head = bytes(data[at:head_end + 4])
        self.end = head_end + 4
        self.body = b""
        if self.field("Transfer-Encoding"):
            while size := int(self._line(data), 16):
                self.body += self._take(data, size)
                self._line(data)
            self._line(data)
        else:
            self.body = self._take(data, int(self.field("Content-Length") or 0))

    def _take(self, data, size):
        start, self.end = self.end, self.end + size
        if self.end > len(data):
            raise IndexError
        return bytes(data[start:self.end])

    def _line(self, data):
        end = data.find(b"\r\n", self.end)
        return self._take(data, end + 2 - self.end if end >= 0 else len(data))

    def field(self, name):
        found = re.search(rf"\r\n{name}: *([^\r]*)\r\n".encode(), self.head, re.IGNORECASE)
        return found[1].decode() if found else None

    @property
    def target(self):
        return self.head.split(b" ", 2)[1].decode()

    @property
    def status(self):
        return int(self.head.split(b" ", 2)[1])


def messages(data):
    at = 0
    while at < len(data):
        try:
            message = Message(data, at)
        except IndexError:
            return  # cut off, or on its way
        at = message.end
        yield message


class Relay:
    """Stands where a worker's sealed listener would, and keeps what passes."""

    def __init__(self, worker):
        self.worker = worker
        self.connections = []
        self._sockets = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                near, _ = self._listener.accept()
                far = socket.create_connection(("127.0.0.1", self.worker["sealed_port"]))
            except OSError:
                return
            kept = (bytearray(), bytearray())
            self.connections.append(kept)
            self._sockets += [near, far]
            for source, target, into in ((near, far, kept[0]), (far, near, kept[1])):
                threading.Thread(target=self._pass, args=(source, target, into),
                                 daemon=True).start()

    @staticmethod
    def _pass(source, target, into):
        try:
            while data := source.recv(65536):
                into += data  # kept before it goes on: who has an answer finds it here
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            for end in (source, target):
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def close(self):
        """Nobody listens any more, as after the worker's death."""
        for end in (self._listener, *self._sockets):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            end.close()

    def exchanges(self):
        """(request, answer) of clients; a balancer's own health checks are left out."""
        for asked, answered in self.connections:
            if not asked.startswith(HEALTH):
                yield from zip(messages(asked), messages(answered))

    def all_bytes(self):
        return b"".join(bytes(asked) + bytes(answered) for asked, answered in self.connections
                        if not asked.startswith(HEALTH))


class Capture:
    """What passed at all relays of one balancer since `mark`."""

    def __init__(self, relays):
        self.relays = relays
        self.mark()

    def _all(self):
        return [list(relay.exchanges()) for relay in self.relays]

    def mark(self):
        self._before = [{request.head + request.body for request, _ in exchanges}
                        for exchanges in self._all()]

    def since(self):
        """(relay, request, answer): a request is like no other, by its nonce or its key."""
        return [(relay, request, answer)
                for relay, before, exchanges in zip(self.relays, self._before, self._all())
                for request, answer in exchanges if request.head + request.body not in before]

    def sealed(self):
        return [(relay, request, answer) for relay, request, answer in self.since()
                if request.target == GATEWAY and answer.status == 200]


def inside(document):
    """The base64 texts of an evidence document, decoded."""
    for text in re.findall(rb'"([A-Za-z0-9+/=_-]{24,})"', document):
        yield base64.urlsafe_b64decode(text.replace(b"+", b"-").replace(b"/", b"_") + b"==")


def shown(capture, secrets_of_inside):
    """What a reader of the capture finds of what was sealed. Longer words are looked for in every
    byte; short ones, which random bytes could spell, in heads and sealed bodies alone."""
    found = []
    everything = b"".join(relay.all_bytes() for relay in capture.relays)
    opened = everything
    sealed = b""
    for relay in capture.relays:
        for request, answer in relay.exchanges():
            sealed += request.head + answer.head
            if request.target.startswith(EVIDENCE):
                opened += b"".join(inside(answer.body))
            else:
                sealed += request.body + answer.body
            found += [f"path {word} in {head!r}" for head in (request.head, answer.head)
                      for word in ("/v2/", "/v1/") if word.encode() in head]
    opened = opened.lower()
    found += [name for name, value in secrets_of_inside.items() if value.lower() in opened]
    for word in ("ensconce-bundle", "inference-header-content-length", "/v2/models", "infer"):
        if word.encode() in sealed.lower():
            found.append(f"the word {word}")
    return found


# ---- Balancers -----------------------------------------------------------------------------------

class Balancer:
    """A balancer of Debian's with its file of docs/deploy."""

    def __init__(self, name, cache):
        self.name = name
        unpacked = pathlib.Path(cache) / "balancers"
        self.path = shutil.which(
            name, path=f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin:/sbin")
        self.env = None
        if self.path is None and (unpacked / "usr/sbin" / name).is_file():
            self.path = unpacked / "usr/sbin" / name
            self.env = {**os.environ,
                        "LD_LIBRARY_PATH": str(unpacked / "usr/lib/x86_64-linux-gnu")}

    def start(self, house, relays, certificate, key):
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        folder = house.top / self.name
        folder.mkdir()
        places = {"0.0.0.0:443": f"127.0.0.1:{self.port}",
                  "10.0.0.11:9080": f"127.0.0.1:{relays[0].port}",
                  "10.0.0.12:9080": f"127.0.0.1:{relays[1].port}",
                  f"/etc/{self.name}/outer.pem": certificate}
        argv = self.haproxy(places) if self.name == "haproxy" else self.nginx(places, folder, key)
        file = "haproxy.cfg" if self.name == "haproxy" else "nginx.conf"
        text = (ROOT / "docs/deploy" / file).read_text(encoding="utf-8")
        for place, ours in places.items():
            expect(text.count(place) == 1, f"docs/deploy/{file} says {place} not exactly once")
            text = text.replace(place, str(ours))
        self.process = house.start(
            self.name, [self.path, *argv, write(folder / file, text)], self.env)
        self.wait_until_ready()

    def haproxy(self, places):
        places["    user haproxy\n    group haproxy\n"] = ""  # whoever runs this test
        return ["-db", "-f"]

    def nginx(self, places, folder, key):
        places["user www-data;\n"] = ""
        places["/etc/nginx/outer.key"] = key
        places["http {\n"] = "http {\n" + "".join(
            f"{kind}_temp_path {folder / kind};\n"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        as_root = "user root; " if os.geteuid() == 0 else ""
        return ["-p", folder, "-e", "stderr", "-g", f"{as_root}daemon off; pid {folder}/pid;", "-c"]

    def wait_until_ready(self):
        end = time.monotonic() + READY_SECONDS
        while time.monotonic() < end:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.05)  # a poll with a deadline: the open port is the condition
        raise DemoError(f"{self.name} does not listen:\n" + "\n".join(self.process.errors))


# ---- Parties -------------------------------------------------------------------------------------

class Cast:
    """Broker, sealed model, policies and workers, all of one configuration and so of one
    measurement: the kernel chooses their ports."""

    def __init__(self, house):
        self.house = house
        self.owner_key, self.owner = told.make_key(house, house.owner, "owner.key")
        house.run(house.program("ensconce-sim"), "init", "--state", house.chip)
        anchor = house.json(house.program("ensconce-sim"), "anchor", "--state", house.chip)
        _, self.broker = told.start_broker(house, [self.owner])
        bundle = house.operator / f"{MODEL}.sealed"
        self.config = told.write_worker_config(house, self.broker, "worker.toml", [self.owner],
                                               [bundle])
        text = self.config.read_text(encoding="utf-8")
        write(self.config, text.replace(
            "\ntsm_root", f'\nlisten_sealed = "127.0.0.1:0"\npadding = "{PADDING}"\ntsm_root', 1))
        measurement = house.measure(self.config)["measurement"]
        hardware = told.hardware(house, anchor["spki_sha256"], [measurement], [self.owner],
                                 self.broker)
        none = 'padding    = { exactly = "none" }'
        expect(none in hardware, "the template of the policies says nothing of padding")
        hardware = hardware.replace(none, f'padding    = {{ exactly = "{PADDING}" }}')
        told.set_policy(house, self.broker, self.owner_key, "two", write(
            house.owner / "release-policy.toml", fill("release-policy.toml", hardware=hardware)))
        self.digest = told.seal(house, self.broker, self.owner_key, MODEL,
                                house.cache / "models" / MODEL, house.operator,
                                "two")[1]["manifest_digest"]
        self.policy = write(house.data_owner / "client.toml", fill(
            "client-policy.toml", hardware=hardware, broker_key=self.broker["key"],
            models=fill("client-model.toml", name=MODEL, owner_key=self.owner)))
        self.inside = {"the model's name": MODEL.encode(),
                       "the manifest digest": self.digest.encode(),
                       "the manifest digest, raw": bytes.fromhex(self.digest)}

    def start_workers(self, count):
        processes = [self.house.start_worker(self.config) for _ in range(count)]
        out = []
        for process in processes:
            said = process.ready()
            expect(said is not None, "a worker did not start:\n" + "\n".join(process.errors[-30:]))
            out.append({**said, "process": process})
        return out

    def sentence(self, length):
        """A canary of that many characters, which is looked for in the capture."""
        word = "canary" + secrets.token_hex(12)
        self.inside[f"the input {word}"] = word.encode()
        return f"Where is my {word} bill? ".ljust(length, "x")

    def expect_answer(self, outputs):
        label = outputs["label"][0]
        self.inside[f"the answer {label}"] = f'"{label}"'.encode()
        expect(label, "an answer without a label")

    def infer(self, port, channel, length=40, sentences=1, code=0):
        texts = [a for _ in range(sentences) for a in ("--text", self.sentence(length))]
        return told.infer(self.house, port, self.policy, "--channel", channel, "--model", MODEL,
                          *texts, expect=code)

    def ask(self, port, channel, length=40, sentences=1):
        answer = json.loads(self.infer(port, channel, length, sentences).stdout)
        self.expect_answer(answer["outputs"])
        expect(answer["bundle"] == self.digest, "answered by another bundle")

    def start_proxy(self, port, channel):
        process = self.house.start("ensconce proxy", [
            self.house.program("ensconce"), "proxy", f"https://127.0.0.1:{port}", "--policy",
            self.policy, "--listen", "127.0.0.1:0", "--channel", channel])
        said = process.ready()
        expect(said is not None, "the proxy did not start:\n" + "\n".join(process.errors))
        return process, said["port"]

    def ask_proxy(self, port):
        body = json.dumps({"inputs": [{"name": "text", "shape": [1], "datatype": "BYTES",
                                       "data": [self.sentence(40)]}]})
        status, answer = post(http.client.HTTPConnection("127.0.0.1", port, timeout=60), body)
        expect(status == 200, f"through the proxy: {status} {answer}")
        self.expect_answer({o["name"]: o["data"] for o in json.loads(answer)["outputs"]})


def post(connection, body):
    connection.request("POST", f"/v2/models/{MODEL}/infer", body,
                       {"Content-Type": "application/json"})
    response = connection.getresponse()
    status, answer = response.status, response.read().decode()
    connection.close()
    return status, answer


def kill(worker):
    """Kills the worker itself, a grandchild of ours; the simulated processor clears up after it."""
    pid = worker["process"].pid
    while children := pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split():
        pid = int(children[0])
    expect(pid != worker["process"].pid, "the worker is not a child of the simulated processor")
    os.kill(pid, signal.SIGKILL)
    worker["process"].ended()


def make_certificate(house):
    """Of nobody, as nobody judges it."""
    certificate, key = house.operator / "outer.pem", house.operator / "outer.key"
    house.run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
              "-nodes", "-subj", "/CN=balancer", "-days", "1", "-keyout", key, "-out", certificate)
    # HAProxy wants both in one file; nginx passes over the key.
    write(certificate, certificate.read_text("ascii") + key.read_text("ascii"))
    return certificate, key


# ---- What must hold ------------------------------------------------------------------------------

def lengths(capture):
    """Whole lengths of sealed requests and answers, heads with them."""
    return [[len(m.head) + len(m.body) for m in (request, answer)]
            for _, request, answer in capture.sealed()]


def expect_equal_sizes(cast, port, channel, capture):
    sizes = []
    for length in (40, 400):
        capture.mark()
        cast.ask(port, channel, length)
        sizes.append(lengths(capture))
    expect(len(sizes[0]) == 2, f"{channel}: a served list and a request were expected: {sizes[0]}")
    expect(sizes[0] == sizes[1], f"{channel}: two inputs of one bucket differ in size: {sizes}")
    return sizes[0]


def expect_larger_bucket(cast, port, capture, sizes):
    """The sizes above are of buckets and not of something that never changes."""
    capture.mark()
    cast.ask(port, "ohttp", 400, 12)
    expect(lengths(capture)[1][0] >= sizes[1][0] + 4096,
           "an input of the next bucket has the size of the one before")


def expect_routed(capture):
    """Each sealed request came to the worker whose name it carries, without a second attempt."""
    for relay, request, answer in capture.since():
        if request.target == GATEWAY:
            expect(answer.status == 200, f"a sealed request went astray: {answer.body}")
            name = request.field("Ensconce-Worker")
            expect(answer.field("Ensconce-Worker") == name, "an answer of another worker")


def expect_tls_refused(cast, port, capture):
    capture.mark()
    done = cast.infer(port, "tls", code=None)
    # Both balancers send session tickets, which no worker does; the key would be the next thing.
    expect(done.returncode == 7 and "net.tls_ticket" in done.stderr,
           f"attested TLS was not refused: {done.returncode} {done.stderr}")
    asked = {request.target.split("?")[0] for _, request, _ in capture.since()}
    expect(asked <= {EVIDENCE}, f"after the refusal something was sent: {asked}")


def expect_open_refused(cast, port, capture):
    """Also shows that the search finds what is there to find."""
    outer = ssl.create_default_context()
    outer.check_hostname, outer.verify_mode = False, ssl.CERT_NONE
    before = shown(capture, cast.inside)
    expect(not before, f"the capture shows {before}")
    text = cast.sentence(40)
    status, answer = post(http.client.HTTPSConnection("127.0.0.1", port, context=outer, timeout=60),
                          json.dumps({"inputs": [text], "Ensconce-Bundle": cast.digest}))
    expect(status == 403 and "server.sealed_only" in answer, f"not refused: {status} {answer}")
    found = " ".join(shown(capture, cast.inside))
    for word in ("path /v2/", "canary", "the model's name", "the manifest digest", "infer",
                 "ensconce-bundle"):
        expect(word in found, f"the search does not even find {word} in the open: {found}")


def try_balancer(cast, balancer, workers, certificate, key):
    """Returns the worker that lives on."""
    relays = [Relay(worker) for worker in workers]
    capture = Capture(relays)
    balancer.start(cast.house, relays, certificate, key)
    sizes = {channel: expect_equal_sizes(cast, balancer.port, channel, capture)
             for channel in CHANNELS}
    expect_larger_bucket(cast, balancer.port, capture, sizes["ohttp"])

    # A client that lives through the worker's death, in the middle of what it asks.
    capture.mark()
    proxy, proxy_port = cast.start_proxy(
        balancer.port, CHANNELS[balancer.name == "haproxy"])
    cast.ask_proxy(proxy_port)
    expect_routed(capture)
    if balancer.name == "haproxy":  # takes turns, and asks for their health
        expect(all(any(relay.exchanges()) for relay in relays), "one worker was never asked")
        expect("DOWN" not in "".join(balancer.process.errors), "\n".join(balancer.process.errors))
    used = capture.sealed()[-1][0]
    kill(used.worker)
    used.close()
    cast.ask_proxy(proxy_port)
    for channel in CHANNELS * 2:  # so that a balancer's turn comes to the dead one
        cast.ask(balancer.port, channel)
    proxy.stop()

    expect_tls_refused(cast, balancer.port, capture)
    expect_open_refused(cast, balancer.port, capture)
    seen = sum(len(relay.all_bytes()) for relay in relays)
    asked = sum(1 for relay in relays for _ in relay.exchanges())
    print(f"{balancer.name}: {asked} requests, {seen} bytes at the balancer, none of "
          f"{len(cast.inside)} secrets in them; sealed sizes {sizes}")
    balancer.process.stop()
    for relay in relays:
        relay.close()
    return next(relay.worker for relay in relays if relay is not used)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", required=True)
    parser.add_argument("--cache", default=os.environ.get("ENSCONCE_CACHE", str(ROOT / ".cache")))
    arguments = parser.parse_args()
    balancers = [Balancer(name, arguments.cache) for name in ("haproxy", "nginx")]
    missing = [balancer.name for balancer in balancers if balancer.path is None]
    if missing:
        print(f"SKIPPED: no {' and no '.join(missing)} here; setup/setup.sh build unpacks them")
        return 77
    house = House(arguments.bin, arguments.cache)
    try:
        cast = Cast(house)
        certificate, key = make_certificate(house)
        workers = cast.start_workers(2)
        for balancer in balancers:
            survivor = try_balancer(cast, balancer, workers, certificate, key)
            if balancer is not balancers[-1]:
                workers = [survivor, *cast.start_workers(1)]
    except (DemoError, OSError, subprocess.SubprocessError, KeyError, ValueError) as error:
        print(f"FAILED: {error}")
        return 1
    finally:
        house.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
