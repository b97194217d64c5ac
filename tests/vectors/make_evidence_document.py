#!/usr/bin/env python3
"""Writes evidence_document.json: a writer of docs/protocols/evidence-document.md that shares no code with lib/.

The session key is of RFC 8032 section 7.1, TEST 1; the gateway's key configuration of RFC 9458 appendix A;
the statement is that of statement.json. None of them is anybody's.
"""

from __future__ import annotations

import base64
import hashlib
import json
import pathlib

from make_receipt import public_key, sign
from make_statement import fill

HERE = pathlib.Path(__file__).parent
SEED = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
TIME = 1795413629000
NONCE = fill(0x4E, 32)


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def signed(kind: int, nonce: bytes, binding: bytes, digest: bytes, time: int) -> bytes:
    return (b"ensconce-session/1\0" + bytes([kind]) + nonce + binding + digest
            + time.to_bytes(8, "big"))


def prove(kind: int, binding: bytes, digest: bytes) -> dict[str, object]:
    message = signed(kind, NONCE, binding, digest, TIME)
    return {"kind": kind, "nonce": NONCE.hex(), "binding": binding.hex(),
            "statement_digest": digest.hex(), "time_ms": TIME,
            "signature": sign(SEED, message).hex()}


def main() -> None:
    statement = bytes.fromhex(json.loads((HERE / "statement.json").read_text())["statement"])
    ohttp_key = bytes.fromhex(json.loads((HERE / "ohttp.json").read_text())["key_config"])
    digest = hashlib.sha256(statement).digest()
    exporter = fill(0x45, 32)
    key_digest = hashlib.sha256(ohttp_key).digest()
    tls, ohttp, peer = prove(1, exporter, digest), prove(2, key_digest, digest), prove(
        3, exporter, digest)

    def document(session: object, **changed: object) -> dict[str, object]:
        out: dict[str, object] = {
            "format": "ensconce-evidence/2",
            "statement": b64(statement),
            "beacon": b64(b"a beacon"),
            "evidence": [{"type": "snp", "data": b64(bytes(range(32)))}],
            "endorsements": [{"type": "application/pkix-cert", "data": b64(b"a certificate")}],
            "missing": ["crl"],
            "session": session,
            "ohttp_key": b64(ohttp_key),
            **changed,
        }
        return {k: v for k, v in out.items() if v != "leave out"}

    def refused(why: str, changed: dict[str, object]) -> dict[str, object]:
        return {"why": why, "code": "channel.document", "document": json.dumps(changed)}

    def unlike(why: str, code: str, proof: dict[str, object], **changed: object) -> dict[str, object]:
        return {"why": why, "code": code, "proof": {**proof, **changed},
                "expected": {k: proof[k] for k in ("kind", "nonce", "binding", "statement_digest")}}

    flipped = bytearray.fromhex(str(ohttp["signature"]))
    flipped[-1] ^= 1
    vector = {
        "what": "docs/protocols/evidence-document.md; written by make_evidence_document.py",
        "session_key_seed": SEED.hex(),
        "session_key": public_key(SEED).hex(),
        "statement": statement.hex(),
        "ohttp_key": ohttp_key.hex(),
        "proofs": [
            {"channel": name, "signed": signed(int(str(p["kind"])), NONCE,
                                               bytes.fromhex(str(p["binding"])), digest, TIME).hex(),
             **p}
            for name, p in (("attested TLS", tls), ("Oblivious HTTP", ohttp),
                            ("attested TLS, by who connected", peer))
        ],
        "version_1": json.dumps(document(tls, format="ensconce-evidence/1",
                                         ohttp_key="leave out")),
        "version_2": json.dumps(document(ohttp)),
        "refused": [
            refused("version 2 without a gateway's key", document(ohttp, ohttp_key="leave out")),
            refused("version 1 with one", document(ohttp, format="ensconce-evidence/1")),
            refused("an empty key", document(ohttp, ohttp_key="")),
            refused("a key of 4097 bytes", document(ohttp, ohttp_key=b64(bytes(4097)))),
            refused("a key that is no base64", document(ohttp, ohttp_key="====")),
            refused("version 3", document(ohttp, format="ensconce-evidence/3")),
            refused("a member that version 2 does not have", document(ohttp, more=1)),
            refused("no session", document("leave out")),
            refused("a session proof of kind 0", document({**ohttp, "kind": 0})),
            refused("a session proof of kind 4", document({**ohttp, "kind": 4})),
            refused("a time before 1970", document({**ohttp, "time_ms": -1})),
            refused("a nonce of 31 bytes", document({**ohttp, "nonce": "4e" * 31})),
        ],
        "unlike": [
            unlike("another nonce", "channel.session.nonce", ohttp, nonce="4f" * 32),
            unlike("another key configuration", "channel.session.binding", ohttp,
                   binding="00" * 32),
            unlike("another statement", "channel.session.statement", ohttp,
                   statement_digest="00" * 32),
            unlike("a proof of kind 1 for Oblivious HTTP", "channel.session.kind", ohttp, **tls),
            unlike("what a worker says to clients, for a peer", "channel.session.kind", peer,
                   **tls),
            unlike("another time", "channel.session.signature", ohttp, time_ms=TIME + 1),
            unlike("one bit of the signature", "channel.session.signature", ohttp,
                   signature=bytes(flipped).hex()),
            unlike("the signature of kind 3 under kind 1", "channel.session.signature", tls,
                   signature=peer["signature"]),
        ],
    }
    (HERE / "evidence_document.json").write_text(json.dumps(vector, indent=2) + "\n")


if __name__ == "__main__":
    main()
