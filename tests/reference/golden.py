"""What a golden of a network holds, and the runs that it comes from.

Every case trains the reference network in binary64; that run is what the file holds.

Weights, images and labels are not stored. They come from generator.py, stream `STREAM/TENSOR`, by the tensor's name:

    running_mean            uniform(0, 0.1)
    running_var             uniform(1, 0.5)
    BN weight (1-D)         uniform(1, 0.5)
    BN bias                 uniform(B, 0.25), where B is the file's `norm_bias`, or 0
    convolution, linear     uniform(0, 1 / sqrt(fan_in)), fan_in = product of the weight's shape after its first number;
                            a linear bias has the fan_in of the weight beside it
    images of batch t       stream `STREAM/images.t`, bytes (N, C, H, W), normalised to (byte / 255 - MEAN) / STD
    labels of batch t       stream `STREAM/labels.t`

`step`, `logits` and `tensors` belong to one step on batch 0; `logits` are the first images of batch 0 in evaluation,
after it. `twenty_steps` starts again from the initial state with its own learning rate; its step k trains on batch
k mod 4. A tensor's summary is its 2-norm, its dot product with generator.py's sign vector, and k = min(n, 8) of its n
elements, those at j * n // k. `change` is the updated value less the initial one (parameters only); as binary32 rounds
the weight itself, it can hold a change to about 1e-3 of its norm only.

Where rounding moves a number across the kink of a ReLU or changes which of two pixels is the larger, the gradient
jumps, and later steps drift apart. No program in binary32 can do anything about that. So each case names a salt for
its streams under which such jumps hardly matter, and a learning rate for the twenty steps at which they do not grow;
deep networks begin with biases that keep most numbers away from the kinks.
`float32_error` says how far PyTorch in binary32, and binary64 runs with simulated rounding, stray from the golden.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

import generator
from network import count_mult_adds, count_parameters
from recipe import Budget, Recipe, Sizes, backward, clip_and_update, gradients, make_optimizer

BATCHES = 4
MEAN, STD = 0.5, 0.25
STEPS = 20
ELEMENTS = 8
# What binary32 PyTorch was seen to add per layer, in units of the layer's root mean square.
ROUNDING = 1e-7
NOISE_SEEDS = range(4)
# Gradients smaller than this share of the whole gradient's norm are held to this share: some are exactly zero, such as
# that of a bias which BN takes out again.
GRADIENT_FLOOR = 1e-3
# The same for parameters and running statistics, as an absolute norm.
STATE_FLOOR = 1e-2


@dataclass(frozen=True)
class Case:
    """One golden file: a network, a batch shape and a recipe."""

    name: str
    salt: int
    make: Callable[[int, int], nn.Module]
    """The network for input channels and classes, in any initial state."""
    budget: Budget | Sizes
    twenty_steps_learning_rate: float
    input_channels: int = 3
    classes: int = 10
    recipe: Recipe = field(default_factory=Recipe)
    norm_bias: float = 0.0
    """The mean of the biases of BN."""
    described: dict[str, str] = field(default_factory=dict)
    """What else the file says of how the network is built."""

    @property
    def stream(self) -> str:
        """The first part of the names of the case's streams."""
        return f"{self.name}.{self.salt}"


def initial_value(case: Case, name: str, shapes: dict[str, tuple[int, ...]]) -> NDArray[np.float32]:
    """A tensor of the initial state, as the header defines it."""
    shape = shapes[name]
    owner, _, leaf = name.rpartition(".")
    # BN without scale and shift has none.
    weight_shape = shapes.get(f"{owner}.weight", ())
    if leaf == "running_mean":
        centre, half = 0.0, 0.1
    elif leaf == "running_var":
        centre, half = 1.0, 0.5
    elif len(weight_shape) > 1:
        centre, half = 0.0, 1.0 / np.sqrt(np.prod(weight_shape[1:]))
    elif leaf == "weight":
        centre, half = 1.0, 0.5
    else:
        centre, half = case.norm_bias, 0.25
    return generator.uniform(f"{case.stream}/{name}", shape, centre, half)


