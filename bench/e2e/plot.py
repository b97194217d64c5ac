#!/usr/bin/python3
"""Draws what `make bench BENCH=e2e` measured.

    plot.py e2e.json OUT         writes OUT/latency.svg and OUT/load.svg
"""

import json
import pathlib
import sys

# Added latency as published: the paper this field starts from, and the best of a peer for a small
# model (EphemeralML on Nitro, MiniLM-L6: 78.55 to 88.45 ms).
PAPER, PEER = (1.15, 1.20), 1.126
WIDE, ROW, LEFT, RIGHT = 760, 24, 190, 120
SIDES = {"tls": ("attested TLS", "#1f77b4"), "ohttp": ("Oblivious HTTP", "#7b4ea3"),
         "sealed": ("sealed", "#1f77b4"), "plain": ("plain files, same code", "#9aa5b1"),
         "engine_path": ("engine alone, from a path", "#5aa469"),
         "engine_memory": ("engine alone, from memory", "#c58b3a")}


def text(x, y, words, anchor="start", size=12, colour="#222"):
    return (f'<text x="{x:.1f}" y="{y:.1f}" font-family="sans-serif" font-size="{size}" '
            f'text-anchor="{anchor}" fill="{colour}">{words}</text>')


def rect(x, y, wide, high, colour, opacity=1.0):
    return (f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(wide, 0.5):.1f}" height="{high:.1f}" '
            f'fill="{colour}" fill-opacity="{opacity}"/>')


def line(x1, y1, x2, y2, colour="#222", dash=""):
    return (f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"'
            + (f' stroke-dasharray="{dash}"' if dash else "") + "/>")


def picture(title, height, parts):
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDE}" height="{height}" '
            f'viewBox="0 0 {WIDE} {height}"><rect width="100%" height="100%" fill="white"/>'
            + text(12, 22, title, size=14) + "".join(parts) + "</svg>\n")


def latency(rows):
    """Added latency against the same code in the open, with the interval; the paper's band beside."""
    top = max([PAPER[1], *(row[f"{side}_to_plain"]["high"] for row in rows
                           for side in ("tls", "ohttp"))]) + 0.02
    low = min([0.98, *(row[f"{side}_to_plain"]["low"] for row in rows for side in ("tls", "ohttp"))])

    def x(ratio):
        return LEFT + (ratio - low) / (top - low) * (WIDE - LEFT - RIGHT)

    height = 70 + len(rows) * 2 * ROW + 30
    parts = [rect(x(PAPER[0]), 40, x(PAPER[1]) - x(PAPER[0]), height - 75, "#d9534f", 0.18),
             text(x(PAPER[1]) + 4, 52, "the paper: 15 to 20 %", size=11, colour="#a33"),
             line(x(PEER), 40, x(PEER), height - 35, "#a33", "4 3"),
             text(x(PEER) - 4, height - 38, "best published peer", "end", 11, "#a33"),
             line(x(1), 40, x(1), height - 35), text(x(1), height - 18, "1.00", "middle", 11)]
    for k, row in enumerate(rows):
        y = 50 + k * 2 * ROW
        parts.append(text(LEFT - 10, y + ROW, row["model"], "end"))
        for i, side in enumerate(("tls", "ohttp")):
            found, (_, colour) = row[f"{side}_to_plain"], SIDES[side]
            middle = y + i * ROW * 0.8 + ROW / 2
            parts += [line(x(found["low"]), middle, x(found["high"]), middle, colour),
                      rect(x(found["ratio"]) - 4, middle - 5, 8, 10, colour),
                      text(WIDE - RIGHT + 10, middle + 4,
                           f"{found['ratio']:.3f} {SIDES[side][0]}", size=10, colour=colour)]
    return picture("p50 of a request / the same server code over plain HTTP", height, parts)


def load(rows):
    sides = ("sealed", "engine_path", "plain", "engine_memory")
    most = max(row[side]["peak_mib"] / row["mib"] for row in rows for side in sides)
    height = 50 + len(rows) * (len(sides) * 18 + 14)
    parts = []
    for k, row in enumerate(rows):
        y = 44 + k * (len(sides) * 18 + 14)
        parts.append(text(LEFT - 10, y + 36, f"{row['model']}, {row['mib']:.0f} MiB", "end"))
        for i, side in enumerate(sides):
            times = row[side]["peak_mib"] / row["mib"]
            words, colour = SIDES[side]
            wide = times / most * (WIDE - LEFT - 240)
            parts += [rect(LEFT, y + i * 18, wide, 13, colour),
                      text(LEFT + wide + 6, y + i * 18 + 11, f"{times:.2f} × {words}", size=11)]
    return picture("peak memory of loading, in sizes of the model file", height, parts)


def main():
    if len(sys.argv) != 3:
        print(__doc__, file=sys.stderr)
        return 64
    found = json.loads(pathlib.Path(sys.argv[1]).read_text(encoding="utf-8"))
    out = pathlib.Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    (out / "latency.svg").write_text(latency(found["rows"]), encoding="utf-8")
    (out / "load.svg").write_text(load(found["loads"]), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
