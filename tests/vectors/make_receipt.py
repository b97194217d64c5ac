#!/usr/bin/env python3
"""Writes receipt.json: a writer of docs/protocols/receipt.md that shares no code with lib/.

Ed25519 here is RFC 8032 section 5.1 in plain integers: right, slow, and not for secrets.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import pathlib

from make_statement import encode, fill, head

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
Point = tuple[int, int]


def add(a: Point, b: Point) -> Point:
    (x1, y1), (x2, y2) = a, b
    t = D * x1 * x2 * y1 * y2 % P
    x = (x1 * y2 + x2 * y1) * pow(1 + t, P - 2, P) % P
    y = (y1 * y2 + x1 * x2) * pow(1 - t, P - 2, P) % P
    return x, y


def multiply(n: int, point: Point) -> Point:
    out: Point = (0, 1)
    while n:
        if n & 1:
            out = add(out, point)
        point = add(point, point)
        n >>= 1
    return out


def base_point() -> Point:
    y = 4 * pow(5, P - 2, P) % P
    xx = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(xx, (P + 3) // 8, P)
    if (x * x - xx) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    return (P - x if x & 1 else x), y


B = base_point()


def pack(point: Point) -> bytes:
    return (point[1] | (point[0] & 1) << 255).to_bytes(32, "little")


def public_key(seed: bytes) -> bytes:
    return pack(multiply(scalar(seed), B))


def scalar(seed: bytes) -> int:
    a = int.from_bytes(hashlib.sha512(seed).digest()[:32], "little")
    return a & (1 << 254) - 8 | 1 << 254


def sign(seed: bytes, message: bytes) -> bytes:
    def reduced(*parts: bytes) -> int:
        return int.from_bytes(hashlib.sha512(b"".join(parts)).digest(), "little") % L

    r = reduced(hashlib.sha512(seed).digest()[32:], message)
    big_r = pack(multiply(r, B))
    k = reduced(big_r, public_key(seed), message)
    return big_r + ((r + k * scalar(seed)) % L).to_bytes(32, "little")


PROTECTED = bytes.fromhex("a10127")


def cose(seed: bytes, context: str, payload: bytes) -> bytes:
    signed = encode(["Signature1", PROTECTED, context.encode(), payload])
    return head(6, 18) + encode([PROTECTED, {}, payload, sign(seed, signed)])


def digest(key: bytes, context: str, parts: list[str], body: bytes) -> bytes:
    message = context.encode() + b"\0"
    for part in parts:
        message += len(part.encode()).to_bytes(4, "big") + part.encode()
    return hmac.new(key, message + body, hashlib.sha256).digest()


def main() -> None:
    # RFC 8032 section 7.1, test 2, to hold this file's own arithmetic against.
    test2 = bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
    assert sign(test2, b"\x72").hex() == (
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    )

    seed, key = fill(0x51, 32), fill(0x4B, 32)
    request = {
        "method": "POST",
        "target": "/v2/models/line-reader/infer",
        "inference_header_content_length": "94",
        "content_type": "application/octet-stream",
        "ensconce_bundle": fill(0x4D, 32).hex(),
    }
    response = {
        "status": "200",
        "inference_header_content_length": "",
        "content_type": "application/json",
        "ensconce_bundle": fill(0x4D, 32).hex(),
    }
    request_body, response_body = b"the body of the request", b'{"outputs":[]}'
    receipt = {
        "v": 1,
        "manifest": fill(0x4D, 32),
        "statement": fill(0x53, 32),
        "measurement": fill(0x6D, 48),
        "model": "line-reader",
        "model_version": 3,
        "request": digest(key, "ensconce-request/1", list(request.values()), request_body),
        "response": digest(key, "ensconce-response/1", list(response.values()), response_body),
        "time": 1795413629000,
        "sequence": 17,
        "boot": fill(0x33, 16),
    }
    context = "ensconce-receipt/1"
    payload = encode(receipt)
    message = cose(seed, context, payload)

    def refused(why: str, code: str, changed: bytes) -> dict[str, str]:
        return {"why": why, "code": code, "receipt": changed.hex()}

    def of_form(why: str, **changes: object) -> dict[str, str]:
        changed = {k: v for k, v in {**receipt, **changes}.items() if v is not None}
        return refused(why, "channel.receipt.form", cose(seed, context, encode(changed)))

    small = {**receipt, "measurement": fill(0x6D, 32), "model": "m" * 128}
    flipped = bytearray(message)
    flipped[-1] ^= 1
    vector = {
        "what": "docs/protocols/receipt.md; written by make_receipt.py",
        "receipt_key_seed": seed.hex(),
        "receipt_key": public_key(seed).hex(),
        "key": key.hex(),
        "request": {**request, "body": request_body.hex()},
        "response": {**response, "body": response_body.hex()},
        "fields": {k: v.hex() if isinstance(v, bytes) else v for k, v in receipt.items()},
        "payload": payload.hex(),
        "receipt": message.hex(),
        "accepted": [
            {
                "why": "a measurement of 32 bytes, the longest name",
                "receipt": cose(seed, context, encode(small)).hex(),
            }
        ],
        "refused": [
            *(of_form(f"no {name}", **{name: None}) for name in receipt),
            of_form("version 2", v=2),
            of_form("a member that version 1 does not have", more=b""),
            of_form("a manifest digest of 31 bytes", manifest=fill(0x4D, 31)),
            of_form("a measurement of 20 bytes", measurement=fill(0x6D, 20)),
            of_form("an empty model name", model=""),
            of_form("a model name of 129 bytes", model="m" * 129),
            of_form("a model name with a control character", model="line\nreader"),
            of_form("text for a boot id", boot="3" * 16),
            refused(
                "members in another order",
                "channel.receipt.form",
                cose(
                    seed,
                    context,
                    head(5, 11) + b"".join(encode(k) + encode(receipt[k]) for k in receipt),
                ),
            ),
            refused(
                "a byte after the payload",
                "channel.receipt.form",
                cose(seed, context, payload + b"\0"),
            ),
            refused("a byte after the message", "channel.receipt.form", message + b"\0"),
            refused("more than 1024 bytes", "channel.receipt.form", message + bytes(1024)),
            refused(
                "another key", "channel.receipt.signature", cose(fill(9, 32), context, payload)
            ),
            refused(
                "another message type",
                "channel.receipt.signature",
                cose(seed, "ensconce-lease/1", payload),
            ),
            refused("one bit of the signature", "channel.receipt.signature", bytes(flipped)),
        ],
    }
    path = pathlib.Path(__file__).with_name("receipt.json")
    path.write_text(json.dumps(vector, indent=2) + "\n")


if __name__ == "__main__":
    main()
