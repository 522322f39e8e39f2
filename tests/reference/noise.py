"""Noise of mixtures whose weights are drawn, the numbers of the program: kernels/src/rng.rs and ops/mixture.

The generator is pcg4d (Jarzynski and Olano, "Hash Functions for GPU Rendering", JCGT 2020).
"""

import numpy as np
import torch
from torch import Tensor

MASK = 0xFFFFFFFF
PURPOSE = 7
"""That of noise of mixtures."""


def pcg4d(v: list[int]) -> list[int]:
    """Four random words for four words."""
    v = [(word * 1664525 + 1013904223) & MASK for word in v]

    def mix() -> None:
        for to, left, right in ((0, 1, 3), (1, 2, 0), (2, 0, 1), (3, 1, 2)):
            v[to] = (v[to] + v[left] * v[right]) & MASK

    mix()
    v = [word ^ (word >> 16) for word in v]
    mix()
    return v


def gumbel(shape: tuple[int, int], *, seed: int, mixture: int, epoch: int, image: int) -> Tensor:
    """Noise of Gumbel's distribution for a mixture's numbers and a batch that begins with `image`: `shape`, binary64."""
    words = [
        pcg4d(
            [
                (seed & MASK) ^ (PURPOSE * 0x9E3779B9 & MASK),
                (seed >> 32) ^ ((mixture << 16 | number) * 0x85EBCA6B & MASK),
                epoch,
                image,
            ]
        )[0]
        for number in range(shape[0] * shape[1])
    ]
    uniform = (np.array([word >> 9 for word in words], dtype=np.float64) + 0.5) / 2.0**23
    return torch.from_numpy(-np.log(-np.log1p(-uniform))).reshape(shape)
