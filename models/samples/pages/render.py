#!/usr/bin/env python3
"""Renders the sample pages beside this file and truth.json, the text that each shows.

Made up for this project: no such person, no such hospital. Needs numpy, Pillow and Debian's
fonts-dejavu-core and fonts-dejavu-extra.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

FONTS = Path("/usr/share/fonts/truetype/dejavu")

LETTER = """Riverside General Hospital
Department of Cardiology
Discharge summary
Patient: Jane Example
Date of birth: 14 March 1957
Admitted: 2 November 2026
Discharged: 9 November 2026
Diagnosis: atrial fibrillation
The patient was admitted with palpitations
and shortness of breath. Heart rate was 132
per minute on arrival and fell to 78 within
two days of treatment. Echocardiography showed
normal function of the left ventricle.
Please check kidney function in two weeks.
With kind regards, Dr. A. Sample"""

LAB = """LABORATORY REPORT
Sample 48213 taken 07:45
Haemoglobin 13.8 g/dl
Leucocytes 6.4 /nl
Platelets 251 /nl
Sodium 141 mmol/l
Potassium 4.2 mmol/l
Creatinine 0.91 mg/dl
Glucose 104 mg/dl
CRP 2.7 mg/l
TSH 1.85 mU/l
Comment: all values within range"""

PRESCRIPTION = """Prescription
Apixaban 5 mg tablets
one in the morning, one at night
Bisoprolol 2.5 mg tablets
one in the morning
Ramipril 5 mg capsules
one at night with water
Valid until 31 December 2026"""

INVOICE = """Invoice No. 48213
Room and board, 7 days 1,540.00
Electrocardiogram, 3 times 96.60
Echocardiography 184.50
Laboratory, lump sum 212.35
Total 2,033.45
Please pay within 30 days."""

FORM = [("Name", "Jane Example"), ("Insurance", "Northern Mutual"), ("Number", "M 4471 9902"),
        ("Ward", "C 3 West"), ("Allergies", "penicillin"), ("Blood type", "AB positive")]

CONSENT = """Consent to treatment
I have been told about the purpose of the
examination, its risks and what else could be
done instead. I had time to ask questions and
all of them were answered. I know that I may
withdraw this consent at any time and that my
care does not depend on it."""


STATEMENT = """The statement below was read to the patient, who was given time to ask about it and to talk it over with her family.
It says what was found on admission, what was done about it during the stay, and what remains for others to look after.
On arrival the heart rate was 132 per minute and irregular, blood pressure 148 over 92, temperature 36.8 degrees Celsius.
Treatment with tablets was begun on the same day; within two days the rate fell to 78 per minute and breathing was easy.
Kidney function should be checked in two weeks and again in three months, with the dose to be halved if it has fallen."""


def font(name: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(FONTS / f"DejaVu{name}.ttf"), size,
                              layout_engine=ImageFont.Layout.BASIC)


def page(text: str, *, face: str = "Sans", size: int = 26, width: int = 820, spacing: float = 1.75,
         ink: int = 0, paper: int = 255) -> Image.Image:
    lines = text.split("\n")
    step = round(size * spacing)
    image = Image.new("L", (width, step * len(lines) + 2 * step), paper)
    draw = ImageDraw.Draw(image)
    for i, line in enumerate(lines):
        draw.text((60, step + i * step + step // 2), line, font=font(face, size), fill=ink,
                  anchor="lm")
    return image


def form() -> Image.Image:
    image = Image.new("L", (900, 100 + 80 * len(FORM)), 255)
    draw = ImageDraw.Draw(image)
    for i, (label, value) in enumerate(FORM):
        y = 80 + 80 * i
        draw.text((60, y), label, font=font("Sans-Bold", 26), fill=0, anchor="lm")
        draw.text((420, y), value, font=font("SansMono", 28), fill=0, anchor="lm")
        draw.line((60, y + 36, 840, y + 36), fill=140, width=2)
    return image


def banner() -> Image.Image:
    image = page(PRESCRIPTION, size=28)
    top = image.crop((0, 0, image.width, 74)).point(lambda v: 255 - v)
    image.paste(top, (0, 0))
    return image


def noisy(image: Image.Image, sigma: float, seed: int) -> Image.Image:
    noise = np.random.default_rng(seed).normal(0, sigma, (image.height, image.width))
    return Image.fromarray(np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8))


def speckled(image: Image.Image, share: float, seed: int) -> Image.Image:
    random = np.random.default_rng(seed)
    pixels = np.array(image)
    hit = random.random(pixels.shape) < share
    pixels[hit] = random.integers(0, 2, int(hit.sum())) * 255
    return Image.fromarray(pixels)


def rotated(image: Image.Image, degrees: float, paper: int = 255) -> Image.Image:
    return image.rotate(degrees, Image.Resampling.BICUBIC, expand=True, fillcolor=paper)


def photographed(image: Image.Image, corners: list[tuple[int, int]], size: tuple[int, int],
                 seed: int) -> Image.Image:
    """The page on a table, seen from an angle, in colour, under a lamp, a little out of focus."""
    rows, values = [], []
    flat = [(0, 0), (image.width, 0), (image.width, image.height), (0, image.height)]
    for (x, y), (u, v) in zip(corners, flat):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        values += [u, v]
    data = np.linalg.solve(np.array(rows, dtype=float), np.array(values, dtype=float))
    sheet = image.convert("RGBA").transform(size, Image.Transform.PERSPECTIVE, data.tolist(),
                                            Image.Resampling.BICUBIC, fillcolor=(0, 0, 0, 0))
    out = Image.new("RGB", size, (92, 70, 52))
    out.paste(sheet.convert("RGB"), (0, 0), sheet.getchannel("A"))
    out = out.filter(ImageFilter.GaussianBlur(0.8))
    ys, xs = np.mgrid[0:size[1], 0:size[0]]
    light = 0.72 + 0.28 * np.cos((xs / size[0] - 0.3) * 1.6) * np.cos((ys / size[1] - 0.25) * 1.4)
    tinted = np.asarray(out) * light[:, :, None] * np.array([1.0, 0.97, 0.9])
    tinted += np.random.default_rng(seed).normal(0, 4, tinted.shape)
    return Image.fromarray(np.clip(tinted, 0, 255).astype(np.uint8))


def png(image: Image.Image, path: Path) -> None:
    image.save(path, optimize=True)


def jpeg(quality: int, **options: object) -> Callable[[Image.Image, Path], None]:
    return lambda image, path: image.save(path, quality=quality, **options)


def lying(image: Image.Image) -> tuple[Image.Image, bytes]:
    """As a camera held sideways leaves it: the rows as they came, and EXIF orientation 6."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return image.transpose(Image.Transpose.ROTATE_90), exif.tobytes()


