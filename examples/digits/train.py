#!/usr/bin/env python3
"""Trains Roost's example model, a small handwritten-digit classifier, and exports it to ONNX.

Run by hand, from anywhere (under a minute on a CPU):

    pip install jax onnx onnxruntime pillow scikit-learn
    python examples/digits/train.py

The data are scikit-learn's `load_digits`: 1797 images of 8x8 pixels, values 0..16, bundled with the
package (BSD 3-Clause), so nothing is downloaded. They are a copy of the test set of E. Alpaydin and
C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository, 1998,
https://doi.org/10.24432/C50P49, which UCI publishes under CC BY 4.0.

20 % of the images (360, stratified by class) are held out. They take no part in training or in any
choice: the network and its schedule are fixed below, the last epoch's weights are exported, and the
held-out accuracy is printed once, at the end, as onnxruntime measures it on the exported file.

Written:
    examples/models/digits/1/model.onnx        the model
    examples/images/digit-LABEL-INDEX.png      the first four held-out images of each class
    Tests/Fixtures/digits-heldout-images.npy   all held-out images, uint8 [360, 8, 8]
    Tests/Fixtures/digits-heldout-labels.npy   their labels, uint8 [360]
"""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from scipy import ndimage
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

ROOT = Path(__file__).resolve().parents[2]
MODEL = ROOT / "examples/models/digits/1/model.onnx"
IMAGES, FIXTURES = ROOT / "examples/images", ROOT / "Tests/Fixtures"
LABELS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
SEED, HELD_OUT, EPOCHS, BATCH = 7, 360, 80, 64
LEARNING_RATE, WEIGHT_DECAY = 3e-3, 1e-4


def load():
    """Pixel bytes [1797, 8, 8], labels, and the sorted indices to train on and to hold out."""
    images, labels = load_digits().images, load_digits().target.astype(np.uint8)
    # The images are also stored as 8-bit PNGs, so the bytes are what the network is trained on.
    pixels = np.round(images * 255 / 16).astype(np.uint8)
    split = train_test_split(
        np.arange(len(labels)), test_size=HELD_OUT, stratify=labels, random_state=SEED)
    return pixels, labels, *map(np.sort, split)


def to_input(pixels):
    """Pixel bytes [n, 8, 8] to the model's input: FP32 [n, 1, 8, 8], values 0..1."""
    return (pixels.astype(np.float32) / 255)[:, None]


def augment(images, rng):
    """Each image rotated by up to 10 degrees, scaled by up to 8 %, shifted by up to 0.8 pixels."""
    result, centre = np.empty_like(images), np.array([3.5, 3.5])
    for i, image in enumerate(images[:, 0]):
        angle, scale = np.radians(rng.uniform(-10, 10)), rng.uniform(0.92, 1.08)
        cos, sin = np.cos(angle) * scale, np.sin(angle) * scale
        matrix = np.array([[cos, -sin], [sin, cos]])
        offset = centre - matrix @ centre + rng.uniform(-0.8, 0.8, size=2)
        result[i, 0] = ndimage.affine_transform(image, matrix, offset, order=1)
    return result


def initial_parameters(rng):
    """He-initialised: a NAME.weight and a NAME.bias for each layer."""
    shapes = {
        "conv1": (16, 1, 3, 3), "conv2": (32, 16, 3, 3),  # 8x8, then pooled to 4x4
        "conv3": (64, 32, 3, 3),                          # 4x4, then pooled to 2x2
        "dense1": (64, 256), "dense2": (10, 64),          # [out, in], Gemm with transB
    }
    parameters = {}
    for name, shape in shapes.items():
        weight = rng.normal(0, np.sqrt(2 / np.prod(shape[1:])), shape)
        parameters[f"{name}.weight"] = weight.astype(np.float32)
        parameters[f"{name}.bias"] = np.zeros(shape[0], np.float32)
    return parameters


def logits(parameters, x):
    """The network, in JAX. `export` writes the same one in ONNX operators."""
    def conv(x, name):  # lax.conv's layouts are ONNX's: NCHW and OIHW
        y = jax.lax.conv(x, parameters[f"{name}.weight"], (1, 1), "SAME")
        return jax.nn.relu(y + parameters[f"{name}.bias"][:, None, None])

    def pool(x):
        return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")

    x = pool(conv(conv(x, "conv1"), "conv2"))
    x = pool(conv(x, "conv3")).reshape(x.shape[0], -1)
    x = jax.nn.relu(x @ parameters["dense1.weight"].T + parameters["dense1.bias"])
    return x @ parameters["dense2.weight"].T + parameters["dense2.bias"]


def loss(parameters, x, y):
    """The mean cross-entropy."""
    return -jnp.mean(jax.nn.log_softmax(logits(parameters, x))[jnp.arange(len(y)), y])


