"""Write the goldens that the program's tests are held to: `make_goldens.py DIR [FILE...]` (usually ../goldens).

Without names all files are written, otherwise those named, such as `network-dense`. golden.py says what the file of a
network holds; those of a genotype are named `network-*`, those of handmade.py `handmade-*`, those of named.py `named-*`,
those of searched.py `supernet-*`; `baselines` has the scores of baselines.py.
"""

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.functional import cross_entropy, interpolate

import convolutions
import generator
import handmade
import named
import supernet
from baselines import baselines
from genotype import parse_genotype
from golden import Case, golden, shorten, write
from network import Network, count_mult_adds, count_parameters
from recipe import Budget, Recipe, Sizes
from search_steps import search_steps
from searched import Supernet

# The first six published architectures, in the published text.
PUBLISHED = (
    (
        "Genotype(normal=[[('avg_pool_3x3', 0), ('dil_conv_5x5', 1)], [('max_pool_3x3', 0), ('avg_pool_3x3', 1)], "
        "[('max_pool_3x3', 0), ('avg_pool_3x3', 3)], [('sep_conv_5x5', 0), ('dil_conv_3x3', 1)]], "
        "normal_concat=range(2, 6), reduce=[[('dil_conv_5x5', 1), ('dil_conv_3x3', 0)], [('dil_conv_3x3', 2), "
        "('max_pool_3x3', 0)], [('dil_conv_3x3', 3), ('sep_conv_3x3', 2)], [('dil_conv_3x3', 3), ('dil_conv_5x5', "
        "1)]], reduce_concat=range(2, 6))"
    ),
    (
        "Genotype(normal=[[('sep_conv_5x5', 1), ('dil_conv_5x5', 0)], [('dil_conv_5x5', 2), ('skip_connect', 0)], "
        "[('sep_conv_5x5', 2), ('max_pool_3x3', 3)], [('sep_conv_3x3', 0), ('sep_conv_3x3', 1)]], "
        "normal_concat=range(2, 6), reduce=[[('skip_connect', 0), ('avg_pool_3x3', 1)], [('skip_connect', 0), "
        "('sep_conv_5x5', 2)], [('max_pool_3x3', 0), ('skip_connect', 3)], [('max_pool_3x3', 2), ('sep_conv_5x5', "
        "3)]], reduce_concat=range(2, 6))"
    ),
    (
        "Genotype(normal=[[('sep_conv_5x5', 0), ('sep_conv_5x5', 1)], [('avg_pool_3x3', 0), ('skip_connect', 1)], "
        "[('skip_connect', 1), ('avg_pool_3x3', 2)], [('dil_conv_5x5', 0), ('dil_conv_5x5', 1)]], "
        "normal_concat=range(2, 6), reduce=[[('dil_conv_3x3', 1), ('dil_conv_3x3', 0)], [('avg_pool_3x3', 1), "
        "('sep_conv_5x5', 0)], [('dil_conv_3x3', 3), ('dil_conv_3x3', 2)], [('max_pool_3x3', 4), ('dil_conv_3x3', "
        "3)]], reduce_concat=range(2, 6))"
    ),
    (
        "Genotype(normal=[[('max_pool_3x3', 1), ('skip_connect', 0)], [('sep_conv_5x5', 1), ('avg_pool_3x3', 2)], "
        "[('sep_conv_5x5', 2), ('sep_conv_5x5', 0)], [('max_pool_3x3', 0), ('dil_conv_5x5', 4)]], "
        "normal_concat=range(2, 6), reduce=[[('max_pool_3x3', 1), ('skip_connect', 0)], [('dil_conv_3x3', 1), "
        "('skip_connect', 0)], [('max_pool_3x3', 2), ('dil_conv_5x5', 3)], [('sep_conv_3x3', 1), ('dil_conv_5x5', "
        "3)]], reduce_concat=range(2, 6))"
    ),
    (
        "Genotype(normal=[[('max_pool_3x3', 1), ('dil_conv_5x5', 0)], [('dil_conv_3x3', 0), ('sep_conv_5x5', 1)], "
        "[('max_pool_3x3', 2), ('max_pool_3x3', 0)], [('sep_conv_5x5', 0), ('max_pool_3x3', 1)]], "
        "normal_concat=range(2, 6), reduce=[[('sep_conv_3x3', 1), ('sep_conv_5x5', 0)], [('max_pool_3x3', 0), "
        "('avg_pool_3x3', 2)], [('max_pool_3x3', 1), ('max_pool_3x3', 3)], [('sep_conv_3x3', 2), ('avg_pool_3x3', "
        "4)]], reduce_concat=range(2, 6))"
    ),
    (
        "Genotype(normal=[[('dil_conv_5x5', 1), ('max_pool_3x3', 0)], [('sep_conv_5x5', 2), ('dil_conv_3x3', 1)], "
        "[('dil_conv_3x3', 0), ('skip_connect', 3)], [('skip_connect', 3), ('dil_conv_3x3', 1)]], "
        "normal_concat=range(2, 6), reduce=[[('avg_pool_3x3', 1), ('max_pool_3x3', 0)], [('dil_conv_3x3', 2), "
        "('dil_conv_5x5', 1)], [('skip_connect', 1), ('sep_conv_3x3', 2)], [('dil_conv_5x5', 2), ('dil_conv_5x5', "
        "1)]], reduce_concat=range(2, 6))"
    ),
)

