#!/usr/bin/env python3
"""Writes the small models that tests serve beside the real ones: complete model directories.

    build.py OUT        makes OUT/simple, OUT/simple_identity and OUT/every_type

simple            INPUT0, INPUT1 INT32 [-1,16] to OUTPUT0 (their sum) and OUTPUT1 (their difference)
simple_identity   INPUT0 BYTES [-1,16] to OUTPUT0, the same
every_type        one input and one output, the same, of every type that is served: BOOL_IN to
                  BOOL_OUT and so on, each [-1]

The first two are what Triton's examples call so. The same bytes come out each time; nothing but
Python is needed. Field numbers are those of onnx.proto.
"""

from __future__ import annotations

import pathlib
import sys
from collections.abc import Sequence

# onnx.proto, TensorProto.DataType, by the Open Inference Protocol's names.
TYPES = {
    "BOOL": 9,
    "UINT8": 2,
    "UINT16": 4,
    "UINT32": 12,
    "UINT64": 13,
    "INT8": 3,
    "INT16": 5,
    "INT32": 6,
    "INT64": 7,
    "FP16": 10,
    "FP32": 1,
    "FP64": 11,
    "BF16": 16,
    "BYTES": 8,
}
IR_VERSION = 8
OPSET = 17
MANIFEST = 'format = "ensconce-model/1"\ntask = "tensor"\ngraph = "model.onnx"\n'


def varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def message(field: int, content: bytes | str) -> bytes:
    data = content.encode() if isinstance(content, str) else content
    return varint(field << 3 | 2) + varint(len(data)) + data


def value_info(name: str, datatype: str, shape: Sequence[int]) -> bytes:
    """A dimension of -1 is a symbol: any size, the same for all of this graph."""
    dims = b"".join(message(1, message(2, "n") if dim < 0 else number(1, dim)) for dim in shape)
    return message(1, name) + message(2, message(1, number(1, TYPES[datatype]) + message(2, dims)))


def node(op: str, inputs: Sequence[str], outputs: Sequence[str]) -> bytes:
    names = b"".join(message(1, name) for name in inputs)
    return names + b"".join(message(2, name) for name in outputs) + message(4, op)


def model(name: str, nodes: Sequence[bytes], inputs: Sequence[bytes],
          outputs: Sequence[bytes]) -> bytes:
    graph = b"".join(message(1, one) for one in nodes) + message(2, name)
    graph += b"".join(message(11, one) for one in inputs)
    graph += b"".join(message(12, one) for one in outputs)
    return number(1, IR_VERSION) + message(7, graph) + message(8, number(2, OPSET))


def simple() -> bytes:
    inputs = ("INPUT0", "INPUT1")
    return model(
        "simple",
        [node("Add", inputs, ["OUTPUT0"]), node("Sub", inputs, ["OUTPUT1"])],
        [value_info(one, "INT32", (-1, 16)) for one in inputs],
        [value_info(one, "INT32", (-1, 16)) for one in ("OUTPUT0", "OUTPUT1")],
    )


def simple_identity() -> bytes:
    return model(
        "simple_identity",
        [node("Identity", ["INPUT0"], ["OUTPUT0"])],
        [value_info("INPUT0", "BYTES", (-1, 16))],
        [value_info("OUTPUT0", "BYTES", (-1, 16))],
    )


def every_type() -> bytes:
    return model(
        "every_type",
        [node("Identity", [f"{one}_IN"], [f"{one}_OUT"]) for one in TYPES],
        [value_info(f"{one}_IN", one, (-1,)) for one in TYPES],
        [value_info(f"{one}_OUT", one, (-1,)) for one in TYPES],
    )


MODELS = {"simple": simple, "simple_identity": simple_identity, "every_type": every_type}


def write(folder: pathlib.Path, name: str) -> pathlib.Path:
    """Writes one model directory into the folder and returns it."""
    out = folder / name
    out.mkdir(parents=True, exist_ok=True)
    (out / "model.onnx").write_bytes(MODELS[name]())
    (out / "model.toml").write_text(MANIFEST, encoding="ascii")
    return out


def main() -> int:
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    for name in MODELS:
        print(write(pathlib.Path(sys.argv[1]), name))
    return 0


if __name__ == "__main__":
    sys.exit(main())