@jax.jit
def step(parameters, mean, square, x, y, count, rate):
    """One step of AdamW: the new parameters and moments, and the loss before it."""
    value, gradient = jax.value_and_grad(loss)(parameters, x, y)
    mean = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, mean, gradient)
    square = jax.tree.map(lambda s, g: 0.999 * s + 0.001 * g * g, square, gradient)

    def update(p, m, s):
        adam = (m / (1 - 0.9 ** count)) / (jnp.sqrt(s / (1 - 0.999 ** count)) + 1e-8)
        return p - rate * (adam + WEIGHT_DECAY * p)

    return jax.tree.map(update, parameters, mean, square), mean, square, value


def train(x, y):
    """The parameters after the last epoch."""
    rng = np.random.default_rng(SEED)
    parameters = initial_parameters(rng)
    mean = square = jax.tree.map(np.zeros_like, parameters)
    batches, count = len(x) // BATCH, 0
    for epoch in range(1, EPOCHS + 1):
        order, images, values = rng.permutation(len(x)), augment(x, rng), []
        for batch in order[: batches * BATCH].reshape(-1, BATCH):
            rate = LEARNING_RATE * (1 + np.cos(np.pi * count / (EPOCHS * batches))) / 2
            count += 1
            parameters, mean, square, value = step(
                parameters, mean, square, images[batch], y[batch], count, rate)
            values.append(float(value))
        if epoch % 10 == 0:
            print(f"epoch {epoch:3}: training loss {np.mean(values):.4f}")
    return {name: np.asarray(value) for name, value in parameters.items()}


def export(parameters):
    """Writes the network of `logits`, with a softmax, as an ONNX file."""
    def node(operator, inputs, output, **attributes):
        return helper.make_node(operator, inputs, [output], name=output, **attributes)

    def layer(operator, x, name, **attributes):
        return node(operator, [x, f"{name}.weight", f"{name}.bias"], name, **attributes)

    conv = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
    pool = {"kernel_shape": [2, 2], "strides": [2, 2]}
    nodes = [
        layer("Conv", "image", "conv1", **conv), node("Relu", ["conv1"], "relu1"),
        layer("Conv", "relu1", "conv2", **conv), node("Relu", ["conv2"], "relu2"),
        node("MaxPool", ["relu2"], "pool2", **pool),
        layer("Conv", "pool2", "conv3", **conv), node("Relu", ["conv3"], "relu3"),
        node("MaxPool", ["relu3"], "pool3", **pool), node("Flatten", ["pool3"], "flat", axis=1),
        layer("Gemm", "flat", "dense1", transB=1), node("Relu", ["dense1"], "relu4"),
        layer("Gemm", "relu4", "dense2", transB=1),
        node("Softmax", ["dense2"], "probabilities", axis=1),
    ]
    graph = helper.make_graph(
        nodes, "digits",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 1, 8, 8])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", 10])],
        [numpy_helper.from_array(value, name) for name, value in parameters.items()])
    # Opset 17 and IR version 8, both of 2022, so that older runtimes load the file too.
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8,
        producer_name="roost examples", model_version=1,
        doc_string="Classifies 8x8 grayscale images of handwritten digits. Input: pixel byte / "
        "255, light strokes on a dark ground. Output: the probability of each digit, 0 to 9. "
        "Trained by examples/digits/train.py on scikit-learn's digits data set.")
    helper.set_model_props(model, {"labels": "\n".join(LABELS)})
    onnx.checker.check_model(model, full_check=True)
    MODEL.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, MODEL)


def main():
    pixels, labels, training, held_out = load()
    parameters = train(to_input(pixels[training]), labels[training])
    export(parameters)

    for folder in (IMAGES, FIXTURES):
        folder.mkdir(parents=True, exist_ok=True)
    for label in range(10):
        for index in held_out[labels[held_out] == label][:4]:
            Image.fromarray(pixels[index]).save(IMAGES / f"digit-{label}-{index:04}.png")
    np.save(FIXTURES / "digits-heldout-images.npy", pixels[held_out])
    np.save(FIXTURES / "digits-heldout-labels.npy", labels[held_out])

    session = onnxruntime.InferenceSession(MODEL, providers=["CPUExecutionProvider"])
    probabilities, = session.run(["probabilities"], {"image": to_input(pixels[held_out])})
    right = int((probabilities.argmax(axis=1) == labels[held_out]).sum())
    print(f"{MODEL.relative_to(ROOT)}: {MODEL.stat().st_size} bytes, held-out accuracy of the "
          f"exported file: {right}/{len(held_out)} ({right / len(held_out):.2%})")


if __name__ == "__main__":
    main()
