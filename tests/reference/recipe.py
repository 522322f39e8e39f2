"""Budgets, the loss and the optimiser's step, shared by the goldens and the comparison."""

from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.nn.utils import clip_grad_norm_
from torch.optim import SGD


@dataclass(frozen=True)
class Budget:
    """The part of a training budget that one step depends on; sizes in pixels."""

    batch_size: int
    learning_rate: float
    layers: int
    channels: int
    image_size: int


@dataclass(frozen=True)
class Sizes:
    """The same of a network that has its depth and widths from elsewhere."""

    batch_size: int
    learning_rate: float
    image_size: int


BUDGETS = {
    "BPE-1": Budget(128, 0.03, 6, 8, 16),
    "BPE-2": Budget(128, 0.03, 16, 16, 16),
    "DARTS": Budget(64, 0.025, 8, 16, 32),
    "full": Budget(96, 0.025, 20, 36, 32),
}


@dataclass(frozen=True)
class Recipe:
    """What is the same for all budgets."""

    momentum: float = 0.9
    weight_decay: float = 3e-4
    grad_clip: float = 5.0
    aux_weight: float = 0.4
    label_smoothing: float = 0.0


# Parts of a budget that the first step on unaugmented images does not depend on, read so that one text fits all.
WITHOUT_EFFECT = ("epochs", "cutout", "float_bits")


def parse_budget(text: str) -> Budget:
    """Read `NAME`, `NAME,key=value,...` or `key=value,...` over BPE-1; raises ValueError."""
    name, _, rest = text.partition(",") if text.split(",")[0] in BUDGETS else ("BPE-1", "", text)
    types = {field.name: field.type for field in fields(Budget)}
    changes = {}
    for part in filter(None, rest.split(",")):
        key, _, value = part.partition("=")
        if key in WITHOUT_EFFECT:
            continue
        if key not in types:
            raise ValueError(f"unknown budget field {key!r}: choose from {', '.join(types)}")
        changes[key] = types[key](value)
    return replace(BUDGETS[name], **changes)


@dataclass(frozen=True)
class Losses:
    """Scalars: `total` = classifier + aux_weight * auxiliary, each a mean over the batch."""

    total: Tensor
    classifier: Tensor
    auxiliary: Tensor


def losses(network: nn.Module, images: Tensor, labels: Tensor, recipe: Recipe) -> Losses:
    """Losses of a training-mode forward pass; images (N, C, H, W), labels (N,).

    The network gives the scores of its classifier and of its auxiliary head, or None where it has no such head.
    """
    scores, auxiliary_scores = network(images)
    classifier = cross_entropy(scores, labels, label_smoothing=recipe.label_smoothing)
    auxiliary = (
        scores.new_zeros(())
        if auxiliary_scores is None
        else cross_entropy(auxiliary_scores, labels, label_smoothing=recipe.label_smoothing)
    )
    return Losses(classifier + recipe.aux_weight * auxiliary, classifier, auxiliary)


def make_optimizer(network: nn.Module, learning_rate: float, recipe: Recipe) -> SGD:
    """Plain momentum; weight decay reaches every parameter that has a gradient, BN and biases included."""
    return SGD(
        network.parameters(),
        lr=learning_rate,
        momentum=recipe.momentum,
        weight_decay=recipe.weight_decay,
    )


def backward(network: nn.Module, images: Tensor, labels: Tensor, recipe: Recipe) -> Losses:
    """Set the gradients to those of this batch alone, before clipping.

    A parameter that the loss does not depend on has none, and neither clipping nor decay touches it.
    """
    found = losses(network, images, labels, recipe)
    network.zero_grad(set_to_none=True)
    found.total.backward()
    return found


def clip_and_update(network: nn.Module, optimizer: SGD, recipe: Recipe) -> float:
    """One update from the gradients at hand; returns their norm before clipping."""
    norm = clip_grad_norm_(network.parameters(), recipe.grad_clip)
    optimizer.step()
    return norm.item()


def gradients(network: nn.Module) -> dict[str, Tensor]:
    """Copy each parameter's gradient; zeros for a parameter without one."""
    named = network.named_parameters()
    return {name: torch.zeros_like(p) if p.grad is None else p.grad.clone() for name, p in named}