# All fourteen edges; in the reduction cell inputs 0 and 1 meet every operation at stride 2.
DENSE = (
    "Genotype(normal=[[('max_pool_3x3', 0), ('avg_pool_3x3', 1)], [('skip_connect', 0), ('sep_conv_3x3', 1), "
    "('sep_conv_5x5', 2)], [('dil_conv_3x3', 0), ('dil_conv_5x5', 1), ('max_pool_3x3', 2), ('avg_pool_3x3', 3)], "
    "[('skip_connect', 4), ('sep_conv_3x3', 3), ('sep_conv_5x5', 2), ('dil_conv_3x3', 1), ('dil_conv_5x5', 0)]], "
    "normal_concat=range(2, 6), reduce=[[('max_pool_3x3', 0), ('avg_pool_3x3', 1)], [('skip_connect', 0), "
    "('sep_conv_3x3', 1), ('dil_conv_5x5', 2)], [('sep_conv_5x5', 0), ('dil_conv_3x3', 1), ('skip_connect', 2), "
    "('max_pool_3x3', 3)], [('dil_conv_5x5', 0), ('skip_connect', 1), ('avg_pool_3x3', 2), ('sep_conv_3x3', 3), "
    "('sep_conv_5x5', 4)]], reduce_concat=range(2, 6))"
)

# Nodes of one to five edges; a reduction node that reads only nodes; `none` edges, which take no index.
UNEVEN = (
    "Genotype(normal=[[('skip_connect', 1)], [('none', 0), ('sep_conv_3x3', 2), ('avg_pool_3x3', 1)], "
    "[('sep_conv_5x5', 3), ('max_pool_3x3', 2), ('skip_connect', 0)], [('dil_conv_5x5', 4), ('dil_conv_3x3', 3), "
    "('skip_connect', 2), ('skip_connect', 1), ('avg_pool_3x3', 0)]], normal_concat=range(2, 6), "
    "reduce=[[('sep_conv_5x5', 1), ('skip_connect', 0)], [('dil_conv_5x5', 2)], [('avg_pool_3x3', 3), ('none', 1), "
    "('sep_conv_3x3', 2), ('dil_conv_3x3', 0)], [('dil_conv_3x3', 4), ('max_pool_3x3', 3), ('sep_conv_3x3', 0), "
    "('max_pool_3x3', 1), ('avg_pool_3x3', 2)]], reduce_concat=[2, 3, 4, 5])"
)

# An empty node in both cells, one of them read again: a map of zeros, whose BN output is its bias.
EMPTY_NODE = (
    "Genotype(normal=[[('sep_conv_3x3', 0), ('max_pool_3x3', 1)], [('none', 0), ('none', 2)], "
    "[('dil_conv_3x3', 2), ('skip_connect', 3)], [('sep_conv_5x5', 4), ('dil_conv_5x5', 3), ('skip_connect', 1)]], "
    "normal_concat=range(2, 6), reduce=[[], [('skip_connect', 0), ('sep_conv_3x3', 1)], [('avg_pool_3x3', 3), "
    "('dil_conv_5x5', 1)], [('max_pool_3x3', 1), ('sep_conv_5x5', 0), ('skip_connect', 3)]], "
    "reduce_concat=range(2, 6))"
)


