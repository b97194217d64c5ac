#!/usr/bin/env python3
"""Holds the task `ocr-page` against models/page-reader/reference.py, which is OpenCV, Pillow and ONNX Runtime.

    page_reader_test.py OCR_PAGE_PEER [MODEL_DIR] [--more N]

Both read the pages of models/samples/pages; the reference must also still read what is committed as
expected.json. --more renders N further pages, no two alike, turned, blurred, noisy and squeezed, by a seed.
Text must be equal, line for line; boxes may be two pixels apart. Exits 77, aloud, where the Python
packages or the model are not there.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

os.environ["ORT_DISABLE_TELEMETRY"] = "1"
ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGES = ROOT / "models/samples/pages"
sys.path[:0] = [str(ROOT / "models/page-reader"), str(PAGES)]

try:
    import numpy as np
    import reference
    import render
    from PIL import Image, ImageFilter
except ImportError as missing:
    print("SKIPPED: this test needs numpy, pillow, opencv-python-headless and onnxruntime below 1.29 "
          f"from PyPI, in .cache/peers/pages for one ({missing})", file=sys.stderr)
    sys.exit(77)

TEXTS = [render.LETTER, render.LAB, render.PRESCRIPTION, render.INVOICE, render.CONSENT]
FACES = ["Sans", "Serif", "SansMono", "Sans-Bold", "Serif-Bold"]


def another(seed: int, to: pathlib.Path) -> pathlib.Path:
    random = np.random.default_rng(seed)
    page = render.page(TEXTS[random.integers(len(TEXTS))], face=FACES[random.integers(len(FACES))],
                       size=int(random.integers(16, 48)), width=int(random.integers(700, 1500)),
                       spacing=float(random.uniform(1.4, 2.2)), ink=int(random.integers(0, 100)),
                       paper=int(random.integers(180, 256)))
    if random.random() < 0.6:
        page = render.rotated(page, float(random.uniform(-12, 12)) + 90 * int(random.integers(4)))
    if random.random() < 0.3:
        page = page.filter(ImageFilter.GaussianBlur(float(random.uniform(0.3, 1.5))))
    if random.random() < 0.5:
        page = render.noisy(page, float(random.uniform(2, 25)), seed)
    path = to / f"{seed}.{'jpg' if random.random() < 0.5 else 'png'}"
    if path.suffix == ".jpg":
        page.convert("RGB").save(path, quality=int(random.integers(8, 95)),
                                 progressive=bool(random.random() < 0.3))
    else:
        page.save(path)
    return path


def texts(page: dict) -> list[str]:
    return [line["text"] for line in page["lines"]]


def compare(path: pathlib.Path, ours: dict, theirs: dict) -> list[str]:
    if texts(ours) != texts(theirs):
        return [f"{path.name}: we read {a!r}, the reference {b!r}"
                for a, b in zip(texts(ours), texts(theirs)) if a != b] or [
                    f"{path.name}: {len(texts(ours))} lines, the reference has {len(texts(theirs))}"]
    return [f"{path.name}: boxes of {a['text']!r} lie apart"
            for a, b in zip(ours["lines"], theirs["lines"])
            if np.abs(np.array(a["box"]) - np.array(b["box"])).max() > 2]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("peer", type=pathlib.Path)
    cache = pathlib.Path(os.environ.get("ENSCONCE_CACHE", ROOT / ".cache"))
    models = pathlib.Path(os.environ.get("ENSCONCE_MODELS", cache / "models"))
    parser.add_argument("model", type=pathlib.Path, nargs="?", default=models / "page-reader")
    parser.add_argument("--more", type=int, default=0, metavar="N")
    arguments = parser.parse_args()
    if not (arguments.model / "detector.onnx").exists():
        print(f"SKIPPED: {arguments.model} is not there: setup/setup.sh fetches it", file=sys.stderr)
        return 77
    reader = reference.PageReader(arguments.model)
    committed = {page["file"]: page for page in json.loads((PAGES / "expected.json").read_text())}
    wrong = []
    num_lines = 0
    with tempfile.TemporaryDirectory(prefix="ensconce-pages-") as folder:
        paths = [PAGES / name for name in committed]
        paths += [another(seed, pathlib.Path(folder)) for seed in range(arguments.more)]
        done = subprocess.run([arguments.peer, arguments.model, *paths], check=True,
                              capture_output=True, text=True)
        ours = [json.loads(line) for line in done.stdout.splitlines()]
        assert len(ours) == len(paths)
        for path, page in zip(paths, ours):
            theirs = reader.read(path)
            num_lines += len(theirs["lines"])
            wrong += compare(path, page, theirs)
            if path.name in committed and (texts(theirs) != texts(committed[path.name])
                                           or theirs["pixels"] != committed[path.name]["pixels"]):
                wrong.append(f"{path.name}: the reference no longer reads what is committed")
    print("\n".join(wrong), file=sys.stderr)
    print(f"{len(paths)} pages, {num_lines} lines, {len(wrong)} differ")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
