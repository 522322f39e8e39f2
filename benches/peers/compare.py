"""Measure the program and its peers in turns on this machine, and print one table of ratios.

    compare.py [--rounds N] [--program FILE] [--software] [--burn [FEATURES]]

Peers: PyTorch (eager training steps of the same networks) and scikit-learn (the random forest). What they need is installed
into an environment of its own the first time. With --software the program also trains on Vulkan without a GPU, which works on
the same cores, and its time to the first step is taken, from the start of the command. With --burn also burn, a framework in Rust like the program, on its ndarray
backend: its first build takes minutes, with the features `simd,rayon` many more, without which it has one thread and no
vectors of its own. It trains the first architecture only, as it is slow. Each round measures every peer right before the program; a ratio is the
median over the rounds of program / peer, larger is better for the program. PyTorch and burn get the better of one thread and all.

The machine must be idle. On a busy one PyTorch's threads wait for each other at every operation and lose ten times their
speed, the program's do not, and the ratios flatter the program. So what others use is measured before each round, and a
table made beside them is marked as worthless.
"""

import argparse
import csv
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
REFERENCE = HERE.parent.parent / "tests" / "reference" / "compare.py"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "nas-pipeline"
TARGET = Path(os.environ.get("CARGO_TARGET_DIR") or CACHE / "target")
TREES = 1000
BUDGETS = 100
# Name, budget, device of the program, steps of a measurement: both sides train these steps from random weights.
TRAININGS = (("BPE-1", "BPE-1", "cpu", 35), ("C 16, 8 cells, 32x32", "DARTS", "cpu", 6))
SOFTWARE = ("BPE-1 on the software GPU", "BPE-1", "software", 24)
# Layers, channels, image size, batch size of BPE-1, and steps of a measurement.
BURN = ("6", "8", "16", "128", "2")
# Share of the processor that others may use.
BUSY = 0.1
# The embedded images of the program have one channel.
CHANNELS = "1"


def ensure_environment() -> None:
    """Go on inside an environment that has the peers; make it when this interpreter has none."""
    try:
        import sklearn  # noqa: F401
        import torch  # noqa: F401
    except ImportError:
        folder = CACHE / "peers"
        python = folder / "bin" / "python"
        if Path(sys.prefix) == folder:
            sys.exit(f"{folder} lacks the peers although pip installed them; remove that folder and try again")
        if not python.exists():
            print(f"making an environment with the peers in {folder}", file=sys.stderr)
            venv.create(folder, with_pip=True)
        requirements = str(HERE / "requirements.txt")
        subprocess.run([python, "-m", "pip", "install", "-q", "-r", requirements], check=True)
        os.execv(python, [str(python), *sys.argv])


def output(*command: str | Path) -> str:
    """Standard output of a command; ends this script with the command's own message when it fails."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stderr}")
    return done.stdout


def program_run(program: Path, genotype: str, budget: str, device: str, steps: int) -> dict[str, Any]:
    """What the program says of a training of so many steps."""
    with tempfile.TemporaryDirectory() as cache:
        options = ["--device", device, "--max-steps", str(steps), "--cache", cache, "--json"]
        return json.loads(output(program, "train", "--genotype", genotype, "--budget", budget, *options))


def program_training(program: Path, genotype: str, budget: str, device: str, steps: int) -> tuple[float, int]:
    """Images a second of the program's training steps (augmentation included), and its threads."""
    found = program_run(program, genotype, budget, device, steps)
    threads = re.search(r"(\d+) threads?", found["device"])
    return found["images_per_second"], int(threads[1]) if threads else os.cpu_count() or 1


def pytorch_training(genotype: str, budget: str, steps: int, threads: int) -> float:
    """Images a second of PyTorch's eager training steps on one synthetic batch (no augmentation), at its best."""
    speeds = []
    for count in sorted({1, threads}):
        options = ["--input-channels", CHANNELS, "--steps", str(steps), "--threads", str(count)]
        text = output(sys.executable, REFERENCE, "speed", "--genotype", genotype, "--budget", budget, *options)
        speeds.append(float(text.split()[0]))
    return max(speeds)