# Cells of five nodes with all that the DARTS space has not: other kernels, plain and factorised convolutions, an input
# that a node reads twice, and loose ends for an output. The reduction cell meets each at stride 2.
LOOSE_ENDS = (
    "Genotype(normal=[('sep_conv_7x7', 1), ('conv_1x1', 0), ('conv_3x1_1x3', 0), ('max_pool_5x5', 2), ('conv_3x3', 1), "
    "('skip_connect', 1), ('avg_pool_3x3', 0), ('avg_pool_3x3', 0), ('conv_7x1_1x7', 1), ('sep_conv_3x3', 3)], "
    "normal_concat=[4, 5, 6], reduce=[('max_pool_2x2', 0), ('conv_7x1_1x7', 1), ('conv_3x3', 0), ('sep_conv_7x7', 1), "
    "('max_pool_7x7', 0), ('conv_1x1', 1), ('skip_connect', 2), ('dil_conv_5x5', 0), ('conv_3x1_1x3', 0), "
    "('skip_connect', 1)], reduce_concat=[3, 4, 5, 6])"
)


# Published cells, in the published text but for the names of plain convolutions, for parameters and multiply-adds.
CELLS = {
    "darts-v2": (
        "Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('sep_conv_3x3', 1), "
        "('sep_conv_3x3', 1), ('skip_connect', 0), ('skip_connect', 0), ('dil_conv_3x3', 2)], normal_concat=[2, 3, 4,"
        " 5], reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1), ('skip_connect', 2), ('max_pool_3x3', 1), "
        "('max_pool_3x3', 0), ('skip_connect', 2), ('skip_connect', 2), ('max_pool_3x3', 1)], reduce_concat=[2, 3, 4,"
        " 5])"
    ),
    "nasnet-a": (
        "Genotype(normal=[('sep_conv_5x5', 1), ('sep_conv_3x3', 0), ('sep_conv_5x5', 0), ('sep_conv_3x3', 0), "
        "('avg_pool_3x3', 1), ('skip_connect', 0), ('avg_pool_3x3', 0), ('avg_pool_3x3', 0), ('sep_conv_3x3', 1), "
        "('skip_connect', 1)], normal_concat=[2, 3, 4, 5, 6], reduce=[('sep_conv_5x5', 1), ('sep_conv_7x7', 0), "
        "('max_pool_3x3', 1), ('sep_conv_7x7', 0), ('avg_pool_3x3', 1), ('sep_conv_5x5', 0), ('skip_connect', 3), "
        "('avg_pool_3x3', 2), ('sep_conv_3x3', 2), ('max_pool_3x3', 1)], reduce_concat=[4, 5, 6])"
    ),
    "amoebanet-a": (
        "Genotype(normal=[('avg_pool_3x3', 0), ('max_pool_3x3', 1), ('sep_conv_3x3', 0), ('sep_conv_5x5', 2), "
        "('sep_conv_3x3', 0), ('avg_pool_3x3', 3), ('sep_conv_3x3', 1), ('skip_connect', 1), ('skip_connect', 0), "
        "('avg_pool_3x3', 1)], normal_concat=[4, 5, 6], reduce=[('avg_pool_3x3', 0), ('sep_conv_3x3', 1), "
        "('max_pool_3x3', 0), ('sep_conv_7x7', 2), ('sep_conv_7x7', 0), ('avg_pool_3x3', 1), ('max_pool_3x3', 0), "
        "('max_pool_3x3', 1), ('conv_7x1_1x7', 0), ('sep_conv_3x3', 5)], reduce_concat=[3, 4, 6])"
    ),
    "amoebanet-b": (
        "Genotype(normal=[('sep_conv_3x3', 0), ('skip_connect', 1), ('max_pool_3x3', 1), ('conv_1x1', 1), "
        "('sep_conv_3x3', 0), ('conv_1x1', 1), ('skip_connect', 3), ('conv_1x1', 3), ('avg_pool_3x3', 1), "
        "('conv_1x1', 5)], normal_concat=[2, 4, 6], reduce=[('max_pool_2x2', 0), ('max_pool_3x3', 0), "
        "('dil_conv_5x5', 2), ('max_pool_3x3', 2), ('skip_connect', 2), ('conv_3x3', 1), ('avg_pool_3x3', 3), "
        "('conv_1x1', 4), ('skip_connect', 4), ('sep_conv_3x3', 1)], reduce_concat=[5, 6])"
    ),
    "enas": (
        "Genotype(normal=[('sep_conv_3x3', 1), ('skip_connect', 1), ('sep_conv_5x5', 1), ('skip_connect', 0), "
        "('avg_pool_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('avg_pool_3x3', 1), ('sep_conv_5x5', 1), "
        "('avg_pool_3x3', 0)], normal_concat=[2, 3, 4, 5, 6], reduce=[('sep_conv_5x5', 0), ('sep_conv_3x3', 1), "
        "('sep_conv_3x3', 1), ('avg_pool_3x3', 1), ('sep_conv_3x3', 1), ('avg_pool_3x3', 1), ('avg_pool_3x3', 1), "
        "('sep_conv_5x5', 4), ('sep_conv_3x3', 5), ('sep_conv_5x5', 0)], reduce_concat=[2, 3, 4, 5, 6])"
    ),
}


