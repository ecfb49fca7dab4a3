#!/usr/bin/env python3
"""What Pillow and NumPy take to prepare a picture for a model: the other side of roost-image-bench.

    python3 image.py make FILE     writes a JPEG of one megapixel
    python3 image.py FILE COUNT    prints the quickest of so many, in milliseconds: decoding, and all

It needs Pillow and NumPy.
"""

import io
import sys
import time

import numpy as np
from PIL import Image

MEAN = np.array([0.485, 0.456, 0.406], np.float32)
DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)


def make(path):
    """Waves with noise on them: about as hard to decode as a photograph (290 KB)."""
    y, x = np.mgrid[0:866, 0:1155]
    waves = np.stack(
        [128 + 100 * np.sin(x / 40) * np.cos(y / 60), 128 + 90 * np.cos(x / 25 + y / 50),
         y * 255 / 866], axis=-1)
    noise = np.random.default_rng(1).normal(0, 12, waves.shape)
    image = Image.fromarray(np.clip(waves + noise, 0, 255).astype(np.uint8))
    image.save(path, "JPEG", quality=85)


def prepare(data):
    image = Image.open(io.BytesIO(data)).convert("RGB").resize((224, 224), Image.BILINEAR)
    pixels = np.asarray(image, dtype=np.float32) * np.float32(1 / 255)
    return np.ascontiguousarray(((pixels - MEAN) / DEVIATION).transpose(2, 0, 1))


def main():
    if sys.argv[1] == "make":
        return make(sys.argv[2])
    with open(sys.argv[1], "rb") as file:
        data = file.read()
    decode = whole = 1e9
    for _ in range(int(sys.argv[2])):
        start = time.perf_counter()
        Image.open(io.BytesIO(data)).load()
        middle = time.perf_counter()
        prepare(data)
        decode = min(decode, middle - start)
        whole = min(whole, time.perf_counter() - middle)
    print(decode * 1e3, whole * 1e3)


if __name__ == "__main__":
    main()
