"""A classifier of the blocks that are known for kernels of other shapes and for groups, in plain PyTorch.

Inception's branch of a row and a column (Szegedy et al., 2016), ResNeXt's grouped bottleneck (Xie et al., 2017) and
ShuffleNet's unit of grouped 1x1 convolutions (Zhang et al., 2018). Module names are chosen so that `state_dict()` has the
names that tests/tests/parity/convolutions.rs gives to the builder.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from handmade import Classifier, ConvBn, DepthwiseBn


class Inception(nn.Module):
    """1x1 beside 1x1, 1x7 and 7x1, concatenated: (N, C, H, W) -> (N, one + many, H, W)."""

    def __init__(self, inputs: int, one: int, hidden: int, many: int) -> None:
        super().__init__()
        self.one = ConvBn(inputs, one, 1)
        self.reduce = ConvBn(inputs, hidden, 1)
        self.row = ConvBn(hidden, hidden, (1, 7))
        self.column = ConvBn(hidden, many, (7, 1))

    def forward(self, x: Tensor) -> Tensor:
        factorised = self.column(relu(self.row(relu(self.reduce(x)))))
        return relu(torch.cat([self.one(x), factorised], dim=1))


class ResNeXt(nn.Module):
    """1x1, 3x3 in groups and 1x1 beside a shortcut, a 1x1 convolution where shapes differ."""

    def __init__(self, inputs: int, hidden: int, channels: int, groups: int, stride: int) -> None:
        super().__init__()
        self.reduce = ConvBn(inputs, hidden, 1)
        self.grouped = ConvBn(hidden, hidden, 3, stride, groups)
        self.expand = ConvBn(hidden, channels, 1)
        self.shortcut = nn.Identity()
        if stride != 1 or inputs != channels:
            self.shortcut = ConvBn(inputs, channels, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        return relu(self.expand(relu(self.grouped(relu(self.reduce(x))))) + self.shortcut(x))


class Shuffle(nn.Module):
    """1x1 in groups, a shuffle, 3x3 depthwise and 1x1 in groups beside a shortcut: (N, C, H, W) -> (N, C, H, W)."""

    def __init__(self, channels: int, hidden: int, groups: int) -> None:
        super().__init__()
        self.groups = groups
        self.reduce = ConvBn(channels, hidden, 1, groups=groups)
        self.depthwise = DepthwiseBn(hidden, 1)
        self.expand = ConvBn(hidden, channels, 1, groups=groups)

    def forward(self, x: Tensor) -> Tensor:
        hidden = relu(self.reduce(x)).unflatten(1, (self.groups, -1)).transpose(1, 2).flatten(1, 2)
        return relu(self.expand(self.depthwise(hidden)) + x)


class Convolutions(Classifier):
    """A stem and the blocks one after the other; the map is halved before the second grouped one."""

    def __init__(self, inputs: int, classes: int) -> None:
        super().__init__(24, classes)
        self.stem = ConvBn(inputs, 8, 3)
        self.blocks = nn.Sequential(
            Inception(8, one=6, hidden=6, many=10),
            ResNeXt(16, hidden=12, channels=16, groups=4, stride=1),
            ResNeXt(16, hidden=16, channels=24, groups=2, stride=2),
            Shuffle(24, hidden=12, groups=3),
        )

    def features(self, x: Tensor) -> Tensor:
        return self.blocks(relu(self.stem(x)))
