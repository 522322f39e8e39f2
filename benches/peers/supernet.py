"""Steps of PyTorch's that search by a supernet, in images a second: what the program's are held against.

    supernet.py [--budget BPE-1] [--steps N] [--threads N]

First-order steps of DARTS, eager, on two ready batches again and again, without augmentation: Adam updates the
architecture by one, then SGD the weights by the other. As in the authors' code, a pass differentiates by all
parameters. Images are those of both passes. The mixed operations are those of tests/reference/supernet.py, the cells
and their number the budget's.
"""

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / "tests" / "reference"))

import torch  # noqa: E402
from recipe import parse_budget  # noqa: E402
from supernet import FactorizedReduce, Mixed, Preprocess, norm  # noqa: E402
from torch import Tensor, nn  # noqa: E402
from torch.nn.functional import cross_entropy, relu  # noqa: E402

NODES = 4
EDGES = sum(2 + node for node in range(NODES))
OPERATIONS = 8
WARM_UP_STEPS = 2


class Reduce(FactorizedReduce):
    """Halves a map of `inputs` channels to `outputs`."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(outputs)
        self.first = nn.Conv2d(inputs, outputs // 2, 1, 2, bias=False)
        self.second = nn.Conv2d(inputs, outputs // 2, 1, 2, bias=False)


class Cell(nn.Module):
    """Four nodes that sum an edge from each of the two inputs and each node before; concatenated."""

    def __init__(self, inputs: tuple[int, int], channels: int, *, reduction: bool, after_reduction: bool) -> None:
        super().__init__()
        first = Reduce if after_reduction else Preprocess
        self.pre0, self.pre1 = first(inputs[0], channels), Preprocess(inputs[1], channels)
        strides = [2 if reduction and source < 2 else 1 for node in range(NODES) for source in range(2 + node)]
        self.edges = nn.ModuleList(Mixed(channels, stride) for stride in strides)

    def forward(self, s0: Tensor, s1: Tensor, weights: Tensor) -> Tensor:
        states = [self.pre0(s0), self.pre1(s1)]
        edge = 0
        for node in range(NODES):
            read = range(edge, edge + 2 + node)
            states.append(sum(self.edges[e](states[e - edge], weights[e]) for e in read))
            edge += 2 + node
        return torch.cat(states[2:], dim=1)


class Supernet(nn.Module):
    """The supernet of a search: (N, 3, H, W) -> (N, 10)."""

    def __init__(self, layers: int, channels: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 3 * channels, 3, padding=1, bias=False), norm(3 * channels))
        self.alphas = nn.ParameterList(nn.Parameter(1e-3 * torch.randn(EDGES, OPERATIONS)) for _ in range(2))
        self.cells = nn.ModuleList()
        widths, after_reduction = (3 * channels, 3 * channels), False
        for layer in range(layers):
            reduction = layer in (layers // 3, 2 * layers // 3)
            channels *= 2 if reduction else 1
            self.cells.append(Cell(widths, channels, reduction=reduction, after_reduction=after_reduction))
            self.cells[-1].reduction = reduction
            widths, after_reduction = (widths[1], NODES * channels), reduction
        self.linear = nn.Linear(widths[1], 10)

    def forward(self, x: Tensor) -> Tensor:
        weights = [alpha.softmax(dim=1) for alpha in self.alphas]
        s0 = s1 = self.stem(x)
        for cell in self.cells:
            s0, s1 = s1, cell(s0, s1, weights[cell.reduction])
        return self.linear(s1.mean(dim=(2, 3)))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--budget", type=parse_budget, default="BPE-1")
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    budget = options.budget
    network = Supernet(budget.layers, budget.channels)
    architecture = list(network.alphas)
    weights = [p for p in network.parameters() if all(p is not alpha for alpha in architecture)]
    sgd = torch.optim.SGD(weights, budget.learning_rate, 0.9, weight_decay=3e-4)
    adam = torch.optim.Adam(architecture, 3e-4, (0.5, 0.999), weight_decay=1e-3)
    size = (budget.batch_size, 3, budget.image_size, budget.image_size)
    batches = [(torch.randn(size), torch.randint(10, size[:1])) for _ in range(2)]

    def differentiate(batch: tuple[Tensor, Tensor], optimizer: torch.optim.Optimizer) -> None:
        optimizer.zero_grad(set_to_none=True)
        cross_entropy(network(batch[0]), batch[1]).backward()

    def step() -> None:
        differentiate(batches[0], adam)
        adam.step()
        differentiate(batches[1], sgd)
        nn.utils.clip_grad_norm_(weights, 5.0)
        sgd.step()

    for _ in range(WARM_UP_STEPS):
        step()
    begun = time.perf_counter()
    for _ in range(options.steps):
        step()
    seconds = time.perf_counter() - begun
    print(f"{2 * budget.batch_size * options.steps / seconds:.1f} images/s with {options.threads} threads")


if __name__ == "__main__":
    main()
