#!/usr/bin/env bash
# The statistics of `pipeline replay` beside those of SciPy, scikit-learn and Optuna, on random tables and on degenerate ones:
# ties, constants, one budget, missing accuracies, two architectures. A minute or two on two cores once the program and the
# Python environment are there.
#
#     tests/statistics.sh                # makes an environment with SciPy, scikit-learn and Optuna
#     tests/statistics.sh DIR            # and replays the tables of DIR: ground_truth.csv, trials.csv, accuracies.csv
#     PYTHON=python3 PIPELINE=target/release/pipeline tests/statistics.sh     # takes those that are there
set -euo pipefail
tables=${1:+$(realpath "$1")}
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/nas-pipeline/target}"
export PATH="$PATH:$HOME/.cargo/bin"

python=${PYTHON:-}
if [[ -z $python ]]; then
    environment="${XDG_CACHE_HOME:-$HOME/.cache}/nas-pipeline/python-statistics"
    python=$environment/bin/python
    [[ -x $python ]] || python3 -m venv "$environment"
    "$python" -m pip install --quiet numpy scipy scikit-learn optuna
fi
pipeline=${PIPELINE:-}
if [[ -z $pipeline ]]; then
    # Not `--package`: with the whole workspace selected, dependencies get the same features as for the tests.
    cargo build --release --workspace --bins
    pipeline=$CARGO_TARGET_DIR/release/pipeline
fi
exec "$python" tests/reference/compare_statistics.py "$pipeline" ${tables:+"$tables"}
