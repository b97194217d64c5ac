#!/usr/bin/python3
"""Turns the published sentence encoder (TensorFlow.js weights) into an ONNX model directory.

The encoder is the "lite" Universal Sentence Encoder for English: two transformer layers over a
vocabulary of 8000 SentencePiece pieces, averaged over the tokens and mapped to a unit vector of 512
numbers. Its own graph spreads padding through sparse tensors; ours says the same with a mask, so
that sentences of different length share one batch:

    input_ids       int64  [batch, tokens]
    attention_mask  int64  [batch, tokens]   1 for a token, 0 for padding
    sentence_embedding  float32 [batch, 512]

The same inputs always give the same bytes: setup/artifacts.sha256 holds their hashes.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
IR_VERSION = 8
NUM_RESERVED = 6  # pieces 0..5 are <unknown>, sentence marks and spares; no text matches them
NEVER = -1000.0  # a score that no path through a sentence can afford

ENCODER = "module_apply_default/Encoder_en/KonaTransformer/Encode/"
STACK = ENCODER + "TransformerStack/"
KERNELS = "module/Encoder_en/KonaTransformer/Encode/"

Array = NDArray[Any]


def read_weights(folder: Path) -> dict[str, Array]:
    """All tensors of a TensorFlow.js model, by name. A byte too many or too few is an error."""
    types = {"float32": np.dtype("<f4"), "int32": np.dtype("<i4")}
    weights: dict[str, Array] = {}
    for group in json.loads((folder / "model.json").read_text())["weightsManifest"]:
        data = b"".join((folder / shard).read_bytes() for shard in group["paths"])
        at = 0
        for entry in group["weights"]:
            dtype = types[entry["dtype"]]
            count = int(np.prod(entry["shape"], dtype=np.int64))
            values = np.frombuffer(data, dtype, count, at)
            weights[entry["name"]] = values.reshape(entry["shape"])
            at += count * dtype.itemsize
        if at != len(data):
            raise SystemExit(f"{folder}: {len(data)} bytes of weights, the manifest says {at}")
    return weights


class GraphWriter:
    """Collects nodes and tensors; every method that adds a node returns the name of its output."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.tensors: dict[str, onnx.TensorProto] = {}

    def tensor(self, name: str, values: Array) -> str:
        if name not in self.tensors:
            # not ascontiguousarray: it would make a vector of a scalar
            self.tensors[name] = numpy_helper.from_array(np.asarray(values, order="C"), name)
        return name

    def ints(self, *values: int) -> str:
        return self.tensor("ints_" + "_".join(map(str, values)), np.array(values, np.int64))

    def scalar(self, name: str, value: float) -> str:
        return self.tensor(name, np.array(value, np.float32))

    def add(self, kind: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        return self.add_split(kind, 1, *inputs, output=output, **attributes)[0]

    def add_split(
        self, kind: str, num_outputs: int, *inputs: str, output: str = "", **attributes: Any
    ) -> list[str]:
        stem = output or f"{kind}_{len(self.nodes)}"
        outputs = [stem] if num_outputs == 1 else [f"{stem}_{i}" for i in range(num_outputs)]
        self.nodes.append(helper.make_node(kind, inputs, outputs, name=stem, **attributes))
        return outputs


class Encoder:
    def __init__(self, weights: dict[str, Array]) -> None:
        self.weights = weights
        self.graph = GraphWriter()
        heads = "Layer_1/TransformerLayer/MultiheadAttention/split_heads/split_last_dimension/"
        self.num_heads = int(weights[STACK + heads + "Reshape/shape/2"])
        self.epsilon = float(
            weights[STACK + "Layer_1/TransformerLayer/FFN/layer_prepostprocess/layer_norm/Cast/x"]
        )

    def linear(self, x: str, name: str, kernel: Array, bias: Array) -> str:
        g = self.graph
        product = g.add("MatMul", x, g.tensor(name + ".kernel", kernel))
        return g.add("Add", product, g.tensor(name + ".bias", bias))

    def layer_norm(self, x: str, name: str, source: str) -> str:
        g, w = self.graph, self.weights
        prefix = source + "layer_prepostprocess/layer_norm/layer_norm_"
        scale = g.tensor(name + ".scale", w[prefix + "scale/ConcatPartitions/concat"])
        bias = g.tensor(name + ".bias", w[prefix + "bias/ConcatPartitions/concat"])
        return g.add("LayerNormalization", x, scale, bias, axis=-1, epsilon=self.epsilon)

    def embed(self) -> str:
        """Twice the token's vector, plus sine and cosine of its place in the sentence.

        Twice, because the published graph adds the timing signal to the vectors and then adds
        the vectors once more.
        """
        g, w = self.graph, self.weights
        table = g.tensor("embedding", w["module/Embeddings_en"])
        vectors = g.add("Gather", table, "input_ids")
        num_tokens = g.add("Gather", g.add("Shape", "input_ids"), g.tensor("one", np.array(1)))
        zero, one = g.tensor("zero", np.array(0)), g.tensor("one", np.array(1))
        places = g.add("Cast", g.add("Range", zero, num_tokens, one), to=TensorProto.FLOAT)
        rates = w[STACK + "Layer_0/AddTimingSignal/TimingSignal/ExpandDims_1"]
        angles = g.add(
            "Mul", g.add("Unsqueeze", places, g.ints(1)), g.tensor("timing.rates", rates)
        )
        timing = g.add("Concat", g.add("Sin", angles), g.add("Cos", angles), axis=1)
        return g.add("Add", g.add("Add", vectors, vectors), timing)

    def attention(self, x: str, layer: int, padding_bias: str) -> str:
        g, w = self.graph, self.weights
        name = f"layer{layer}.attention"
        biases = ENCODER + f"Layer_{layer}/TransformerLayer/MultiheadAttention/"
        kernels = KERNELS + f"Layer_{layer}/TransformerLayer/MultiheadAttention/"
        qkv = w[kernels + "qkv_transform_single/kernel/part_0"]  # [1, 1, width, 3 * width]
        width = qkv.shape[2]
        split = self.linear(
            x,
            name + ".qkv",
            qkv.reshape(width, 3 * width),
            w[biases + "qkv_transform_single/bias/ConcatPartitions/concat"],
        )
        query, key, value = g.add_split("Split", 3, split, g.ints(width, width, width), axis=2)

        def heads(t: str, order: list[int]) -> str:
            shape = g.ints(0, 0, self.num_heads, width // self.num_heads)
            return g.add("Transpose", g.add("Reshape", t, shape), perm=order)

        scale = w[STACK + f"Layer_{layer}/TransformerLayer/MultiheadAttention/mul/y"]
        query = g.add("Mul", heads(query, [0, 2, 1, 3]), g.scalar(name + ".scale", float(scale)))
        scores = g.add("MatMul", query, heads(key, [0, 2, 3, 1]))
        shares = g.add("Softmax", g.add("Add", scores, padding_bias), axis=-1)
        mixed = g.add("MatMul", shares, heads(value, [0, 2, 1, 3]))
        joined = g.add("Reshape", g.add("Transpose", mixed, perm=[0, 2, 1, 3]), g.ints(0, 0, width))
        out = w[kernels + "output_transform_single/kernel/part_0"]
        return self.linear(
            joined,
            name + ".out",
            out.reshape(out.shape[2:]),
            w[biases + "output_transform_single/bias/ConcatPartitions/concat"],
        )

    def feed_forward(self, x: str, layer: int) -> str:
        g, w = self.graph, self.weights
        for i, last in ((1, False), (2, True)):
            kernel = f"Layer_{layer}/TransformerLayer/FFN/conv{i}/Tensordot/Reshape_1"
            bias = f"Layer_{layer}/TransformerLayer/FFN/conv{i}/bias/ConcatPartitions/concat"
            x = self.linear(x, f"layer{layer}.ffn{i}", w[STACK + kernel], w[ENCODER + bias])
            if not last:
                x = g.add("Relu", x)
        return x

    def layer(self, x: str, layer: int, padding_bias: str) -> str:
        g, w = self.graph, self.weights
        source = ENCODER + f"Layer_{layer}/TransformerLayer/"
        residual = x
        if layer == 0:  # from the width of the vocabulary to the width of the stack
            residual = self.linear(
                x,
                "layer0.widen",
                w[source + "dense/kernel/ConcatPartitions/concat"],
                w[source + "dense/bias/ConcatPartitions/concat"],
            )
        normed = self.layer_norm(x, f"layer{layer}.norm1", source)
        x = g.add("Add", self.attention(normed, layer, padding_bias), residual)
        normed = self.layer_norm(x, f"layer{layer}.norm2", source + "FFN/")
        return g.add("Add", self.feed_forward(normed, layer), x)

    def pool(self, x: str, mask: str) -> str:
        """Mean over the tokens, one dense layer, unit length."""
        g, w = self.graph, self.weights
        weighted = g.add("Mul", x, g.add("Unsqueeze", mask, g.ints(2)))
        total = g.add("ReduceSum", weighted, g.ints(1), keepdims=0)
        count = g.add("ReduceSum", mask, g.ints(1), keepdims=1)
        mean = g.add("Div", total, g.add("Max", count, g.scalar("at_least_one", 1.0)))
        hidden = "module/Encoder_en/hidden_layers/tanh_layer_0/"
        dense = self.linear(mean, "pool", w[hidden + "weights"], w[hidden + "bias"])
        tanh = g.add("Tanh", dense)
        squares = g.add("ReduceSum", g.add("Mul", tanh, tanh), g.ints(1), keepdims=1)
        floor = w["module_apply_default/Encoder_en/hidden_layers/l2_normalize/Maximum/y"]
        length = g.add("Sqrt", g.add("Max", squares, g.scalar("tiny", float(floor))))
        return g.add("Div", tanh, length, output="sentence_embedding")

    def model(self) -> onnx.ModelProto:
        g, w = self.graph, self.weights
        mask = g.add("Cast", "attention_mask", to=TensorProto.FLOAT)
        bias = "Layer_1/TransformerLayer/MultiheadAttention/DotProductAttention/"
        minus_much = w[STACK + bias + "attention_bias_ignore_padding/mul/y"]
        is_padding = g.add("Sub", g.scalar("one_float", 1.0), mask)
        padding_bias = g.add(
            "Unsqueeze",
            g.add("Mul", is_padding, g.scalar("padding.bias", float(minus_much))),
            g.ints(1, 2),
        )
        x = self.embed()
        for layer in (0, 1):
            x = self.layer(x, layer, padding_bias)
        self.pool(x, mask)

        def info(name: str, kind: int, *shape: str | int) -> onnx.ValueInfoProto:
            return helper.make_tensor_value_info(name, kind, shape)

        graph = helper.make_graph(
            g.nodes,
            "use-lite-en",
            [
                info("input_ids", TensorProto.INT64, "batch", "tokens"),
                info("attention_mask", TensorProto.INT64, "batch", "tokens"),
            ],
            [info("sentence_embedding", TensorProto.FLOAT, "batch", 512)],
            list(g.tensors.values()),
        )
        model = helper.make_model(
            graph,
            producer_name="ensconce convert_use_lite",
            opset_imports=[helper.make_opsetid("", OPSET)],
        )
        model.ir_version = IR_VERSION
        onnx.checker.check_model(model, full_check=True)
        return model


def vocabulary_lines(folder: Path) -> list[str]:
    """One "piece<TAB>score" a line; the line number, from 0, is the token id.

    Three things in the published list would trip a plain reader, so they are settled here:
    reserved pieces get a score that never wins; so do the earlier copies of a piece that is listed
    more than once, under a name of their own (the published tokeniser takes the last copy). And
    the scores of nine pieces that hold a colon were lost upstream: seven have none, ":00" has 0,
    ":30" has 30. They get 0, as the published tokeniser reads a score that is not there.
    """
    pieces = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))
    last = {piece: i for i, (piece, _) in enumerate(pieces)}
    lines = []
    for i, (piece, score) in enumerate(pieces):
        if any(c in piece for c in "\t\r\n"):
            raise SystemExit(f"piece {i} holds a separator")
        if i < NUM_RESERVED:
            score = NEVER
        elif last[piece] != i:
            piece, score = f"<shadowed {i}>", NEVER
        lines.append(f"{piece}\t{min(float(score or 0), 0.0)!r}\n")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--from",
        dest="source",
        type=Path,
        required=True,
        metavar="DIR",
        help="the published model.json, its shards and vocab.json",
    )
    parser.add_argument(
        "--to",
        dest="target",
        type=Path,
        required=True,
        metavar="DIR",
        help="gets model.onnx and vocab.tsv",
    )
    args = parser.parse_args()
    model = Encoder(read_weights(args.source)).model()
    args.target.mkdir(parents=True, exist_ok=True)
    (args.target / "model.onnx").write_bytes(model.SerializeToString(deterministic=True))
    (args.target / "vocab.tsv").write_text(
        "".join(vocabulary_lines(args.source)), encoding="utf-8", newline="\n"
    )


if __name__ == "__main__":
    main()
