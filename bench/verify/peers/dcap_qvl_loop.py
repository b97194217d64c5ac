"""Verifies one TDX or SGX quote over and over with dcap-qvl, as the peer that bench_verify is
measured against. Nothing is fetched: the collateral comes from files.

    dcap_qvl_loop.py AT QUOTE COLLATERAL_DIR     AT: seconds since 1970

It prints one line of JSON, then answers each line on standard input with one: "cold N" and "warm N"
with the nanoseconds of N verifications, "altered" with "refused" if the quote with one bit flipped
is. The library remembers nothing between two calls, so both are the same loop; the collateral's
object holds texts, which each call parses again.
"""

import json
import pathlib
import sys
import time

import dcap_qvl

REPORT_DATA_END = {True: 48 + 584, False: 48 + 384}  # is it TDX: the body's last bytes


def signed(text, name):
    """The exact bytes of the inner object, and the signature over them."""
    head = '{"' + name + '":'
    if not text.startswith(head):
        raise ValueError(f"{name} is not the first member")
    return text[len(head):text.rindex(',"signature"')], bytes.fromhex(json.loads(text)["signature"])


def collateral(folder):
    tcb_info = signed((folder / "tcb_info.json").read_text(encoding="utf-8"), "tcbInfo")
    identity = signed((folder / "qe_identity.json").read_text(encoding="utf-8"), "enclaveIdentity")
    signing_chain = (folder / "tcb_signing_chain.pem").read_text(encoding="ascii")
    return dcap_qvl.QuoteCollateralV3(
        pck_crl_issuer_chain=(folder / "pck_crl_issuer_chain.pem").read_text(encoding="ascii"),
        root_ca_crl=(folder / "root_ca_crl.der").read_bytes(),
        pck_crl=(folder / "pck_crl.der").read_bytes(),
        tcb_info_issuer_chain=signing_chain,
        tcb_info=tcb_info[0],
        tcb_info_signature=tcb_info[1],
        qe_identity_issuer_chain=signing_chain,
        qe_identity=identity[0],
        qe_identity_signature=identity[1],
    )


def main():
    at, quote = int(sys.argv[1]), pathlib.Path(sys.argv[2]).read_bytes()
    endorsements = collateral(pathlib.Path(sys.argv[3]))
    verify = dcap_qvl.verify
    status = verify(quote, endorsements, at).status
    print(json.dumps({"ready": True, "status": status}), flush=True)
    for line in sys.stdin:
        words = line.split()
        if words == ["altered"]:
            altered = bytearray(quote)
            altered[REPORT_DATA_END[dcap_qvl.parse_quote(quote).is_tdx()] - 1] ^= 1
            try:
                verify(bytes(altered), endorsements, at)
                print("accepted", flush=True)
            except ValueError:
                print("refused", flush=True)
        elif len(words) == 2 and words[0] in ("cold", "warm"):
            times = range(int(words[1]))
            start = time.perf_counter_ns()
            for _ in times:
                verify(quote, endorsements, at)
            print(time.perf_counter_ns() - start, flush=True)
        else:
            raise ValueError(f"no such command: {line!r}")


if __name__ == "__main__":
    main()
