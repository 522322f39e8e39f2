#!/usr/bin/env python3
"""Makes the small pictures that the tests of decoding read, and what Pillow sees in them.

    pip install pillow
    python3 stages/data/make_pictures.py

`expected.csv` has of each picture, as Pillow turns it by its Exif record and converts it to RGB, the width, the height, and the
mean red, green and blue of the four quarters.
"""

import csv
import pathlib

from PIL import Image, ImageOps

TARGET = pathlib.Path(__file__).parent / "pictures"
WIDTH, HEIGHT = 24, 16


def quarters():
    """A picture with a colour of its own in each quarter, a little shaded."""
    image = Image.new("RGB", (WIDTH, HEIGHT))
    colours = [(220, 40, 30), (40, 200, 60), (50, 60, 210), (230, 220, 200)]
    for y in range(HEIGHT):
        for x in range(WIDTH):
            quarter = 2 * (y >= HEIGHT // 2) + (x >= WIDTH // 2)
            image.putpixel((x, y), tuple(value + (x + y) // 4 for value in colours[quarter]))
    return image


def alpha(image):
    with_alpha = image.convert("RGBA")
    with_alpha.putalpha(Image.linear_gradient("L").resize(image.size))
    return with_alpha


def deep_grey(image):
    grey = image.convert("L")
    deep = Image.new("I;16", image.size)
    for y in range(HEIGHT):
        for x in range(WIDTH):
            deep.putpixel((x, y), 257 * grey.getpixel((x, y)))
    return deep


def main():
    TARGET.mkdir(exist_ok=True)
    base = quarters()
    turned = Image.Exif()
    turned[0x0112] = 6
    other = ImageOps.invert(base)
    frames = {"save_all": True, "append_images": [other], "duration": 100}
    jpeg = {"quality": 95, "subsampling": 0}
    pictures = {
        "plain.jpg": (base, jpeg),
        "progressive.JPEG": (base, jpeg | {"progressive": True}),
        "subsampled.jpg": (base, {"quality": 90, "subsampling": 2}),
        "grey.jpg": (base.convert("L"), jpeg),
        "cmyk.jpg": (base.convert("CMYK"), jpeg),
        "turned.jpg": (base, jpeg | {"exif": turned}),
        "plain.png": (base, {}),
        "palette.png": (base.quantize(16), {"transparency": 0}),
        "one-bit.png": (base.convert("1"), {}),
        "alpha.png": (alpha(base), {}),
        "grey-alpha.png": (alpha(base).convert("LA"), {}),
        "deep-grey.png": (deep_grey(base), {}),
        "one-pixel.png": (Image.new("RGB", (1, 1), (9, 120, 250)), {}),
        "animated.gif": (base, frames),
        "animated.webp": (base, frames | {"lossless": True}),
        "animated.png": (base, frames),
        "lossy.webp": (base, {"quality": 95}),
        "plain.bmp": (base, {}),
        "plain.tif": (base, {"compression": "tiff_lzw"}),
        "plain.ppm": (base, {}),
    }
    with open(TARGET / "expected.csv", "w", newline="") as table:
        rows = csv.writer(table, lineterminator="\n")
        rows.writerow(["name", "width", "height"] + [f"{c}{q}" for q in range(4) for c in "rgb"])
        for name, (image, options) in pictures.items():
            image.save(TARGET / name, **options)
            seen = ImageOps.exif_transpose(Image.open(TARGET / name))
            seen = base.convert("L").convert("RGB") if name == "deep-grey.png" else seen.convert("RGB")
            (width, height), means = seen.size, []
            for top in (0, height // 2):
                for left in (0, width // 2):
                    part = seen.crop((left, top, left + (width + 1) // 2, top + (height + 1) // 2))
                    pixels = [part.getpixel((x, y)) for y in range(part.height) for x in range(part.width)]
                    means += [f"{sum(p[c] for p in pixels) / len(pixels):.1f}" for c in range(3)]
            rows.writerow([name, width, height] + means)


if __name__ == "__main__":
    main()
