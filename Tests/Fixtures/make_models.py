#!/usr/bin/env python3
"""Writes the tiny ONNX models that the tests serve, in NAME/VERSION layout.

Run by hand, from anywhere; its output is committed:

    pip install numpy onnx onnxruntime
    python Tests/Fixtures/make_models.py

models/identity     x FP32 [n] -> y FP32 [n], the same values
models/echo_bytes   text STRING [n] -> echo STRING [n], the same strings
models/types        in_TYPE [n] -> out_TYPE [n], for each of the types below
models/matrix       a FP32 [rows, 4] -> b FP32 [rows, 2] = a x W, W differing between 1 and 2
models/slow         iterations INT64 [] -> sum FP32 [] = iterations, by as many 64x64 products
models/scalar       s FP32 [] -> t FP32 [] = 2 s
models/counter      total FP32 [n, 1], x FP32 [n, 1] -> next FP32 [n, 1] = total + x, y = next * 2
engine-models/optional a FP32 [n], b FP32 [1] = 10 unless given -> y FP32 [n] = a + b
engine-models/external x FP32 [n, 2] -> y FP32 [n, 2] = x x W, W in weights/w.bin
engine-models/classes  x FP32 [n, 3] -> label INT64 [n], probabilities: a map for each row
engine-models/names    the same with names for classes
engine-models/fill     size INT64 [1] -> zeros FP32 [size]: as large as it is asked to be
broken-models/broken   a file that is no ONNX model
"""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

FIXTURES = Path(__file__).resolve().parent

TYPES = {
    "BOOL": TensorProto.BOOL,
    "UINT8": TensorProto.UINT8, "UINT16": TensorProto.UINT16,
    "UINT32": TensorProto.UINT32, "UINT64": TensorProto.UINT64,
    "INT8": TensorProto.INT8, "INT16": TensorProto.INT16,
    "INT32": TensorProto.INT32, "INT64": TensorProto.INT64,
    "FP16": TensorProto.FLOAT16, "FP32": TensorProto.FLOAT, "FP64": TensorProto.DOUBLE,
    "BF16": TensorProto.BFLOAT16,
}

# b = a x W. Version 1 sums the even and the odd columns; version 2 reverses and weighs them.
MATRIX = {
    1: np.array([[1, 0], [0, 1], [1, 0], [0, 1]], np.float32),
    2: np.array([[4, -1], [3, -2], [2, -3], [1, -4]], np.float32),
}


def value(name, type, shape):
    return helper.make_tensor_value_info(name, type, shape)


def save(name, version, doc, nodes, inputs, outputs, initializers=(), within="models",
         domains=()):
    """Checks the model, loads it into onnxruntime and writes it."""
    graph = helper.make_graph(nodes, name, inputs, outputs, list(initializers))
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17), *domains], ir_version=8,
        producer_name="roost tests", model_version=version, doc_string=doc)
    onnx.checker.check_model(model, full_check=True)
    onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    path = FIXTURES / within / name / str(version) / "model.onnx"
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, path)
    print(f"{path.relative_to(FIXTURES)}: {path.stat().st_size} bytes")


def identity():
    save("identity", 1, "Returns its input.",
         [helper.make_node("Identity", ["x"], ["y"])],
         [value("x", TensorProto.FLOAT, ["n"])], [value("y", TensorProto.FLOAT, ["n"])])


def echo_bytes():
    save("echo_bytes", 1, "Returns its strings.",
         [helper.make_node("Identity", ["text"], ["echo"])],
         [value("text", TensorProto.STRING, ["n"])], [value("echo", TensorProto.STRING, ["n"])])


def types():
    save("types", 1, "Returns one input of each element type.",
         [helper.make_node("Identity", [f"in_{name}"], [f"out_{name}"]) for name in TYPES],
         [value(f"in_{name}", type, ["n"]) for name, type in TYPES.items()],
         [value(f"out_{name}", type, ["n"]) for name, type in TYPES.items()])


def matrix():
    for version, weight in MATRIX.items():
        save("matrix", version, f"Multiplies by a fixed 4x2 matrix, number {version}.",
             [helper.make_node("MatMul", ["a", "weight"], ["b"])],
             [value("a", TensorProto.FLOAT, ["rows", 4])],
             [value("b", TensorProto.FLOAT, ["rows", 2])],
             [numpy_helper.from_array(weight, "weight")])


