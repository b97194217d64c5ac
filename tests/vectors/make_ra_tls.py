#!/usr/bin/env python3
"""Writes ra_tls.json: an encoder of docs/protocols/ra-tls-certificate.md that shares no code with lib/.

The evidence in it is 64 bytes of nothing: these are vectors of the wrapping alone. The statement is the
one of statement.json.
"""

from __future__ import annotations

import json
import pathlib

from make_statement import encode, fill, head

SNP_TYPE = "application/vnd.ensconce.snp-evidence+cbor"
EVIDENCE = bytes(range(64))


def tagged(tag: int, content: object) -> bytes:
    return head(6, tag) + encode(content)


def main() -> None:
    folder = pathlib.Path(__file__).parent
    vector = json.loads((folder / "statement.json").read_text(encoding="utf-8"))
    statement = bytes.fromhex(vector["statement"])
    pair = [EVIDENCE, statement]
    inner = encode(pair)

    def refused(why: str, extension: bytes) -> dict[str, str]:
        return {"why": why, "code": "ratls.form", "extension": extension.hex()}

    small = encode({"pubkey-hash": encode([1, fill(0x11, 32)])})
    document = {
        "what": "docs/protocols/ra-tls-certificate.md; written by make_ra_tls.py",
        "oid": "2.23.133.5.4.9",
        "evidence": EVIDENCE.hex(),
        "statement": statement.hex(),
        "written": [
            {"type": "snp", "extension": encode([SNP_TYPE, inner, 4]).hex()},
            {"type": "tdx", "extension": tagged(60000, pair).hex()},
            {"type": "sgx", "extension": tagged(60000, pair).hex()},
            {"type": "azure-snp", "extension": None},
            {"type": "azure-tdx", "extension": None},
        ],
        "refused": [
            refused("a record without an indicator", encode([SNP_TYPE, inner])),
            refused("an indicator of endorsements", encode([SNP_TYPE, inner, 2])),
            refused("another media type", encode(["application/eat+cwt", inner, 4])),
            refused("the pair itself for a byte string of it", encode([SNP_TYPE, pair, 4])),
            refused("a report alone, without claims", encode([SNP_TYPE, encode([EVIDENCE]), 4])),
            refused("claims without pubkey-hash",
                    encode([SNP_TYPE, encode([EVIDENCE, encode({"nonce": b""})]), 4])),
            refused("a report for the local machine", tagged(60001, [EVIDENCE, small])),
            refused("an SNP report's tag of another scheme", tagged(0x1A7504, [EVIDENCE, small])),
            refused("an indicator of two bytes where one is enough",
                    head(4, 3) + encode(SNP_TYPE) + encode(inner) + b"\x18\x04"),
            refused("a byte behind it", encode([SNP_TYPE, inner, 4]) + b"\0"),
        ],
    }
    path = folder / "ra_tls.json"
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
