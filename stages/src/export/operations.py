"""A network that `pipeline` trained, in plain PyTorch: one line for each operation.

    python network.py [weights.safetensors]      # reads the weights, and says that all of them fit

    from network import load, prepare
    network = load("weights.safetensors")        # for inference
    scores = network(prepare(images))            # (N, CLASSES) of 8-bit images (N, CHANNELS_IN, H, W)

Names of `network.state_dict()` are those of the file. A file's auxiliary head, which is there in training only, is left out.
"""

import sys

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

# <<< what was exported
IMAGE_SIZE = 16
# Pixels that the shorter side is resized to, of which the middle is taken; none where the whole image is resized.
SHORTER_SIDE = None
CHANNELS_IN = 3
CLASS_NAMES = ["0", "1"]
# Of each channel of the training images, on the scale from 0 to 1.
MEAN = [0.5, 0.5, 0.5]
STD = [0.25, 0.25, 0.25]
PARAMETERS = {"linear.weight": (2, 3), "linear.bias": (2,)}
STATISTICS = {}


def compute(images: Tensor, p: dict[str, Tensor], training: bool) -> Tensor:
    """Scores of normalised images (N, CHANNELS_IN, IMAGE_SIZE, IMAGE_SIZE)."""
    x1 = images.mean((2, 3), keepdim=True)
    logits = F.linear(x1.flatten(1), p["linear.weight"], p["linear.bias"])
    return logits


# >>>

CLASSES = len(CLASS_NAMES)


class Network(nn.Module):
    """The tensors by their names, and what is computed with them. A new one has random weights."""

    def __init__(self) -> None:
        super().__init__()
        for name, shape in PARAMETERS.items():
            tensor = torch.zeros(shape) if name.endswith(".bias") else torch.ones(shape)
            if len(shape) > 1:
                nn.init.kaiming_uniform_(tensor, a=5**0.5)
            owner, last = self._owner(name)
            owner.register_parameter(last, nn.Parameter(tensor))
        for name, shape in STATISTICS.items():
            owner, last = self._owner(name)
            owner.register_buffer(last, torch.ones(shape) if name.endswith("_var") else torch.zeros(shape))

    def _owner(self, name: str) -> tuple[nn.Module, str]:
        """The module that a tensor belongs to, made where it is not there yet, and the last part of the tensor's name."""
        *path, last = name.split(".")
        owner: nn.Module = self
        for part in path:
            if part not in owner._modules:
                owner.add_module(part, nn.Module())
            owner = owner._modules[part]
        return owner, last

    def forward(self, x: Tensor) -> Tensor:
        tensors = dict(self.named_parameters()) | dict(self.named_buffers())
        return compute(x, tensors, self.training)


def load(path: str) -> Network:
    """The network with the weights of a safetensors file, for inference. Every tensor must be there, and no other."""
    network = Network()
    weights = {
        name: tensor
        for name, tensor in load_file(path).items()
        # BN counts batches, which no computation here reads.
        if not name.startswith("aux_head.") and not name.endswith("num_batches_tracked")
    }
    network.load_state_dict(weights)
    return network.eval()


if __name__ == "__main__":
    file = sys.argv[1] if len(sys.argv) > 1 else "weights.safetensors"
    trained = load(file)
    count = sum(parameter.numel() for parameter in trained.parameters())
    print(f"{file}: every tensor fits, {count:,} parameters without the auxiliary head")
