"""Training steps of PyTorch on a GPU, in images a second: what `scripts/gpu-check.sh` holds the program against.

    gpu.py [--budgets "BPE-1;full"] [--modes eager,channels_last,graphs,compile] [--seconds S]

A budget behind `large,` is trained as ImageNet's final networks are: two stems, 1,000 classes, label smoothing of 0.1.

The networks, the loss and the optimiser are those of tests/reference, the batch is one and the same again and again, without
augmentation. `eager` is as a user writes it, `channels_last` the same in that layout, `graphs` replays a captured step, and
`compile` is torch.compile, which takes minutes and so comes last. Products of 32-bit numbers are in TF32 where PyTorch's own
defaults have it so: in convolutions.
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent / "tests" / "reference"))

import torch  # noqa: E402
from genotype import parse_genotype  # noqa: E402
from network import Network  # noqa: E402
from recipe import Budget, Recipe, losses, make_optimizer, parse_budget  # noqa: E402

DROP_PATH = 0.1
WARM_UP_STEPS = 5
MODES = ("eager", "channels_last", "graphs", "compile")
LARGE = "large,"
IMAGENET_MOBILE = f"{LARGE}batch_size=512,learning_rate=0.1,layers=14,channels=48,image_size=224"


def make_step(budget: Budget, mode: str, large: bool) -> Callable[[], None]:
    """A whole training step of the first architecture: forward, backward, clipping and update."""
    device, recipe = torch.device("cuda"), Recipe(label_smoothing=0.1 if large else 0.0)
    classes = 1000 if large else 10
    torch.manual_seed(0)
    genotype = parse_genotype((HERE / "architectures.txt").read_text().splitlines()[0])
    network = Network(genotype, budget.layers, budget.channels, budget.image_size, classes=classes, large=large)
    network = network.to(device)
    network.set_drop_path(DROP_PATH)
    images = torch.randn(budget.batch_size, 3, budget.image_size, budget.image_size, device=device)
    labels = torch.randint(classes, (budget.batch_size,), device=device)
    if mode == "channels_last":
        network, images = network.to(memory_format=torch.channels_last), images.to(memory_format=torch.channels_last)
    optimizer = make_optimizer(network, budget.learning_rate, recipe)
    called = torch.compile(network) if mode == "compile" else network

    def step() -> None:
        found = losses(called, images, labels, recipe)
        optimizer.zero_grad(set_to_none=True)
        found.total.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), recipe.grad_clip)
        optimizer.step()

    if mode != "graphs":
        return step
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return graph.replay


def measure(budget: Budget, mode: str, wanted: float, large: bool) -> tuple[float, float]:
    """Images a second, and seconds until the first step was done."""
    begun = time.perf_counter()
    step = make_step(budget, mode, large)
    step()
    torch.cuda.synchronize()
    ready = time.perf_counter() - begun
    for _ in range(WARM_UP_STEPS):
        step()
    torch.cuda.synchronize()
    steps, begun = 0, time.perf_counter()
    while time.perf_counter() - begun < wanted:
        for _ in range(5):
            step()
        steps += 5
        torch.cuda.synchronize()
    return steps * budget.batch_size / (time.perf_counter() - begun), ready


def main() -> None:
    """Print a row for each budget and mode, as they come."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--budgets", default=f"BPE-1;BPE-2;DARTS;full;{IMAGENET_MOBILE}")
    parser.add_argument("--modes", default=",".join(MODES))
    parser.add_argument("--seconds", type=float, default=1.5)
    args = parser.parse_args()
    torch.backends.cudnn.benchmark = True
    print(f"PyTorch {torch.__version__}, {torch.cuda.get_device_name()}")
    print("| budget | mode | images/s | ms a step | ready in s |\n| --- | --- | --- | --- | --- |")
    for mode in args.modes.split(","):
        for name in args.budgets.split(";"):
            large = name.startswith(LARGE)
            budget = parse_budget(name.removeprefix(LARGE))
            try:
                speed, ready = measure(budget, mode, args.seconds, large)
            except Exception as error:  # noqa: BLE001 a mode that fails is a row that says so
                print(f"| {name} | {mode} | {type(error).__name__}: {str(error)[:80].partition(chr(10))[0]} | | |", flush=True)
                continue
            step = 1e3 * budget.batch_size / speed
            print(f"| {name} | {mode} | {speed:,.0f} | {step:.2f} | {ready:.1f} |", flush=True)


if __name__ == "__main__":
    main()
