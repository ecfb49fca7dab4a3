#!/usr/bin/env python3
"""Writes the pictures that the tests decode, and what Pillow makes of resizing them.

Run by hand, from anywhere; its output is committed, and is the same on every run of one Pillow:

    pip install numpy pillow
    python Tests/Fixtures/make_pictures.py

expected-NAME-WxH.npy    uint8 [H, W, 3]: the picture, resized with Pillow's BILINEAR, a triangle
                         filter that widens as the picture shrinks (antialiasing)
expected-NAME-L-8x8.npy  uint8 [8, 8]: the picture, made gray (ITU-R 601), then resized likewise

The expected values of photo.jpg also depend on the JPEG decoder (libjpeg-turbo here); another one
may differ by a few levels.
"""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

FIXTURES = Path(__file__).resolve().parent
PICTURES = FIXTURES / "pictures"


def gradient_rgb():
    """Red grows to the right, green downwards; blue is a steep sawtooth, hard to resize."""
    y, x = np.mgrid[0:23, 0:37]
    return Image.fromarray(
        np.stack([x * 255 // 36, y * 255 // 22, (x * 37 + y * 61) % 256], axis=-1).astype(np.uint8))


def gray16():
    """16-bit gray: pixel (x, y) is y * 6000 + x * 500."""
    y, x = np.mgrid[0:10, 0:20]
    return Image.fromarray((y * 6000 + x * 500).astype(np.uint16))


def palette():
    """16x16, four colours in 8x8 quadrants: red, green, blue, and a yellow that is transparent."""
    image = Image.new("P", (16, 16))
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 0])
    y, x = np.mgrid[0:16, 0:16]
    image.putdata((y // 8 * 2 + x // 8).ravel().tolist())
    return image


def rgba():
    """24x12, the colour of gradient-rgb.png's upper left corner, alpha growing to the right."""
    colour = np.asarray(gradient_rgb())[:12, :24]
    alpha = np.broadcast_to(np.arange(24) * 255 // 23, (12, 24))
    return Image.fromarray(np.dstack([colour, alpha]).astype(np.uint8))


def photo():
    """320x240: shapes drawn on a sky and a ground."""
    y = np.linspace(0, 1, 240)[:, None, None]
    sky = (1 - y) * np.array([90, 140, 220]) + y * np.array([230, 220, 190])
    image = Image.fromarray(np.broadcast_to(sky, (240, 320, 3)).round().astype(np.uint8))
    draw = ImageDraw.Draw(image)
    draw.rectangle([0, 180, 319, 239], fill=(70, 120, 50))
    draw.ellipse([240, 15, 295, 70], fill=(255, 235, 120))
    draw.polygon([(20, 180), (95, 60), (170, 180)], fill=(110, 105, 120))
    draw.polygon([(74, 94), (95, 60), (116, 94)], fill=(245, 245, 250))
    draw.rectangle([190, 130, 270, 200], fill=(170, 60, 45), outline=(60, 20, 15), width=2)
    draw.polygon([(180, 130), (230, 90), (280, 130)], fill=(80, 50, 40))
    draw.rectangle([220, 160, 242, 200], fill=(40, 30, 60))
    for x in range(10, 320, 20):
        draw.line([(x, 239), (x + 5, 205)], fill=(30, 80, 30), width=2)
    return image


def large_seven():
    """The first held-out seven of examples/digits/train.py, enlarged to 640x480."""
    images = np.load(FIXTURES / "digits-heldout-images.npy")
    labels = np.load(FIXTURES / "digits-heldout-labels.npy")
    seven = Image.fromarray(images[labels == 7][0])
    return seven.resize((640, 480), Image.BICUBIC).convert("RGB")


def truncate(name, result):
    data = (PICTURES / name).read_bytes()
    (PICTURES / result).write_bytes(data[: len(data) // 2])


def expect(name):
    """Reads the picture back, since JPEG loses something, and stores its resized versions."""
    image, stem = Image.open(PICTURES / name), Path(name).stem
    for width, height in [(8, 8), (224, 224), (50, 17)]:
        resized = image.resize((width, height), Image.BILINEAR)
        np.save(PICTURES / f"expected-{stem}-{width}x{height}.npy", np.asarray(resized))
    gray = image.convert("L").resize((8, 8), Image.BILINEAR)
    np.save(PICTURES / f"expected-{stem}-L-8x8.npy", np.asarray(gray))


def main():
    PICTURES.mkdir(parents=True, exist_ok=True)
    gradient_rgb().save(PICTURES / "gradient-rgb.png")
    gray16().save(PICTURES / "gray16.png")
    palette().save(PICTURES / "palette.png", transparency=3)
    rgba().save(PICTURES / "rgba.png")
    photo().save(PICTURES / "photo.jpg", quality=90)
    small = photo().resize((80, 60), Image.BILINEAR)
    small.convert("L").save(PICTURES / "gray.jpg", quality=90)
    small.convert("CMYK").save(PICTURES / "cmyk.jpg", quality=90)
    large_seven().save(PICTURES / "digit-seven-large.png", optimize=True)
    truncate("gradient-rgb.png", "truncated.png")
    truncate("photo.jpg", "truncated.jpg")
    (PICTURES / "not-an-image.png").write_text("This is plain text, whatever its name says.\n")
    expect("gradient-rgb.png")
    expect("photo.jpg")


if __name__ == "__main__":
    main()
