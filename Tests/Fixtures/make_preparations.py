#!/usr/bin/env python3
"""Writes what Pillow and NumPy make of pictures on their way into a model, and WebP pictures.

Run by hand, from anywhere, after make_pictures.py; its output is committed, and is the same on every
run of one Pillow:

    pip install numpy 'pillow<13'
    python Tests/Fixtures/make_preparations.py

With --corpus DIR it writes instead what `make fuzz` begins with: every small picture behind eight
bytes that say how it is prepared. That needs neither of them.

preparations/FILTER-WxH.npy  uint8 [H, W, 3]: gradient-rgb.png, resized with that filter
preparations/NAME.npy        float32: a picture, prepared as PREPARATIONS says

Pillow 13 takes the rows before the columns where that costs less, which moves some samples by one.
"""

import sys
from pathlib import Path

try:
    import numpy as np
    from PIL import Image
except ImportError:  # --corpus goes without
    Image = None

PICTURES = Path(__file__).resolve().parent / "pictures"
RESULTS = Path(__file__).resolve().parent / "preparations"
FILTERS = ("box", "bilinear", "hamming", "bicubic", "lanczos", "nearest")


def imagenet():
    """The recipe of most classifiers of ImageNet, small: shorter side 32, the middle 28 x 28."""
    image = Image.open(PICTURES / "photo.png").convert("RGB")
    width, height = image.size
    image = image.resize((32 * width // height, 32), Image.BILINEAR)
    left, top = round((image.size[0] - 28) / 2), round((image.size[1] - 28) / 2)
    image = image.crop((left, top, left + 28, top + 28))
    pixels = np.asarray(image).astype(np.float32) * np.float32(1 / 255)
    mean = np.array([0.485, 0.456, 0.406], np.float32)
    deviation = np.array([0.229, 0.224, 0.225], np.float32)
    return ((pixels - mean) / deviation).transpose(2, 0, 1)


def caffe():
    """Blue first, pixel by pixel, 0 to 255 less a mean, as older models take it."""
    image = Image.open(PICTURES / "photo.webp").convert("RGB").resize((30, 20), Image.BICUBIC)
    pixels = np.asarray(image).astype(np.float32)[:, :, ::-1]
    return pixels - np.array([103.939, 116.779, 123.68], np.float32)


def gray():
    """One channel, -1 to 1, from a JPEG."""
    image = Image.open(PICTURES / "photo.jpg").convert("L").resize((24, 18), Image.LANCZOS)
    pixels = np.asarray(image).astype(np.float32) * np.float32(1 / 255)
    return ((pixels - np.float32(0.5)) / np.float32(0.5))[None]


PREPARATIONS = {"imagenet": imagenet, "caffe": caffe, "gray": gray}


def pictures():
    photo = Image.open(PICTURES / "photo.jpg").convert("RGB").resize((120, 90), Image.BILINEAR)
    photo.save(PICTURES / "photo.png", optimize=True)
    photo.save(PICTURES / "photo.webp", lossless=True)
    photo.save(PICTURES / "lossy.webp", quality=80)
    np.save(PICTURES / "expected-lossy.npy",
            np.asarray(Image.open(PICTURES / "lossy.webp").convert("RGB"))[::6, ::6])
    seven = Image.open(PICTURES / "digit-seven-large.png")
    seven.save(PICTURES / "digit-seven-large.jpg", quality=60, optimize=True)
    rgba = Image.open(PICTURES / "rgba.png")
    rgba.save(PICTURES / "rgba.webp", lossless=True, exact=True)
    frames = [photo.resize((8, 8)), photo.resize((8, 8)).rotate(90)]
    frames[0].save(PICTURES / "animation.webp", save_all=True, append_images=frames[1:])
    whole = (PICTURES / "lossy.webp").read_bytes()
    (PICTURES / "truncated.webp").write_bytes(whole[: len(whole) // 2])


def corpus(directory):
    directory.mkdir(parents=True, exist_ok=True)
    for number, path in enumerate(sorted(PICTURES.iterdir())):
        if path.suffix in (".jpg", ".png", ".webp") and path.stat().st_size < 12_000:
            setting = bytes([number % 6, number % 3, number % 2, 31, 40, 20, 20, 0])
            (directory / path.name).write_bytes(setting + path.read_bytes())


def main():
    if sys.argv[1:2] == ["--corpus"]:
        return corpus(Path(sys.argv[2]))
    RESULTS.mkdir(parents=True, exist_ok=True)
    pictures()
    gradient = Image.open(PICTURES / "gradient-rgb.png").convert("RGB")
    for name in FILTERS:
        for width, height in [(7, 5), (41, 29), (50, 9)]:
            resized = gradient.resize((width, height), Image.Resampling[name.upper()])
            np.save(RESULTS / f"{name}-{width}x{height}.npy", np.asarray(resized))
    for name, prepare in PREPARATIONS.items():
        np.save(RESULTS / f"{name}.npy", np.ascontiguousarray(prepare(), np.float32))


if __name__ == "__main__":
    main()
