"""The two who stand between a client and a worker in the demo's attacks. Both end TLS with a
certificate that a browser would accept from a CA it trusts; what they lack is a TEE."""

import base64
import hashlib
import http.client
import json
import socketserver
import ssl
import subprocess
import threading


def certificate(folder):
    """Makes a CA and a certificate for 127.0.0.1 that verifies under it. Returns (chain, key, ca)."""
    ca_key, ca = folder / "ca.key", folder / "ca.pem"
    key, request, leaf = folder / "leaf.key", folder / "leaf.csr", folder / "leaf.pem"
    extensions = folder / "leaf.ext"
    extensions.write_text("subjectAltName=IP:127.0.0.1\n", encoding="utf-8")

    def openssl(*argv):
        subprocess.run(["openssl", *map(str, argv)], check=True, capture_output=True)

    ec = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    openssl("req", "-x509", *ec, "-keyout", ca_key, "-out", ca, "-days", "2", "-subj",
            "/CN=A public CA", "-addext", "basicConstraints=critical,CA:TRUE")
    openssl("req", *ec, "-keyout", key, "-out", request, "-subj", "/CN=127.0.0.1")
    openssl("x509", "-req", "-in", request, "-CA", ca, "-CAkey", ca_key, "-CAcreateserial",
            "-days", "2", "-extfile", extensions, "-out", leaf)
    openssl("verify", "-CAfile", ca, leaf)
    return leaf, key


class Middle:
    """A TLS server on a free port that answers each request by `answer(method, path, headers,
    body) -> (status, headers, body)` and remembers whether an inference request reached it."""

    def __init__(self, chain, key, answer):
        self.saw_input = False
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.num_tickets = 0
        context.load_cert_chain(chain, key)
        middle = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                try:
                    with context.wrap_socket(self.request, server_side=True) as tls:
                        middle._serve(tls, answer)
                except (OSError, ValueError):
                    pass  # the client hung up, as it should

        class Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
            daemon_threads = True
            allow_reuse_address = True

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def _serve(self, tls, answer):
        stream = tls.makefile("rwb")
        while True:
            line = stream.readline(65536)
            if not line:
                return
            method, path, _ = line.decode("ascii").split(" ", 2)
            headers = {}
            while (line := stream.readline(65536).decode("latin-1").rstrip("\r\n")):
                name, value = line.split(":", 1)
                headers[name.lower()] = value.strip()
            if method != "GET":
                self.saw_input = True  # nothing but evidence is asked for before the verdict
            body = stream.read(int(headers.get("content-length", "0")))
            status, out_headers, out = answer(method, path, headers, body)
            head = f"HTTP/1.1 {status} X\r\nContent-Length: {len(out)}\r\n"
            for name, value in out_headers.items():
                head += f"{name}: {value}\r\n"
            stream.write(head.encode("latin-1") + b"\r\n" + out)
            stream.flush()

    def close(self):
        self._server.shutdown()
        self._server.server_close()


def forwarder(worker_port):
    """Hands every request to the genuine worker and its answer back, unchanged."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    lock = threading.Lock()
    connection = http.client.HTTPSConnection("127.0.0.1", worker_port, context=context)

    def answer(method, path, headers, body):
        keep = {n: v for n, v in headers.items() if n not in ("host", "content-length")}
        with lock:
            connection.request(method, path, body=body, headers=keep)
            response = connection.getresponse()
            data = response.read()
        kept = {n: v for n, v in response.getheaders()
                if n.lower() in ("content-type", "ensconce-bundle",
                                 "inference-header-content-length")}
        return response.status, kept, data

    return answer


def forger(worker_port, leaf_pem):
    """Takes the genuine worker's evidence and writes its own TLS key into the statement: the best
    an impostor with a valid certificate, and without the chip, can do."""
    forward = forwarder(worker_port)
    der = ssl.PEM_cert_to_DER_cert(leaf_pem.read_text(encoding="ascii"))
    spki = subprocess.run(
        ["openssl", "x509", "-inform", "DER", "-pubkey", "-noout"], input=der, check=True,
        capture_output=True).stdout.decode("ascii")
    spki_der = base64.b64decode("".join(spki.splitlines()[1:-1]))
    own = hashlib.sha384(spki_der).digest()

    def answer(method, path, headers, body):
        status, out_headers, data = forward(method, path, headers, body)
        if path.startswith("/.well-known/ensconce/evidence") and status == 200:
            document = json.loads(data)
            statement = base64.b64decode(document["statement"])
            # The key's hash stands twice: as pubkey-hash, the statement's last 48 bytes, and first
            # in keys.tls.
            genuine = statement[-48:]
            if statement.count(genuine) != 2:
                raise ValueError("the statement does not hold the TLS key's hash twice")
            statement = statement.replace(genuine, own)
            document["statement"] = base64.b64encode(statement).decode("ascii")
            data = json.dumps(document).encode("utf-8")
        return status, out_headers, data

    return answer
