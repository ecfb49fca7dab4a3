#!/usr/bin/env python3
"""Writes the tiny TensorFlow models that the tests run in OpenVINO, in NAME/VERSION layout.

Run by hand, from anywhere; its output is committed:

    pip install tensorflow-cpu==2.21.0
    python Tests/Fixtures/make_openvino_models.py

openvino-models/saved  a SavedModel with weights of its own and two signatures: serving_default has
                       left FP32 [n, 2], right FP32 [n, 2]
                       -> difference FP32 [n, 2] = left - right, product FP32 [n, 3] = left x W + V
openvino-models/lite   a TensorFlow Lite file: x FP32 [1, 4] -> y FP32 [1, 2] = relu(x x W),
                       whose tensors are serving_default_x:0 and PartitionedCall:0
"""

import os
import shutil
from pathlib import Path

os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"

import tensorflow as tf

MODELS = Path(__file__).resolve().parent / "openvino-models"


class Pair(tf.Module):
    def __init__(self):
        self.weights = tf.Variable([[1.0, 2.0, 3.0], [10.0, 20.0, 30.0]], name="weights")
        self.offsets = tf.Variable([0.5, 0.25, 0.125], name="offsets")

    @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.float32, "left"),
                                  tf.TensorSpec([None, 2], tf.float32, "right")])
    def serve(self, left, right):
        return {"difference": left - right,
                "product": tf.matmul(left, self.weights) + self.offsets}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, "x")])
    def twice(self, x):
        return {"y": 2 * x}


class Rectified(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([1, 4], tf.float32, "x")])
    def serve(self, x):
        weights = tf.constant([[1.0, -1.0], [1.0, -1.0], [1.0, -1.0], [1.0, 1.0]])
        return {"y": tf.nn.relu(tf.matmul(x, weights))}


def saved():
    path = MODELS / "saved" / "1"
    shutil.rmtree(path, ignore_errors=True)
    pair = Pair()
    tf.saved_model.save(pair, str(path), signatures={"serving_default": pair.serve,
                                                     "twice": pair.twice})
    # What tells one writing from another, and is not needed to load it.
    (path / "fingerprint.pb").unlink(missing_ok=True)
    shutil.rmtree(path / "assets", ignore_errors=True)


def lite():
    path = MODELS / "lite" / "1"
    path.mkdir(parents=True, exist_ok=True)
    rectified = Rectified()
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [rectified.serve.get_concrete_function()], rectified)
    (path / "model.tflite").write_bytes(converter.convert())


saved()
lite()
for file in sorted(MODELS.rglob("*")):
    if file.is_file():
        print(f"{file.relative_to(MODELS.parent)}: {file.stat().st_size} bytes")
