#!/usr/bin/env python3
"""Holds oblivious messages against pyhpke, another implementation of HPKE.

The HPKE is pyhpke's; key configurations, messages and chunks are written here a second time, from
docs/protocols/oblivious-http.md:

    pyhpke_test.py OHTTP_PEER     what we seal, Python opens, and the other way round

Exits 77, aloud, where the `pyhpke` package (PyPI) cannot be imported.
"""

from __future__ import annotations

import hmac
import itertools
import os
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

try:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
    from pyhpke import AEADId, CipherSuite, KDFId, KEMId
except ImportError as missing:
    print(f"SKIPPED: this test needs the Python package 'pyhpke' ({missing})", file=sys.stderr)
    sys.exit(77)

TAG = 16
NONCE = 12
KEY_LEN = {1: 16, 2: 32, 3: 32}
HASH = {1: "sha256", 2: "sha384", 3: "sha512"}
ENC_LEN = {0x0010: 65, 0x0020: 32}
CHUNK = 300

Seal = Callable[[bytes, bytes], bytes]  # aad, plaintext
Open = Callable[[bytes, bytes], bytes]  # aad, ciphertext


@dataclass(frozen=True)
class Suite:
    kem: int
    kdf: int
    aead: int

    def encoded(self) -> bytes:
        return struct.pack(">HHH", self.kem, self.kdf, self.aead)

    def hpke(self) -> CipherSuite:
        return CipherSuite.new(KEMId(self.kem), KDFId(self.kdf), AEADId(self.aead))


# ---- the page, a second time --------------------------------------------------------------------


def varint(n: int) -> bytes:
    for log, bits in enumerate((6, 14, 30, 62)):
        if n < 1 << bits:
            return (log << bits | n).to_bytes(1 << log, "big")
    raise ValueError(n)


def read_varint(data: bytes) -> tuple[int, bytes]:
    size = 1 << (data[0] >> 6)
    return int.from_bytes(data[:size], "big") & ((1 << (8 * size - 2)) - 1), data[size:]


def chunk_up(plaintext: bytes, seal: Seal) -> bytes:
    out = b""
    while len(plaintext) > CHUNK:
        sealed = seal(b"", plaintext[:CHUNK])
        out += varint(len(sealed)) + sealed
        plaintext = plaintext[CHUNK:]
    return out + varint(0) + seal(b"final", plaintext)


def join_up(data: bytes, open_chunk: Open) -> bytes:
    out = b""
    while True:
        size, data = read_varint(data)
        if size == 0:
            return out + open_chunk(b"final", data)
        out += open_chunk(b"", data[:size])
        data = data[size:]


def info_of(hdr: bytes, chunked: bool) -> bytes:
    label = b"message/bhttp chunked request" if chunked else b"message/bhttp request"
    return label + b"\0" + hdr


class Answer:
    """The key of an answer, and its counter."""

    def __init__(self, suite: Suite, context: object, enc: bytes, nonce: bytes, chunked: bool):
        label = b"message/bhttp chunked response" if chunked else b"message/bhttp response"
        secret = context.export(label, answer_nonce_len(suite))  # type: ignore[attr-defined]
        name = HASH[suite.kdf]
        prk = hmac.digest(enc + nonce, secret, name)
        key = hmac.digest(prk, b"key\1", name)[: KEY_LEN[suite.aead]]
        self.base = hmac.digest(prk, b"nonce\1", name)[:NONCE]
        self.aead = ChaCha20Poly1305(key) if suite.aead == 3 else AESGCM(key)
        self.counter = 0

    def next_nonce(self) -> bytes:
        counter = self.counter.to_bytes(NONCE, "big")
        self.counter += 1
        return bytes(a ^ b for a, b in zip(self.base, counter))

    def seal(self, aad: bytes, plaintext: bytes) -> bytes:
        return self.aead.encrypt(self.next_nonce(), plaintext, aad)

    def open(self, aad: bytes, ciphertext: bytes) -> bytes:
        return self.aead.decrypt(self.next_nonce(), ciphertext, aad)


def answer_nonce_len(suite: Suite) -> int:
    return max(NONCE, KEY_LEN[suite.aead])


class Client:
    def __init__(self, config: bytes, chunked: bool):
        key_id, kem = config[0], int.from_bytes(config[1:3], "big")
        key, rest = config[3 : 3 + ENC_LEN[kem]], config[3 + ENC_LEN[kem] :]
        assert struct.unpack(">H", rest[:2])[0] == len(rest) - 2
        kdf, aead = struct.unpack(">HH", rest[2:6])
        self.suite, self.chunked = Suite(kem, kdf, aead), chunked
        self.hdr = bytes([key_id]) + self.suite.encoded()
        hpke = self.suite.hpke()
        self.enc, self.context = hpke.create_sender_context(
            hpke.kem.deserialize_public_key(key), info=info_of(self.hdr, chunked)
        )

    def seal(self, request: bytes) -> bytes:
        def seal(aad: bytes, plaintext: bytes) -> bytes:
            return self.context.seal(plaintext, aad=aad)

        body = chunk_up(request, seal) if self.chunked else seal(b"", request)
        return self.hdr + self.enc + body

    def open(self, message: bytes) -> bytes:
        split = answer_nonce_len(self.suite)
        nonce, body = message[:split], message[split:]
        answer = Answer(self.suite, self.context, self.enc, nonce, self.chunked)
        return join_up(body, answer.open) if self.chunked else answer.open(b"", body)


