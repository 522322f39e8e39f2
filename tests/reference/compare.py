"""Hold the program's training step against PyTorch's on the same weights and images, or measure PyTorch itself.

    compare.py init  --genotype G --budget B --out F          random weights to start both from
    pipeline train   --genotype G --budget B --data DIR --init-from F --dump-gradients D --save S
                     --scoring published --max-steps 1 --no-augment --no-drop-path --order sequential
    compare.py step  --genotype G --budget B --data DIR --init F --gradients D --saved S
    compare.py size  --genotype G --budget B                  parameters and multiply-adds
    compare.py speed --genotype G --budget B                  images per second of an eager training step

G is a genotype's text or @FILE. `step` computes in binary64 and exits with 1 when a tensor's norm is off by more than
TOLERANCE relative to it. Norms that are all but zero, which rounding decides, are held to a floor instead.

Rounding may also move a number across the kink of a ReLU, or change which of two pixels is the larger, and then the
gradient jumps. Column `binary32` says how far PyTorch itself strays in that precision, on images off by as much as
their rounding; where that is far as well, start from other weights (`init --seed`).
"""

import argparse
import copy
import gzip
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn.functional import interpolate

from genotype import parse_genotype
from network import Network, count_mult_adds, count_parameters
from recipe import Budget, Recipe, backward, clip_and_update, gradients, make_optimizer, parse_budget

TOLERANCE = 1e-4
# Gradients: as a share of the norm over all of them. Parameters and statistics: absolute.
GRADIENT_FLOOR = 1e-3
STATE_FLOOR = 1e-2
ROWS = 5
# Rounding of resized and normalised images in binary32, and how many times it is drawn.
IMAGE_ROUNDING = 1e-7
ROUNDED_STEPS = 4
WARM_UP_STEPS = 3
DROP_PATH = 0.1
CIFAR_MEAN = (0.49139968, 0.48215827, 0.44653124)
CIFAR_STD = (0.24703233, 0.24348505, 0.26158768)


@dataclass(frozen=True)
class Images:
    """Training images (N, C, H, W) of 8 bits, labels (N,), and each channel's mean and deviation in [0, 1]."""

    pixels: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    classes: int
    mean: tuple[float, ...]
    std: tuple[float, ...]


def read_images(folder: Path) -> Images:
    """Read CIFAR-10's binary version (the first batch file) or the training half of an IDX set."""
    inner = folder / "cifar-10-batches-bin"
    batches = inner if inner.is_dir() else folder
    if (batches / "data_batch_1.bin").is_file():
        records = np.fromfile(batches / "data_batch_1.bin", np.uint8).reshape(-1, 1 + 3 * 32 * 32)
        return Images(records[:, 1:].reshape(-1, 3, 32, 32), records[:, 0], 10, CIFAR_MEAN, CIFAR_STD)
    pixels = read_idx(folder / "train-images-idx3-ubyte")[:, None]
    labels = read_idx(folder / "train-labels-idx1-ubyte")
    scaled = pixels / 255.0
    return Images(pixels, labels, int(labels.max()) + 1, (scaled.mean(),), (scaled.std(),))


def read_idx(path: Path) -> NDArray[np.uint8]:
    """The array of an IDX file of bytes, plain or with `.gz` added to its name."""
    data = path.read_bytes() if path.is_file() else gzip.decompress(path.with_name(path.name + ".gz").read_bytes())
    rank = data[3]
    shape = np.frombuffer(data, ">u4", rank, 4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * rank).reshape(shape)


def first_batch(images: Images, budget: Budget) -> tuple[Tensor, Tensor]:
    """The first images, resized and normalised (N, C, image_size, image_size) in binary64, and labels (N,)."""
    pixels = torch.from_numpy(images.pixels[: budget.batch_size].astype(np.float64))
    size = (budget.image_size, budget.image_size)
    resized = interpolate(pixels, size=size, mode="bilinear", align_corners=False, antialias=True) / 255.0
    mean, std = (torch.tensor(values).double().view(1, -1, 1, 1) for values in (images.mean, images.std))
    return (resized - mean) / std, torch.from_numpy(images.labels[: budget.batch_size].astype(np.int64))


