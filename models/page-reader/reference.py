#!/usr/bin/env python3
"""Reads a page as the task `ocr-page` does, by other people's code: OpenCV, Pillow, ONNX Runtime.

    reference.py MODEL_DIR IMAGE…        a JSON array, a line for each image

Every step is the one that models/page-reader/README.md numbers. It is what the worker's own readings are held
against, so nothing here is shared with it, nor translated from it. Needs numpy, opencv-python-headless,
pillow and onnxruntime below 1.29, which does not report home.
"""

from __future__ import annotations

import hashlib
import json
import math
import sys
import tomllib
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
from PIL import Image, ImageOps

if tuple(int(part) for part in onnxruntime.__version__.split(".")[:2]) >= (1, 29):
    raise ImportError("onnxruntime from 1.29 on reports events to its vendor; take 1.27")

Array = np.ndarray

DETECTOR_MEAN = np.array([0.485, 0.456, 0.406])
DETECTOR_STD = np.array([0.229, 0.224, 0.225])


def resized(image: Array, width: int, height: int) -> Array:
    """Triangle filter, channel by channel in floating point, so that nothing is rounded between."""
    planes = [
        Image.fromarray(np.ascontiguousarray(image[:, :, c], dtype=np.float32)).resize(
            (width, height), Image.Resampling.BILINEAR)
        for c in range(3)
    ]
    return np.stack([np.asarray(plane) for plane in planes], axis=2)


def planes_of(image: Array) -> Array:
    return np.ascontiguousarray(image.transpose(2, 0, 1)[None], dtype=np.float32)


def in_reading_order(lines: list[dict]) -> list[dict]:
    if not lines:
        return lines
    for line in lines:
        corners = np.array(line["box"], dtype=np.float64)
        line["along"] = (corners[1] - corners[0] + corners[2] - corners[3]) / 2
        line["tall"] = float((np.linalg.norm(corners[3] - corners[0])
                              + np.linalg.norm(corners[2] - corners[1])) / 2)
        line["middle"] = corners.mean(axis=0)
    lengths = [0.0] * 4
    for line in lines:
        x, y = line["along"]
        line["turn"] = (0 if x >= 0 else 2) if abs(x) >= abs(y) else (1 if y >= 0 else 3)
        lengths[line["turn"]] += math.hypot(x, y)
    turn = lengths.index(max(lengths))
    x, y = sum(line["along"] for line in lines if line["turn"] == turn)
    cos, sin = x / math.hypot(x, y), y / math.hypot(x, y)
    for line in lines:
        mx, my = line["middle"]
        line["u"], line["v"] = cos * mx + sin * my, cos * my - sin * mx
    rows: list[list[dict]] = []
    for line in sorted(lines, key=lambda one: (one["v"], one["u"])):
        first = rows[-1][0] if rows else None
        if first and line["v"] - first["v"] < 0.5 * min(line["tall"], first["tall"]):
            rows[-1].append(line)
        else:
            rows.append([line])
    return [line for row in rows for line in sorted(row, key=lambda one: one["u"])]


