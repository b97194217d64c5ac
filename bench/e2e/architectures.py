#!/usr/bin/python3
"""Writes the networks that latency is measured on: known architectures, weights from a seed.

    architectures.py OUT [NAME…]     makes OUT/NAME, a model directory of the task "tensor"

  resnet50      ResNet-50 v1.5 (stride in the 3x3 convolution), batch normalisation folded in
  mobilenetv2   MobileNetV2, width 1.0
  bert-base     BERT-base: 12 layers of 768, 128 tokens
  minilm        MiniLM-L6: 6 layers of 384, 128 tokens

What they compute means nothing; how long it takes is what the trained ones take. Images come as
bytes, UINT8 [1,224,224,3], and are normalised in the graph. The same bytes come out each time.
Needs numpy and onnx, both Debian's.
"""

import hashlib
import pathlib
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET, IR_VERSION = 17, 8
MANIFEST = 'format = "ensconce-model/1"\ntask = "tensor"\ngraph = "model.onnx"\n'
TOKENS, VOCABULARY = 128, 30522


class Graph:
    """Nodes and initializers, each node named by its one output."""

    def __init__(self, seed):
        self.random = np.random.default_rng(seed)
        self.nodes, self.initializers = [], []

    def name(self, kind):
        return f"{kind.lower()}_{len(self.nodes)}_{len(self.initializers)}"

    def constant(self, values):
        name = self.name("c")
        self.initializers.append(numpy_helper.from_array(np.asarray(values, order="C"), name))
        return name

    def normal(self, shape, deviation):
        return self.constant(
            self.random.standard_normal(shape, dtype=np.float32) * np.float32(deviation))

    def add(self, kind, *inputs, **attributes):
        output = self.name(kind)
        self.nodes.append(helper.make_node(kind, list(inputs), [output], **attributes))
        return output

    def model(self, name, inputs, output, shape):
        self.nodes.append(helper.make_node("Identity", [output], ["output"]))
        graph = helper.make_graph(
            self.nodes, name,
            [helper.make_tensor_value_info(n, kind, dims) for n, kind, dims in inputs],
            [helper.make_tensor_value_info("output", TensorProto.FLOAT, shape)],
            self.initializers)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)],
                                  producer_name="ensconce-bench")
        model.ir_version = IR_VERSION
        return model


# ---- Images ------------------------------------------------------------------------------------