def make_network(args: argparse.Namespace, input_channels: int, classes: int) -> Network:
    """The network that the command line describes, in its random initial state."""
    budget = args.budget
    return Network(args.genotype, budget.layers, budget.channels, budget.image_size, input_channels, classes)


@dataclass(frozen=True)
class Step:
    """What one step gives, tensor by tensor."""

    gradients: dict[str, Tensor]
    parameters: dict[str, Tensor]
    statistics: dict[str, Tensor]


def take_step(network: Network, images: Tensor, labels: Tensor, budget: Budget) -> Step:
    """A step of a copy of the reference, in the precision of the images."""
    network, recipe = copy.deepcopy(network).to(images.dtype), Recipe()
    optimizer = make_optimizer(network, budget.learning_rate, recipe)
    loss = backward(network, images, labels, recipe).total.item()
    found = gradients(network)
    norm = clip_and_update(network, optimizer, recipe)
    print(f"reference in {images.dtype}: loss {loss:.7f}, gradient norm {norm:.7f}")
    state = {name: t.detach() for name, t in network.state_dict().items() if t.is_floating_point()}
    return Step(found, *split(state, found))


def take_rounded_steps(network: Network, images: Tensor, labels: Tensor, budget: Budget) -> list[Step]:
    """Steps in binary32 on images that are off by about as much as their rounding."""
    random = torch.Generator().manual_seed(0)
    steps = []
    for _ in range(ROUNDED_STEPS):
        noise = torch.randn(images.shape, generator=random, dtype=images.dtype)
        steps.append(take_step(network, (images + IMAGE_ROUNDING * noise).float(), labels, budget))
    return steps