class PageReader:
    def __init__(self, folder: Path) -> None:
        manifest = tomllib.loads((folder / "model.toml").read_text())
        self.settings = manifest["ocr_page"]
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3

        def session(name: str) -> onnxruntime.InferenceSession:
            return onnxruntime.InferenceSession(folder / name, options,
                                                providers=["CPUExecutionProvider"])

        self.detector = session(manifest["graph"])
        self.orientation = session(self.settings["orientation"])
        self.recogniser = session(self.settings["recogniser"])
        characters = (folder / self.settings["charset"]).read_text().split("\n")[:-1]
        self.characters = ["", *characters, " "]

    # 2: where is text?
    def probabilities(self, bgr: Array) -> Array:
        height, width = bgr.shape[:2]
        scale = min(1.0, self.settings["max_side"] / max(height, width))

        def strides(side: int) -> int:
            return max(32, round(int(side * scale) / 32) * 32)

        small = resized(bgr, strides(width), strides(height)) / 255
        feed = planes_of((small - DETECTOR_MEAN) / DETECTOR_STD)
        return self.detector.run(None, {self.detector.get_inputs()[0].name: feed})[0][0, 0]

    # 3: rectangles around it, in pixels of the page
    def boxes(self, probabilities: Array, width: int, height: int) -> list[Array]:
        bitmap = (probabilities > self.settings["pixel_threshold"]).astype(np.uint8)
        contours, hierarchy = cv2.findContours(bitmap, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
        out = []
        for contour, (_, _, _, parent) in zip(contours, [] if hierarchy is None else hierarchy[0]):
            if parent >= 0:
                continue  # the rim of a hole
            middle, size, angle = cv2.minAreaRect(contour)
            if min(size) < 3:
                continue
            if self.score(probabilities, cv2.boxPoints((middle, size, angle))) < self.settings["box_threshold"]:
                continue
            grown = size[0] * size[1] * self.settings["unclip"] / (2 * (size[0] + size[1]))
            size = (size[0] + 2 * grown, size[1] + 2 * grown)
            if min(size) < 5:
                continue
            corners = cv2.boxPoints((middle, size, angle)).astype(np.float64)
            corners *= [width / bitmap.shape[1], height / bitmap.shape[0]]
            corners = np.clip(np.rint(corners), 0, [width - 1, height - 1])
            by_x = sorted(corners.tolist())
            left, right = (sorted(pair, key=lambda p: p[1]) for pair in (by_x[:2], by_x[2:]))
            out.append(np.array([left[0], right[0], right[1], left[1]], dtype=np.float32))
        return out

    @staticmethod
    def score(probabilities: Array, corners: Array) -> float:
        low = np.maximum(np.floor(corners.min(axis=0)).astype(int), 0)
        high = np.ceil(corners.max(axis=0)).astype(int) + 1
        part = probabilities[low[1]:high[1], low[0]:high[0]].astype(np.float64)
        ys, xs = np.mgrid[low[1]:low[1] + part.shape[0], low[0]:low[0] + part.shape[1]]
        inside = np.ones(part.shape, dtype=bool)
        middle = corners.mean(axis=0)
        for a, b in zip(corners, np.roll(corners, -1, axis=0)):
            normal = np.array([b[1] - a[1], a[0] - b[0]], dtype=np.float64)
            normal /= np.linalg.norm(normal)
            if normal @ (middle - a) < 0:
                normal = -normal
            inside &= normal[0] * (xs - a[0]) + normal[1] * (ys - a[1]) >= -0.01
        return float(part[inside].mean())

    # 4: the text, laid flat
    @staticmethod
    def crop(bgr: Array, corners: Array) -> tuple[Array, Array] | None:
        def longer(a: int, b: int, c: int, d: int) -> int:
            return int(max(np.linalg.norm(corners[a] - corners[b]),
                           np.linalg.norm(corners[c] - corners[d])))

        width, height = longer(0, 1, 2, 3), longer(0, 3, 1, 2)
        if width <= 3 or height <= 3:
            return None
        flat = np.array([[0, 0], [width, 0], [width, height], [0, height]], dtype=np.float32)
        out = cv2.warpPerspective(bgr, cv2.getPerspectiveTransform(corners, flat), (width, height),
                                  flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        if height / width >= 1.5:
            return np.rot90(out), np.roll(corners, -1, axis=0)
        return out, corners

    # 5: which way up is it? The likelihood that it is upside down.
    def upside_down(self, line: Array) -> float:
        height, width = line.shape[:2]
        seen = 4 * height
        if width > seen:
            return float(np.mean([self.upside_down(line[:, first:first + seen])
                                  for first in (0, (width - seen) // 2, width - seen)]))
        wide = min(192, math.ceil(48 * width / height))
        feed = np.zeros((1, 3, 48, 192), dtype=np.float32)
        feed[:, :, :, :wide] = planes_of(resized(line, wide, 48) / 127.5 - 1)
        return float(self.orientation.run(None, {self.orientation.get_inputs()[0].name: feed})[0][0][1])

    # 6: what does it say?
    def read_line(self, line: Array) -> tuple[str, float]:
        height, width = line.shape[:2]
        most = self.settings["max_width"]
        wide = min(most, math.ceil(48 * width / height))
        padded = min(most, max(320, -(-wide // 64) * 64))
        feed = np.zeros((1, 3, 48, padded), dtype=np.float32)
        feed[:, :, :, :wide] = planes_of(resized(line, wide, 48) / 127.5 - 1)
        steps = self.recogniser.run(None, {self.recogniser.get_inputs()[0].name: feed})[0][0]
        classes, values = steps.argmax(axis=1), steps.max(axis=1)
        kept = [(c, p) for i, (c, p) in enumerate(zip(classes, values))
                if c != 0 and (i == 0 or c != classes[i - 1])]
        if not kept:
            return "", 0.0
        return "".join(self.characters[c] for c, _ in kept), float(np.mean([p for _, p in kept]))

    def read(self, path: Path) -> dict:
        with Image.open(path) as file:
            rgb = np.asarray(ImageOps.exif_transpose(file).convert("RGB"))
        bgr = np.ascontiguousarray(rgb[:, :, ::-1])
        lines = []
        for corners in self.boxes(self.probabilities(bgr), rgb.shape[1], rgb.shape[0]):
            cropped = self.crop(bgr, corners)
            if cropped is None:
                continue
            line, corners = cropped
            turned, sure = self.upside_down(line), self.settings["turn_threshold"]
            readings = []
            if turned <= sure:
                readings.append((*self.read_line(line), corners))
            if 1 - turned <= sure:
                readings.append((*self.read_line(np.rot90(line, 2)), np.roll(corners, 2, axis=0)))
            text, confidence, corners = max(readings, key=lambda one: one[1])
            if confidence >= self.settings["text_threshold"]:
                lines.append({"text": text, "confidence": round(confidence, 5),
                              "box": corners.astype(int).tolist()})
        lines = in_reading_order(lines)
        return {"file": path.name, "width": rgb.shape[1], "height": rgb.shape[0],
                "pixels": hashlib.sha256(rgb.tobytes()).hexdigest(),
                "lines": [{k: line[k] for k in ("text", "confidence", "box")} for line in lines]}


def main() -> None:
    reader = PageReader(Path(sys.argv[1]))
    pages = [json.dumps(reader.read(Path(path)), ensure_ascii=False) for path in sys.argv[2:]]
    print("[\n" + ",\n".join(pages) + "\n]")


if __name__ == "__main__":
    main()
