#!/usr/bin/env python3
"""Reads the evidence in a worker's TLS certificate, by docs/protocols/ra-tls-certificate.md alone.

    ra_tls_certificate.py FILE|HOST:PORT      prints the parts as JSON; exit code 1 when one does not fit

Nothing of lib/ is in here, and no library: DER and CBOR are walked by hand. What is held against what: the
claims name the certificate's key, and the report data is the hash of the claims. No signature of hardware is
judged; `ensconce evidence verify` does.
"""

from __future__ import annotations

import hashlib
import json
import pathlib
import ssl
import sys

OID = bytes.fromhex("0606678105050409")  # 2.23.133.5.4.9, an OBJECT IDENTIFIER in DER
SNP_TYPE = "application/vnd.ensconce.snp-evidence+cbor"
HASHES = {1: "sha256", 7: "sha384"}
# Where each kind of evidence has its 64 bytes of report data.
REPORT_DATA = {"snp": 0x50, "tdx": 48 + 520, "sgx": 48 + 320}


def der(data: bytes, at: int) -> tuple[int, int, int]:
    """Tag, begin and end of the element's content."""
    length, begin = data[at + 1], at + 2
    if length & 0x80:
        size = length & 0x7F
        length, begin = int.from_bytes(data[begin : begin + size], "big"), begin + size
    assert begin + length <= len(data), "an element is cut"
    return data[at], begin, begin + length


def children(data: bytes, at: int) -> list[tuple[int, int, int, int]]:
    """(start, tag, begin, end) of each element inside the one at `at`."""
    _, inner, end = der(data, at)
    out = []
    while inner < end:
        tag, begin, stop = der(data, inner)
        out.append((inner, tag, begin, stop))
        inner = stop
    return out


def cbor(data: bytes, at: int = 0) -> tuple[object, int]:
    """One item and where it ends. A tag is ("tag", number, content)."""
    major, info, at = data[at] >> 5, data[at] & 31, at + 1
    value = info
    if info >= 24:
        assert info <= 27, "no definite length"
        size = 1 << (info - 24)
        value, at = int.from_bytes(data[at : at + size], "big"), at + size
    if major == 0:
        return value, at
    if major in (2, 3):
        part = data[at : at + value]
        assert len(part) == value, "a string is cut"
        return (part if major == 2 else part.decode()), at + value
    if major == 4:
        items = []
        for _ in range(value):
            item, at = cbor(data, at)
            items.append(item)
        return items, at
    if major == 5:
        entries = {}
        for _ in range(value):
            key, at = cbor(data, at)
            entries[key], at = cbor(data, at)
        return entries, at
    assert major == 6, f"major type {major}"
    content, at = cbor(data, at)
    return ("tag", value, content), at


def whole(data: bytes) -> object:
    item, end = cbor(data)
    assert end == len(data), "bytes are left"
    return item


def extension_of(certificate: bytes) -> tuple[bytes, bool]:
    """The extension's value, and whether it is critical."""
    tbs = children(certificate, 0)[0][0]
    for start, tag, _, _ in children(certificate, tbs):
        if tag != 0xA3:  # [3] extensions
            continue
        for entry, _, begin, _ in children(certificate, children(certificate, start)[0][0]):
            if certificate.startswith(OID, begin):
                parts = children(certificate, entry)
                _, last, inner, end = parts[-1]
                assert last == 0x04, "the value is no OCTET STRING"
                return certificate[inner:end], len(parts) == 3
    raise AssertionError("the certificate carries no evidence")


def public_key_info(certificate: bytes) -> bytes:
    """SubjectPublicKeyInfo: the element after subject, validity, issuer, signature, serial, version."""
    parts = children(certificate, children(certificate, 0)[0][0])
    start, _, _, end = parts[6]
    return certificate[start:end]


def read(certificate: bytes) -> dict:
    value, critical = extension_of(certificate)
    item = whole(value)
    if isinstance(item, tuple):
        _, tag, pair = item
        assert tag == 60000, f"tag {tag}"
        kind = "tdx" if pair[0][4:8] == b"\x81\0\0\0" else "sgx"
    else:
        media_type, record, indicator = item
        assert media_type == SNP_TYPE and indicator == 4, (media_type, indicator)
        pair, kind = whole(record), "snp"
    evidence, buffer = pair
    claims = whole(buffer)
    algorithm, digest = whole(claims["pubkey-hash"])
    at = REPORT_DATA[kind]
    report_data = evidence[at : at + 64]
    spki = public_key_info(certificate)
    assert not critical, "critical: a library that does not know it would refuse the connection"
    assert hashlib.new(HASHES[algorithm], spki).digest() == digest, "the claims name another key"
    assert report_data == hashlib.sha256(buffer).digest() + bytes(32), "the report is about other claims"
    return {"kind": kind, "evidence": evidence.hex(), "claims": sorted(claims),
            "nonce": claims.get("nonce", b"").hex(), "claims_buffer": buffer.hex(),
            "spki_sha256": hashlib.sha256(spki).hexdigest()}


def certificate_of(where: str) -> bytes:
    path = pathlib.Path(where)
    if path.exists():
        data = path.read_bytes()
        return data if data[:1] == b"\x30" else ssl.PEM_cert_to_DER_cert(data.decode())
    host, port = where.rsplit(":", 1)
    return ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate((host, int(port))))


def main() -> int:
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        print(json.dumps(read(certificate_of(sys.argv[1])), indent=2))
    except (AssertionError, IndexError, KeyError, ValueError, TypeError) as error:
        print(f"{sys.argv[1]}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
