"""Supernets that are searched, in plain PyTorch: cells whose 14 edges are mixtures of all operations.

`Supernet` follows Liu et al., 2019, DARTS, Eq. 2; with `channel_parts` one of so many channels goes through the
mixtures, and the edges of a node are weighed too (Xu et al., 2020, PC-DARTS, Eq. 2 and 3). BN has no scale and shift.
Module names are those of the program's network.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import channel_shuffle, max_pool2d

from network import FactorizedReduce, ReluConvBn, make_edge

OPERATIONS = (
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_conv_3x3",
    "dil_conv_5x5",
)
CHOICES = len(OPERATIONS) + 1
NODES = 4
EDGES = sum(2 + node for node in range(NODES))


class Edge(nn.ModuleDict):
    """All operations but `none`, which adds nothing and has the last weight: (N, C, H, W) -> (N, C, H', W')."""

    def __init__(self, channels: int, stride: int, channel_parts: int) -> None:
        self.stride, self.parts = stride, channel_parts
        super().__init__({name: make_edge(name, channels // channel_parts, stride)[0] for name in OPERATIONS})

    def forward(self, x: Tensor, weights: Tensor) -> Tensor:
        part = x.shape[1] // self.parts
        mixed = sum(weight * operation(x[:, :part]) for weight, operation in zip(weights, self.values(), strict=False))
        if self.parts == 1:
            return mixed
        rest = x[:, part:] if self.stride == 1 else max_pool2d(x[:, part:], 2, 2)
        return channel_shuffle(torch.cat([mixed, rest], dim=1), self.parts)


class Cell(nn.Module):
    """Nodes that sum an edge from each of the two inputs and each node before; concatenated."""

    def __init__(self, inputs: tuple[int, int], channels: int, parts: int, *, halves: bool, behind: bool) -> None:
        super().__init__()
        self.preproc0 = (FactorizedReduce if behind else ReluConvBn)(inputs[0], channels)
        self.preproc1 = ReluConvBn(inputs[1], channels)
        self.edges = nn.ModuleList(
            Edge(channels, 2 if halves and source < 2 else 1, parts)
            for node in range(NODES)
            for source in range(2 + node)
        )

    def forward(self, s0: Tensor, s1: Tensor, weights: Tensor, betas: list[Tensor] | None) -> Tensor:
        states = [self.preproc0(s0), self.preproc1(s1)]
        first = 0
        for node in range(NODES):
            read = [self.edges[first + i](state, weights[first + i]) for i, state in enumerate(states)]
            shares = torch.ones(len(read)) if betas is None else betas[node][0]
            states.append(sum(share * value for share, value in zip(shares, read, strict=True)))
            first += 2 + node
        return torch.cat(states[2:], dim=1)


class Supernet(nn.Module):
    """Stem, cells, pooled linear classifier: (N, inputs, H, W) -> (N, classes)."""

    def __init__(self, layers: int, channels: int, inputs: int, classes: int, channel_parts: int = 1) -> None:
        super().__init__()
        self.alphas_normal, self.alphas_reduce = (nn.Parameter(torch.zeros(EDGES, CHOICES)) for _ in range(2))
        self.weighs = channel_parts > 1
        if self.weighs:
            self.betas_normal, self.betas_reduce = (
                nn.ParameterList(nn.Parameter(torch.zeros(1, 2 + node)) for node in range(NODES)) for _ in range(2)
            )
        width = 3 * channels
        self.stem = nn.Sequential(nn.Conv2d(inputs, width, 3, padding=1, bias=False), nn.BatchNorm2d(width))
        self.cells, self.halving = nn.ModuleList(), [layer in (layers // 3, 2 * layers // 3) for layer in range(layers)]
        widths, behind = (width, width), False
        for halves in self.halving:
            channels *= 2 if halves else 1
            self.cells.append(Cell(widths, channels, channel_parts, halves=halves, behind=behind))
            widths, behind = (widths[1], NODES * channels), halves
        self.linear = nn.Linear(widths[1], classes)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.affine, module.weight, module.bias = False, None, None

    def forward(self, x: Tensor) -> tuple[Tensor, None]:
        """Scores (N, classes), and those of an auxiliary head, which it has not."""
        s0 = s1 = self.stem(x)
        for halves, cell in zip(self.halving, self.cells, strict=True):
            weights = (self.alphas_reduce if halves else self.alphas_normal).softmax(dim=1)
            betas = None
            if self.weighs:
                betas = [beta.softmax(dim=1) for beta in (self.betas_reduce if halves else self.betas_normal)]
            s0, s1 = s1, cell(s0, s1, weights, betas)
        return self.linear(s1.mean(dim=(2, 3))), None
