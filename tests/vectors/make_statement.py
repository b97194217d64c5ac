#!/usr/bin/env python3
"""Writes statement.json: an encoder of docs/protocols/statement.md that shares no code with lib/."""

from __future__ import annotations

import hashlib
import json
import pathlib


def head(major: int, n: int) -> bytes:
    for info, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if n < 24:
            return bytes([major << 5 | n])
        if n < 1 << (8 * size):
            return bytes([major << 5 | info]) + n.to_bytes(size, "big")
    raise ValueError(n)


def encode(item: object) -> bytes:
    if isinstance(item, int):
        return head(0, item)
    if isinstance(item, bytes):
        return head(2, len(item)) + item
    if isinstance(item, str):
        return head(3, len(item.encode())) + item.encode()
    if isinstance(item, list):
        return head(4, len(item)) + b"".join(encode(i) for i in item)
    if isinstance(item, dict):
        pairs = sorted((encode(k), encode(v)) for k, v in item.items())
        return head(5, len(pairs)) + b"".join(k + v for k, v in pairs)
    raise TypeError(item)


def fill(byte: int, size: int) -> bytes:
    return bytes([byte]) * size


def main() -> None:
    tls = [fill(0x11, 48), fill(0x12, 48)]
    keys = {
        "tls": tls,
        "ohttp": [fill(0x44, 32)],
        "session": fill(0x50, 32),
        "release": b"\x04" + fill(0x52, 64),
        "receipt": fill(0x51, 32),
    }
    security = {
        "padding": "none",
        "tenancy": "shared",
        "sandbox": "none",
        "owner_keys": [fill(0x61, 32), fill(0x62, 32)],
        "broker_key": fill(0x63, 32),
    }
    ours = {
        "v": 1,
        "boot": fill(0x33, 16),
        "epoch": 7,
        "keys": keys,
        "software": "ensconce-worker 0.1.0",
        "security": security,
        "deployment": fill(0x66, 32),
    }
    outer = {
        "nonce": fill(0x22, 32),
        "ensconce": encode(ours),
        "pubkey-hash": encode([7, tls[0]]),
    }
    statement = encode(outer)

    # Section 6: what signs for a broker is what it believes.
    broker_keys = {**keys, "tls": tls[:1], "ohttp": [], "receipt": fill(0x63, 32)}
    broker = {**ours, "keys": broker_keys, "software": "ensconce-broker 0.1.0"}

    def refused(why: str, code: str, changed: dict[str, object]) -> dict[str, str]:
        return {"why": why, "code": code, "statement": encode(changed).hex()}

    def text(value: object) -> object:
        if isinstance(value, bytes):
            return value.hex()
        if isinstance(value, list):
            return [text(v) for v in value]
        if isinstance(value, dict):
            return {k: text(v) for k, v in value.items()}
        return value

    fields = {k: text(v) for k, v in ours.items() if k != "v"}
    fields["nonce"] = fill(0x22, 32).hex()
    fields["tls_key_sha384"] = tls[0].hex()
    vector = {
        "what": "docs/protocols/statement.md; written by make_statement.py",
        "fields": fields,
        "statement": statement.hex(),
        "report_data": (hashlib.sha256(statement).digest() + bytes(32)).hex(),
        "broker": encode({**outer, "ensconce": encode(broker)}).hex(),
        "refused": [
            refused("a fourth member", "statement.form", {**outer, "more": b""}),
            refused(
                "pubkey-hash is the previous TLS key",
                "statement.pubkey_hash",
                {**outer, "pubkey-hash": encode([7, tls[1]])},
            ),
            refused(
                "pubkey-hash by SHA-256",
                "statement.form",
                {**outer, "pubkey-hash": encode([1, fill(0x11, 32)])},
            ),
            refused(
                "version 2", "statement.form", {**outer, "ensconce": encode({**ours, "v": 2})}
            ),
            refused(
                "a key of keys that version 1 does not have",
                "statement.form",
                {**outer, "ensconce": encode({**ours, "keys": {**keys, "more": b""}})},
            ),
            {
                "why": "members in another order",
                "code": "statement.form",
                "statement": (
                    head(5, 3)
                    + b"".join(
                        encode(k) + encode(outer[k]) for k in ("pubkey-hash", "ensconce", "nonce")
                    )
                ).hex(),
            },
            {
                "why": "a byte after the statement",
                "code": "statement.form",
                "statement": (statement + b"\0").hex(),
            },
        ],
    }
    path = pathlib.Path(__file__).with_name("statement.json")
    path.write_text(json.dumps(vector, indent=2) + "\n")


if __name__ == "__main__":
    main()
