"""A running worker's TLS certificate carries evidence that others can read and we can judge.

tests/peers/ra_tls_certificate.py reads it without our code; `ensconce evidence verify` judges the chip's
signature and both bindings. Exit code 0 when all of it fits, and a certificate with another key's does not.
"""

import argparse
import base64
import json
import os
import pathlib
import secrets
import ssl
import sys
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "peers"))

import ra_tls_certificate as reader  # noqa: E402
import stack  # noqa: E402

ENDINGS = {"application/pkix-cert": "crt", "application/pkix-crl": "crl"}


def document_of(running):
    unverified = ssl.create_default_context()
    unverified.check_hostname, unverified.verify_mode = False, ssl.CERT_NONE
    url = f"{running.worker_url}/.well-known/ensconce/evidence?nonce={secrets.token_hex(32)}"
    with urllib.request.urlopen(url, context=unverified) as answer:
        return json.load(answer)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", default=stack.BIN)
    parser.add_argument("--cache", default=os.environ.get("ENSCONCE_CACHE", str(ROOT / ".cache")))
    arguments = parser.parse_args()
    with stack.start(["simple"], bin_dir=arguments.bin, cache=arguments.cache) as running:
        certificate = reader.certificate_of(f"127.0.0.1:{running.worker_port}")
        found = reader.read(certificate)
        document = document_of(running)
        statement = base64.b64decode(document["statement"]).hex()
        evidence = base64.b64decode(document["evidence"][0]["data"]).hex()
        if (found["kind"], found["claims_buffer"], found["evidence"]) != ("snp", statement, evidence):
            raise SystemExit("the certificate says something else than the evidence document")
        if found["claims"] != ["ensconce", "nonce", "pubkey-hash"]:
            raise SystemExit(f"claims: {found['claims']}")

        folder = running.house.data_owner / "endorsements"
        folder.mkdir()
        for i, item in enumerate(document["endorsements"]):
            (folder / f"{i}.{ENDINGS[item['type']]}").write_bytes(base64.b64decode(item["data"]))
        file = running.house.data_owner / "worker.crt"
        file.write_bytes(certificate)
        anchor = running.house.chip / "pki" / "ark.pem"

        def verify(expect):
            done = running.ensconce("evidence", "verify", "--input", file, "--endorsements", folder,
                                    "--trust-anchor", anchor, "--json", expect=expect)
            return {c["id"]: c["holds"] for c in json.loads(done.stdout)["checks"]}

        checks = verify(12)  # verified, and no policy to appraise it
        for rule in ("snp.signature", "ratls.binding", "ratls.pubkey_hash"):
            if checks.get(rule) is not True:
                raise SystemExit(f"{rule} does not hold: {checks}")
        # The same extension in a certificate whose key differs in its last bit: nobody's.
        spki = reader.public_key_info(certificate)
        file.write_bytes(certificate.replace(spki, spki[:-1] + bytes([spki[-1] ^ 1])))
        checks = verify(4)
        if checks.get("ratls.pubkey_hash") is not False or checks.get("ratls.binding") is not True:
            raise SystemExit(f"another key was not refused for being one: {checks}")
        print(f"evidence of {len(found['evidence']) // 2} bytes read and judged; another key refused")
    return 0


if __name__ == "__main__":
    sys.exit(main())
