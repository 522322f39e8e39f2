"""A network that `pipeline` found and trained, in plain PyTorch.

    python network.py [weights.safetensors]      # reads the weights, and says that all of them fit

    from network import load, prepare
    network = load("weights.safetensors")        # for inference
    scores = network(prepare(images))            # (N, CLASSES) of 8-bit images (N, CHANNELS_IN, H, W)

Names of `network.state_dict()` are those of the file. In training mode `forward` gives the scores of the auxiliary head too.
"""

import sys

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

# <<< what was exported
# Operations and inputs of the nodes of each cell. Inputs 0 and 1 are the outputs of the two cells before, 2 is the first node.
NORMAL = [[("sep_conv_3x3", 0), ("skip_connect", 1)], [], [], []]
REDUCE = [[("max_pool_3x3", 0), ("dil_conv_5x5", 1)], [], [], []]
LAYERS = 6
CHANNELS = 8
IMAGE_SIZE = 16
# Pixels that the shorter side is resized to, of which the middle is taken; none where the whole image is resized.
SHORTER_SIDE = None
CHANNELS_IN = 3
CLASS_NAMES = ["0", "1"]
# Of each channel of the training images, on the scale from 0 to 1.
MEAN = [0.5, 0.5, 0.5]
STD = [0.25, 0.25, 0.25]
# >>>

CLASSES = len(CLASS_NAMES)
AUXILIARY_CHANNELS = (128, 768)


