#!/usr/bin/env python3
"""Holds sealed bundles against Tink, which made the streaming AEAD that is inside them.

Everything here but the AEAD and the signature (Tink's both) is written from
docs/protocols/sealed-bundle.md, so a bundle crosses between two implementations of that page:

    tink_stream_test.py BUNDLE_TOOL            what we seal, Tink opens, and the other way round
    tink_stream_test.py --write-vectors DIR    makes DIR/sealed_bundle.json and DIR/sealed/

Exits 77, aloud, where the `tink` package (PyPI) cannot be imported.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import io
import json
import os
import pathlib
import struct
import subprocess
import sys
import tempfile

try:
    import tink
    from tink import json_proto_keyset_format, secret_key_access, signature, streaming_aead
    from tink.proto import (
        aes_gcm_hkdf_streaming_pb2,
        common_pb2,
        ed25519_pb2,
        tink_pb2,
    )
except ImportError as missing:
    print(f"SKIPPED: this test needs the Python package 'tink' ({missing})", file=sys.stderr)
    sys.exit(77)

SEGMENT = 1 << 20
TYPE = "type.googleapis.com/google.crypto.tink."
OWNER_SEED = bytes([1]) * 32


# ---- Tink ---------------------------------------------------------------------------------------


def keyset(type_name: str, value: bytes, material: str) -> tink.KeysetHandle:
    document = {
        "primaryKeyId": 1,
        "key": [
            {
                "keyData": {
                    "typeUrl": TYPE + type_name,
                    "value": base64.b64encode(value).decode(),
                    "keyMaterialType": material,
                },
                "status": "ENABLED",
                "keyId": 1,
                "outputPrefixType": "RAW",
            }
        ],
    }
    return json_proto_keyset_format.parse(json.dumps(document), secret_key_access.TOKEN)


def stream_of(content_key: bytes) -> streaming_aead.StreamingAead:
    template = streaming_aead.streaming_aead_key_templates.AES256_GCM_HKDF_1MB
    form = aes_gcm_hkdf_streaming_pb2.AesGcmHkdfStreamingKeyFormat.FromString(template.value)
    assert form.params.ciphertext_segment_size == SEGMENT, form
    assert form.params.derived_key_size == 32 and form.key_size == 32, form
    assert form.params.hkdf_hash_type == common_pb2.SHA256, form
    assert template.output_prefix_type == tink_pb2.RAW, template
    key = aes_gcm_hkdf_streaming_pb2.AesGcmHkdfStreamingKey(
        version=0, params=form.params, key_value=content_key
    )
    handle = keyset("AesGcmHkdfStreamingKey", key.SerializeToString(), "SYMMETRIC")
    return handle.primitive(streaming_aead.StreamingAead)


def encrypt(content_key: bytes, plaintext: bytes, associated_data: bytes) -> bytes:
    class Sink(io.BytesIO):  # Tink closes what it wrote to
        def close(self) -> None:
            self.content = self.getvalue()
            super().close()

    sink = Sink()
    with stream_of(content_key).new_encrypting_stream(sink, associated_data) as stream:
        stream.write(plaintext)
    return sink.content


def decrypt(content_key: bytes, ciphertext: bytes, associated_data: bytes) -> bytes:
    source = io.BytesIO(ciphertext)
    with stream_of(content_key).new_decrypting_stream(source, associated_data) as stream:
        return stream.read()


def owner_public_key() -> bytes:
    # RFC 8410: the last 32 bytes of an Ed25519 SubjectPublicKeyInfo are the key.
    pkcs8 = bytes.fromhex("302e020100300506032b657004220420") + OWNER_SEED
    der = subprocess.run(
        ["openssl", "pkey", "-inform", "DER", "-pubout", "-outform", "DER"],
        input=pkcs8,
        capture_output=True,
        check=True,
    ).stdout
    return der[-32:]


def public_message() -> ed25519_pb2.Ed25519PublicKey:
    return ed25519_pb2.Ed25519PublicKey(version=0, key_value=owner_public_key())


def sign(message: bytes) -> bytes:
    key = ed25519_pb2.Ed25519PrivateKey(
        version=0, key_value=OWNER_SEED, public_key=public_message()
    )
    handle = keyset("Ed25519PrivateKey", key.SerializeToString(), "ASYMMETRIC_PRIVATE")
    return handle.primitive(signature.PublicKeySign).sign(message)


def verify(signed: bytes, message: bytes) -> None:
    key = public_message().SerializeToString()
    handle = keyset("Ed25519PublicKey", key, "ASYMMETRIC_PUBLIC")
    handle.primitive(signature.PublicKeyVerify).verify(signed, message)


# ---- the bundle, from docs/protocols/sealed-bundle.md -------------------------------------------

signature.register()
streaming_aead.register()

Files = dict[str, bytes]


def cbor(item: object) -> bytes:
    def head(major: int, n: int) -> bytes:
        for limit, info, form in ((24, None, ""), (1 << 8, 24, ">B"), (1 << 16, 25, ">H"),
                                  (1 << 32, 26, ">I"), (1 << 64, 27, ">Q")):
            if n < limit:
                if info is None:
                    return bytes([major << 5 | n])
                return bytes([major << 5 | info]) + struct.pack(form, n)
        raise ValueError(n)

    if isinstance(item, int):
        return head(0, item)
    if isinstance(item, bytes):
        return head(2, len(item)) + item
    if isinstance(item, str):
        return head(3, len(item.encode())) + item.encode()
    if isinstance(item, list):
        return head(4, len(item)) + b"".join(cbor(i) for i in item)
    if isinstance(item, dict):
        pairs = sorted((cbor(k), cbor(v)) for k, v in item.items())
        return head(5, len(pairs)) + b"".join(k + v for k, v in pairs)
    raise TypeError(item)


def seal(files: Files, name: str, version: int, content_key: bytes, bundle_id: bytes,
         key_id: bytes) -> tuple[bytes, dict]:
    table = cbor([[n, len(c), hashlib.sha256(c).digest()] for n, c in sorted(files.items())])
    payload = struct.pack(">I", len(table)) + table
    payload += b"".join(c for _, c in sorted(files.items()))
    commitment = hmac.digest(content_key, b"ensconce-bundle-key/1\0" + bundle_id, "sha256")
    header = {
        "bundle_id": bundle_id,
        "name": name,
        "version": version,
        "key_id": key_id,
        "key_commitment": commitment,
        "owner_key": owner_public_key(),
        "payload_len": len(payload),
        "table_digest": hashlib.sha256(table).digest(),
    }
    encoded = cbor(header)
    part = b"ENSCSEAL" + struct.pack(">HHI", 1, 1, len(encoded)) + encoded
    head = part + sign(b"ensconce-bundle/1\0" + part)
    digest = hashlib.sha256(head).digest()
    stream = encrypt(content_key, payload, digest)
    return head + stream, {**header, "manifest_digest": digest, "stream_offset": len(head),
                           "salt": stream[1:33], "nonce_prefix": stream[33:40]}


def open_bundle(bundle: bytes, content_key: bytes) -> Files:
    """Reads a bundle by its structure alone: no more CBOR than the file table needs."""
    assert bundle[:12] == b"ENSCSEAL\0\1\0\1"
    (header_len,) = struct.unpack(">I", bundle[12:16])
    part, signed = bundle[: 16 + header_len], bundle[16 + header_len : 80 + header_len]
    verify(signed, b"ensconce-bundle/1\0" + part)
    stream = bundle[80 + header_len :]
    assert stream[0] == 40
    payload = decrypt(content_key, stream, hashlib.sha256(bundle[: 80 + header_len]).digest())
    (table_len,) = struct.unpack(">I", payload[:4])
    table = payload[4 : 4 + table_len]
    assert hashlib.sha256(table).digest() in part
    rest = payload[4 + table_len :]
    files: Files = {}

    def item(at: int) -> tuple[int, int, int]:
        major, info = table[at] >> 5, table[at] & 31
        if info < 24:
            return major, info, at + 1
        size = 1 << (info - 24)
        return major, int.from_bytes(table[at + 1 : at + 1 + size], "big"), at + 1 + size

    _, count, at = item(0)
    for _ in range(count):
        _, _, at = item(at)
        _, name_len, at = item(at)
        name, at = table[at : at + name_len].decode(), at + name_len
        _, size, at = item(at)
        _, _, at = item(at)
        digest, at = table[at : at + 32], at + 32
        content, rest = rest[:size], rest[size:]
        assert hashlib.sha256(content).digest() == digest, name
        files[name] = content
    assert rest == b"" and at == len(table)
    assert cbor([[n, len(c), hashlib.sha256(c).digest()] for n, c in files.items()]) == table
    return files


# ---- the test -----------------------------------------------------------------------------------


def files_with_payload_of(payload_len: int) -> Files:
    """One file "f" whose payload, table and all, has this length."""
    front = 4 + len(cbor([["f", 1_000_000, bytes(32)]]))
    return {"f": pattern(payload_len - front)}


def pattern(length: int) -> bytes:
    return (bytes(range(251)) * (length // 251 + 1))[:length]


def cases() -> dict[str, Files]:
    first = SEGMENT - 40 - 16
    return {
        "small": {"a/b.txt": b"hello", "empty": b"", "z": bytes(1000)},
        "only-empty": {"nothing": b""},
        "one-byte-short-of-a-segment": files_with_payload_of(first - 1),
        "one-full-segment": files_with_payload_of(first),
        "one-byte-more": files_with_payload_of(first + 1),
        "two-full-segments": files_with_payload_of(first + SEGMENT - 16),
        "four-segments": {"a": pattern(2_000_000), "b": pattern(1_500_000)},
    }


def run_tests(tool: str) -> None:
    with tempfile.TemporaryDirectory() as made:
        base = pathlib.Path(made)
        for name, files in cases().items():
            source = base / name
            for file, content in files.items():
                (source / file).parent.mkdir(parents=True, exist_ok=True)
                (source / file).write_bytes(content)
            bundle, key = base / f"{name}.sealed", base / f"{name}.key"
            subprocess.run([tool, "seal", source, bundle, key], check=True)
            assert open_bundle(bundle.read_bytes(), key.read_bytes()) == files, name

            content_key = os.urandom(32)
            key.write_bytes(content_key)
            theirs, _ = seal(files, "from-python", 1, content_key, os.urandom(16), os.urandom(16))
            bundle.write_bytes(theirs)
            printed = subprocess.run(
                [tool, "open", bundle, key], check=True, capture_output=True, text=True
            ).stdout
            expected = {n: hashlib.sha256(c).hexdigest() for n, c in files.items()}
            assert json.loads(printed) == expected, name
            print(f"ok: {name}: {len(theirs)} bytes, both ways")


# ---- the vectors --------------------------------------------------------------------------------


def write_vectors(folder: pathlib.Path) -> None:
    (folder / "sealed").mkdir(parents=True, exist_ok=True)
    bundles = []
    small: dict[str, dict] = {}
    for i, (name, files) in enumerate(cases().items()):
        content_key = hashlib.sha256(f"content key of {name}".encode()).digest()
        bundle_id, key_id = bytes([0xB0 + i]) * 16, bytes([0xC0 + i]) * 16
        bundle, facts = seal(files, name, i + 1, content_key, bundle_id, key_id)
        entry = {
            "name": name,
            "version": i + 1,
            "content_key": content_key.hex(),
            "files": [
                {"name": n, "hex": c.hex()} if len(c) < 100
                else {"name": n, "len": len(c), "cycle": 0 if not any(c) else 251}
                for n, c in sorted(files.items())
            ],
        }
        entry |= {k: facts[k].hex() for k in ("bundle_id", "key_id", "key_commitment",
                                              "table_digest", "salt", "nonce_prefix",
                                              "manifest_digest")}
        entry |= {"payload_len": facts["payload_len"], "stream_offset": facts["stream_offset"]}
        entry |= {"bundle_len": len(bundle), "bundle_sha256": hashlib.sha256(bundle).hexdigest()}
        if len(bundle) < 10_000:
            entry["file"] = f"sealed/{name}.sealed"
            (folder / entry["file"]).write_bytes(bundle)
            small[name] = entry
        bundles.append(entry)

    offset, length = small["small"]["stream_offset"], small["small"]["bundle_len"]
    refused = [
        ("magic", {"xor": [0, 1]}, "sealed.bad_magic"),
        ("format", {"xor": [9, 3]}, "sealed.unsupported_format"),
        ("suite", {"xor": [11, 3]}, "sealed.unsupported_suite"),
        ("header length over the limit", {"xor": [13, 1]}, "sealed.too_large"),
        ("signature", {"xor": [offset - 1, 1]}, "sealed.bad_signature"),
        ("stream header length", {"xor": [offset, 1]}, "sealed.segment"),
        ("salt", {"xor": [offset + 1, 1]}, "sealed.segment"),
        ("nonce prefix", {"xor": [offset + 39, 1]}, "sealed.segment"),
        ("ciphertext", {"xor": [offset + 40, 1]}, "sealed.segment"),
        ("tag", {"xor": [length - 1, 1]}, "sealed.segment"),
        ("cut within the head", {"truncate": offset - 1}, "sealed.truncated"),
        ("cut after the head", {"truncate": offset}, "sealed.truncated"),
        ("cut by one byte", {"truncate": length - 1}, "sealed.truncated"),
        ("grown by one byte", {"append": "00"}, "sealed.extended"),
        ("another content key", {"content_key": "00" * 32}, "sealed.wrong_key"),
        ("another owner", {"owner_key": "00" * 32}, "sealed.foreign_owner"),
        ("a higher minimum version", {"minimum_version": 2}, "sealed.rolled_back"),
    ]
    document = {
        "note": "Sealed bundle v1 (docs/protocols/sealed-bundle.md). Made by "
                "tests/peers/tink_stream_test.py --write-vectors with Tink's streaming AEAD and "
                "Ed25519; Tink drew salt and nonce prefix. A file's content is hex, or `len` bytes "
                "of which byte i is i mod `cycle` (all zero when `cycle` is 0).",
        "owner_seed": OWNER_SEED.hex(),
        "owner_key": owner_public_key().hex(),
        "bundles": bundles,
        "refused": [{"what": w, "bundle": "small", **change, "error": e}
                    for w, change, e in refused],
    }
    (folder / "sealed_bundle.json").write_text(json.dumps(document, indent=1) + "\n")


def main() -> int:
    if len(sys.argv) == 3 and sys.argv[1] == "--write-vectors":
        write_vectors(pathlib.Path(sys.argv[2]))
    elif len(sys.argv) == 2:
        run_tests(sys.argv[1])
    else:
        print(__doc__, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
