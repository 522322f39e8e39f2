#!/usr/bin/env bash
# Exported networks in ONNX Runtime and PyTorch. The runtime's own tests leave their networks, with images and scores, for the
# first; then a network is trained for an epoch on the images that come with the program, evaluated, exported, and held to
# both. About two minutes on two cores once the program and the Python environment are there.
#
#     tests/export.sh                    # makes an environment with ONNX Runtime, and PyTorch where NAS_WITH_TORCH=1
#     PYTHON=python3 tests/export.sh     # takes an environment that has them
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/nas-pipeline/target}"
export PATH="$PATH:$HOME/.cargo/bin"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Sets `python` to one that has what is needed.
find_python() {
    python=${PYTHON:-}
    [[ -z $python ]] || return 0
    local environment="${XDG_CACHE_HOME:-$HOME/.cache}/nas-pipeline/python-export"
    python=$environment/bin/python
    [[ -x $python ]] || python3 -m venv "$environment"
    "$python" -m pip install --quiet numpy onnxruntime safetensors ${NAS_WITH_TORCH:+torch}
}

find_python
# Not `--package`: with the whole workspace selected, dependencies get the same features as for the tests.
cargo build --release --workspace --bins
pipeline=$CARGO_TARGET_DIR/release/pipeline

mkdir "$work/networks"
NAS_EXPORTED="$work/networks" cargo test --quiet --release --workspace --test parity exported >"$work/tests.log" ||
    { cat "$work/tests.log"; exit 1; }
"$python" tests/reference/exported.py files "$work/networks"

export NAS_CACHE="$work/cache"
network=(--genotype DARTS_V2 --budget "BPE-1,epochs=1,image_size=28,layers=6,channels=8" --device cpu)
weights="$work/w.safetensors"
"$pipeline" train "${network[@]}" --save "$weights" --json >"$work/train.json"
"$pipeline" evaluate "${network[@]}" --weights "$weights" --json >"$work/evaluate.json"
"$python" - "$work/train.json" "$work/evaluate.json" <<'PYTHON'
import json, sys
trained, evaluated = (json.load(open(path)) for path in sys.argv[1:])
assert trained["accuracy"] == evaluated["test"]["accuracy"], (trained["accuracy"], evaluated)
print(f"evaluate: {evaluated['test']['accuracy']}% of the test images, as the training said")
PYTHON
network=("${network[@]:0:4}")
"$pipeline" export "${network[@]}" --weights "$weights" --out "$work/plain" >/dev/null
"$pipeline" export "${network[@]}" --weights "$weights" --out "$work/raw" --with-preprocessing >/dev/null
for folder in plain raw; do
    "$python" tests/reference/exported.py network "$work/$folder" "$work/evaluate.json"
done

# A network that reads smaller images: the ONNX file and the module resize them.
network=(--genotype DARTS_V1 --budget "BPE-1,epochs=1,layers=3,channels=4")
"$pipeline" train "${network[@]}" --device cpu --save "$work/small.safetensors" --json >/dev/null
"$pipeline" evaluate "${network[@]}" --device cpu --weights "$work/small.safetensors" --json >"$work/small.json"
"$pipeline" export "${network[@]}" --weights "$work/small.safetensors" --out "$work/small" --with-preprocessing >/dev/null
"$python" tests/reference/exported.py network "$work/small" "$work/small.json"

# Networks that are not of the DARTS space, and one with the stem of larger images: their modules are written line by line.
for name in NASNET_A AMOEBANET_B ENAS ResNet-18 SENet-18 DenseNet-BC MobileNetV2 ShuffleNetV2; do
    network=(--architecture "$name" --budget "BPE-1,epochs=1,image_size=28,layers=3,channels=4,batch_size=16")
    weights="$work/$name.safetensors"
    "$pipeline" train "${network[@]}" --device cpu --save "$weights" --max-steps 60 --json >/dev/null
    "$pipeline" evaluate "${network[@]}" --device cpu --weights "$weights" --json >"$work/$name.json"
    "$pipeline" export "${network[@]}" --weights "$weights" --out "$work/$name" >/dev/null
    echo "$name:"
    "$python" tests/reference/exported.py network "$work/$name" "$work/$name.json"
done
network=(--genotype DARTS_V2 --recipe "imagenet-mobile,epochs=1,image_size=32,layers=6,channels=8,mult_adds_max=0,batch_size=16")
"$pipeline" train "${network[@]}" --device cpu --save "$work/stems.safetensors" --max-steps 60 --accumulate 4 --json >/dev/null
"$pipeline" evaluate "${network[@]}" --device cpu --weights "$work/stems.safetensors" --json >"$work/stems.json"
"$pipeline" export "${network[@]}" --weights "$work/stems.safetensors" --out "$work/stems" --with-preprocessing >/dev/null
"$python" tests/reference/exported.py network "$work/stems" "$work/stems.json"
