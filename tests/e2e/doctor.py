"""`ensconce doctor`, started under a simulated processor: it finds the device, makes evidence and holds it
against a policy. Its own launch is measured, and the policy file with it, so that no policy here can name the
measurement: what is looked at is that the right thing is refused, and that nothing else is.
"""

import argparse
import json
import sys

import stack  # puts demo/ on the path
import story as told
from house import House, fill, write


def expect(holds, what):
    if not holds:
        raise SystemExit(f"doctor: {what}")


def doctor(house, *arguments, expect_code):
    done = house.run(house.program("ensconce-sim"), "run", "--state", house.chip, "--transport",
                     house.transport, "--", house.program("ensconce"), "doctor", "--json",
                     *arguments, expect=expect_code)
    return json.loads(done.stdout), done.stderr


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", required=True)
    parser.add_argument("--cache", default=stack.ROOT / ".cache")
    arguments = parser.parse_args()
    house = House(arguments.bin, arguments.cache)
    try:
        house.run(house.program("ensconce-sim"), "init", "--state", house.chip)
        anchor = house.json(house.program("ensconce-sim"), "anchor", "--state",
                            house.chip)["spki_sha256"]
        config = write(house.operator / "worker.toml", 'tsm_root = "tsm"\n')
        key = "3" * 64
        hardware = fill("hardware.toml", anchor=anchor, measurements='"' + "a5" * 48 + '"',
                        owner_keys=told.quoted([key]), broker_key=key, sandbox="none")
        policy = write(house.owner / "policy.toml", fill("release-policy.toml", hardware=hardware))

        plain = house.json(house.program("ensconce"), "doctor", "--json")
        expect({p["platform"] for p in plain["platforms"]} ==
               {"snp", "tdx", "sgx", "azure", "simulated"}, "a platform is left out")
        expect(all(m["how"] for p in plain["platforms"] for m in p["missing"]), "no advice")

        found, said = doctor(house, "--config", config, "--policy", policy, expect_code=6)
        expect(found["attesters"]["chosen"] == "configfs-tsm", "another attester was chosen")
        refused = sorted(c["id"] for c in found["result"]["checks"] if c["holds"] is False)
        expect(refused == ["snp.measurement", "statement.given"], f"refused: {refused}")
        expect("snp.measurement" in said, "people are not told")

        house.run(house.program("ensconce"), "doctor", "--policy", policy, expect=11)
    finally:
        house.close()


if __name__ == "__main__":
    sys.exit(main())