def training_row(
    program: Path, budget: str, device: str, steps: int, genotypes: list[str]
) -> tuple[float, float]:
    """Images a second over all architectures (peer, program), each pair measured right after each other."""
    times = [0.0, 0.0]
    for genotype in genotypes:
        speed, threads = program_training(program, genotype, budget, device, steps)
        times[1] += 1 / speed
        times[0] += 1 / pytorch_training(genotype, budget, steps, threads)
    return len(genotypes) / times[0], len(genotypes) / times[1]


def first_steps(program: Path, genotypes: list[str], cache: str) -> list[tuple[float, float]]:
    """Seconds to the first step on the software GPU for each architecture: when the program compiles its shaders into the
    folder `cache`, where Mesa finds them from then on, and when they are there."""
    os.environ["MESA_SHADER_CACHE_DIR"] = cache
    _, budget, device, _ = SOFTWARE

    def seconds(genotype: str) -> float:
        return program_run(program, genotype, budget, device, 1)["first_step_seconds"]

    return [(seconds(genotype), seconds(genotype)) for genotype in genotypes]


def build_burn(features: str) -> Path:
    """The program that trains in burn; built in a folder of its own, apart from the main workspace."""
    manifest, target = HERE / "burn" / "Cargo.toml", CACHE / "peers-burn"
    print(f"building burn in {target}", file=sys.stderr)
    environment = {**os.environ, "CARGO_TARGET_DIR": str(target)}
    command = ["cargo", "build", "--release", "--quiet", "--manifest-path", manifest, "--features", features]
    subprocess.run(command, check=True, env=environment)
    return target / "release" / "peer-burn"


def burn_row(program: Path, burn: Path, genotype: str) -> tuple[float, float]:
    """Images a second of BPE-1's training steps (peer, program)."""
    _, budget, device, steps = TRAININGS[0]
    speed, threads = program_training(program, genotype, budget, device, steps)
    speeds = []
    for count in sorted({1, threads}):
        text = output("env", f"RAYON_NUM_THREADS={count}", burn, genotype, *BURN, "ndarray")
        speeds.append(float(text.split()[0]))
    return max(speeds), speed


def forest_row(program: Path, table: Path) -> tuple[float, float]:
    """Forests a second (peer, program). The program's time is a whole process, the peer's starts after its imports."""
    import numpy as np
    from sklearn.ensemble import RandomForestRegressor

    numbers = np.array([[float(cell) for cell in row] for row in list(csv.reader(table.open()))[1:]])
    begun = time.perf_counter()
    forest = RandomForestRegressor(n_estimators=TREES, max_features=1.0, n_jobs=-1, random_state=0)
    _ = forest.fit(numbers[:, :-1], numbers[:, -1]).feature_importances_
    peer = time.perf_counter() - begun
    begun = time.perf_counter()
    output(program, "importance", table, "--trees", str(TREES), "--json")
    return 1 / peer, 1 / (time.perf_counter() - begun)


def write_trials(table: Path) -> None:
    """A table of synthetic trials at the size of the paper."""
    import numpy as np

    random = np.random.default_rng(0)
    values = {
        "epochs": (10, 30, 50, 100), "batch_size": (64, 128, 256), "learning_rate": (0.025, 0.03, 0.1),
        "layers": (6, 8, 14, 20), "channels": (8, 16, 36), "image_size": (16, 32), "cutout": (0, 16),
        "float_bits": (16, 32),
    }  # fmt: skip
    with table.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*values, "spearman"])
        for _ in range(BUDGETS):
            budget = [random.choice(choices).item() for choices in values.values()]
            writer.writerow([*budget, round(0.3 + 0.01 * budget[3] + random.normal(0, 0.05), 5)])