def pages() -> dict[str, tuple[Image.Image, str, Callable[[Image.Image, Path], None]]]:
    rows = "\n".join(f"{label}\n{value}" for label, value in FORM)
    sideways, exif = lying(photographed(page(INVOICE, size=30), [(70, 60), (860, 40), (890, 700),
                                                                 (50, 720)], (940, 760), 7))
    return {
        "clean-letter.png": (page(LETTER), LETTER, png),
        "clean-serif.png": (page(CONSENT, face="Serif", size=30), CONSENT, png),
        "clean-mono.png": (page(LAB, face="SansMono"), LAB, png),
        "clean-form.png": (form(), rows, png),
        "clean-large.png": (page(LETTER, size=62, width=1900), LETTER, png),
        "clean-small.png": (page(INVOICE, size=17, width=480), INVOICE, png),
        "clean-banner.png": (banner(), PRESCRIPTION, png),
        "clean-photo.jpg": (page(LAB, face="Serif", size=30), LAB, jpeg(90)),
        "noise.jpg": (noisy(page(CONSENT, size=30), 14, 1), CONSENT, jpeg(85)),
        "clean-long-lines.png": (page(STATEMENT, size=30, width=1980), STATEMENT, png),
        "speckles.png": (speckled(page(PRESCRIPTION, size=32), 0.01, 2), PRESCRIPTION, png),
        "rotated-3.png": (rotated(page(LETTER), 3), LETTER, png),
        "rotated-minus-7.png": (rotated(page(INVOICE, face="Serif", size=30), -7), INVOICE, png),
        "rotated-90.png": (page(PRESCRIPTION, size=30).transpose(Image.Transpose.ROTATE_90),
                           PRESCRIPTION, png),
        "rotated-180.png": (page(CONSENT, size=28).transpose(Image.Transpose.ROTATE_180), CONSENT,
                            png),
        "jpeg-20.jpg": (page(LETTER), LETTER, jpeg(20)),
        "jpeg-8.jpg": (page(INVOICE, face="Sans-Bold", size=34), INVOICE, jpeg(8)),
        "faint-progressive.jpg": (page(LAB, size=30, ink=120, paper=200), LAB,
                                  jpeg(70, progressive=True)),
        "photo.jpg": (photographed(page(CONSENT, size=30), [(120, 80), (1010, 130), (960, 660),
                                                            (70, 590)], (1100, 740), 3),
                      CONSENT, jpeg(75)),
        "photo-steep.jpg": (photographed(page(LETTER, size=30, width=900),
                                         [(330, 90), (1130, 90), (1330, 1200), (120, 1200)],
                                         (1480, 1260), 5), LETTER, jpeg(80, subsampling=1)),
        "photo-sideways.jpg": (sideways, INVOICE, jpeg(80, exif=exif)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--to", type=Path, default=Path(__file__).parent, metavar="DIR")
    args = parser.parse_args()
    truth = {}
    for name, (image, text, save) in pages().items():
        save(image, args.to / name)
        truth[name] = text.split("\n")
    (args.to / "truth.json").write_text(json.dumps(truth, indent=1) + "\n")


if __name__ == "__main__":
    main()