def split(state: dict[str, Tensor], parameters: Iterable[str]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Parameters, and what is none: running statistics."""
    chosen = set(parameters)
    return tuple({name: t for name, t in state.items() if (name in chosen) == wanted} for wanted in (True, False))


def norm_error(value: Tensor, reference: Tensor, floor: float) -> float:
    """Error of a norm relative to it, or to `floor` if that is larger."""
    norm = reference.norm().item()
    return abs(value.double().norm().item() - norm) / max(norm, floor)


def print_errors(
    title: str,
    found: dict[str, Tensor],
    exact: dict[str, Tensor],
    rounded: list[dict[str, Tensor]],
    floor: float,
) -> bool:
    """Print the worst tensors of a group; true when all are within the tolerance."""
    if missing := exact.keys() ^ found.keys():
        print(f"{title}: names differ: {', '.join(sorted(missing))}")
        return False
    errors = []
    for name, reference in exact.items():
        value = found[name].double()
        if value.shape != reference.shape:
            print(f"{title}: {name} has shape {list(value.shape)}, expected {list(reference.shape)}")
            return False
        distance = (value - reference).norm().item() / max(reference.norm().item(), floor)
        own = max(norm_error(step[name], reference, floor) for step in rounded)
        errors.append((norm_error(value, reference, floor), distance, own, reference.norm().item(), name))
    errors.sort(reverse=True)
    print(f"{title}: {len(errors)} tensors, binary32 strays by at most {max(error[2] for error in errors):.2e}")
    print("  norm error  distance    binary32    norm        name")
    for error, distance, own, norm, name in errors[:ROWS]:
        print(f"  {error:.2e}    {distance:.2e}    {own:.2e}    {norm:.2e}    {name}")
    return errors[0][0] <= TOLERANCE


def init(args: argparse.Namespace) -> bool:
    """Write a random state."""
    torch.manual_seed(args.seed)
    save_file(make_network(args, args.input_channels, args.classes).state_dict(), args.out)
    return True


def step(args: argparse.Namespace) -> bool:
    """Repeat the program's first step and compare gradients, parameters and running statistics."""
    images = read_images(args.data)
    network = make_network(args, images.pixels.shape[1], images.classes)
    initial = floats(args.init)
    unexpected = network.load_state_dict(initial, strict=False).unexpected_keys
    if unexpected:
        sys.exit(f"{args.init}: not in this network: {', '.join(unexpected)}")
    batch = first_batch(images, args.budget)
    exact = take_step(network, *batch, args.budget)
    rounded = take_rounded_steps(network, *batch, args.budget)
    parameters, statistics = split(floats(args.saved), exact.gradients)
    whole = torch.stack([t.norm() for t in exact.gradients.values()]).norm().item()
    groups = (
        ("gradients", floats(args.gradients), exact.gradients, [r.gradients for r in rounded], GRADIENT_FLOOR * whole),
        ("updated parameters", parameters, exact.parameters, [r.parameters for r in rounded], STATE_FLOOR),
        ("running statistics", statistics, exact.statistics, [r.statistics for r in rounded], STATE_FLOOR),
    )
    passed = [print_errors(*group) for group in groups]
    return all(passed)


def floats(path: Path) -> dict[str, Tensor]:
    """The tensors of a file but for counters."""
    return {name: t for name, t in load_file(path).items() if t.is_floating_point()}


def size(args: argparse.Namespace) -> bool:
    """Print what the network costs."""
    network = make_network(args, args.input_channels, args.classes)
    print(f"parameters {count_parameters(network, auxiliary=False)}")
    print(f"parameters with auxiliary head {count_parameters(network, auxiliary=True)}")
    print(f"multiply-adds {count_mult_adds(network, args.input_channels, args.budget.image_size)}")
    return True


def speed(args: argparse.Namespace) -> bool:
    """Time whole training steps, drop path included, on one synthetic batch."""
    torch.set_num_threads(args.threads)
    network, budget, recipe = make_network(args, args.input_channels, args.classes), args.budget, Recipe()
    network.set_drop_path(DROP_PATH)
    optimizer = make_optimizer(network, budget.learning_rate, recipe)
    images = torch.randn(budget.batch_size, args.input_channels, budget.image_size, budget.image_size)
    labels = torch.randint(args.classes, (budget.batch_size,))
    for index in range(WARM_UP_STEPS + args.steps):
        if index == WARM_UP_STEPS:
            start = time.perf_counter()
        backward(network, images, labels, recipe)
        clip_and_update(network, optimizer, recipe)
    seconds = time.perf_counter() - start
    print(f"{args.steps * budget.batch_size / seconds:.0f} images/s with {args.threads} threads")
    return True


def argument_type(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    """A parser for argparse that reads `@FILE` too and keeps the message of what is wrong."""

    def parse_argument(argument: str) -> Any:
        try:
            return parse(Path(argument[1:]).read_text() if argument.startswith("@") else argument)
        except (ValueError, OSError) as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return parse_argument


def parse_arguments() -> argparse.Namespace:
    """The command line; `run` is the chosen command's function."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    for command in (init, step, size, speed):
        sub = commands.add_parser(command.__name__, help=command.__doc__)
        sub.set_defaults(run=command)
        sub.add_argument("--genotype", required=True, type=argument_type(parse_genotype))
        sub.add_argument("--budget", required=True, type=argument_type(parse_budget))
        if command is step:
            for name in ("--data", "--init", "--gradients", "--saved"):
                sub.add_argument(name, required=True, type=Path)
        else:
            sub.add_argument("--input-channels", type=int, default=3)
            sub.add_argument("--classes", type=int, default=10)
        if command is init:
            sub.add_argument("--out", required=True, type=Path)
            sub.add_argument("--seed", type=int, default=0)
        if command is speed:
            sub.add_argument("--threads", type=int, default=2)
            sub.add_argument("--steps", type=int, default=20)
    return parser.parse_args()


def main() -> None:
    """Run a command."""
    args = parse_arguments()
    sys.exit(0 if args.run(args) else 1)


if __name__ == "__main__":
    main()
