"""The networks that the program calls by name, at full width and depth, in plain PyTorch.

They are put together from the parts in handmade.py. Module names are those of stages/src/network/named/. Shapes in the
docstrings: N images, C channels, H by W pixels.
"""

from torch import Tensor, nn
from torch.nn.functional import max_pool2d, relu, relu6

import handmade
from handmade import Classifier, ConvBn, DenseLayer, InvertedResidual, Residual, ShuffleUnit, Transition


class SqueezeExcitation(handmade.SqueezeExcitation):
    """A residual block whose channels are weighted, with the paper's reduction."""

    REDUCTION = 16


class ResNet18(Classifier):
    """Two residual blocks at each of four widths behind a stem that keeps the size (He et al., 2016)."""

    WIDTHS = (64, 128, 256, 512)
    BLOCK: type[Residual] = Residual

    def __init__(self, inputs: int, classes: int) -> None:
        super().__init__(self.WIDTHS[-1], classes)
        self.stem = ConvBn(inputs, self.WIDTHS[0], 3)
        self.blocks = nn.Sequential()
        read = self.WIDTHS[0]
        for stage, channels in enumerate(self.WIDTHS):
            self.blocks.append(self.BLOCK(read, channels, 1 if stage == 0 else 2))
            self.blocks.append(self.BLOCK(channels, channels, 1))
            read = channels

    def features(self, x: Tensor) -> Tensor:
        return self.blocks(relu(self.stem(x)))


class SeResNet18(ResNet18):
    """The same with squeeze and excitation (Hu et al., 2018)."""

    BLOCK = SqueezeExcitation


class DenseNetBc(Classifier):
    """DenseNet-BC with as many layers as DenseNet-121, for small images (Huang et al., 2017)."""

    GROWTH, BLOCKS = 12, (6, 12, 24, 16)

    def __init__(self, inputs: int, classes: int) -> None:
        channels, layers = 2 * self.GROWTH, []
        for block, count in enumerate(self.BLOCKS):
            if block > 0:
                layers.append(Transition(channels))
                channels //= 2
            for _ in range(count):
                layers.append(DenseLayer(channels, self.GROWTH))
                channels += self.GROWTH
        super().__init__(channels, classes)
        self.stem = nn.Conv2d(inputs, 2 * self.GROWTH, 3, padding=1, bias=False)
        self.layers = nn.Sequential(*layers)
        self.bn = nn.BatchNorm2d(channels)

    def features(self, x: Tensor) -> Tensor:
        return relu(self.bn(self.layers(self.stem(x))))


class MobileNetV2(Classifier):
    """Seventeen inverted residuals; for small images stem and second group keep the size (Sandler et al., 2018)."""

    STEM, LAST = 32, 1280
    GROUPS = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
    """Expansion, channels, repeats and stride of each group."""

    def __init__(self, inputs: int, classes: int, large: bool = False) -> None:
        super().__init__(self.LAST, classes)
        self.stem = ConvBn(inputs, self.STEM, 3, 2 if large else 1)
        self.blocks = nn.Sequential()
        read = self.STEM
        for group, (expansion, channels, repeats, stride) in enumerate(self.GROUPS):
            for repeat in range(repeats):
                halves = repeat == 0 and (large or group != 1)
                self.blocks.append(InvertedResidual(read, channels, expansion, stride if halves else 1))
                read = channels
        self.last = ConvBn(read, self.LAST, 1)

    def features(self, x: Tensor) -> Tensor:
        return relu6(self.last(self.blocks(relu6(self.stem(x)))))


class ShuffleNetV2(Classifier):
    """Sixteen units of twice the width; for small images the stem keeps the size (Ma et al., 2018)."""

    STEM, LAST = 24, 2048
    STAGES = ((244, 4), (488, 8), (976, 4))
    """Channels and units of each stage."""

    def __init__(self, inputs: int, classes: int, large: bool = False) -> None:
        super().__init__(self.LAST, classes)
        self.large = large
        self.stem = ConvBn(inputs, self.STEM, 3, 2 if large else 1)
        self.units = nn.Sequential()
        read = self.STEM
        for channels, units in self.STAGES:
            for unit in range(units):
                self.units.append(ShuffleUnit(read, channels, 2 if unit == 0 else 1))
                read = channels
        self.last = ConvBn(read, self.LAST, 1)

    def features(self, x: Tensor) -> Tensor:
        x = relu(self.stem(x))
        if self.large:
            x = max_pool2d(x, 3, 2, padding=1)
        return relu(self.last(self.units(x)))