class Gateway:
    def __init__(self, suite: Suite, key_id: int, chunked: bool):
        self.suite, self.key_id, self.chunked = suite, key_id, chunked
        self.pair = suite.hpke().kem.derive_key_pair(os.urandom(32))

    def config(self) -> bytes:
        offered = self.suite.encoded()
        key = self.pair.public_key.to_public_bytes()
        return bytes([self.key_id]) + offered[:2] + key + struct.pack(">H", 4) + offered[2:]

    def open(self, message: bytes) -> bytes:
        split = 7 + ENC_LEN[self.suite.kem]
        hdr, self.enc, body = message[:7], message[7:split], message[split:]
        assert hdr == bytes([self.key_id]) + self.suite.encoded(), hdr
        self.context = self.suite.hpke().create_recipient_context(
            self.enc, self.pair.private_key, info=info_of(hdr, self.chunked)
        )

        def open_chunk(aad: bytes, ciphertext: bytes) -> bytes:
            return self.context.open(ciphertext, aad=aad)

        return join_up(body, open_chunk) if self.chunked else open_chunk(b"", body)

    def seal(self, response: bytes) -> bytes:
        nonce = os.urandom(answer_nonce_len(self.suite))
        answer = Answer(self.suite, self.context, self.enc, nonce, self.chunked)
        body = chunk_up(response, answer.seal) if self.chunked else answer.seal(b"", response)
        return nonce + body


# ---- our tool -----------------------------------------------------------------------------------


class Tool:
    """One run of our test program: words in, lines out."""

    def __init__(self, path: str, mode: str):
        self.run = subprocess.Popen(
            [path, mode], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def say(self, *words: bytes | str) -> Tool:
        assert self.run.stdin is not None
        for word in words:
            text = word if isinstance(word, str) else word.hex() or "-"
            self.run.stdin.write(text + "\n")
        self.run.stdin.flush()
        return self

    def line(self) -> bytes:
        assert self.run.stdout is not None
        return bytes.fromhex(self.run.stdout.readline().strip())

    def end(self) -> None:
        self.run.communicate()
        assert self.run.returncode == 0, self.run.args


# ---- the test -----------------------------------------------------------------------------------


def suites() -> Iterator[Suite]:
    for kem, kdf, aead in itertools.product((0x0010, 0x0020), (1, 3), (1, 2, 3)):
        yield Suite(kem, kdf, aead)


def texts() -> list[bytes]:
    return [b"", b"x", os.urandom(CHUNK * 2), os.urandom(100), os.urandom(20_000)]


def our_gateway(tool: str, suite: Suite, chunked: bool) -> None:
    form = "chunked" if chunked else "whole"
    seed, key_id = os.urandom(32), bytes([9])
    key = (suite.encoded()[:2], seed, key_id, suite.encoded()[2:])
    keygen = Tool(tool, "keygen-from-seed").say(*key)
    config = keygen.line()
    keygen.end()
    public = suite.hpke().kem.derive_key_pair(seed).public_key.to_public_bytes()
    assert config[3 : 3 + ENC_LEN[suite.kem]] == public, "DeriveKeyPair differs"
    for request, response in zip(texts(), reversed(texts())):
        client = Client(config, chunked)
        gateway = Tool(tool, "gateway").say(*key, form, client.seal(request), response)
        assert gateway.line() == request
        answer = gateway.line()
        gateway.end()
        assert client.open(answer) == response


def our_client(tool: str, suite: Suite, chunked: bool) -> None:
    form = "chunked" if chunked else "whole"
    for request, response in zip(texts(), reversed(texts())):
        gateway = Gateway(suite, 200, chunked)
        client = Tool(tool, "client").say(gateway.config(), form, request)
        assert gateway.open(client.line()) == request
        client.say(gateway.seal(response))
        assert client.line() == response
        client.end()


def hpke_both_ways(tool: str, suite: Suite) -> None:
    seed, info, aad, plaintext = os.urandom(32), b"info", os.urandom(5), os.urandom(50)
    context, length = b"exporter context", bytes([77])
    pair = suite.hpke().kem.derive_key_pair(seed)
    public = pair.public_key.to_public_bytes()

    ours = Tool(tool, "hpke-sender").say(suite.encoded(), public, info, aad, plaintext, context,
                                         length)
    enc, sealed, exported = ours.line(), ours.line(), ours.line()
    ours.end()
    theirs = suite.hpke().create_recipient_context(enc, pair.private_key, info=info)
    assert theirs.open(sealed, aad=aad) == plaintext
    assert theirs.export(context, length[0]) == exported

    enc, theirs = suite.hpke().create_sender_context(pair.public_key, info=info)
    sealed = theirs.seal(plaintext, aad=aad)
    ours = Tool(tool, "hpke-receiver").say(suite.encoded(), seed, info, aad, enc, sealed, context,
                                           length)
    assert ours.line() == plaintext
    assert ours.line() == theirs.export(context, length[0])
    ours.end()


def main() -> int:
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    tool = sys.argv[1]
    for suite in suites():
        hpke_both_ways(tool, suite)
        for chunked in (False, True):
            our_gateway(tool, suite, chunked)
            our_client(tool, suite, chunked)
        print(f"ok: {suite}, whole and chunked, both ways")
    return 0


if __name__ == "__main__":
    sys.exit(main())
