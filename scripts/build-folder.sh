#!/usr/bin/env bash
# Makes the build folder, CARGO_TARGET_DIR, this checkout's: where another one built there last, what it made of the
# project's own crates goes; RocksDB and all other dependencies stay. Cargo gives one crate in two checkouts one name and
# compares the times of files alone: it would take the other checkout's, where files here are older than that build.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export PATH="$PATH:$HOME/.cargo/bin"

readonly owner="$CARGO_TARGET_DIR/checkout"
if [[ $(cat "$owner" 2>/dev/null) != "$PWD" ]]; then
    mkdir -p "$CARGO_TARGET_DIR"
    cargo clean --quiet --release -p benches -p cache -p kernels -p pipeline -p stages -p tests
    pwd >"$owner"
fi
