"""A supernet in plain PyTorch: two cells whose edges are mixtures of all operations (Liu et al., 2019, DARTS, Eq. 2).

It follows the description in the paper: BN without scale and shift, weights that all cells of a kind share. Module names
are chosen so that `state_dict()` has the names that tests/tests/parity/supernet.rs gives to the builder.
"""

import torch
from torch import Tensor, nn
from torch.distributions import Dirichlet, kl_divergence
from torch.nn.functional import avg_pool2d, elu, max_pool2d, one_hot, relu

from handmade import Classifier
from noise import Drawn, GammaDraw, gumbel

NODES = 2
EDGES = sum(2 + node for node in range(NODES))


def norm(channels: int) -> nn.BatchNorm2d:
    """BN that has running statistics only."""
    return nn.BatchNorm2d(channels, affine=False)


class Pool(nn.Module):
    """3x3 pooling, then BN: (N, C, H, W) -> (N, C, H', W')."""

    def __init__(self, channels: int, stride: int, *, largest: bool) -> None:
        super().__init__()
        self.stride, self.largest = stride, largest
        self.bn = norm(channels)

    def forward(self, x: Tensor) -> Tensor:
        if self.largest:
            return self.bn(max_pool2d(x, 3, self.stride, padding=1))
        return self.bn(avg_pool2d(x, 3, self.stride, padding=1, count_include_pad=False))


class FactorizedReduce(nn.Module):
    """ReLU, two 1x1 convolutions of stride 2 on pixels apart by one, then BN: (N, C, H, W) -> (N, C, H/2, W/2)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels // 2, 1, 2, bias=False)
        self.second = nn.Conv2d(channels, channels // 2, 1, 2, bias=False)
        self.bn = norm(channels)

    def forward(self, x: Tensor) -> Tensor:
        x = relu(x)
        return self.bn(torch.cat([self.first(x), self.second(x[:, :, 1:, 1:])], dim=1))


class Separable(nn.Module):
    """ReLU, depthwise and pointwise convolution, then BN: (N, C, H, W) -> (N, C, H', W')."""

    def __init__(self, channels: int, kernel: int, stride: int, dilation: int) -> None:
        super().__init__()
        padding = dilation * (kernel - 1) // 2
        self.depthwise = nn.Conv2d(channels, channels, kernel, stride, padding, dilation, groups=channels, bias=False)
        self.pointwise = nn.Conv2d(channels, channels, 1, bias=False)
        self.bn = norm(channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.bn(self.pointwise(self.depthwise(relu(x))))


class Mixed(nn.Module):
    """All operations but `none`, which adds nothing and has the first weight: (N, C, H, W) -> (N, C, H', W')."""

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        self.max = Pool(channels, stride, largest=True)
        self.average = Pool(channels, stride, largest=False)
        self.skip = nn.Identity() if stride == 1 else FactorizedReduce(channels)
        for kernel in (3, 5):
            twice = (Separable(channels, kernel, stride, 1), Separable(channels, kernel, 1, 1))
            self.add_module(f"sep{kernel}", nn.Sequential(*twice))
        for kernel in (3, 5):
            self.add_module(f"dil{kernel}", Separable(channels, kernel, stride, 2))
        self.skip_scale: Tensor | float = 1.0
        """What the skip connection is multiplied by, for each image (Chen et al., 2019, P-DARTS)."""

    def forward(self, x: Tensor, weights: Tensor) -> Tensor:
        scales = [self.skip_scale if operation is self.skip else 1.0 for operation in self.children()]
        terms = zip(weights[1:], scales, self.children(), strict=True)
        return sum(weight * scale * operation(x) for weight, scale, operation in terms)


class Preprocess(nn.Module):
    """ReLU, 1x1 convolution, then BN: (N, inputs, H, W) -> (N, outputs, H, W)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 1, bias=False)
        self.bn = norm(outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.bn(self.conv(relu(x)))


class Cell(nn.Module):
    """Nodes that sum an edge from each of the two inputs and each node before; concatenated."""

    def __init__(self, inputs: tuple[int, int], channels: int, *, reduction: bool) -> None:
        super().__init__()
        self.pre0, self.pre1 = (Preprocess(width, channels) for width in inputs)
        self.edges = nn.ModuleList(
            Mixed(channels, 2 if reduction and source < 2 else 1) for node in range(NODES) for source in range(2 + node)
        )

    def forward(self, s0: Tensor, s1: Tensor, weights: Tensor) -> Tensor:
        states = [self.pre0(s0), self.pre1(s1)]
        edge = 0
        for node in range(NODES):
            read = range(edge, edge + 2 + node)
            states.append(sum(self.edges[e](states[e - edge], weights[e]) for e in read))
            edge += 2 + node
        return torch.cat(states[2:], dim=1)


class Mixture(nn.Module):
    """The numbers whose softmax weighs the operations of each edge.

    Weights may be drawn: `concrete`, softmax((α + noise) / temperature) (Xie et al., 2019, SNAS); `one-hot`, 1 for the
    largest of a row, which alone has a gradient, that of the softmax (Dong and Yang, 2019, GDAS); `dirichlet`, of
    concentrations elu(α) + 1 (Chen et al., 2021, DrNAS).
    """

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(EDGES, 8))
        self.draw, self.drawn, self.temperature = "", Drawn(0, 0, 0, 0), 1.0

    def forward(self) -> Tensor:
        if not self.draw:
            return self.weight.softmax(dim=1)
        if self.draw == "dirichlet":
            values = GammaDraw.apply(self.concentrations(), self.drawn)
            return (values / values.sum(dim=1, keepdim=True)).to(self.weight)
        noise = gumbel(tuple(self.weight.shape), self.drawn)
        soft = ((self.weight + noise) / self.temperature).softmax(dim=1)
        if self.draw == "concrete":
            return soft
        hard = one_hot(soft.argmax(dim=1), soft.shape[1]).to(soft)
        return hard * (1 + soft - soft.detach())

    def concentrations(self) -> Tensor:
        return elu(self.weight) + 1

    def divergence(self) -> Tensor:
        """That of the Dirichlet distributions from uniform ones, summed."""
        shapes = self.concentrations()
        return kl_divergence(Dirichlet(shapes), Dirichlet(torch.ones_like(shapes))).sum()


class Supernet(Classifier):
    """A normal cell and a reduction cell behind a stem."""

    CHANNELS = 4

    def __init__(self, inputs: int, classes: int) -> None:
        width, wide = self.CHANNELS, NODES * self.CHANNELS
        super().__init__(wide, classes)
        self.stem = nn.Conv2d(inputs, width, 3, padding=1, bias=False)
        self.stem_bn = norm(width)
        self.normal, self.reduce = Mixture(), Mixture()
        self.cells = nn.ModuleList(
            [
                Cell((width, width), width, reduction=False),
                Cell((width, wide), width, reduction=True),
            ]
        )

    def features(self, x: Tensor) -> Tensor:
        stem = self.stem_bn(self.stem(x))
        first = self.cells[0](stem, stem, self.normal())
        return self.cells[1](stem, first, self.reduce())
