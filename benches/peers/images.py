"""Pictures decoded, cut and resized by torchvision and Pillow, in images a second of one core.

    images.py DIR [--size N] [--seconds S]

DIR holds train/CLASS/*.jpg. What is timed is what `cargo bench --bench images` times: of training images a random part,
resized, flipped and in other colours (the ImageNet recipe of DARTS), and of evaluation images the middle. Files are read
before.
"""

import argparse
import io
import time
from pathlib import Path

import torch
from PIL import Image
from torchvision import transforms


def rate(files: list[bytes], see: transforms.Compose, seconds: float) -> float:
    """Images a second."""
    count, begun = 0, time.perf_counter()
    while time.perf_counter() - begun < seconds:
        for file in files:
            see(Image.open(io.BytesIO(file)).convert("RGB"))
            count += 1
    return count / (time.perf_counter() - begun)


def main() -> None:
    """Prints both rates."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--seconds", type=float, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    files = [path.read_bytes() for path in sorted((arguments.folder / "train").rglob("*.jpg"))[:500]]
    size = arguments.size
    kinds = {
        "middle": [transforms.Resize(size * 256 // 224), transforms.CenterCrop(size)],
        "random part, flipped": [transforms.RandomResizedCrop(size), transforms.RandomHorizontalFlip()],
        "random part, flipped, other colours": [
            transforms.RandomResizedCrop(size),
            transforms.RandomHorizontalFlip(),
            transforms.ColorJitter(0.4, 0.4, 0.4, 0.2),
        ],
    }
    for name, steps in kinds.items():
        see = transforms.Compose([*steps, transforms.PILToTensor()])
        print(f"{name}: {rate(files, see, arguments.seconds):.0f} images/s")


if __name__ == "__main__":
    main()