class ReluConvBn(nn.Module):
    """ReLU, 1x1 convolution, BN."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.ReLU(), nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


class FactorizedReduce(nn.Module):
    """A skip that halves: each convolution sees the even rows and columns, or the odd ones."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs // 2, 1, stride=2, bias=False)
        self.conv2 = nn.Conv2d(inputs, outputs // 2, 1, stride=2, bias=False)
        self.bn = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(x)
        return self.bn(torch.cat([self.conv1(x), self.conv2(x[:, :, 1:, 1:])], dim=1))


class PoolBn(nn.Module):
    """3x3 pooling over the pixels inside the image, BN."""

    def __init__(self, kind: str, channels: int, stride: int) -> None:
        super().__init__()
        self.pool = (
            nn.MaxPool2d(3, stride, padding=1)
            if kind == "max"
            else nn.AvgPool2d(3, stride, padding=1, count_include_pad=False)
        )
        self.bn = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.bn(self.pool(x))


class DilConv(nn.Module):
    """ReLU, depthwise convolution, pointwise convolution, BN."""

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
    """Two of those without dilation, of which the first strides."""

    def __init__(self, channels: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.net = nn.Sequential(DilConv(channels, kernel, stride, 1), DilConv(channels, kernel, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


class Zero(nn.Module):
    """`none`: zero, which adds to any shape."""

    def forward(self, x: Tensor) -> Tensor:
        return x.new_zeros(())


def make_operation(name: str, channels: int, stride: int) -> nn.Module:
    """The operation of an edge."""
    if name == "none":
        return Zero()
    if name == "skip_connect":
        return nn.Identity() if stride == 1 else FactorizedReduce(channels, channels)
    family, _, size = name.rpartition("_")
    kernel = int(size[0])
    if family == "sep_conv":
        return SepConv(channels, kernel, stride)
    if family == "dil_conv":
        return DilConv(channels, kernel, stride, dilation=2)
    return PoolBn(family[:3], channels, stride)


class Cell(nn.Module):
    """Nodes that sum operations on the cell's two inputs and on each other; its output is all of them, side by side."""

    def __init__(self, nodes: list, inputs: tuple[int, int], channels: int, halves: bool, after_halving: bool) -> None:
        super().__init__()
        self.stride = 2 if halves else 1
        self.preproc0 = FactorizedReduce(inputs[0], channels) if after_halving else ReluConvBn(inputs[0], channels)
        self.preproc1 = ReluConvBn(inputs[1], channels)
        self.sources = [[source for _, source in node] for node in nodes]
        self.dag = nn.ModuleList(
            # Each operation in a list of its own, as drop path stands beside it where it is trained.
            nn.ModuleList(
                nn.Sequential(make_operation(name, channels, self.stride if source < 2 else 1)) for name, source in node
            )
            for node in nodes
        )

    def forward(self, before: Tensor, previous: Tensor) -> Tensor:
        states = [self.preproc0(before), self.preproc1(previous)]
        images, channels, height, width = states[1].shape
        for operations, sources in zip(self.dag, self.sources):
            node = states[1].new_zeros(images, channels, -(-height // self.stride), -(-width // self.stride))
            for operation, source in zip(operations, sources):
                node = node + operation(states[source])
            states.append(node)
        return torch.cat(states[2:], dim=1)


class AuxiliaryHead(nn.Module):
    """Scores from a map in the middle of the network, in training only."""

    def __init__(self, inputs: int, size: int) -> None:
        super().__init__()
        hidden, features = AUXILIARY_CHANNELS
        self.net = nn.Sequential(
            nn.ReLU(),
            nn.AvgPool2d(5, size - 5, count_include_pad=False) if size in (7, 8) else nn.AdaptiveAvgPool2d(2),
            nn.Conv2d(inputs, hidden, 1, bias=False),
            nn.BatchNorm2d(hidden),
            nn.ReLU(),
            nn.Conv2d(hidden, features, 2, bias=False),
            nn.BatchNorm2d(features),
            nn.ReLU(),
        )
        self.linear = nn.Linear(features, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(self.net(x).flatten(1))


class Network(nn.Module):
    """Stem, cells and classifier: normalised images (N, CHANNELS_IN, IMAGE_SIZE, IMAGE_SIZE) -> scores (N, CLASSES)."""

    def __init__(self) -> None:
        super().__init__()
        channels, size = CHANNELS, IMAGE_SIZE
        self.stem = nn.Sequential(
            nn.Conv2d(CHANNELS_IN, 3 * channels, 3, padding=1, bias=False), nn.BatchNorm2d(3 * channels)
        )
        self.auxiliary_at = 2 * LAYERS // 3
        self.cells = nn.ModuleList()
        inputs, after_halving = (3 * channels, 3 * channels), False
        for layer in range(LAYERS):
            halves = layer in (LAYERS // 3, 2 * LAYERS // 3)
            if halves:
                channels, size = 2 * channels, -(-size // 2)
            self.cells.append(Cell(REDUCE if halves else NORMAL, inputs, channels, halves, after_halving))
            inputs, after_halving = (inputs[1], 4 * channels), halves
            if layer == self.auxiliary_at:
                self.aux_head = AuxiliaryHead(inputs[1], size)
        self.linear = nn.Linear(inputs[1], CLASSES)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        before = previous = self.stem(x)
        auxiliary = None
        for layer, cell in enumerate(self.cells):
            before, previous = previous, cell(before, previous)
            if self.training and layer == self.auxiliary_at:
                auxiliary = self.aux_head(previous)
        scores = self.linear(previous.mean(dim=(2, 3)))
        return scores if auxiliary is None else (scores, auxiliary)


def load(path: str) -> Network:
    """The network with the weights of a safetensors file, for inference. Every tensor must be there, and no other."""
    network = Network()
    weights = load_file(path)
    # BN counts batches, which no computation here reads; files of `pipeline` hold no counters.
    own = {name: tensor for name, tensor in network.state_dict().items() if not name.endswith("num_batches_tracked")}
    weights = {name: tensor for name, tensor in weights.items() if not name.endswith("num_batches_tracked")}
    for name in sorted(own.keys() | weights.keys()):
        if name not in weights:
            raise KeyError(f"{path}: tensor {name} is missing")
        if name not in own:
            raise KeyError(f"{path}: tensor {name} is not one of this network")
        if own[name].shape != weights[name].shape:
            raise ValueError(f"{path}: tensor {name} is {tuple(weights[name].shape)}, not {tuple(own[name].shape)}")
    network.load_state_dict(weights, strict=False)
    return network.eval()


if __name__ == "__main__":
    file = sys.argv[1] if len(sys.argv) > 1 else "weights.safetensors"
    trained = load(file)
    count = sum(p.numel() for name, p in trained.named_parameters() if not name.startswith("aux_head."))
    print(f"{file}: every tensor fits, {count:,} parameters without the auxiliary head")
