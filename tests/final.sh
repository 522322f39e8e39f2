#!/usr/bin/env bash
# From a folder of pictures to a network that other programs run: a training with the pictures streamed from their files, once
# unbroken, once killed again and again and gone on with, to the same weights; their accuracy; and the exported network in ONNX
# Runtime. A minute or two with a thousand small pictures.
#
#     tests/final.sh DIR       # DIR/train/CLASS/*.jpg and DIR/val/CLASS/*.jpg; see tests/export.sh for PYTHON
set -euo pipefail
pictures=$(realpath "${1:?give a folder of pictures: train/CLASS/ and val/CLASS/ in it}")
cd "$(dirname "${BASH_SOURCE[0]}")/.."
target="${CARGO_TARGET_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/nas-pipeline/target}"
pipeline=${PIPELINE:-$target/release/pipeline}
python=${PYTHON:-${XDG_CACHE_HOME:-$HOME/.cache}/nas-pipeline/python-export/bin/python}
kills=${KILLS:-5}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
network=(--genotype DARTS_V2 --budget "BPE-1,epochs=8,layers=6,channels=8,image_size=64,batch_size=64")

train() { # train NAME MORE...: a training of its own cache folder, with a checkpoint behind each epoch
    local name=$1
    shift
    "$pipeline" train "${network[@]}" --data "stream:$pictures" --device cpu --checkpoint-minutes 0 \
        --cache "$work/$name" --save "$work/$name.safetensors" "$@"
}

"$pipeline" data check "$pictures"
begun=$SECONDS
train unbroken --json >"$work/train.json"
elapsed=$((SECONDS - begun + 1))

for ((kill = 0; kill < kills; kill++)); do
    train broken >/dev/null 2>&1 &
    sleep "$((RANDOM % elapsed)).$((RANDOM % 10))"
    # The program itself, not only the shell that waits for it.
    pkill -9 -f -- "--cache $work/broken" || true
    wait "$!" 2>/dev/null || true
done
# And once more, now behind a checkpoint for sure; without one the last training ends.
train broken >/dev/null 2>&1 &
until compgen -G "$work/broken/checkpoints/*" >/dev/null; do sleep 0.1; done
pkill -9 -f -- "--cache $work/broken" || true
wait "$!" 2>/dev/null || true
train broken --resume
cmp "$work/unbroken.safetensors" "$work/broken.safetensors"
echo "$((kills + 1)) kills: the same weights"

"$pipeline" evaluate "${network[@]}" --weights "$work/broken.safetensors" --data "stream:$pictures" --device cpu \
    --cache "$work/broken" --json >"$work/evaluate.json"
"$pipeline" export "${network[@]}" --weights "$work/broken.safetensors" --data "stream:$pictures" --out "$work/out" \
    --cache "$work/broken"
"$python" - "$work/out" "$work/train.json" "$work/evaluate.json" <<'PYTHON'
import json
import sys
import numpy
import onnxruntime
session = onnxruntime.InferenceSession(f"{sys.argv[1]}/network.onnx")
(image,) = session.get_inputs()
random = numpy.random.default_rng(0)
images = random.standard_normal((17, *image.shape[1:]), dtype=numpy.float32)
(together,) = session.run(None, {image.name: images})
alone = numpy.concatenate([session.run(None, {image.name: images[n : n + 1]})[0] for n in range(17)])
assert numpy.isfinite(together).all() and numpy.abs(together - alone).max() < 1e-4
trained, evaluated = (json.load(open(path)) for path in sys.argv[2:])
assert trained["accuracy"] == evaluated["test"]["accuracy"], (trained["accuracy"], evaluated)
print(f"{trained['accuracy']:.2f}% of the pictures of val, as the training said")
print(f"ONNX Runtime: {together.shape[1]} classes, batches of 17 and 1 within {numpy.abs(together - alone).max():.1e}")
PYTHON
