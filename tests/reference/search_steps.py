"""Steps of a search that trains its architecture beside its weights (Liu et al., 2019, DARTS, Algorithm 1), in binary64.

Weights are trained by SGD on one stream of batches, after the architecture by Adam on another, at the weights (first
order) or at weights that have gone a step of their own (second order; Eq. 7, with the finite difference of Eq. 8).
Mixtures may be drawn, anew for each batch (Xie et al., 2019, SNAS; Dong and Yang, 2019, GDAS), and skip connections be
dropped (Chen et al., 2019, P-DARTS).
"""

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.nn.utils import clip_grad_norm_
from torch.optim import SGD, Adam

from golden import Case, make_batch, make_network, shorten
from noise import Drawn, drop_path

STEPS = 4


@dataclass(frozen=True)
class Rates:
    """What the two optimisers are set to."""

    learning_rate: float = 0.01
    momentum: float = 0.9
    weight_decay: float = 3e-4
    grad_clip: float = 5.0
    architecture_rate: float = 3e-3
    beta1: float = 0.5
    beta2: float = 0.999
    epsilon: float = 1e-8
    architecture_decay: float = 1e-3
    distance: float = 0.01
    """How far weights are moved on both sides for the finite difference."""
    temperature: float = 0.5
    """Of mixtures that are drawn."""
    divergence: float = 0.02
    """Weight of the divergence of Dirichlet distributions from uniform ones."""
    skip_dropout: float = 0.4
    """Probability that a skip connection is dropped for an image, where skip connections are."""


def search(
    case: Case,
    rates: Rates,
    *,
    second_order: bool = False,
    published: bool = False,
    draw: str = "",
    drops: bool = False,
    shared: bool = False,
) -> dict[str, Any]:
    """Losses of both kinds of batches, and the architecture and the weights' norm after the last step.

    Step k is in epoch k div 2, trains on batch k mod 2, and the architecture sees batch 2 + k mod 2. `draw` is how
    mixtures are drawn, if they are: `concrete`, `one-hot` or `dirichlet`. `drops` is whether skip connections are
    dropped. `published` is whether the second order has the slip of its authors' code, which multiplies by the
    difference's size where Eq. 8 divides. `shared` is whether both see the first two batches, and one loss.
    """
    network = make_network(case, torch.float64)
    batches = [make_batch(case, index, torch.float64) for index in range(4)]
    architecture = [network.normal.weight, network.reduce.weight]
    weights = [p for p in network.parameters() if all(p is not alpha for alpha in architecture)]
    sgd = SGD(weights, rates.learning_rate, rates.momentum, weight_decay=rates.weight_decay)
    betas = (rates.beta1, rates.beta2)
    adam = Adam(architecture, rates.architecture_rate, betas, rates.epsilon, rates.architecture_decay)
    found: dict[str, Any] = {"train": [], "valid": []}

    def differentiate(batch: tuple[Tensor, Tensor], parameters: list[Tensor]) -> tuple[float, list[Tensor]]:
        loss = cross_entropy(network(batch[0])[0], batch[1])
        pull = torch.zeros(())
        if draw == "dirichlet":
            pull = rates.divergence * (network.normal.divergence() + network.reduce.divergence())
        return loss.item(), list(torch.autograd.grad(loss + pull, parameters))

    def draw_noise(epoch: int, batch: int) -> None:
        first = batch * case.budget.batch_size
        for number, mixture in enumerate((network.normal, network.reduce) if draw else ()):
            mixture.draw, mixture.temperature = draw, rates.temperature
            mixture.drawn = Drawn(seed=0, mixture=number, epoch=epoch, image=first)
        edges = [edge for cell in network.cells for edge in cell.edges] if drops else []
        for number, edge in enumerate(edges):
            images = range(first, first + case.budget.batch_size)
            edge.skip_scale = drop_path(rates.skip_dropout, number, epoch, images)

    def move(to: list[Tensor]) -> None:
        for weight, value in zip(weights, to, strict=True):
            weight.data.copy_(value)

    for step in range(STEPS):
        train, valid = batches[step % 2], batches[step % 2 if shared else 2 + step % 2]
        saved = [weight.detach().clone() for weight in weights]
        if second_order:
            _, slopes = differentiate(train, weights)
            ahead = []
            for weight, slope in zip(weights, slopes, strict=True):
                moment = sgd.state[weight].get("momentum_buffer", torch.zeros_like(weight))
                full = rates.momentum * moment + slope + rates.weight_decay * weight.detach()
                ahead.append(weight.detach() - rates.learning_rate * full)
            move(ahead)
        draw_noise(step // 2, step % 2 if shared else 2 + step % 2)
        loss, both = differentiate(valid, architecture + weights)
        found["valid"].append(loss)
        toward, vector = both[: len(architecture)], both[len(architecture) :]
        if second_order:
            size = rates.distance / torch.cat([v.flatten() for v in vector]).norm()
            sides = []
            for sign in (1, -1):
                move([w + sign * size * v for w, v in zip(saved, vector, strict=True)])
                sides.append(differentiate(train, architecture)[1])
            move(saved)
            divisor = 2 / size if published else 2 * size
            toward = [
                d - rates.learning_rate * (plus - minus) / divisor
                for d, plus, minus in zip(toward, *sides, strict=True)
            ]
        for alpha, slope in zip(architecture, toward, strict=True):
            alpha.grad = slope
        adam.step()
        slopes = vector
        if not shared:
            draw_noise(step // 2, step % 2)
            loss, slopes = differentiate(train, weights)
        found["train"].append(loss)
        for weight, slope in zip(weights, slopes, strict=True):
            weight.grad = slope
        clip_grad_norm_(weights, rates.grad_clip)
        sgd.step()
    found["normal"], found["reduce"] = (shorten(alpha.detach().flatten()) for alpha in architecture)
    found["weights_norm"] = torch.cat([w.detach().flatten() for w in weights]).norm().item()
    return found


def search_steps(case: Case) -> dict[str, Any]:
    """The JSON object of all orders, of the ways of drawing, of shared images, and with skips that are dropped."""
    rates = Rates()
    orders = {name: search(case, rates, second_order=name == "second") for name in ("first", "second")}
    orders |= {name: search(case, rates, draw=name) for name in ("concrete", "one-hot", "dirichlet")}
    orders["published"] = search(case, rates, second_order=True, published=True)
    orders["shared"] = search(case, rates, draw="concrete", shared=True)
    orders["dropped-skips"] = search(case, rates, drops=True)
    return {"steps": STEPS, "rates": asdict(rates), "orders": orders}
