#!/usr/bin/env python3
"""Writes the tiny TensorFlow models that the tests serve, in NAME/VERSION layout.

Run by hand, from anywhere; its output is committed:

    pip install tensorflow-cpu==2.21.0
    python Tests/Fixtures/make_tensorflow_models.py

tensorflow-models/arithmetic  x FP32 [?, 2] -> y FP32 [?, 2] = x * the variable [2, 3]; signature
                              `integers`: a, b INT32 [?] -> difference, sum INT32 [?]
tensorflow-models/types       in_TYPE [?] -> out_TYPE [?], for each of the types below
tensorflow-models/words       word BYTES [?] -> echo BYTES [?], length INT32 [?], number INT64 [?] by
                              the vocabulary in its assets, -1 for others
tensorflow-models/ranks       scalar FP32 [] -> twice FP32 []; any FP32 of any rank -> same
tensorflow-models/picture     jpeg BYTES [?] -> color FP32 [?, 3], the mean of the pixels from 0 to 1,
                              name BYTES [?], the larger of red, green and blue
tensorflow-models/loop        count INT64 [] -> sum FP32 [] = count, one after the other
tensorflow-models/keeper      x FP32 [?] -> before FP32 [?], what the run before was given
tensorflow-models/training    a SavedModel of which nothing has the tag `serve`
tensorflow-models/complex     x complex numbers [?] -> y, the same
tensorflow-models/retrained   a frozen graph: DecodeJpeg/contents BYTES [] -> final_result FP32 [1, 3],
                              and an operation that nothing takes; labels.txt beside the version
tensorflow-models/plain       a frozen graph: x FP32 [?, 2] -> y FP32 [?, 2] = 2 x
"""

import os
import shutil
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"

import tensorflow as tf

MODELS = Path(__file__).resolve().parent / "tensorflow-models"

TYPES = {
    "BOOL": tf.bool,
    "UINT8": tf.uint8, "UINT16": tf.uint16, "UINT32": tf.uint32, "UINT64": tf.uint64,
    "INT8": tf.int8, "INT16": tf.int16, "INT32": tf.int32, "INT64": tf.int64,
    "FP16": tf.float16, "FP32": tf.float32, "FP64": tf.float64,
    "BF16": tf.bfloat16, "BYTES": tf.string,
}


def spec(name, type, shape):
    return tf.TensorSpec(shape, type, name)


def function(body, *specs):
    return tf.function(body, input_signature=list(specs))


def directory(name):
    path = MODELS / name / "1"
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    return path


def report(path):
    size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    print(f"{path.relative_to(MODELS)}: {size} bytes")


def save(name, module, signatures):
    path = directory(name)
    tf.saved_model.save(module, str(path), signatures=signatures)
    # Only what is loaded.
    (path / "fingerprint.pb").unlink()
    for empty in (path / "assets",):
        if empty.is_dir() and not any(empty.iterdir()):
            empty.rmdir()
    report(path)


def arithmetic():
    module = tf.Module()
    module.weight = tf.Variable([2.0, 3.0], name="weight")
    save("arithmetic", module, {
        "serving_default": function(
            lambda x: {"y": x * module.weight}, spec("x", tf.float32, [None, 2])),
        "integers": function(
            lambda a, b: {"sum": a + b, "difference": a - b},
            spec("a", tf.int32, [None]), spec("b", tf.int32, [None])),
    })


def types():
    specs = [spec(f"in_{name}", type, [None]) for name, type in TYPES.items()]
    save("types", tf.Module(), {"serving_default": function(
        lambda *inputs: {f"out_{name}": tf.identity(x) for name, x in zip(TYPES, inputs)}, *specs)})


