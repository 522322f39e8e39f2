"""Hold exported networks against ONNX Runtime and, where it is installed, PyTorch.

    exported.py files DIR                 what the tests of exported networks leave in NAS_EXPORTED: ONNX files beside images
                                          and the processor's scores
    exported.py network DIR EVALUATION    what `pipeline export` wrote, and what `pipeline evaluate --json` said of the same
                                          weights; the images are those that come with the program

Scores are held to within TOLERANCE in batches of 1, 3 and 17 images. Exits with 1 where something does not hold.
"""

import argparse
import gzip
import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from safetensors.numpy import load_file

TOLERANCE = 1e-4
BATCHES = (1, 3, 17)
DATA = Path(__file__).parents[2] / "stages/data"

Floats = NDArray[np.float32]


def session(path: Path) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def in_batches(run: onnxruntime.InferenceSession, images: NDArray, batch: int) -> Floats:
    parts = [run.run(["logits"], {"images": images[at : at + batch]})[0] for at in range(0, len(images), batch)]
    return np.concatenate(parts)


def log_softmax(scores: Floats) -> NDArray[np.float64]:
    scores = scores.astype(np.float64)
    shifted = scores - scores.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def hold(what: str, found: NDArray, expected: NDArray) -> float:
    """The largest error, which is printed; too large a one ends the program."""
    if found.shape != expected.shape:
        sys.exit(f"{what}: shapes {found.shape} and {expected.shape}")
    error = float(np.abs(found - expected).max())
    if not error <= TOLERANCE:
        sys.exit(f"{what}: scores differ by {error:.1e}, more than {TOLERANCE}")
    return error


def hold_files(folder: Path) -> None:
    files = sorted(folder.glob("*.onnx"))
    if not files:
        sys.exit(f"{folder} holds no ONNX file; run the tests with NAS_EXPORTED={folder}")
    worst = 0.0
    for path in files:
        tensors = load_file(path.with_suffix(".safetensors"))
        run, images = session(path), tensors["images"]
        if run.get_inputs()[0].type == "tensor(uint8)":
            images = images.astype(np.uint8)
        for batch in BATCHES:
            found = log_softmax(in_batches(run, images, batch))
            worst = max(worst, hold(f"{path.name} in batches of {batch}", found, tensors["log_probabilities"]))
    print(f"{len(files)} networks, batches of 1, 3 and 17: scores of ONNX Runtime within {worst:.1e}")


def read_idx(path: Path) -> NDArray[np.uint8]:
    content = gzip.decompress(path.read_bytes())
    axes = content[3]
    shape = np.frombuffer(content, ">u4", axes, offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * axes).reshape(shape)


def hold_network(folder: Path, evaluation: dict) -> None:
    pixels, labels = (read_idx(DATA / f"test-{part}.idx.gz") for part in ("images", "labels"))
    pixels = pixels[:, None]
    run = session(folder / "network.onnx")
    properties = run.get_modelmeta().custom_metadata_map
    mean, std = (np.float32(json.loads(properties[key])).reshape(1, -1, 1, 1) for key in ("mean", "std"))
    reads_bytes = run.get_inputs()[0].type == "tensor(uint8)"
    if not reads_bytes and int(properties["image_size"]) != pixels.shape[-1]:
        sys.exit("without --with-preprocessing this needs an image_size of 28")
    images = pixels if reads_bytes else (pixels.astype(np.float32) / 255 - mean) / std
    scores = in_batches(run, images, 100)
    for batch in BATCHES:
        hold(f"ONNX Runtime, batches of {batch}", in_batches(run, images[:51], batch), scores[:51])
    if scores.std(axis=0).max() < 100 * TOLERANCE:
        sys.exit("the network says almost the same of all images, and nothing is shown by it: train it longer")
    losses = -log_softmax(scores)[np.arange(len(labels)), labels]
    hits = int((scores.argmax(axis=1) == labels).sum())
    test = evaluation["test"]
    if (hits, len(labels)) != (test["correct"], test["images"]):
        sys.exit(f"ONNX Runtime tells {hits} of {len(labels)} images, pipeline {test['correct']} of {test['images']}")
    error = abs(losses.mean() - test["loss"])
    if error > TOLERANCE:
        sys.exit(f"cross-entropy {losses.mean()} instead of {test['loss']}")
    print(f"ONNX Runtime: {hits} of {len(labels)} test images as pipeline, cross-entropy within {error:.1e}")
    if importlib.util.find_spec("torch") is None:
        print("PyTorch is not installed: network.py was not run")
        return
    hold_module(folder, pixels, scores)


def hold_module(folder: Path, pixels: NDArray[np.uint8], scores: Floats) -> None:
    """Holds network.py, which refuses weights that are not all of its own, to the ONNX file."""
    import torch

    spec = importlib.util.spec_from_file_location("network", folder / "network.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    weights = str(folder / "weights.safetensors")
    network = module.load(weights)
    names = {name for name in network.state_dict() if not name.endswith("num_batches_tracked")}
    written = set(load_file(weights))
    if not any(name.startswith("aux_head.") for name in names):
        written = {name for name in written if not name.startswith("aux_head.")}
    if names != written:
        sys.exit("names of state_dict() and of the file differ")
    worst = 0.0
    with torch.no_grad():
        for batch in BATCHES:
            found = [network(module.prepare(torch.tensor(pixels[at : at + batch]))) for at in range(0, 51, batch)]
            worst = max(worst, hold(f"PyTorch, batches of {batch}", torch.cat(found).numpy(), scores[:51]))
    print(
        f"PyTorch {torch.__version__}: {len(names)} tensors loaded strictly, scores within {worst:.1e} of ONNX Runtime's"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    files = commands.add_parser("files")
    files.add_argument("folder", type=Path)
    network = commands.add_parser("network")
    network.add_argument("folder", type=Path)
    network.add_argument("evaluation", type=Path)
    arguments = parser.parse_args()
    if arguments.command == "files":
        hold_files(arguments.folder)
    else:
        hold_network(arguments.folder, json.loads(arguments.evaluation.read_text()))


if __name__ == "__main__":
    main()
