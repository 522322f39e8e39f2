#!/usr/bin/env python3
"""Holds the statistics of `pipeline replay` against SciPy, scikit-learn, Optuna and plain enumeration.

    python tests/reference/compare_statistics.py PIPELINE [DIR]

Exact where the definition is: rank correlations, the top of a ranking (all ways to break ties are enumerated), rank sums, and
PED-ANOVA without the prior that Optuna adds to densities. Within a tolerance where random numbers differ: bootstrap intervals,
the forest's impurity importances, and fANOVA. With DIR the tables in it are replayed as well, and each r_s held against the
one published beside it.
"""

import csv
import itertools
import json
import math
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import optuna
from scipy.stats import bootstrap, kendalltau, rankdata, spearmanr
from sklearn.ensemble import RandomForestRegressor

PIPELINE = pathlib.Path(sys.argv[1]).resolve()
TREES = 1000
BEST = 0.2


def write(path, heading, rows):
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows([heading, *rows])


def replay(folder, *more):
    """Replays the tables of a folder."""
    files = {"truth": "ground_truth.csv", "trials": "trials.csv", "accuracies": "accuracies.csv"}
    flags = [word for flag, file in files.items() for word in (f"--{flag}", folder / file)]
    command = [PIPELINE, "replay", *flags, "--trees", TREES, "--best", BEST, "--json", *more]
    ran = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def same(name, ours, theirs, tolerance=1e-9):
    if theirs is None or math.isnan(theirs):
        assert ours is None, f"{name}: {ours}, and undefined there"
        return
    assert ours is not None, f"{name}: undefined, and {theirs} there"
    assert abs(ours - theirs) <= tolerance, f"{name}: {ours}, and {theirs} there"


def quietly(statistic, x, y):
    """A correlation, or NaN where a side is constant or too short."""
    if len(x) < 2 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return math.nan
    return float(statistic(x, y).statistic)


def tops(values, k):
    """All sets of k elements that hold the k largest."""
    last = np.sort(values)[-k]
    sure = [i for i in range(len(values)) if values[i] > last]
    tied = [i for i in range(len(values)) if values[i] == last]
    return [sure + list(more) for more in itertools.combinations(tied, k - len(sure))]


def check_top(name, top, x, y, k):
    k = min(k, len(x))
    assert top["k"] == k, name
    highest, best = tops(x, k), tops(y, k)
    shared = [len(set(a) & set(b)) / k for a in highest for b in best]
    same(f"{name}: precision", top["precision"], np.mean(shared))
    same(f"{name}: regret", top["regret"], y.max() - np.mean([y[a[0]] for a in tops(x, 1)]))
    same(f"{name}: best of top", top["best_of_top"], np.mean([y[a].max() for a in highest]))
    sets = math.comb(len(y), k)
    chances = [math.comb(place, k - 1) / sets for place in range(len(y))]
    random = float(np.sort(y) @ chances)
    same(f"{name}: best of random", top["best_of_random"], random)
    same(f"{name}: over random", top["over_random"], top["best_of_top"] - top["best_of_random"])


def check_interval(name, interval, statistic, x, y):
    def resampled(x, y):
        return quietly(statistic, x, y)

    theirs = bootstrap(
        (x, y), resampled, paired=True, vectorized=False, method="percentile", n_resamples=1000, rng=0
    ).confidence_interval
    width = theirs.high - theirs.low
    for ours, bound in zip(interval, theirs):
        same(f"{name}: interval", ours, bound, 0.02 + 0.12 * width)


def check_rankings(name, found, estimates, truth, k, intervals=False):
    for budget, column in zip(found["budgets"], estimates.T, strict=True):
        there = ~np.isnan(column)
        x, y = column[there], truth[there]
        label = f"{name}, {budget['budget']}"
        assert budget["architectures"] == len(x), label
        same(f"{label}: r_s", budget["spearman"], quietly(spearmanr, x, y))
        same(f"{label}: tau-b", budget["kendall"], quietly(kendalltau, x, y))
        check_top(label, budget["top"], x, y, k)
        if intervals:
            check_interval(f"{label}: r_s", budget["interval"], spearmanr, x, y)
            check_interval(f"{label}: tau-b", budget["kendall_interval"], kendalltau, x, y)


