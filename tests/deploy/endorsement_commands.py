"""The commands of docs/deploy/endorsements.md fetch what makes real evidence verify.

    endorsement_commands.py --bin DIR

Each block of commands runs as it stands, but for the values a reader puts in, with a `curl` that answers from a
table of addresses: real collateral of ENSCONCE_VECTORS. An address that is not in the table fails. Exit code 77,
aloud, without vectors.
"""

import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import urllib.parse

# Within the life of the lists.
AT_INTEL = "2025-02-20T00:00:00Z"
AT_AMD = "2025-06-01T00:00:00Z"
ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PAGE = ROOT / "docs" / "deploy" / "endorsements.md"

CURL = '''#!/usr/bin/env python3
import json, os, sys
arguments = sys.argv[1:]
table = json.load(open(os.environ["ANSWERS"]))
url = next(word for word in arguments if word.startswith("http"))
if url not in table:
    sys.exit("curl: (22) 404 " + url)
assert "-fsS" in arguments
if "-D" in arguments:
    open(arguments[arguments.index("-D") + 1], "w").write(table[url].get("head", "HTTP/1.1 200 OK"))
body = open(table[url]["body"], "rb").read()
if "-o" in arguments:
    open(arguments[arguments.index("-o") + 1], "wb").write(body)
else:
    sys.stdout.buffer.write(body)
'''


def commands(section):
    """The block of commands under a heading."""
    text = PAGE.read_text().split(f"## {section}\n", 1)[1].split("\n## ", 1)[0]
    (block,) = re.findall(r"^```sh\n(.*?)^```$", text, re.M | re.S)
    return block


def put(script, **values):
    for name, value in values.items():
        script, found = re.subn(rf"^{name}=.*$", lambda _, n=name, v=value: f"{n}='{v}'", script, flags=re.M)
        assert found == 1, name
    return script


def run(script, answers, folder):
    """Runs it in a folder of its own; returns the directory that it filled."""
    (folder / "bin").mkdir(parents=True)
    curl = folder / "bin" / "curl"
    curl.write_text(CURL)
    curl.chmod(0o755)
    (folder / "answers.json").write_text(json.dumps(answers))
    environment = os.environ | {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
                                "ANSWERS": str(folder / "answers.json")}
    subprocess.run(["bash", "-euo", "pipefail", "-c", script], check=True, cwd=folder, env=environment)
    return folder / "endorsements"


def verify(tool, evidence, directory, at, expect):
    done = subprocess.run([tool, "evidence", "verify", "--input", evidence, "--at", at,
                           *(["--endorsements", directory] if directory else [])],
                          check=False, capture_output=True, text=True)
    assert done.returncode == expect, f"{evidence}: {done.returncode}\n{done.stderr}"
    return done.stderr


def head(**headers):
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(["HTTP/1.1 200 OK", "Content-Type: application/json", *lines, "", ""])


def pem(der):
    return subprocess.run(["openssl", "x509", "-inform", "DER", "-in", der], check=True,
                          capture_output=True, text=True).stdout


def intel(tool, vectors, scratch):
    collateral = vectors / "intel/collateral/tdx-00806F050000-2025-02"
    quote = vectors / "tdx/quotes/v4-00806f05-gce-cos113.quote.bin"
    signing = urllib.parse.quote((collateral / "tcb_signing_chain.pem").read_text())
    pck = urllib.parse.quote((collateral / "pck_crl_issuer_chain.pem").read_text())
    api = "https://api.trustedservices.intel.com"
    answers = {
        f"{api}/tdx/certification/v4/tcb?fmspc=00806f050000":
            {"body": str(collateral / "tcb_info.json"), "head": head(TCB_Info_Issuer_Chain=signing)},
        f"{api}/tdx/certification/v4/qe/identity":
            {"body": str(collateral / "qe_identity.json"),
             "head": head(SGX_Enclave_Identity_Issuer_Chain=signing)},
        f"{api}/sgx/certification/v4/pckcrl?ca=platform&encoding=der":
            {"body": str(collateral / "pck_crl.der"), "head": head(SGX_PCK_CRL_Issuer_Chain=pck)},
        "https://certificates.trustedservices.intel.com/IntelSGXRootCA.der":
            {"body": str(collateral / "root_ca_crl.der")},
    }
    said = verify(tool, quote, None, AT_INTEL, 3)
    assert "/tdx/certification/v4/tcb?fmspc=00806f050000" in said, said
    directory = run(put(commands("Intel"), fmspc="00806f050000"), answers, scratch / "intel")
    verify(tool, quote, directory, AT_INTEL, 12)


def amd(tool, vectors, scratch):
    product = "Genoa"
    report = vectors / "snp/reports/genoa-v3-vcek-tsm.report.bin"
    chain = scratch / "cert_chain.pem"
    chain.write_text(pem(vectors / "snp/anchors/ask_genoa.der") + pem(vectors / "snp/anchors/ark_genoa.der"))
    files = {"vcek": vectors / "snp/reports/genoa-v3-vcek-tsm.vcek.der", "chain": chain,
             "crl": vectors / "snp/crl/genoa-20241023.crl.der"}
    said = verify(tool, report, None, AT_AMD, 3)
    path = re.search(rf"/vcek/v1/{product}/[0-9a-f]+\?[A-Za-z0-9=&]+", said).group(0)
    host = "https://kdsintf.amd.com"
    answers = {host + path: {"body": str(files["vcek"])},
               f"{host}/vcek/v1/{product}/cert_chain": {"body": str(files["chain"])},
               f"{host}/vcek/v1/{product}/crl": {"body": str(files["crl"])}}
    directory = run(put(commands("AMD"), product=product, vcek=path), answers, scratch / "amd")
    verify(tool, report, directory, AT_AMD, 12)
    azure_answer = scratch / "thim.json"
    azure_answer.write_text(json.dumps({"vcekCert": pem(files["vcek"]), "tcbm": "DB18000000000004",
                                        "certificateChain": chain.read_text()}))
    script = commands("Azure").replace("/vcek/v1/Milan/crl", f"/vcek/v1/{product}/crl")
    directory = run(script, {
        "http://169.254.169.254/metadata/THIM/amd/certification": {"body": str(azure_answer)},
        f"{host}/vcek/v1/{product}/crl": {"body": str(files["crl"])}}, scratch / "azure")
    verify(tool, report, directory, AT_AMD, 12)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", default=ROOT / "build" / "dev" / "bin", type=pathlib.Path)
    arguments = parser.parse_args()
    vectors = pathlib.Path(os.environ.get("ENSCONCE_VECTORS", ""))
    if not (vectors / "intel").is_dir():
        print("SKIPPED: ENSCONCE_VECTORS names no folder of real evidence")
        return 77
    tool = arguments.bin / "ensconce"
    with tempfile.TemporaryDirectory(prefix="ensconce-endorsements-") as folder:
        intel(tool, vectors, pathlib.Path(folder))
        amd(tool, vectors, pathlib.Path(folder))
    print("the commands for Intel, AMD and Azure fetch what verification needs")
    return 0


if __name__ == "__main__":
    sys.exit(main())