def control() -> float:
    """GFLOP/s of a matrix product on all cores."""
    import torch

    size, repeats = 1024, 20
    left, right = torch.randn(size, size), torch.randn(size, size)
    left @ right
    begun = time.perf_counter()
    for _ in range(repeats):
        left @ right
    return 2e-9 * size**3 * repeats / (time.perf_counter() - begun)


def others() -> float:
    """Share of the processor that is used while this script waits a second; 0 where the system does not tell."""
    stat = Path("/proc/stat")
    if not stat.exists():
        return 0.0

    def times() -> tuple[int, int]:
        ticks = [int(word) for word in stat.read_text().splitlines()[0].split()[1:9]]
        return sum(ticks), ticks[3] + ticks[4]

    (total, idle), _ = times(), time.sleep(1)
    total_after, idle_after = times()
    return 1 - (idle_after - idle) / max(1, total_after - total)


def hardware() -> str:
    """The processor's name and its cores."""
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists() and (found := re.search(r"model name\s*: (.*)", info.read_text())):
        name = found[1]
    return f"{name}, {os.cpu_count()} cores"


def spread(values: list[float], digits: int = 1) -> str:
    """Median, smallest and largest."""
    median, least, most = (f"{value:,.{digits}f}" for value in (statistics.median(values), min(values), max(values)))
    return f"{median} ({least} to {most})"


def main() -> None:
    """Measure in rounds and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--program", type=Path, default=TARGET / "release" / "pipeline")
    parser.add_argument("--software", action="store_true", help="measure the program on Vulkan without a GPU too")
    parser.add_argument("--burn", nargs="?", const="", help="compare with burn too, built with these features")
    args = parser.parse_args()
    if not args.program.is_file():
        sys.exit(f"{args.program} is not there: run `make build`, or give --program")
    ensure_environment()
    import sklearn
    import torch

    genotypes = (HERE / "architectures.txt").read_text().splitlines()
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "trials.csv"
        write_trials(table)
        rows: dict[str, Callable[[], tuple[float, float]]] = {}
        for name, budget, device, steps in (*TRAININGS, *([SOFTWARE] if args.software else [])):
            rows[f"training {name}, images/s"] = lambda b=budget, d=device, s=steps: training_row(
                args.program, b, d, s, genotypes
            )
        if args.burn is not None:
            burn = build_burn(args.burn)
            rows["training BPE-1, first architecture, burn (ndarray), images/s"] = lambda: burn_row(
                args.program, burn, genotypes[0]
            )
        rows[f"forest of {TREES} trees, {BUDGETS} trials, forests/s"] = lambda: forest_row(args.program, table)
        first = first_steps(args.program, genotypes, folder) if args.software else []
        found: dict[str, list[tuple[float, float]]] = {name: [] for name in rows}
        controls, busy = [], []
        for round_number in range(args.rounds):
            print(f"round {round_number + 1} of {args.rounds}", file=sys.stderr)
            busy.append(others())
            controls.append(control())
            for name, row in rows.items():
                found[name].append(row())
    print(f"{hardware()}; PyTorch {torch.__version__}, scikit-learn {sklearn.__version__}; {args.rounds} rounds\n")
    if max(busy) > BUSY:
        print(f"WORTHLESS: others used up to {max(busy):.0%} of the processor. Repeat this on an idle machine.\n")
    print("| what | peer | program | program / peer |\n| --- | --- | --- | --- |")
    print(f"| control: matrix product, GFLOP/s | {spread(controls)} | | |")
    for name, pairs in found.items():
        peer, program = ([pair[side] for pair in pairs] for side in (0, 1))
        print(f"| {name} | {spread(peer)} | {spread(program)} | {spread([p / q for q, p in pairs], 2)} |")
    if first:
        compiling, cached = ([pair[side] for pair in first] for side in (0, 1))
        print(f"\nSeconds to the first step on the software GPU, one value an architecture: {spread(cached)};")
        print(f"with shaders to compile {spread(compiling)}")


if __name__ == "__main__":
    main()
