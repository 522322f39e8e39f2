"""Noise of mixtures whose weights are drawn, and of drop path: kernels/src/rng.rs, ops/mixture and ops/drop_path.

The generator is pcg4d (Jarzynski and Olano, "Hash Functions for GPU Rendering", JCGT 2020).
"""

import math
from dataclasses import dataclass
from typing import Any

import mpmath
import numpy as np
import torch
from torch import Tensor

MASK = 0xFFFFFFFF
DROP_PATH, MIXTURE = 5, 7
"""What words are for."""


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


def random(seed: int, purpose: int, sub: int, a: int, b: int) -> list[int]:
    """Four random words for a counter."""
    first = (seed & MASK) ^ (purpose * 0x9E3779B9 & MASK)
    return pcg4d([first, (seed >> 32) ^ (sub * 0x85EBCA6B & MASK), a, b])


def drop_path(probability: float, edge: int, epoch: int, images: range) -> Tensor:
    """What drop path multiplies an edge by, for each image: 0, or 1 / keep probability (N, 1, 1, 1), binary64."""
    words = [random(0, DROP_PATH, edge, epoch, image)[0] for image in images]
    kept = torch.tensor([(word >> 8) / 2.0**24 >= probability for word in words])
    return (kept.double() / (1 - probability)).reshape(-1, 1, 1, 1)


@dataclass(frozen=True)
class Drawn:
    """What is drawn for: a mixture and a batch that begins with `image`."""

    seed: int
    mixture: int
    epoch: int
    image: int

    def uniform(self, place: int) -> list[float]:
        """Four uniform numbers for a place of the mixture."""
        words = random(self.seed, MIXTURE, self.mixture << 16 | place, self.epoch, self.image)
        return [((word >> 9) + 0.5) / 2.0**23 for word in words]


def gumbel(shape: tuple[int, int], drawn: Drawn) -> Tensor:
    """Noise of Gumbel's distribution for a mixture's numbers: `shape`, binary64."""
    uniform = np.array([drawn.uniform(number)[0] for number in range(shape[0] * shape[1])])
    return torch.from_numpy(-np.log(-np.log1p(-uniform))).reshape(shape)


class GammaDraw(torch.autograd.Function):
    """Draws of Gamma distributions of these shapes with the implicit gradient (Figurnov, Mohamed and Mnih, 2018)."""

    @staticmethod
    def forward(ctx: Any, shapes: Tensor, drawn: Drawn) -> Tensor:
        values = [gamma(shape, number, drawn) for number, shape in enumerate(shapes.flatten().tolist())]
        ctx.slopes = [slope(shape, value) for shape, value in zip(shapes.flatten().tolist(), values, strict=True)]
        return torch.tensor(values, dtype=torch.float64).reshape(shapes.shape)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient * torch.tensor(ctx.slopes, dtype=torch.float64).reshape(gradient.shape), None


def gamma(shape: float, number: int, drawn: Drawn) -> float:
    """A draw for a number of a mixture (Marsaglia and Tsang, 2000)."""
    d = (shape + 1 if shape < 1 else shape) - 1 / 3
    for attempt in range(16):
        radius, angle, accepted, lower = drawn.uniform(number << 4 | attempt)
        normal = math.sqrt(-2 * math.log(radius)) * math.cos(2 * math.pi * angle)
        v = (1 + normal / math.sqrt(9 * d)) ** 3
        if v > 0 and math.log(accepted) < normal**2 / 2 + d - d * v + d * math.log(v):
            return d * v * (lower ** (1 / shape) if shape < 1 else 1)
    raise ArithmeticError("no try was accepted")


def slope(shape: float, x: float) -> float:
    """How a draw x changes with its shape: minus the distribution function's derivative by the shape over the density."""
    with mpmath.workdps(30):
        upper = mpmath.diff(lambda a: mpmath.gammainc(a, x, mpmath.inf, regularized=True), shape)
        density = mpmath.mpf(x) ** (shape - 1) * mpmath.exp(-x) / mpmath.gamma(shape)
        return float(upper / density)
