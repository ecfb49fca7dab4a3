#!/usr/bin/env python3
"""Makes the models that `make bench` loads: encoders of the shape of all-MiniLM-L6-v2 and of BERT base.

    pip install numpy onnx
    python Tests/Performance/make_minilm.py DIRECTORY [--check]

DIRECTORY/models/minilm/1/model.onnx   6 layers of 384, 12 heads, 1536 between: 90 MB
DIRECTORY/staged/large/1/model.onnx    12 layers of 768, 12 heads, 3072 between: 440 MB

Inputs input_ids and attention_mask, INT64 [batch, seq]; output embedding, FP32 [batch, hidden]: the
mean over the tokens that the mask has as 1, of length 1. Nothing is downloaded: the weights are
random, the same in each run, because a model's speed does not depend on them. The vocabulary has
30522 words, and seq may be 512 at most, as with the originals.

--check wants onnxruntime besides, and sees that the rows of a batch do not depend on each other.
"""

import argparse
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

VOCABULARY, POSITIONS, SEED = 30522, 512, 384
# How far a row's result in a batch may be from its result alone.
TOLERANCE = 1e-5


class Encoder:
    """A graph that grows by one step at a time; each returns the name of what it makes."""

    def __init__(self, layers, hidden, heads, between):
        self.hidden, self.heads = hidden, heads
        self.nodes, self.weights = [], []
        self.random = np.random.default_rng(SEED)
        state = self.embed()
        for _ in range(layers):
            state = self.norm(self.add(state, self.attend(state)))
            inner = self.gelu(self.linear(state, hidden, between))
            state = self.norm(self.add(state, self.linear(inner, between, hidden)))
        self.pool(state)

    # The steps.

    def step(self, operator, *inputs, output=None, **attributes):
        output = output or f"{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [output], **attributes))
        return output

    def constant(self, array):
        name = f"weight_{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def number(self, value):
        return self.constant(np.array(value, np.float32))

    def integers(self, *values):
        return self.constant(np.array(values, np.int64))

    def normal(self, *shape):
        """Random weights, as BERT's are before it is trained."""
        return self.constant(self.random.normal(0, 0.02, shape).astype(np.float32))

    def add(self, a, b):
        return self.step("Add", a, b)

    def linear(self, state, inputs, outputs):
        return self.add(self.step("MatMul", state, self.normal(inputs, outputs)), self.normal(outputs))

    def norm(self, state):
        scale, bias = np.ones(self.hidden, np.float32), np.zeros(self.hidden, np.float32)
        return self.step(
            "LayerNormalization", state, self.constant(scale), self.constant(bias), epsilon=1e-12
        )

    def gelu(self, state):
        # In the form that ONNX Runtime recognises, and replaces by a single step.
        erf = self.step("Erf", self.step("Div", state, self.number(np.sqrt(2))))
        product = self.step("Mul", state, self.add(erf, self.number(1)))
        return self.step("Mul", product, self.number(0.5))

    # The parts.

    def embed(self):
        words = self.step("Gather", self.normal(VOCABULARY, self.hidden), "input_ids")
        length = self.step("Shape", "input_ids", start=1, end=2)
        table = self.normal(POSITIONS, self.hidden)
        positions = self.step("Slice", table, self.integers(0), length, self.integers(0))
        self.mask = self.step("Cast", "attention_mask", to=TensorProto.FLOAT)
        # 0 where there is a token, and so little elsewhere that nobody attends to it.
        absence = self.step("Sub", self.mask, self.number(1))
        self.bias = self.step(
            "Unsqueeze", self.step("Mul", absence, self.number(1e4)), self.integers(1, 2)
        )
        kind = self.normal(self.hidden)
        return self.norm(self.add(self.add(words, kind), positions))

    def attend(self, state):
        width = self.hidden // self.heads

        def split(order):
            flat = self.linear(state, self.hidden, self.hidden)
            apart = self.step("Reshape", flat, self.integers(0, 0, self.heads, width))
            return self.step("Transpose", apart, perm=order)

        query, key, value = split([0, 2, 1, 3]), split([0, 2, 3, 1]), split([0, 2, 1, 3])
        scores = self.step("Div", self.step("MatMul", query, key), self.number(np.sqrt(width)))
        shares = self.step("Softmax", self.add(scores, self.bias), axis=-1)
        context = self.step("Transpose", self.step("MatMul", shares, value), perm=[0, 2, 1, 3])
        joined = self.step("Reshape", context, self.integers(0, 0, self.hidden))
        return self.linear(joined, self.hidden, self.hidden)

    def pool(self, state):
        mask = self.step("Unsqueeze", self.mask, self.integers(2))
        total = self.step(
            "ReduceSum", self.step("Mul", state, mask), self.integers(1), keepdims=0
        )
        count = self.step("ReduceSum", mask, self.integers(1), keepdims=0)
        mean = self.step("Div", total, self.step("Max", count, self.number(1e-9)))
        squares = self.step("ReduceSum", self.step("Mul", mean, mean), self.integers(1))
        length = self.step("Sqrt", self.step("Max", squares, self.number(1e-24)))
        self.step("Div", mean, length, output="embedding")

    def model(self, name):
        tokens = ["batch", "seq"]
        graph = helper.make_graph(
            self.nodes,
            name,
            [
                helper.make_tensor_value_info("input_ids", TensorProto.INT64, tokens),
                helper.make_tensor_value_info("attention_mask", TensorProto.INT64, tokens),
            ],
            [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", self.hidden])],
            self.weights,
        )
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", 17)],
            ir_version=8,
            producer_name="roost benchmarks",
        )
        onnx.checker.check_model(model, full_check=True)
        return model


def check(path):
    """Eight rows of different lengths, together and one by one."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    random = np.random.default_rng(1)
    ids = random.integers(0, VOCABULARY, (8, 32))
    mask = (np.arange(32) < np.arange(4, 36, 4)[:, None]).astype(np.int64)

    def run(rows):
        return session.run(["embedding"], {"input_ids": ids[rows], "attention_mask": mask[rows]})[0]

    together = run(slice(0, 8))
    alone = np.concatenate([run(slice(row, row + 1)) for row in range(8)])
    difference = np.abs(together - alone).max()
    length = np.abs(np.linalg.norm(together, axis=1) - 1).max()
    spread = np.abs(together[0] - together[1]).max()
    if not (difference < TOLERANCE and length < TOLERANCE and spread > TOLERANCE):
        raise SystemExit(f"{path}: differs by {difference}, length by {length}, rows by {spread}")
    print(f"{path}: rows differ by {difference:.1e} at most from those that are run alone")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("directory", type=Path)
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    for place, shape in (
        ("staged/large", (12, 768, 12, 3072)),
        # Last: make takes it for a sign that both are there.
        ("models/minilm", (6, 384, 12, 1536)),
    ):
        path = arguments.directory / place / "1" / "model.onnx"
        path.parent.mkdir(parents=True, exist_ok=True)
        # An interrupted run leaves no model behind that looks complete.
        unfinished = path.with_suffix(".unfinished")
        onnx.save(Encoder(*shape).model(path.parts[-3]), unfinished)
        unfinished.rename(path)
        print(f"{path}: {path.stat().st_size} bytes")
        if arguments.check:
            check(path)


if __name__ == "__main__":
    main()
