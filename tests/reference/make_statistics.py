#!/usr/bin/env python3
"""Makes stages/goldens/correlation.json with SciPy, forest.json with scikit-learn and divergence.json with Optuna.

    pip install optuna scikit-learn scipy
    python tests/reference/make_statistics.py

Forests: every small bootstrap sample ends in nodes of two rows, which any feature splits equally well, and
scikit-learn then decides by its random state. So single trees are compared only where its answer does not depend on the
random state, and whole forests, where chance averages out, within a tolerance.
"""

import json
import pathlib

import numpy as np
import optuna
from scipy.stats import kendalltau, spearmanr
from sklearn.ensemble import RandomForestRegressor
from sklearn.tree import DecisionTreeRegressor

GOLDENS = pathlib.Path(__file__).parents[2] / "stages" / "goldens"

# The published trials: epochs, batch size, learning rate, layers, channels, image size, cutout, float bits; their
# Spearman correlation and mean GPU hours.
TRIALS = [
    (10, 128, 0.03, 6, 8, 16, 0, 16, 0.49266, 0.0864),
    (100, 128, 0.03, 6, 8, 16, 0, 16, 0.45868, 0.863),
    (100, 128, 0.03, 6, 36, 16, 0, 16, 0.38716, 0.918),
    (10, 128, 0.03, 6, 8, 16, 0, 32, 0.4967, 0.0852),
    (10, 128, 0.03, 6, 36, 16, 0, 32, 0.2315, 0.1038),
    (10, 128, 0.03, 20, 8, 16, 0, 32, 0.3751, 0.5821),
    (10, 128, 0.03, 6, 8, 32, 0, 32, 0.2109, 0.1595),
    (10, 512, 0.1, 6, 8, 16, 0, 16, 0.4719, 0.041),
    (10, 1024, 0.1, 6, 8, 16, 0, 16, 0.4252, 0.0359),
    (10, 128, 0.03, 6, 24, 32, 0, 32, 0.2144, 0.1812),
    (10, 96, 0.025, 6, 8, 16, 0, 16, 0.4936, 0.1083),
    (50, 128, 0.03, 6, 36, 32, 0, 32, 0.2771, 0.7376),
    (50, 128, 0.03, 20, 8, 32, 0, 16, 0.6475, 1.2617),
    (50, 128, 0.03, 20, 8, 32, 16, 32, 0.6429, 1.2816),
    (50, 128, 0.03, 24, 8, 32, 0, 32, 0.6033, 1.5707),
    (50, 128, 0.03, 6, 64, 32, 0, 32, 0.3492, 1.2308),
    (300, 256, 0.06, 20, 36, 32, 0, 16, 0.7553, 9.1072),
    (300, 128, 0.03, 20, 36, 16, 0, 16, 0.6878, 7.4924),
    (100, 128, 0.03, 20, 8, 32, 0, 32, 0.6948, 2.695),
    (10, 128, 0.03, 8, 16, 16, 0, 16, 0.4591, 0.1083),
    (10, 128, 0.03, 6, 12, 16, 0, 32, 0.3893, 0.0884),
    (10, 96, 0.025, 8, 16, 32, 0, 32, 0.4396, 0.1586),
    (25, 128, 0.03, 14, 14, 16, 0, 32, 0.608, 0.4086),
    (30, 128, 0.03, 16, 16, 16, 0, 32, 0.6245, 0.5494),
]


def correlation_cases(rng):
    for n, levels in [(5, 100), (8, 3), (24, 2), (40, 6), (100, 1000), (100, 12)]:
        x = rng.integers(0, levels, n) / 4.0
        y = np.round(x + rng.normal(0, levels / 6, n), 0 if levels < 100 else 3)
        yield {
            "x": x.tolist(),
            "y": y.tolist(),
            "spearman": float(spearmanr(x, y).statistic),
            "kendall": float(kendalltau(x, y).statistic),
        }


def single_trees(rng):
    """Trees whose importances no random state changes, with their bootstrap counts."""
    n = 60
    rows = np.column_stack(
        [rng.integers(0, 5, n), rng.choice([0.025, 0.03, 0.1], n), rng.random(n), rng.integers(0, 9, n)]
    )
    targets = (
        np.where(rows[:, 0] > 2, 0.75, 0.25)
        + np.where(rows[:, 2] > 0.6, 0.125, 0)
        + np.where(rows[:, 3] > 4, 0.0625, 0)
    )
    trees = []
    while len(trees) < 12:
        counts = np.bincount(rng.integers(0, n, n), minlength=n)
        answers = [
            DecisionTreeRegressor(random_state=state).fit(rows, targets, sample_weight=counts).feature_importances_
            for state in range(40)
        ]
        if np.ptp(answers, axis=0).max() < 1e-12:
            trees.append({"counts": counts.tolist(), "importances": answers[0].tolist()})
    return {"rows": rows.tolist(), "targets": targets.tolist(), "trees": trees}


def published_forest():
    rows = np.array([trial[:8] for trial in TRIALS])
    targets = np.array([trial[8] for trial in TRIALS])
    forest = RandomForestRegressor(20_000, max_features=1.0, random_state=0, n_jobs=-1).fit(rows, targets)
    hours = [trial[9] for trial in TRIALS]
    return {
        "rows": rows.tolist(),
        "targets": targets.tolist(),
        "hours": hours,
        "importances": forest.feature_importances_.tolist(),
    }


def divergences(rng):
    """PED-ANOVA's shares by Optuna, without the prior that it adds to densities: numbers with an order, and without."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    for n, levels, choices in [(24, 6, 3), (60, 9, 4), (40, 2, 2)]:
        columns = [rng.integers(0, size, n) for size in (levels, choices, 2 * levels)]
        targets = np.round(columns[0] / levels + 0.5 * (columns[1] == 1) + rng.normal(0, 0.2, n), 1) + 0.0
        for column, size in zip(columns, (levels, choices, 2 * levels)):
            column[:size] = range(size)
        distributions = {
            "a": optuna.distributions.IntDistribution(0, levels - 1),
            "b": optuna.distributions.CategoricalDistribution(list(range(choices))),
            "c": optuna.distributions.IntDistribution(0, 2 * levels - 1),
        }
        study = optuna.create_study(direction="maximize")
        for trial in range(n):
            params = {name: int(column[trial]) for name, column in zip("abc", columns)}
            value = float(targets[trial])
            study.add_trial(optuna.trial.create_trial(params=params, distributions=distributions, value=value))
        evaluator = optuna.importance.PedAnovaImportanceEvaluator(target_quantile=0.2)
        evaluator._prior_weight = 0.0
        with np.errstate(divide="ignore"):  # the logarithm of the prior's weight
            found = evaluator.evaluate(study)
        shares = [found[name] / sum(found.values()) for name in "abc"]
        yield {
            "columns": [column.tolist() for column in columns],
            "targets": targets.tolist(),
            "best": 0.2,
            "shares": shares,
        }


def main():
    rng = np.random.default_rng(0)
    cases = list(correlation_cases(rng))
    (GOLDENS / "correlation.json").write_text(json.dumps(cases) + "\n")
    cases = list(divergences(np.random.default_rng(3)))
    (GOLDENS / "divergence.json").write_text(json.dumps(cases) + "\n")
    forest = {"single": single_trees(rng), "published": published_forest()}
    (GOLDENS / "forest.json").write_text(json.dumps(forest) + "\n")


main()
