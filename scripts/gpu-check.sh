#!/usr/bin/env bash
# Checks a machine's GPU and measures it, in about six minutes, without Rust or a network: trains networks against the
# processor, alone and packed, prints how fast the GPU trains, and beside it PyTorch on the same card, where it is there.
# The program is `gpu-check`, beside this script or in the build folder (make gpu-check). Arguments are the program's.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
target="${CARGO_TARGET_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/nas-pipeline/target}"

# Seconds that PyTorch may take: compiling its networks takes minutes.
readonly PEER_SECONDS=${PEER_SECONDS:-120}

for program in "$here/gpu-check" "$target/release/gpu-check" ""; do
    [[ -x $program ]] && break
done
if [[ -z $program ]]; then
    echo "gpu-check: no program beside $0 or in $target/release: run \`make gpu-check\` where Rust is" >&2
    exit 2
fi

if command -v nvidia-smi >/dev/null; then
    nvidia-smi --query-gpu=name,driver_version,clocks.sm,clocks.mem --format=csv,noheader || true
fi
status=0
"$program" "$@" || status=$?

peer="$here/../benches/peers/gpu.py"
if [[ ! -f $peer ]]; then
    echo "PyTorch is not measured: $peer is not there"
elif python3 -c 'import torch; assert torch.cuda.is_available()' 2>/dev/null; then
    echo
    PYTHONUNBUFFERED=1 timeout "$PEER_SECONDS" python3 "$peer" ||
        echo "PyTorch: ended early, after at most $PEER_SECONDS s"
else
    echo "PyTorch with a GPU is not there: nothing to compare with"
fi
exit "$status"
