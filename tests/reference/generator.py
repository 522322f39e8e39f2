"""Numbers that any language reproduces bit for bit, so that goldens need not store weights or images.

A stream is named by text. Element i of stream `name` is the 64-bit word

    z = mix(fnv1a64(utf8(name)) + (i + 1) * 0x9E3779B97F4A7C15)            all modulo 2^64

where mix is SplitMix64's finaliser (z ^= z >> 30; z *= 0xBF58476D1CE4E5B9; z ^= z >> 27; z *= 0x94D049BB133111EB;
z ^= z >> 31) and fnv1a64 starts at 0xCBF29CE484222325 and, per byte, xors it in and multiplies by 0x100000001B3.

    symmetric  s = (z >> 40) / 2^23 - 1, in [-1, 1), exact in binary64
    uniform    float32(centre + half * s): the product, then the sum, rounded in binary64, then once to binary32
    byte       z >> 56
    label      (z >> 40) mod classes
    sign       +1 when z < 2^63, else -1
"""

import numpy as np
from numpy.typing import NDArray

_GAMMA = np.uint64(0x9E3779B97F4A7C15)


def words(name: str, count: int) -> NDArray[np.uint64]:
    """The first `count` words of a stream."""
    seed = 0xCBF29CE484222325
    for byte in name.encode():
        seed = (seed ^ byte) * 0x100000001B3 % 2**64
    z = np.uint64(seed) + np.arange(1, count + 1, dtype=np.uint64) * _GAMMA
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def uniform(name: str, shape: tuple[int, ...], centre: float, half: float) -> NDArray[np.float32]:
    """An array of `shape`, row-major, in [centre - half, centre + half)."""
    top = (words(name, int(np.prod(shape))) >> np.uint64(40)).astype(np.float64)
    return (centre + half * (top / 2.0**23 - 1.0)).astype(np.float32).reshape(shape)


def pixels(name: str, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """8-bit pixels of `shape`, row-major."""
    return (words(name, int(np.prod(shape))) >> np.uint64(56)).astype(np.uint8).reshape(shape)


def labels(name: str, count: int, classes: int) -> NDArray[np.int64]:
    """Class indices (count,)."""
    return ((words(name, count) >> np.uint64(40)) % np.uint64(classes)).astype(np.int64)


def signs(count: int) -> NDArray[np.float64]:
    """The vector of +1 and -1 (count,) that summaries are multiplied with: stream `signs`."""
    return np.where(words("signs", count) >> np.uint64(63), -1.0, 1.0)
