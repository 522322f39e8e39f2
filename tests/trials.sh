#!/usr/bin/env bash
# All trials of tests/tests/trials: 200 kills over one to four processes, a minute of kills of ten processes of a team and
# one of ten on one folder, 1,000 flipped bytes, 50 full disks, 50 folders without permission, and 20 folders of a later
# version, of each of which `make test` runs one in 25; and tests that it leaves out. Half an hour on two cores.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/nas-pipeline/target}"
export PATH="$PATH:$HOME/.cargo/bin"
export NAS_TRIALS_ALL=1
cargo test --release --package tests --test trials -- --test-threads 1 --nocapture "$@"
cargo test --release --package cache --test newer
cargo test --release --package stages -- --ignored
cargo test --release --package tests --test program -- --ignored
