#!/usr/bin/python3
"""Renders the sample pictures beside this file: one line of black text on white, 8-bit RGB."""

from __future__ import annotations

import argparse
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

FONT = "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf"
HEIGHT = 48
MARGIN = 6  # wider, and the reader sees a space before the first letter
LINES = {"invoice.png": "Invoice No. 48213", "patient.png": "Patient: Jane Example"}


def render(text: str) -> Image.Image:
    font = ImageFont.truetype(FONT, 30, layout_engine=ImageFont.Layout.BASIC)
    width = round(font.getlength(text)) + 2 * MARGIN
    image = Image.new("RGB", (width, HEIGHT), "white")
    ImageDraw.Draw(image).text((MARGIN, HEIGHT // 2), text, font=font, fill="black", anchor="lm")
    return image


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--to", type=Path, default=Path(__file__).parent, metavar="DIR")
    args = parser.parse_args()
    for name, text in LINES.items():
        render(text).save(args.to / name, optimize=True)


if __name__ == "__main__":
    main()