def words():
    vocabulary = MODELS / "vocabulary.txt"
    vocabulary.parent.mkdir(exist_ok=True)
    vocabulary.write_text("zero\none\ntwo\n")
    module = tf.Module()
    module.file = tf.saved_model.Asset(str(vocabulary))
    module.table = tf.lookup.StaticHashTable(
        tf.lookup.TextFileInitializer(
            module.file, tf.string, tf.lookup.TextFileIndex.WHOLE_LINE,
            tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER), -1)
    save("words", module, {"serving_default": function(
        lambda word: {"echo": tf.identity(word), "length": tf.strings.length(word),
                      "number": module.table.lookup(word)},
        spec("word", tf.string, [None]))})
    vocabulary.unlink()


def ranks():
    save("ranks", tf.Module(), {
        "serving_default": function(
            lambda scalar: {"twice": 2 * scalar}, spec("scalar", tf.float32, [])),
        "any": function(lambda any: {"same": tf.negative(any)}, spec("any", tf.float32, None)),
    })


def picture():
    names = tf.constant(["red", "green", "blue"])

    def color(jpeg):
        pixels = tf.image.decode_jpeg(jpeg, channels=3)
        return tf.reduce_mean(tf.cast(pixels, tf.float32), [0, 1]) / 255

    def serve(jpeg):
        colors = tf.map_fn(color, jpeg, fn_output_signature=tf.TensorSpec([3], tf.float32))
        return {"color": colors, "name": tf.gather(names, tf.argmax(colors, 1))}

    save("picture", tf.Module(), {
        "serving_default": function(serve, spec("jpeg", tf.string, [None]))})


def loop():
    def serve(count):
        total = tf.while_loop(
            lambda step, _: step < count,
            lambda step, total: (step + 1, total + tf.reduce_sum(tf.eye(8)) / 8),
            [tf.constant(0, tf.int64), tf.constant(0.0)])[1]
        return {"sum": total}

    save("loop", tf.Module(), {"serving_default": function(serve, spec("count", tf.int64, []))})


def keeper():
    module = tf.Module()
    module.last = tf.Variable([0.0], shape=[None], name="last")

    def serve(x):
        before = tf.identity(module.last)
        with tf.control_dependencies([before]):
            module.last.assign(x)
        return {"before": before}

    save("keeper", module, {"serving_default": function(serve, spec("x", tf.float32, [None]))})


def training():
    graph = tf.Graph()
    with graph.as_default(), tf.compat.v1.Session() as session:
        tf.compat.v1.placeholder(tf.float32, [1], "x")
        path = directory("training")
        shutil.rmtree(path)
        builder = tf.compat.v1.saved_model.builder.SavedModelBuilder(str(path))
        builder.add_meta_graph_and_variables(session, ["train", "gpu"])
        builder.save()
    report(path)


def complex_numbers():
    save("complex", tf.Module(), {"serving_default": function(
        lambda x: {"y": x}, spec("x", tf.complex64, [None]))})


def frozen(name, graph):
    path = directory(name)
    (path / "model.pb").write_bytes(graph.as_graph_def().SerializeToString(deterministic=True))
    report(path)


def retrained():
    v1 = tf.compat.v1
    graph = tf.Graph()
    with graph.as_default():
        # As the classic ones have it: a constant that is fed.
        contents = tf.constant(b"", name="DecodeJpeg/contents")
        pixels = tf.image.decode_jpeg(contents, channels=3, name="DecodeJpeg")
        scaled = v1.image.resize_bilinear(
            tf.expand_dims(tf.cast(pixels, tf.float32), 0), [4, 4], name="ResizeBilinear")
        features = tf.reduce_mean(scaled, [1, 2], name="pool_3") / 32
        tf.nn.softmax(features, name="final_result")
        tf.argmax(features, 1, name="left_over")
    frozen("retrained", graph)
    (MODELS / "retrained" / "labels.txt").write_text("red\ngreen\nblue\n")


def plain():
    graph = tf.Graph()
    with graph.as_default():
        x = tf.compat.v1.placeholder(tf.float32, [None, 2], "x")
        tf.multiply(x, 2.0, name="y")
    frozen("plain", graph)


arithmetic()
types()
words()
ranks()
picture()
loop()
keeper()
training()
complex_numbers()
retrained()
plain()