def check_combinations(name, found, estimates, truth):
    names = [budget["budget"] for budget in found["budgets"]]
    for combination in found["combinations"]["told"]:
        columns = estimates[:, [names.index(budget) for budget in combination["budgets"]]]
        there = ~np.isnan(columns).any(axis=1)
        sums = rankdata(columns[there], axis=0).sum(axis=1)
        same(f"{name}, {combination['budgets']}", combination["spearman"], quietly(spearmanr, sums, truth[there]))


def study(factors, sizes, targets, numbers):
    """The trials as Optuna has them. The order of numbers counts, so that each has the same room."""
    distributions = {}
    for name, size in sizes.items():
        if name.startswith("text"):
            distributions[name] = optuna.distributions.CategoricalDistribution(list(range(size)))
        elif numbers == "float":
            distributions[name] = optuna.distributions.FloatDistribution(-0.5, size - 0.5)
        else:
            distributions[name] = optuna.distributions.IntDistribution(0, size - 1)
    made = optuna.create_study(direction="maximize")
    for trial, target in enumerate(targets):
        cast = float if numbers == "float" else int
        params = {
            name: int(factors[name][trial]) if name.startswith("text") else cast(factors[name][trial]) for name in sizes
        }
        made.add_trial(optuna.trial.create_trial(params=params, distributions=distributions, value=float(target)))
    return made


def check_importances(name, found, factors, sizes):
    targets = np.array([budget["spearman"] for budget in found["budgets"]])
    ours = {row["name"]: row for row in found["hyperparameters"]}
    columns, owners = [], []
    for factor, size in sizes.items():
        if factor.startswith("text") and size > 2:
            columns += [factors[factor] == choice for choice in range(size)]
            owners += [factor] * size
        else:
            columns.append(factors[factor])
            owners.append(factor)
    forest = RandomForestRegressor(TREES, max_features=1.0, random_state=0, n_jobs=-1)
    forest.fit(np.column_stack(columns).astype(float), targets)
    divergences = optuna.importance.PedAnovaImportanceEvaluator(target_quantile=BEST)
    divergences._prior_weight = 0.0
    with np.errstate(divide="ignore"):
        divergences = divergences.evaluate(study(factors, sizes, targets, "int"))
    variances = optuna.importance.FanovaImportanceEvaluator(n_trees=400, seed=0)
    variances = variances.evaluate(study(factors, sizes, targets, "float"))
    for factor in sizes:
        label, row = f"{name}, {factor}", ours[factor]
        impurity = sum(share for share, owner in zip(forest.feature_importances_, owners) if owner == factor)
        same(f"{label}: impurity", row["importance"], impurity, 0.03)
        same(f"{label}: PED-ANOVA", row["ped_anova"], divergences[factor] / sum(divergences.values()), 1e-6)
        if "text" not in sizes:
            # Optuna's domain has room for what is none of the texts, or several at once; numbers have the same one.
            same(f"{label}: fANOVA", row["fanova"], variances[factor], 0.05)


def random_table(folder, rng, case):
    """Tables with ties and holes, in which two hyper-parameters decide how well a budget ranks."""
    architectures, budgets = int(rng.integers(12, 60)), int(rng.integers(20, 50))
    has_texts = case % 2 == 1
    sizes = {"depth": 4, "width": 5, "noise": 3}
    if has_texts:
        sizes["text"] = 3
    factors = {name: rng.integers(0, size, budgets) for name, size in sizes.items()}
    for name, size in sizes.items():
        factors[name][:size] = range(size)
    truth = np.round(rng.normal(70, 5, architectures), 1 if case % 3 else 0)
    spread = 12.0 / (1 + factors["depth"] + 2.0 * factors["width"])
    estimates = truth[:, None] + rng.normal(0, 1, (architectures, budgets)) * spread
    estimates = np.round(estimates, 0 if case % 4 == 0 else 2)
    if case % 3 == 0:
        estimates[rng.random(estimates.shape) < 0.05] = math.nan
    write(folder / "ground_truth.csv", ["arch", "accuracy"], enumerate(truth))
    rows = [
        [f"b{trial}"] + [f"t{value}" if name == "text" else value for name, value in row.items()] + [spread[trial]]
        for trial in range(budgets)
        for row in [{name: factors[name][trial] for name in sizes}]
    ]
    write(folder / "trials.csv", ["trial", *sizes, "hours"], rows)
    cells = [[number] + ["" if math.isnan(value) else value for value in row] for number, row in enumerate(estimates)]
    write(folder / "accuracies.csv", ["arch"] + [f"b{trial}" for trial in range(budgets)], cells)
    return factors, sizes, estimates, truth