def searched(
    name: str, salt: int, genotype: str, budget: Budget, learning_rate: float, large: bool = False, **others: Any
) -> Case:
    """The case of a genotype; `learning_rate` is that of the twenty steps, `large` the skeleton of large images."""

    def make(input_channels: int, classes: int) -> nn.Module:
        edges = parse_genotype(genotype)
        return Network(edges, budget.layers, budget.channels, budget.image_size, input_channels, classes, large)

    described = {"genotype": genotype} | ({"skeleton": "imagenet"} if large else {})
    return Case(name, salt, make, budget, learning_rate, described=described, **others)


def budget(layers: int, channels: int, image_size: int, batch_size: int) -> Budget:
    """A budget with BPE-1's learning rate."""
    return Budget(batch_size, 0.03, layers, channels, image_size)


SEARCHED = (
    searched("published-0", 18, PUBLISHED[0], budget(6, 8, 16, 8), 1e-3),
    searched("published-1", 2, PUBLISHED[1], budget(3, 4, 16, 20), 3e-4),
    searched("published-2", 0, PUBLISHED[2], budget(3, 8, 8, 40), 3e-4),
    searched("published-3", 2, PUBLISHED[3], budget(3, 4, 32, 8), 3e-4),
    searched("published-4", 3, PUBLISHED[4], budget(6, 4, 16, 20), 1e-4),
    searched("published-5", 10, PUBLISHED[5], budget(3, 4, 28, 8), 3e-3, input_channels=1),
    searched("dense", 2, DENSE, budget(3, 4, 16, 16), 3e-4),
    searched("uneven", 4, UNEVEN, budget(4, 4, 16, 20), 3e-4, recipe=Recipe(label_smoothing=0.1)),
    searched("empty-node", 7, EMPTY_NODE, budget(3, 4, 8, 32), 1e-3),
    # A 5-pixel map, whose auxiliary pooling windows overlap; decay and clipping strong enough to be seen.
    searched(
        "odd-map",
        2,
        PUBLISHED[0],
        budget(3, 4, 20, 20),
        3e-3,
        classes=7,
        recipe=Recipe(weight_decay=0.1, grad_clip=0.5),
    ),
    searched("loose-ends", 0, LOOSE_ENDS, budget(4, 4, 16, 20), 3e-4),
    # Of 64 pixels the stems leave 8, and the auxiliary head of four cells reads 4.
    searched(
        "large", 4, PUBLISHED[3], budget(4, 8, 64, 20), 1e-4, large=True, recipe=Recipe(3e-5, label_smoothing=0.1)
    ),
)

# Cases whose untrained networks are scored.
SCORED = ("published-0", "published-1", "published-2", "published-4", "published-5", "dense")

# Batches of more than one block of 16 images.
HANDMADE = (
    Case("resnet-18", 1, handmade.ResNet18, Sizes(20, 0.03, 32), 3e-3),
    Case("densenet", 3, handmade.DenseNet, Sizes(20, 0.03, 16), 1e-3),
    Case("se-resnet", 3, handmade.SeResNet, Sizes(20, 0.03, 16), 3e-3),
    Case("mobilenet-v2", 1, handmade.MobileNetV2, Sizes(20, 0.03, 16), 1e-3),
    Case("shufflenet-v2", 2, handmade.ShuffleNetV2, Sizes(20, 0.03, 32), 3e-3),
    Case("nasnet-a", 0, handmade.NasNetA, Sizes(20, 0.03, 16), 3e-3),
    Case("convolutions", 5, convolutions.Convolutions, Sizes(20, 0.03, 16), 1e-3),
    Case("supernet", 0, supernet.Supernet, Sizes(20, 0.03, 16), 1e-3),
)


def named_case(name: str, salt: int, make: Callable[[int, int], nn.Module], size: int, rate: float) -> Case:
    """A network at its full width and depth, on images of few pixels; `rate` is that of the twenty steps."""
    return Case(name, salt, make, Sizes(20, 0.03, size), rate, norm_bias=3.0)


