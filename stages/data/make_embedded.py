#!/usr/bin/env python3
"""Makes the embedded images: a class-balanced subset of Fashion-MNIST in IDX layout, gzip.

    apt-get install dataset-fashion-mnist
    python3 stages/data/make_embedded.py [FOLDER OF THE FOUR IDX FILES]

Takes the first 500 training and the first 100 test images of each class, and writes them class by class in
turn, so that every prefix of the subset is balanced too. The output depends on the input only (gzip header
without time and name), apart from the zlib version.
"""

import gzip
import pathlib
import struct
import sys

SOURCE = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "/usr/share/datasets/fashion-mnist")
TARGET = pathlib.Path(__file__).parent
CLASSES = 10


def payload(name, header_bytes):
    return gzip.decompress((SOURCE / f"{name}.gz").read_bytes())[header_bytes:]


def write(name, dimensions, content):
    header = bytes([0, 0, 8, len(dimensions)]) + b"".join(struct.pack(">I", size) for size in dimensions)
    (TARGET / name).write_bytes(gzip.compress(header + content, compresslevel=9, mtime=0))


for source, target, per_class in (("train", "train", 500), ("t10k", "test", 100)):
    images = payload(f"{source}-images-idx3-ubyte", 16)
    labels = payload(f"{source}-labels-idx1-ubyte", 8)
    of_class = [[i for i, label in enumerate(labels) if label == c][:per_class] for c in range(CLASSES)]
    chosen = [of_class[c][turn] for turn in range(per_class) for c in range(CLASSES)]
    pixels = b"".join(images[784 * i : 784 * (i + 1)] for i in chosen)
    write(f"{target}-images.idx.gz", (len(chosen), 28, 28), pixels)
    write(f"{target}-labels.idx.gz", (len(chosen),), bytes(labels[i] for i in chosen))