def degenerate_tables():
    nan = math.nan
    return {
        "one budget": ([[1.0], [3.0], [2.0]], [1.0, 2.0, 3.0]),
        "two architectures": ([[1.0, 2.0, 5.0], [2.0, 1.0, 5.0]], [1.0, 2.0]),
        "constant estimates": ([[4.0, 1.0], [4.0, 1.0], [4.0, 2.0]], [1.0, 2.0, 3.0]),
        "constant truth": ([[1.0, 2.0], [2.0, 1.0], [3.0, 3.0]], [7.0, 7.0, 7.0]),
        "ties everywhere": ([[1.0, 2.0], [1.0, 2.0], [2.0, 1.0], [2.0, 2.0], [1.0, 1.0]], [1.0, 1.0, 2.0, 2.0, 1.0]),
        "holes": ([[1.0, nan], [nan, 2.0], [2.0, 3.0], [3.0, nan]], [1.0, 2.0, 3.0, 4.0]),
        "one pair left": ([[1.0, 2.0], [nan, 1.0], [nan, 3.0]], [1.0, 2.0, 3.0]),
        "one architecture": ([[1.0, 2.0]], [3.0]),
    }


def main():
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    rng = np.random.default_rng(20)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for case in range(12):
            factors, sizes, estimates, truth = random_table(folder, rng, case)
            k = 1 + case % 4
            found = replay(folder, "--top", k, "--bootstrap", 0)
            label = f"random table {case}"
            check_rankings(label, found, estimates, truth, k, intervals=case < 1)
            check_combinations(label, found, estimates, truth)
            if all(budget["spearman"] is not None for budget in found["budgets"]):
                check_importances(label, found, factors, sizes)
            print(f"{label}: {truth.size} architectures, {estimates.shape[1]} budgets agree")
        for label, (estimates, truth) in degenerate_tables().items():
            estimates, truth = np.array(estimates), np.array(truth)
            budgets = range(estimates.shape[1])
            write(folder / "ground_truth.csv", ["arch", "accuracy"], enumerate(truth))
            write(folder / "trials.csv", ["trial", "epochs"], [[f"b{budget}", budget + 1] for budget in budgets])
            cells = [[i] + ["" if math.isnan(value) else value for value in row] for i, row in enumerate(estimates)]
            write(folder / "accuracies.csv", ["arch"] + [f"b{budget}" for budget in budgets], cells)
            for k in (1, 2, 3):
                check_rankings(f"{label}, top {k}", replay(folder, "--top", k), estimates, truth, k)
            print(f"{label}: agrees")
    if len(sys.argv) > 2:
        published(pathlib.Path(sys.argv[2]))


def published(folder):
    found = replay(folder)
    with open(folder / "accuracies.csv") as file:
        rows = list(csv.DictReader(file))
    estimates = np.array([[float(row[budget["budget"]]) for budget in found["budgets"]] for row in rows])
    with open(folder / "ground_truth.csv") as file:
        truths = {row["arch"]: float(row[found["truth"]]) for row in csv.DictReader(file)}
    truth = np.array([truths[row["arch"]] for row in rows])
    for budget, column in zip(found["budgets"], estimates.T, strict=True):
        same(f"{budget['budget']}: r_s", budget["spearman"], quietly(spearmanr, column, truth))
        same(f"{budget['budget']}: tau-b", budget["kendall"], quietly(kendalltau, column, truth))
    check_combinations("published", found, estimates, truth)
    for budget in found["budgets"]:
        if budget["published"] is not None and budget["differs"]:
            print(f"{budget['budget']}: published {budget['published']}, here {budget['spearman']:.5f}")
    differences = [abs(budget["difference"]) for budget in found["budgets"] if budget["difference"] is not None]
    first = [row["name"] for row in found["hyperparameters"][:2]]
    print(f"{folder.name}: {len(differences)} published r_s within {max(differences):.5f}; first {first}")


main()