NAMED = (
    named_case("resnet-18", 0, named.ResNet18, 8, 1e-4),
    named_case("senet-18", 0, named.SeResNet18, 8, 1e-4),
    named_case("densenet-bc", 0, named.DenseNetBc, 8, 1e-4),
    named_case("mobilenetv2", 0, named.MobileNetV2, 8, 1e-4),
    named_case("shufflenetv2", 0, named.ShuffleNetV2, 8, 1e-4),
)


def counts() -> dict[str, Any]:
    """Parameters and multiply-adds of networks at full size; those of cells in both skeletons."""
    sizes = {}
    for case in NAMED:
        network = case.make(3, 10)
        sizes[f"cifar/{case.name}"] = [count_parameters(network, auxiliary=False), count_mult_adds(network, 3, 32)]
    for name, large in (("mobilenetv2", named.MobileNetV2), ("shufflenetv2", named.ShuffleNetV2)):
        network = large(3, 1000, large=True)
        counted = [count_parameters(network, auxiliary=False), count_mult_adds(network, 3, 224)]
        sizes[f"imagenet/{name}"] = counted
    for name, genotype in CELLS.items():
        edges = parse_genotype(genotype)
        for skeleton, network, size in (
            ("cifar", Network(edges, 20, 36, 32), 32),
            ("imagenet", Network(edges, 14, 48, 224, classes=1000, large=True), 224),
        ):
            counted = [count_parameters(network, auxiliary=False), count_mult_adds(network, 3, size)]
            sizes[f"{skeleton}/{name}"] = counted
    return sizes


def supernet_case(name: str, salt: int, channels: int, channel_parts: int) -> Case:
    """A supernet of three cells."""

    def make(inputs: int, classes: int) -> nn.Module:
        return Supernet(3, channels, inputs, classes, channel_parts)

    return Case(name, salt, make, Sizes(20, 0.03, 8), 1e-3)


SUPERNETS = (supernet_case("pc-darts", 0, 8, 4), supernet_case("darts-first", 0, 8, 1))


def resizes() -> dict[str, Any]:
    """Antialiased bilinear resizing of `resize/SIZE` images (1, SIZE, SIZE), in units of 0..255."""
    cases = []
    for before, after in ((32, 16), (28, 16), (32, 8), (28, 28), (16, 32)):
        image = generator.pixels(f"resize/{before}", (1, 1, before, before))
        pixels = torch.from_numpy(image).double()
        resized = interpolate(pixels, size=(after, after), mode="bilinear", align_corners=False, antialias=True)
        cases.append({"from": before, "to": after, "pixels": shorten(resized.flatten())})
    return {"cases": cases}


def smoothed_losses() -> dict[str, Any]:
    """Cross-entropy with label smoothing of scores `loss/scores`, uniform(0, 4), and labels `loss/labels`."""
    batch, classes = 6, 10
    cases = []
    for smoothing in (0.0, 0.1):
        scores = torch.from_numpy(generator.uniform("loss/scores", (batch, classes), 0.0, 4.0)).double()
        scores.requires_grad_()
        labels = torch.from_numpy(generator.labels("loss/labels", batch, classes))
        loss = cross_entropy(scores, labels, label_smoothing=smoothing)
        loss.backward()
        cases.append({"label_smoothing": smoothing, "loss": loss.item(), "gradient": shorten(scores.grad)})
    return {"batch": batch, "classes": classes, "cases": cases}


def main() -> None:
    """Write goldens and print how far binary32 strays in each case."""
    folder, wanted = Path(sys.argv[1]), sys.argv[2:]
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    files: dict[str, Callable[[], dict[str, Any]]] = {
        "resize": resizes,
        "cross-entropy": smoothed_losses,
        "counts": counts,
    }
    for kind, cases in (("network", SEARCHED), ("handmade", HANDMADE), ("named", NAMED), ("supernet", SUPERNETS)):
        files |= {f"{kind}-{case.name}": partial(golden, case) for case in cases}
    files["search-steps"] = partial(search_steps, HANDMADE[-1])
    files["baselines"] = partial(baselines, [case for case in SEARCHED if case.name in SCORED])
    if unknown := set(wanted) - files.keys():
        sys.exit(f"no such golden: {', '.join(sorted(unknown))}")
    for name in wanted or files:
        content = files[name]()
        write(folder, name, content)
        if "float32_error" in content:
            errors = "  ".join(f"{key} {value:.1e}" for key, value in content["float32_error"].items())
            print(f"{name:22} gradient norm {content['step']['gradient_norm']:6.3f}  float32: {errors}")


if __name__ == "__main__":
    main()
