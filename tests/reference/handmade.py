"""Six published image classifiers in plain PyTorch, narrow and small, to hold networks against that a person builds.

They follow the descriptions in the papers. Module names are chosen so that `state_dict()` has the names that
tests/tests/parity/handmade.rs gives to the builder. Shapes in the docstrings: N images, C channels, H by W pixels.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, max_pool2d, relu, relu6


class ConvBn(nn.Module):
    """Convolution that keeps the size but for its stride, then BN: (N, inputs, H, W) -> (N, outputs, H', W')."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int | tuple[int, int], stride: int = 1, groups: int = 1
    ) -> None:
        super().__init__()
        height, width = (kernel, kernel) if isinstance(kernel, int) else kernel
        padding = (height // 2, width // 2)
        self.conv = nn.Conv2d(inputs, outputs, (height, width), stride, padding, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.bn(self.conv(x))


class DepthwiseBn(nn.Module):
    """3x3 depthwise convolution, then BN: (N, C, H, W) -> (N, C, H', W')."""

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride, padding=1, groups=channels, bias=False)
        self.bn = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.bn(self.conv(x))


class Classifier(nn.Module):
    """Linear classifier of the mean over all pixels of `features`."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.linear = nn.Linear(channels, classes)

    def features(self, x: Tensor) -> Tensor:
        """The map that is classified: (N, inputs, H, W) -> (N, channels, H', W')."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> tuple[Tensor, None]:
        """Scores (N, classes), and those of an auxiliary head, which these networks have not."""
        return self.linear(self.features(x).mean(dim=(2, 3))), None


class Residual(nn.Module):
    """Two 3x3 convolutions beside a shortcut, a 1x1 convolution where shapes differ (He et al., 2016)."""

    def __init__(self, inputs: int, channels: int, stride: int) -> None:
        super().__init__()
        self.first = ConvBn(inputs, channels, 3, stride)
        self.second = ConvBn(channels, channels, 3)
        self.shortcut = nn.Identity()
        if stride != 1 or inputs != channels:
            self.shortcut = ConvBn(inputs, channels, 1, stride)

    def scale(self, x: Tensor) -> Tensor:
        """What is done to the convolutions' result."""
        return x

    def forward(self, x: Tensor) -> Tensor:
        return relu(self.scale(self.second(relu(self.first(x)))) + self.shortcut(x))


class ResNet18(Classifier):
    """Two blocks at each of four widths behind the stem for large images (He et al., 2016)."""

    WIDTHS = (8, 12, 16, 24)

    def __init__(self, inputs: int, classes: int) -> None:
        super().__init__(self.WIDTHS[-1], classes)
        self.stem = ConvBn(inputs, self.WIDTHS[0], 7, 2)
        self.blocks = nn.Sequential()
        read = self.WIDTHS[0]
        for stage, channels in enumerate(self.WIDTHS):
            self.blocks.append(Residual(read, channels, 1 if stage == 0 else 2))
            self.blocks.append(Residual(channels, channels, 1))
            read = channels

    def features(self, x: Tensor) -> Tensor:
        return self.blocks(max_pool2d(relu(self.stem(x)), 3, 2, padding=1))


class SqueezeExcitation(Residual):
    """A residual block whose channels are weighted by what all of them say of the image (Hu et al., 2018)."""

    REDUCTION = 4

    def __init__(self, inputs: int, channels: int, stride: int) -> None:
        super().__init__(inputs, channels, stride)
        self.squeeze = nn.Linear(channels, channels // self.REDUCTION)
        self.excite = nn.Linear(channels // self.REDUCTION, channels)

    def scale(self, x: Tensor) -> Tensor:
        weights = torch.sigmoid(self.excite(relu(self.squeeze(x.mean(dim=(2, 3))))))
        return x * weights[:, :, None, None]


class SeResNet(Classifier):
    """Two blocks at each of three widths behind the stem for small images (Hu et al., 2018)."""

    WIDTHS = (8, 16, 24)

    def __init__(self, inputs: int, classes: int) -> None:
        super().__init__(self.WIDTHS[-1], classes)
        self.stem = ConvBn(inputs, self.WIDTHS[0], 3)
        self.blocks = nn.Sequential()
        read = self.WIDTHS[0]
        for stage, channels in enumerate(self.WIDTHS):
            self.blocks.append(SqueezeExcitation(read, channels, 1 if stage == 0 else 2))
            self.blocks.append(SqueezeExcitation(channels, channels, 1))
            read = channels

    def features(self, x: Tensor) -> Tensor:
        return self.blocks(relu(self.stem(x)))


class DenseLayer(nn.Module):
    """BN, ReLU, 1x1 bottleneck, BN, ReLU, 3x3 convolution, behind what was read: (N, C, H, W) -> (N, C + growth, H, W)."""

    def __init__(self, inputs: int, growth: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, 4 * growth, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(4 * growth)
        self.conv2 = nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, self.conv2(relu(self.bn2(self.conv1(relu(self.bn1(x))))))], dim=1)


class Transition(nn.Module):
    """BN, ReLU, a 1x1 convolution to half the channels, 2x2 averages: (N, C, H, W) -> (N, C/2, H/2, W/2)."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.bn = nn.BatchNorm2d(inputs)
        self.conv = nn.Conv2d(inputs, inputs // 2, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return avg_pool2d(self.conv(relu(self.bn(x))), 2)


class DenseNet(Classifier):
    """DenseNet-BC: three blocks of three layers, the channels halved in between (Huang et al., 2017)."""

    GROWTH, BLOCKS, LAYERS = 6, 3, 3

    def __init__(self, inputs: int, classes: int) -> None:
        channels, layers = 2 * self.GROWTH, []
        for block in range(self.BLOCKS):
            if block > 0:
                layers.append(Transition(channels))
                channels //= 2
            for _ in range(self.LAYERS):
                layers.append(DenseLayer(channels, self.GROWTH))
                channels += self.GROWTH
        super().__init__(channels, classes)
        self.stem = nn.Conv2d(inputs, 2 * self.GROWTH, 3, padding=1, bias=False)
        self.layers = nn.Sequential(*layers)
        self.bn = nn.BatchNorm2d(channels)

    def features(self, x: Tensor) -> Tensor:
        return relu(self.bn(self.layers(self.stem(x))))


class InvertedResidual(nn.Module):
    """Expansion, depthwise convolution, linear projection, and a shortcut where shapes allow it (Sandler et al., 2018)."""

    def __init__(self, inputs: int, channels: int, expansion: int, stride: int) -> None:
        super().__init__()
        hidden = expansion * inputs
        self.expand = ConvBn(inputs, hidden, 1) if expansion > 1 else None
        self.depthwise = DepthwiseBn(hidden, stride)
        self.project = ConvBn(hidden, channels, 1)
        self.has_shortcut = stride == 1 and inputs == channels

    def forward(self, x: Tensor) -> Tensor:
        hidden = x if self.expand is None else relu6(self.expand(x))
        projected = self.project(relu6(self.depthwise(hidden)))
        return x + projected if self.has_shortcut else projected


class MobileNetV2(Classifier):
    """A stem and five inverted residuals for small images (Sandler et al., 2018)."""

    STEM, LAST = 8, 32
    BLOCKS = ((8, 1, 1), (12, 6, 2), (12, 6, 1), (16, 6, 2), (16, 6, 1))
    """Channels, expansion and stride of each block."""

    def __init__(self, inputs: int, classes: int) -> None:
        super().__init__(self.LAST, classes)
        self.stem = ConvBn(inputs, self.STEM, 3)
        self.blocks = nn.Sequential()
        read = self.STEM
        for channels, expansion, stride in self.BLOCKS:
            self.blocks.append(InvertedResidual(read, channels, expansion, stride))
            read = channels
        self.last = ConvBn(read, self.LAST, 1)

    def features(self, x: Tensor) -> Tensor:
        return relu6(self.last(self.blocks(relu6(self.stem(x)))))


class ShuffleUnit(nn.Module):
    """Half of the channels convolved, the others kept; or, at stride 2, all convolved twice. Then shuffled (Ma et al., 2018)."""

    def __init__(self, inputs: int, channels: int, stride: int) -> None:
        super().__init__()
        half = channels // 2
        self.left = nn.Sequential(DepthwiseBn(inputs, 2), ConvBn(inputs, half, 1)) if stride == 2 else None
        self.expand = ConvBn(half if self.left is None else inputs, half, 1)
        self.depthwise = DepthwiseBn(half, stride)
        self.project = ConvBn(half, half, 1)

    def forward(self, x: Tensor) -> Tensor:
        left, right = x.chunk(2, dim=1) if self.left is None else (relu(self.left(x)), x)
        right = relu(self.project(self.depthwise(relu(self.expand(right)))))
        return torch.stack([left, right], dim=2).flatten(1, 2)


class ShuffleNetV2(Classifier):
    """The stem for large images and three units at each of two widths (Ma et al., 2018)."""

    STEM, LAST, UNITS = 8, 32, 3
    WIDTHS = (16, 24)

    def __init__(self, inputs: int, classes: int) -> None:
        super().__init__(self.LAST, classes)
        self.stem = ConvBn(inputs, self.STEM, 3, 2)
        self.units = nn.Sequential()
        read = self.STEM
        for channels in self.WIDTHS:
            for unit in range(self.UNITS):
                self.units.append(ShuffleUnit(read, channels, 2 if unit == 0 else 1))
                read = channels
        self.last = ConvBn(read, self.LAST, 1)

    def features(self, x: Tensor) -> Tensor:
        return relu(self.last(self.units(max_pool2d(relu(self.stem(x)), 3, 2, padding=1))))


class Separable(nn.Module):
    """Twice ReLU, depthwise and pointwise convolution, BN: (N, C, H, W) -> (N, C, H, W)."""

    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__()
        self.halves = nn.Sequential()
        for _ in range(2):
            half = nn.Sequential(
                nn.ReLU(),
                nn.Conv2d(channels, channels, kernel, padding=kernel // 2, groups=channels, bias=False),
                nn.Conv2d(channels, channels, 1, bias=False),
                nn.BatchNorm2d(channels),
            )
            self.halves.append(half)

    def forward(self, x: Tensor) -> Tensor:
        return self.halves(x)


class NasNetCell(nn.Module):
    """The normal cell of NASNet-A, five pairs over two maps of one size (Zoph et al., 2018).

    (N, inputs[0], H, W) and (N, inputs[1], H, W) -> (N, 5 * channels, H, W).
    """

    def __init__(self, inputs: tuple[int, int], channels: int) -> None:
        super().__init__()
        self.previous = ConvBn(inputs[0], channels, 1)
        self.current = ConvBn(inputs[1], channels, 1)
        self.separables = nn.ModuleList(Separable(channels, kernel) for kernel in (3, 3, 5, 5, 3))

    def forward(self, previous: Tensor, current: Tensor) -> Tensor:
        before, now = self.previous(relu(previous)), self.current(relu(current))
        averages = [avg_pool2d(x, 3, 1, padding=1, count_include_pad=False) for x in (before, now)]
        separables = self.separables
        pairs = (
            (separables[0](now), now),
            (separables[1](before), separables[2](now)),
            (averages[1], before),
            (averages[0], averages[0]),
            (separables[3](before), separables[4](before)),
        )
        return torch.cat([a + b for a, b in pairs], dim=1)


class NasNetA(Classifier):
    """A stem and two normal cells, each of which reads what the two before it gave (Zoph et al., 2018)."""

    STEM, CHANNELS = 12, 8

    def __init__(self, inputs: int, classes: int) -> None:
        width = 5 * self.CHANNELS
        super().__init__(width, classes)
        self.stem = ConvBn(inputs, self.STEM, 3)
        self.cells = nn.ModuleList(
            NasNetCell(read, self.CHANNELS) for read in ((self.STEM, self.STEM), (self.STEM, width))
        )

    def features(self, x: Tensor) -> Tensor:
        stem = self.stem(x)
        first = self.cells[0](stem, stem)
        return relu(self.cells[1](stem, first))
