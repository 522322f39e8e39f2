"""What both exported modules do to images: the part below the mark goes into each, behind its own constants."""

import torch
from torch import Tensor

IMAGE_SIZE = 16
SHORTER_SIDE = None
MEAN = [0.5, 0.5, 0.5]
STD = [0.25, 0.25, 0.25]
# >>>


def prepare(images: Tensor) -> Tensor:
    """8-bit images (N, CHANNELS_IN, H, W) as the network reads them: resized, the middle taken, and normalised."""
    pixels = images.float()
    height, width = pixels.shape[2:]
    if SHORTER_SIDE is None:
        size = (IMAGE_SIZE, IMAGE_SIZE)
    else:
        size = tuple(max(side * SHORTER_SIDE // min(height, width), IMAGE_SIZE) for side in (height, width))
    if (height, width) != size:
        pixels = torch.nn.functional.interpolate(pixels, size=size, mode="bilinear", antialias=True)
    top, left = ((side - IMAGE_SIZE) // 2 for side in size)
    pixels = pixels[:, :, top : top + IMAGE_SIZE, left : left + IMAGE_SIZE]
    mean, std = (torch.tensor(numbers, device=pixels.device).view(-1, 1, 1) for numbers in (MEAN, STD))
    return (pixels / 255 - mean) / std