def simulate_rounding(network: nn.Module, seed: int) -> None:
    """Disturb each layer's output by about what another order of binary32 sums would."""
    random = torch.Generator().manual_seed(seed)

    def disturb(_: nn.Module, __: tuple[Tensor, ...], output: Tensor) -> Tensor:
        noise = torch.randn(output.shape, generator=random, dtype=output.dtype)
        return output + ROUNDING * output.detach().square().mean().sqrt() * noise

    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.BatchNorm2d | nn.Linear):
            module.register_forward_hook(disturb)


def make_network(case: Case, dtype: torch.dtype, noise_seed: int | None = None) -> nn.Module:
    """The case's network with its initial state; a seed adds simulated rounding."""
    network = case.make(case.input_channels, case.classes)
    shapes = {name: tuple(t.shape) for name, t in network.state_dict().items() if t.is_floating_point()}
    values = {name: torch.from_numpy(initial_value(case, name, shapes)) for name in shapes}
    network.load_state_dict(values, strict=False)
    if noise_seed is not None:
        simulate_rounding(network, noise_seed)
    return network.to(dtype)


def make_batch(case: Case, index: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Images (N, C, H, W) and labels (N,) of a batch."""
    size = case.budget
    shape = (size.batch_size, case.input_channels, size.image_size, size.image_size)
    pixels = generator.pixels(f"{case.stream}/images.{index}", shape)
    images = (pixels.astype(np.float64) / 255.0 - MEAN) / STD
    labels = generator.labels(f"{case.stream}/labels.{index}", size.batch_size, case.classes)
    return torch.from_numpy(images).to(dtype), torch.from_numpy(labels)


@dataclass
class Run:
    """All that a case is checked for, from one run in one precision."""

    step: dict[str, float]
    initial: dict[str, Tensor]
    gradients: dict[str, Tensor]
    updated: dict[str, Tensor]
    logits: Tensor
    twenty_losses: list[float]
    twenty_logits: Tensor


def evaluate(network: nn.Module, images: Tensor) -> Tensor:
    """Scores (N, classes) with running statistics."""
    with torch.no_grad():
        scores, _ = network.eval()(images)
    network.train()
    return scores


def floating_state(network: nn.Module) -> dict[str, Tensor]:
    """A copy of the state without BN's counters of batches."""
    return {name: t.clone() for name, t in network.state_dict().items() if t.is_floating_point()}


def run(case: Case, dtype: torch.dtype, noise_seed: int | None = None) -> Run:
    """Train one step, closely watched, and then twenty from the start again."""
    images, labels = make_batch(case, 0, dtype)
    network = make_network(case, dtype, noise_seed)
    initial = floating_state(network)
    optimizer = make_optimizer(network, case.budget.learning_rate, case.recipe)
    first = backward(network, images, labels, case.recipe)
    found = gradients(network)
    step = {
        "loss": first.total.item(),
        "classifier_loss": first.classifier.item(),
        "auxiliary_loss": first.auxiliary.item(),
        "gradient_norm": clip_and_update(network, optimizer, case.recipe),
    }
    updated = floating_state(network)
    logits = evaluate(network, images)
    return Run(step, initial, found, updated, logits, *twenty_steps(case, dtype, noise_seed))


def twenty_steps(case: Case, dtype: torch.dtype, noise_seed: int | None) -> tuple[list[float], Tensor]:
    """Losses of twenty steps from the initial state, and the scores (N, classes) of batch 0 after them."""
    network = make_network(case, dtype, noise_seed)
    optimizer = make_optimizer(network, case.twenty_steps_learning_rate, case.recipe)
    batches = [make_batch(case, index, dtype) for index in range(BATCHES)]
    losses = []
    for index in range(STEPS):
        losses.append(backward(network, *batches[index % BATCHES], case.recipe).total.item())
        clip_and_update(network, optimizer, case.recipe)
    return losses, evaluate(network, batches[0][0])


def shorten(values: Tensor) -> Any:
    """Nested lists of numbers with the digits that binary32 can tell apart."""
    nested = values.tolist()
    if isinstance(nested, list):
        return [shorten(row) for row in values]
    return float(f"{nested:.9g}")


def summary(tensor: Tensor) -> dict[str, Any]:
    """Norm, signed sum and a few elements of a tensor."""
    flat = tensor.double().flatten()
    count = min(flat.numel(), ELEMENTS)
    picked = [j * flat.numel() // count for j in range(count)]
    return {
        "norm": flat.norm().item(),
        "dot": flat.dot(torch.from_numpy(generator.signs(flat.numel()))).item(),
        "elements": shorten(flat[picked]),
    }


def worst_norm_error(exact: dict[str, Tensor], rounded: dict[str, Tensor], floor: float) -> float:
    """Largest relative error of a norm; norms below `floor` are compared as if they were that large."""
    return max(
        abs(rounded[name].double().norm().item() - norm) / max(norm, floor)
        for name, norm in ((name, t.norm().item()) for name, t in exact.items())
    )


def error(exact: Run, rounded: Run) -> dict[str, float]:
    """How far one run strays from another."""
    floor = GRADIENT_FLOOR * exact.step["gradient_norm"]
    changes = [{n: r.updated[n].double() - r.initial[n].double() for n in r.gradients} for r in (exact, rounded)]
    change_floor = GRADIENT_FLOOR * torch.stack([t.norm() for t in changes[0].values()]).norm().item()
    return {
        "loss": abs(exact.step["loss"] - rounded.step["loss"]),
        "gradient_norms": worst_norm_error(exact.gradients, rounded.gradients, floor),
        "updated_norms": worst_norm_error(exact.updated, rounded.updated, STATE_FLOOR),
        "change_norms": worst_norm_error(*changes, change_floor),
        "logits": (exact.logits - rounded.logits).abs().max().item(),
        "twenty_losses": max(abs(a - b) for a, b in zip(exact.twenty_losses, rounded.twenty_losses, strict=True)),
        "twenty_logits": (exact.twenty_logits - rounded.twenty_logits).abs().max().item(),
    }


def golden(case: Case) -> dict[str, Any]:
    """The JSON object of a case."""
    exact = run(case, torch.float64)
    rounded = [run(case, torch.float32), *(run(case, torch.float64, seed) for seed in NOISE_SEEDS)]
    errors = [error(exact, other) for other in rounded]
    tensors = {}
    for name, updated in exact.updated.items():
        tensors[name] = {"shape": list(updated.shape), "updated": summary(updated)}
        if name in exact.gradients:
            tensors[name]["gradient"] = summary(exact.gradients[name])
            tensors[name]["change"] = summary(updated - exact.initial[name])
    network = make_network(case, torch.float32)
    return {
        "stream": case.stream,
        **case.described,
        **({"norm_bias": case.norm_bias} if case.norm_bias else {}),
        "budget": asdict(case.budget),
        "input_channels": case.input_channels,
        "classes": case.classes,
        "recipe": asdict(case.recipe),
        "parameters": count_parameters(network, auxiliary=False),
        "parameters_with_auxiliary": count_parameters(network, auxiliary=True),
        "mult_adds": count_mult_adds(network, case.input_channels, case.budget.image_size),
        "step": exact.step,
        "logits": shorten(exact.logits[:ELEMENTS]),
        "twenty_steps": {
            "learning_rate": case.twenty_steps_learning_rate,
            "losses": exact.twenty_losses,
            "logits": shorten(exact.twenty_logits[:ELEMENTS]),
        },
        "float32_error": {key: max(found[key] for found in errors) for key in errors[0]},
        "tensors": tensors,
    }


def write(folder: Path, name: str, content: dict[str, Any]) -> None:
    """One compact JSON file."""
    (folder / f"{name}.json").write_text(json.dumps(content, separators=(",", ":")) + "\n")
