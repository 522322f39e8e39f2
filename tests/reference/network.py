"""The evaluation network of cells of any space, for small and for large images, in plain PyTorch.

Module names are chosen so that `state_dict()` has the names that a saved network of the program has. Shapes in the
docstrings: N images, C channels, H by W pixels. Knows nothing of optimisation or data.
"""

import torch
from torch import Tensor, nn

from genotype import CellEdges, Genotype

AUXILIARY_CHANNELS = (128, 768)


class ReluConvBn(nn.Module):
    """ReLU, 1x1 convolution, BN: (N, inputs, H, W) -> (N, outputs, H, W)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.ReLU(), nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


class FactorizedReduce(nn.Module):
    """The stride-2 skip: (N, inputs, H, W) -> (N, outputs, H/2, W/2), for even H, W and outputs.

    Each convolution sees a quarter of the pixels: the even rows and columns, or the odd ones.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.relu = nn.ReLU()
        self.conv1 = nn.Conv2d(inputs, outputs // 2, 1, stride=2, bias=False)
        self.conv2 = nn.Conv2d(inputs, outputs // 2, 1, stride=2, bias=False)
        self.bn = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(x)
        return self.bn(torch.cat([self.conv1(x), self.conv2(x[:, :, 1:, 1:])], dim=1))


class PoolBn(nn.Module):
    """Pooling of kernel x kernel, then BN: (N, C, H, W) -> (N, C, H', W'), for even kernels only halved."""

    def __init__(self, kind: str, channels: int, kernel: int, stride: int) -> None:
        super().__init__()
        padding = (kernel - 1) // 2
        self.pool = (
            nn.MaxPool2d(kernel, stride, padding)
            if kind == "max"
            else nn.AvgPool2d(kernel, stride, padding, count_include_pad=False)
        )
        self.bn = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.bn(self.pool(x))


class DilConv(nn.Module):
    """ReLU, depthwise kernel x kernel, pointwise, BN: (N, C, H, W) -> (N, C, ceil(H/stride), ceil(W/stride))."""

    def __init__(self, channels: int, kernel: int, stride: int, dilation: int) -> None:
        super().__init__()
        padding = dilation * (kernel - 1) // 2
        self.net = nn.Sequential(
            nn.ReLU(),
            nn.Conv2d(channels, channels, kernel, stride, padding, dilation, groups=channels, bias=False),
            nn.Conv2d(channels, channels, 1, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


class SepConv(nn.Module):
    """Two undilated halves, of which only the first strides; shapes as for DilConv."""

    def __init__(self, channels: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.net = nn.Sequential(DilConv(channels, kernel, stride, 1), DilConv(channels, kernel, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


class ReluConv(nn.Module):
    """ReLU, convolutions without anything in between, BN: (N, C, H, W) -> (N, C, ceil(H/stride), ceil(W/stride)).

    The last convolution has the stride.
    """

    def __init__(self, channels: int, kernels: list[tuple[int, int]], stride: int) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.ReLU())
        for place, (height, width) in enumerate(kernels):
            step, padding = stride if place + 1 == len(kernels) else 1, (height // 2, width // 2)
            self.net.append(nn.Conv2d(channels, channels, (height, width), step, padding, bias=False))
        self.net.append(nn.BatchNorm2d(channels))

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


class Zero(nn.Module):
    """`none`: (N, C, H, W) -> zero, which adds to any shape. It has no parameters, but a place among the edges."""

    def forward(self, x: Tensor) -> Tensor:
        return x.new_zeros(())


class DropPath(nn.Module):
    """Zeroes an edge for some images and rescales it for the others: (N, C, H, W) -> the same shape."""

    def __init__(self) -> None:
        super().__init__()
        self.probability = 0.0

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.probability == 0.0:
            return x
        keep = 1.0 - self.probability
        return x * (x.new_empty(x.shape[0], 1, 1, 1).bernoulli_(keep) / keep)


def make_edge(operation: str, channels: int, stride: int) -> nn.Sequential:
    """An edge: its operation at index 0 and, unless it is an identity or `none`, drop path at index 1."""
    if operation == "skip_connect":
        if stride == 1:
            return nn.Sequential(nn.Identity())
        return nn.Sequential(FactorizedReduce(channels, channels), DropPath())
    if operation == "none":
        return nn.Sequential(Zero())
    family, _, size = operation.rpartition("_")
    kernel = int(size[-1])
    if family == "sep_conv":
        return nn.Sequential(SepConv(channels, kernel, stride), DropPath())
    if family == "dil_conv":
        return nn.Sequential(DilConv(channels, kernel, stride, 2), DropPath())
    if family == "conv":
        return nn.Sequential(ReluConv(channels, [(kernel, kernel)], stride), DropPath())
    if operation.startswith("conv_"):
        return nn.Sequential(ReluConv(channels, [(1, kernel), (kernel, 1)], stride), DropPath())
    return nn.Sequential(PoolBn(family[:3], channels, kernel, stride), DropPath())


class Cell(nn.Module):
    """Nodes over two inputs; the output is (N, len(concat) * channels, H', W'), halved when `reduction`."""

    def __init__(
        self,
        edges: CellEdges,
        concat: list[int],
        inputs: tuple[int, int],
        channels: int,
        reduction: bool,
        after_reduction: bool,
    ) -> None:
        super().__init__()
        self.stride = 2 if reduction else 1
        self.preproc0 = FactorizedReduce(inputs[0], channels) if after_reduction else ReluConvBn(inputs[0], channels)
        self.preproc1 = ReluConvBn(inputs[1], channels)
        self.concat = concat
        self.sources = [[source for _, source in node] for node in edges]
        self.dag = nn.ModuleList(
            nn.ModuleList(
                make_edge(operation, channels, self.stride if source < 2 else 1) for operation, source in node
            )
            for node in edges
        )

    def forward(self, input0: Tensor, input1: Tensor) -> Tensor:
        states = [self.preproc0(input0), self.preproc1(input1)]
        n, c, h, w = states[1].shape
        node_shape = (n, c, -(-h // self.stride), -(-w // self.stride))
        for edges, sources in zip(self.dag, self.sources, strict=True):
            node = states[1].new_zeros(node_shape)
            for edge, source in zip(edges, sources, strict=True):
                node = node + edge(states[source])
            states.append(node)
        return torch.cat([states[state] for state in self.concat], dim=1)


class AuxiliaryHead(nn.Module):
    """Class scores from an intermediate map: (N, inputs, size, size) -> (N, classes).

    For large images nothing is normalised behind the second convolution.
    """

    def __init__(self, inputs: int, size: int, classes: int, large: bool) -> None:
        super().__init__()
        hidden, features = AUXILIARY_CHANNELS
        pool = nn.AvgPool2d(5, size - 5, count_include_pad=False) if size in (7, 8) else nn.AdaptiveAvgPool2d(2)
        self.net = nn.Sequential(
            nn.ReLU(),
            pool,
            nn.Conv2d(inputs, hidden, 1, bias=False),
            nn.BatchNorm2d(hidden),
            nn.ReLU(),
            nn.Conv2d(hidden, features, 2, bias=False),
            nn.Identity() if large else nn.BatchNorm2d(features),
            nn.ReLU(),
        )
        self.linear = nn.Linear(features, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(self.net(x).flatten(1))


class Network(nn.Module):
    """Stem, cells, pooled linear classifier: (N, input_channels, image_size, image_size) -> (N, classes).

    For large images there are two stems, which halve the image three times: the first is read by the first cell only,
    as the cell before the previous one.
    """

    def __init__(
        self,
        genotype: Genotype,
        layers: int,
        channels: int,
        image_size: int,
        input_channels: int = 3,
        classes: int = 10,
        large: bool = False,
    ) -> None:
        super().__init__()
        self.large = large
        stem_channels, size = (channels, image_size) if large else (3 * channels, image_size)
        if large:
            self.stem0 = nn.Sequential(
                nn.Conv2d(input_channels, channels // 2, 3, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(channels // 2),
                nn.ReLU(),
                nn.Conv2d(channels // 2, channels, 3, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(channels),
            )
            self.stem1 = nn.Sequential(
                nn.ReLU(), nn.Conv2d(channels, channels, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(channels)
            )
            for _ in range(3):
                size = -(-size // 2)
        else:
            self.stem = nn.Sequential(
                nn.Conv2d(input_channels, stem_channels, 3, padding=1, bias=False), nn.BatchNorm2d(stem_channels)
            )
        self.auxiliary_at = 2 * layers // 3
        self.cells = nn.ModuleList()
        inputs, after_reduction = (stem_channels, stem_channels), large
        for index in range(layers):
            reduction = index in (layers // 3, 2 * layers // 3)
            if reduction:
                channels, size = 2 * channels, -(-size // 2)
            edges = genotype.reduce if reduction else genotype.normal
            concat = genotype.reduce_concat if reduction else genotype.normal_concat
            self.cells.append(Cell(edges, concat, inputs, channels, reduction, after_reduction))
            inputs, after_reduction = (inputs[1], len(concat) * channels), reduction
            if index == self.auxiliary_at:
                self.aux_head = AuxiliaryHead(inputs[1], size, classes, large)
        self.linear = nn.Linear(inputs[1], classes)

    def set_drop_path(self, probability: float) -> None:
        """Drop each edge of each image with this probability during training."""
        for module in self.modules():
            if isinstance(module, DropPath):
                module.probability = probability

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """Scores (N, classes) of the classifier and, in training only, of the auxiliary head."""
        if self.large:
            state0 = self.stem0(x)
            state1 = self.stem1(state0)
        else:
            state0 = state1 = self.stem(x)
        auxiliary = None
        for index, cell in enumerate(self.cells):
            state0, state1 = state1, cell(state0, state1)
            if self.training and index == self.auxiliary_at:
                auxiliary = self.aux_head(state1)
        return self.linear(state1.mean(dim=(2, 3))), auxiliary


def count_parameters(network: nn.Module, auxiliary: bool) -> int:
    """Trained numbers, with or without those of the auxiliary head."""
    return sum(p.numel() for name, p in network.named_parameters() if auxiliary or not name.startswith("aux_head."))


def count_mult_adds(network: nn.Module, input_channels: int, image_size: int) -> int:
    """Multiply-adds of all convolutions and the linear layer for one image in evaluation."""
    total = 0

    def add(module: nn.Module, _: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        total += output[0].numel() * module.weight[0].numel()

    layers = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    handles = [layer.register_forward_hook(add) for layer in layers]
    was_training = network.training
    with torch.no_grad():
        network.eval()(next(network.parameters()).new_zeros(1, input_channels, image_size, image_size))
    network.train(was_training)
    for handle in handles:
        handle.remove()
    return total
