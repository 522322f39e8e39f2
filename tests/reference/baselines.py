"""Scores of untrained networks as their authors define them, on networks, weights and images of the goldens.

    nwot      Mellor et al. 2021: every ReLU module adds, for each two images of a batch, the number of its inputs that are
              above 0 for both or for neither to a kernel; the score is ln |det| of that. In training mode.
    synflow   Tanaka et al. 2020 as Abdelfattah et al. 2021 score with it: normalisations taken out, all weights by their
              absolute values, one image of ones, R the sum of all scores; the sum of |w dR/dw| over the weights of
              convolutions and linear layers, here its natural logarithm.
    zico      Li et al. 2023: of each convolution and linear layer the sum over its weights of the mean of |g| over batches,
              over the standard deviation (of a population) of g, where that is not 0; the sum of the logarithms of these.
              The gradients are each batch's own, as in Eq. 15; the published code adds each batch's to those before it,
              and `zico_accumulated` is what that gives.
    swap      Peng et al. 2024: of each output of a ReLU module the signs for all images; how many of these patterns are
              distinct. In training mode, on at most 16 images.

The auxiliary head is left out of all. Everything is computed in binary64; `float32_error` says how far PyTorch in
binary32 strays.
"""

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from golden import Case, make_batch, make_network
from network import Network

SWAP_IMAGES = 16


def without_auxiliary(network: Network) -> Network:
    """The same network, whose auxiliary head takes no part."""
    del network.aux_head
    network.auxiliary_at = -1
    return network.train()


def rectified(network: Network, images: Tensor) -> list[Tensor]:
    """What each ReLU module gives (N, units), in the order of their calls."""
    found: list[Tensor] = []
    relus = [module for module in network.modules() if isinstance(module, nn.ReLU)]
    handles = [relu.register_forward_hook(lambda _, __, output: found.append(output.flatten(1))) for relu in relus]
    with torch.no_grad():
        network(images)
    for handle in handles:
        handle.remove()
    return found


def nwot(network: Network, images: Tensor) -> float:
    """Log-determinant of the kernel of activation codes."""
    kernel = torch.zeros(len(images), len(images), dtype=torch.float64)
    for values in rectified(network, images):
        code = (values > 0).double()
        kernel += code @ code.T + (1 - code) @ (1 - code).T
    return torch.linalg.slogdet(kernel).logabsdet.item()


def swap(network: Network, images: Tensor) -> int:
    """Distinct patterns of units over images."""
    signs = torch.cat([values.sign() for values in rectified(network, images[:SWAP_IMAGES])], dim=1)
    return len(torch.unique(signs.T, dim=0))


def weights(network: Network) -> list[Tensor]:
    """The weights of convolutions and linear layers."""
    return [module.weight for module in network.modules() if isinstance(module, nn.Conv2d | nn.Linear)]


def zico(network: Network, batches: list[tuple[Tensor, Tensor]], accumulate: bool = False) -> float:
    """Sum over layers of the logarithm of the sum of mean |g| / std g."""
    gradients = []
    network.zero_grad()
    for images, labels in batches:
        if not accumulate:
            network.zero_grad()
        cross_entropy(network(images)[0], labels).backward()
        gradients.append([weight.grad.clone() for weight in weights(network)])
    score = 0.0
    for layer in zip(*gradients, strict=True):
        stacked = torch.stack(layer)
        deviation, mean = stacked.std(dim=0, correction=0), stacked.abs().mean(dim=0)
        total = (mean[deviation != 0] / deviation[deviation != 0]).sum()
        if total != 0:
            score += total.log().item()
    return score


def synflow(network: Network, shape: tuple[int, int, int]) -> float:
    """The logarithm of the sum of |w dR/dw|, always in binary64."""
    linear = copy.deepcopy(network).double()
    for module in list(linear.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.BatchNorm2d):
                setattr(module, name, nn.Identity())
    with torch.no_grad():
        for parameter in linear.parameters():
            parameter.abs_()
    linear.zero_grad()
    linear(torch.ones(1, *shape, dtype=torch.float64))[0].sum().backward()
    return sum((weight * weight.grad).abs().sum() for weight in weights(linear)).log().item()


def scores(case: Case, dtype: torch.dtype) -> dict[str, float]:
    """All scores of a case's network."""
    batches = [make_batch(case, index, dtype) for index in range(2)]

    def network() -> Network:
        return without_auxiliary(make_network(case, dtype))

    size = case.budget.image_size
    return {
        "nwot": nwot(network(), batches[0][0]),
        "synflow": synflow(network(), (case.input_channels, size, size)),
        "zico": zico(network(), batches),
        "zico_accumulated": zico(network(), batches, accumulate=True),
        "swap": swap(network(), batches[0][0]),
    }


def baselines(cases: list[Case]) -> dict[str, Any]:
    """The scores of cases whose goldens describe their networks, by the names of these."""
    found = {}
    for case in cases:
        exact, rounded = scores(case, torch.float64), scores(case, torch.float32)
        error = {name: abs(rounded[name] - value) for name, value in exact.items()}
        found[f"network-{case.name}"] = exact | {"float32_error": error}
    return found