class Convolutional(Graph):
    def image(self):
        x = self.add("Cast", "image", to=TensorProto.FLOAT)
        x = self.add("Transpose", x, perm=[0, 3, 1, 2])
        mean = np.array([123.675, 116.28, 103.53], np.float32).reshape(1, 3, 1, 1)
        scale = np.array([1 / 58.395, 1 / 57.12, 1 / 57.375], np.float32).reshape(1, 3, 1, 1)
        return self.add("Mul", self.add("Sub", x, self.constant(mean)), self.constant(scale))

    def conv(self, x, wide, out, size, stride=1, group=1, gain=2.0):
        # The deviation keeps what flows through of one size, so that nothing becomes denormal.
        weights = self.normal((out, wide // group, size, size),
                              (gain / (wide // group * size * size)) ** 0.5)
        bias = self.constant(np.zeros(out, np.float32))
        return self.add("Conv", x, weights, bias, kernel_shape=[size, size],
                        strides=[stride, stride], pads=[size // 2] * 4, group=group)

    def classify(self, x, wide):
        x = self.add("Flatten", self.add("GlobalAveragePool", x))
        return self.add("Gemm", x, self.normal((wide, 1000), wide ** -0.5),
                        self.constant(np.zeros(1000, np.float32)))

    def finish(self, name, x):
        image = ("image", TensorProto.UINT8, [1, 224, 224, 3])
        return self.model(name, [image], x, [1, 1000])


def resnet50():
    g = Convolutional(50)
    x = g.add("Relu", g.conv(g.image(), 3, 64, 7, 2))
    x = g.add("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    wide = 64
    for blocks, inner, first_stride in ((3, 64, 1), (4, 128, 2), (6, 256, 2), (3, 512, 2)):
        for block in range(blocks):
            stride = first_stride if block == 0 else 1
            y = g.add("Relu", g.conv(x, wide, inner, 1))
            y = g.add("Relu", g.conv(y, inner, inner, 3, stride))
            y = g.conv(y, inner, 4 * inner, 1, gain=0.5)
            if block == 0:
                x = g.conv(x, wide, 4 * inner, 1, stride, gain=1.0)
            wide = 4 * inner
            x = g.add("Relu", g.add("Add", x, y))
    return g.finish("resnet50", g.classify(x, wide))


def mobilenetv2():
    g = Convolutional(2)
    low, high = g.constant(np.float32(0)), g.constant(np.float32(6))

    def relu6(x):
        return g.add("Clip", x, low, high)

    x = relu6(g.conv(g.image(), 3, 32, 3, 2))
    wide = 32
    for factor, out, repeats, first_stride in ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2),
                                               (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2),
                                               (6, 320, 1, 1)):
        for repeat in range(repeats):
            stride = first_stride if repeat == 0 else 1
            inner = wide * factor
            y = x if factor == 1 else relu6(g.conv(x, wide, inner, 1))
            y = relu6(g.conv(y, inner, inner, 3, stride, group=inner))
            y = g.conv(y, inner, out, 1, gain=1.0)
            x = g.add("Add", x, y) if stride == 1 and wide == out else y
            wide = out
    x = relu6(g.conv(x, wide, 1280, 1))
    return g.finish("mobilenetv2", g.classify(x, 1280))


# ---- Text --------------------------------------------------------------------------------------


class Encoder(Graph):
    def __init__(self, seed, wide, heads, inner):
        super().__init__(seed)
        self.wide, self.heads, self.inner = wide, heads, inner

    def normalised(self, x):
        return self.add("LayerNormalization", x, self.constant(np.ones(self.wide, np.float32)),
                        self.constant(np.zeros(self.wide, np.float32)), axis=-1, epsilon=1e-12)

    def linear(self, x, wide, out):
        x = self.add("MatMul", x, self.normal((wide, out), 0.02))
        return self.add("Add", x, self.constant(np.zeros(out, np.float32)))

    def embedded(self):
        tables = ((("input_ids"), VOCABULARY), (("token_type_ids"), 2))
        parts = [self.add("Gather", self.normal((rows, self.wide), 0.02), ids)
                 for ids, rows in tables]
        parts.append(self.normal((1, TOKENS, self.wide), 0.02))
        return self.normalised(self.add("Add", self.add("Add", parts[0], parts[1]), parts[2]))

    def mask(self):
        x = self.add("Cast", "attention_mask", to=TensorProto.FLOAT)
        x = self.add("Unsqueeze", x, self.constant(np.array([1, 2], np.int64)))
        x = self.add("Sub", self.constant(np.float32(1)), x)
        return self.add("Mul", x, self.constant(np.float32(-10000)))

    def attention(self, x, mask):
        split = self.constant(np.array([1, TOKENS, self.heads, self.wide // self.heads], np.int64))
        whole = self.constant(np.array([1, TOKENS, self.wide], np.int64))
        query, key, value = (
            self.add("Transpose", self.add("Reshape", self.linear(x, self.wide, self.wide), split),
                     perm=order)
            for order in ([0, 2, 1, 3], [0, 2, 3, 1], [0, 2, 1, 3]))
        scores = self.add("Mul", self.add("MatMul", query, key),
                          self.constant(np.float32((self.wide // self.heads) ** -0.5)))
        weights = self.add("Softmax", self.add("Add", scores, mask), axis=-1)
        mixed = self.add("Transpose", self.add("MatMul", weights, value), perm=[0, 2, 1, 3])
        return self.linear(self.add("Reshape", mixed, whole), self.wide, self.wide)

    def gelu(self, x):
        y = self.add("Erf", self.add("Mul", x, self.constant(np.float32(0.5 ** 0.5))))
        y = self.add("Add", y, self.constant(np.float32(1)))
        return self.add("Mul", self.add("Mul", x, y), self.constant(np.float32(0.5)))

    def layer(self, x, mask):
        x = self.normalised(self.add("Add", x, self.attention(x, mask)))
        y = self.gelu(self.linear(x, self.wide, self.inner))
        return self.normalised(self.add("Add", x, self.linear(y, self.inner, self.wide)))


def encoder(name, seed, layers, wide, heads, inner):
    g = Encoder(seed, wide, heads, inner)
    x, mask = g.embedded(), g.mask()
    for _ in range(layers):
        x = g.layer(x, mask)
    inputs = [(n, TensorProto.INT64, [1, TOKENS])
              for n in ("input_ids", "attention_mask", "token_type_ids")]
    return g.model(name, inputs, x, [1, TOKENS, wide])


NETWORKS = {
    "resnet50": resnet50,
    "mobilenetv2": mobilenetv2,
    "bert-base": lambda: encoder("bert-base", 12, 12, 768, 12, 3072),
    "minilm": lambda: encoder("minilm", 6, 6, 384, 12, 1536),
}


def build(folder, name):
    """Returns the model directory, which it makes unless this very script made it."""
    made_by = hashlib.sha256(pathlib.Path(__file__).read_bytes()).hexdigest()[:16]
    out = pathlib.Path(folder) / made_by / name
    if (out / "model.toml").exists():
        return out
    out.mkdir(parents=True, exist_ok=True)
    onnx.save(NETWORKS[name](), out / "model.onnx")
    (out / "model.toml").write_text(MANIFEST, encoding="ascii")  # last: it says that all is there
    return out


def main():
    names = sys.argv[2:] or list(NETWORKS)
    if len(sys.argv) < 2 or not set(names) <= set(NETWORKS):
        print(__doc__, file=sys.stderr)
        return 64
    for name in names:
        print(build(sys.argv[1], name))
    return 0


if __name__ == "__main__":
    sys.exit(main())