def slow():
    # The state starts as zeros. Each round multiplies it by the identity, which is the work, and
    # adds 1/4096 to each of its 4096 elements, so that the sum counts the rounds, and proves them.
    # The matrices are made when the model is loaded, which keeps the file small.
    def filled(name, number):
        filling = helper.make_tensor("value", TensorProto.FLOAT, [1], [number])
        return helper.make_node("ConstantOfShape", ["shape"], [name], value=filling)

    body = helper.make_graph(
        [helper.make_node("MatMul", ["state", "unit"], ["product"]),
         helper.make_node("Add", ["product", "increment"], ["next_state"]),
         helper.make_node("Identity", ["going_on"], ["next_going_on"])],
        "round",
        [value("round_number", TensorProto.INT64, []), value("going_on", TensorProto.BOOL, []),
         value("state", TensorProto.FLOAT, [64, 64])],
        [value("next_going_on", TensorProto.BOOL, []),
         value("next_state", TensorProto.FLOAT, [64, 64])])
    save("slow", 1, "Keeps the processor busy for as many rounds as asked for.",
         [filled("zeros", 0.0), helper.make_node("EyeLike", ["zeros"], ["unit"]),
          helper.make_node("Loop", ["iterations", "", "zeros"], ["final"], body=body),
          helper.make_node("ReduceSum", ["final"], ["sum"], keepdims=0)],
         [value("iterations", TensorProto.INT64, [])], [value("sum", TensorProto.FLOAT, [])],
         [numpy_helper.from_array(np.array([64, 64], np.int64), "shape"),
          numpy_helper.from_array(np.array(1 / 4096, np.float32), "increment")])


def scalar():
    save("scalar", 1, "Doubles a scalar.",
         [helper.make_node("Mul", ["s", "two"], ["t"])],
         [value("s", TensorProto.FLOAT, [])], [value("t", TensorProto.FLOAT, [])],
         [numpy_helper.from_array(np.array(2, np.float32), "two")])


def counter():
    save("counter", 1, "Adds up: what it gives as next it takes as total.",
         [helper.make_node("Add", ["total", "x"], ["next"]),
          helper.make_node("Mul", ["next", "two"], ["y"])],
         [value("total", TensorProto.FLOAT, ["n", 1]), value("x", TensorProto.FLOAT, ["n", 1])],
         [value("next", TensorProto.FLOAT, ["n", 1]), value("y", TensorProto.FLOAT, ["n", 1])],
         [numpy_helper.from_array(np.array(2, np.float32), "two")])


def optional():
    save("optional", 1, "Adds ten, or what is given instead.",
         [helper.make_node("Add", ["a", "b"], ["y"])],
         [value("a", TensorProto.FLOAT, ["n"]), value("b", TensorProto.FLOAT, [1])],
         [value("y", TensorProto.FLOAT, ["n"])],
         [numpy_helper.from_array(np.array([10], np.float32), "b")], within="engine-models")


def external():
    path = FIXTURES / "engine-models" / "external" / "1"
    (path / "weights").mkdir(parents=True, exist_ok=True)
    weight = numpy_helper.from_array(np.array([[1, 2], [3, 4]], np.float32), "weight")
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "weight"], ["y"])], "external",
        [value("x", TensorProto.FLOAT, ["n", 2])], [value("y", TensorProto.FLOAT, ["n", 2])],
        [weight])
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8,
        producer_name="roost tests", model_version=1,
        doc_string="Has its weights in a file of their own.")
    onnx.save(model, path / "model.onnx", save_as_external_data=True, location="weights/w.bin",
              size_threshold=0)
    onnxruntime.InferenceSession(path / "model.onnx", providers=["CPUExecutionProvider"])
    print(f"{path.relative_to(FIXTURES)}")


def classifier(name, **classes):
    """As scikit-learn's converter makes it: the class, and the probability of each class."""
    save(name, 1, "Says which of three numbers is the largest.",
         [helper.make_node("ArgMax", ["x"], ["label"], axis=1, keepdims=0),
          helper.make_node("Softmax", ["x"], ["rows"], axis=1),
          helper.make_node("ZipMap", ["rows"], ["probabilities"], domain="ai.onnx.ml",
                           **classes)],
         [value("x", TensorProto.FLOAT, ["n", 3])],
         [value("label", TensorProto.INT64, ["n"]),
          helper.make_value_info("probabilities", helper.make_sequence_type_proto(
              helper.make_map_type_proto(
                  TensorProto.STRING if "classlabels_strings" in classes else TensorProto.INT64,
                  helper.make_tensor_type_proto(TensorProto.FLOAT, []))))],
         within="engine-models", domains=[helper.make_opsetid("ai.onnx.ml", 1)])


def classes():
    classifier("classes", classlabels_int64s=[3, 5, 7])


def names():
    classifier("names", classlabels_strings=["ant", "bee", "cat"])


def fill():
    save("fill", 1, "Gives as many zeros as it is told to.",
         [helper.make_node("ConstantOfShape", ["size"], ["zeros"])],
         [value("size", TensorProto.INT64, [1])], [value("zeros", TensorProto.FLOAT, ["size"])],
         within="engine-models")


def broken():
    path = FIXTURES / "broken-models" / "broken" / "1" / "model.onnx"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes((b"This is not an ONNX model.\n" * 19)[:500])
    print(f"{path.relative_to(FIXTURES)}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    for make in (identity, echo_bytes, types, matrix, slow, scalar, counter, optional, external,
                 classes, names, fill, broken):
        make()
