"""A page goes to a verified worker, by both channels, and its lines come back.

What is expected was read by another implementation: models/samples/pages/expected.json. Exit code 0 when
it is so, 77 where the page reader's weights are not there.
"""

import argparse
import json
import os
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PAGES = ROOT / "models/samples/pages"

import stack


def expect(said, *parts):
    for part in parts:
        if part not in said:
            raise SystemExit(f"expected {part!r} in:\n{said}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", default=stack.BIN)
    parser.add_argument("--cache", default=os.environ.get("ENSCONCE_CACHE", str(ROOT / ".cache")))
    arguments = parser.parse_args()
    if not (pathlib.Path(arguments.cache) / "models/page-reader/detector.onnx").exists():
        print("SKIPPED: the page reader is not there: setup/setup.sh fetches it", file=sys.stderr)
        return 77
    expected = {page["file"]: page for page in
                json.loads((PAGES / "expected.json").read_text(encoding="utf-8"))}
    with stack.start(["page-reader"], bin_dir=arguments.bin, cache=arguments.cache) as running:
        def infer(*words, code=0):
            return running.ensconce("infer", "--policy", running.client_policy, running.worker_url,
                                    "--model", "page-reader", *words, expect=code)

        for name, channel in (("photo-sideways.jpg", "tls"), ("clean-form.png", "ohttp"),
                              ("rotated-180.png", "ohttp-chunked")):
            lines = infer("--image", PAGES / name, "--lines", "--channel", channel).stdout
            if lines.splitlines() != [line["text"] for line in expected[name]["lines"]]:
                raise SystemExit(f"{name} by {channel}:\n{lines}")
            print(f"{name}: {len(lines.splitlines())} lines by {channel}")

        outputs = json.loads(infer("--image", PAGES / "clean-small.png").stdout)["outputs"]
        boxes = [number for line in expected["clean-small.png"]["lines"] for point in line["box"]
                 for number in point]
        if outputs["boxes"] != boxes or len(outputs["confidence"]) != len(outputs["text"]):
            raise SystemExit(f"clean-small.png: {outputs}")

        blank = running.house.data_owner / "blank.png"
        blank.write_bytes(BLANK)
        if infer("--image", blank, "--lines").stdout != "":
            raise SystemExit("a blank page has lines")
        if json.loads(infer("--image", blank).stdout)["outputs"]["text"] != []:
            raise SystemExit("a blank page has text")

        torn = running.house.data_owner / "torn.jpg"
        torn.write_bytes((PAGES / "photo.jpg").read_bytes()[:20000])
        expect(infer("--image", torn, code=None).stderr, "inference.bad_image", "whole JPEG")
        expect(infer("--text", "a", code=None).stderr, "inference.unknown_input")
        print("a blank page has no lines; half a photograph is refused by name")
    return 0


# A white PNG of 16 x 16, one bit a pixel.
BLANK = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000100000001001000000003788c2cc0000000e4944415478"
    "da63f8ff9f81140400fd4e1fe1dec875970000000049454e44ae426082")


if __name__ == "__main__":
    sys.exit(main())
