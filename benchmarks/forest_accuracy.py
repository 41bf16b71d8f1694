"""Causal forests side by side: python -m benchmarks.forest_accuracy docs/benchmarks-forest.md [draws] [trees]"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from pathlib import Path

import numpy as np
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.model_selection import cross_val_predict

from benchmarks import nie_wager

FloatArray = np.ndarray
POINTS = 1000

HEAD = """# Benchmarks of causal forests

Written by `python -m benchmarks.forest_accuracy`. Every forest has {trees:,} trees, defaults for the rest, and the same
nuisances: random forests of scikit-learn, cross-fitted in five folds. Effects are asked at 1,000 new points; means over
{draws} draws that all contestants share. *RMSE* of the effect; *coverage* of pointwise 95 % intervals, over all points
and over the tenth of them whose effects are *far* from the average; mean *length* of the intervals; CPU *seconds* for
fit and intervals. {versions}.

The first designs are those of Athey, Tibshirani and Wager (2019, section 6) with a treatment in place of the
instrument: effects are sums of kinks, max(0, x), of two or four covariates (*additive*), or one kink of their sum
(*together*). *Two sigmoids* and *no effect* are from Wager and Athey (2018); A to D from Nie and Wager (2021): simple
effect, randomised, the same effect for all, arms with nothing in common.

| design | rows | forest | RMSE | coverage | coverage, far | length | seconds |
| --- | ---: | --- | ---: | ---: | ---: | ---: | ---: |
"""


@dataclass(frozen=True, eq=False)
class Problem:
    """A sample with cross-fitted nuisances, and points with true effects."""

    x: FloatArray
    treatment: FloatArray
    outcome: FloatArray
    points: FloatArray
    truth: FloatArray
    mean: FloatArray
    chance: FloatArray

    @classmethod
    def of(
        cls, x: FloatArray, treatment: FloatArray, outcome: FloatArray, points: FloatArray, truth: FloatArray
    ) -> Problem:
        forest = {"n_estimators": 100, "min_samples_leaf": 5, "max_features": 0.5, "random_state": 0}
        mean = cross_val_predict(RandomForestRegressor(**forest), x, outcome, cv=5)
        chance = cross_val_predict(RandomForestClassifier(**forest), x, treatment, cv=5, method="predict_proba")[:, 1]
        return cls(x, treatment, outcome, points, truth, mean, np.clip(chance, 0.02, 0.98))


@dataclass(frozen=True, eq=False)
class Found:
    """Effects, their standard errors, and CPU seconds."""

    value: FloatArray
    std_error: FloatArray
    seconds: float


Draw = Callable[[int], Problem]
Contestant = Callable[[Problem, int], Found]


def kinks(seed: int, *, n: int, p: int, relevant: int, together: bool) -> Problem:
    """Kinked effects of the first covariates; the next one confounds."""
    rng = np.random.default_rng(seed)

    def effect(x: FloatArray) -> FloatArray:
        main = x[:, :relevant]
        return np.maximum(main.sum(axis=1), 0.0) if together else np.maximum(main, 0.0).sum(axis=1)

    x, points = rng.normal(size=(n, p)), rng.normal(size=(POINTS, p))
    t = (rng.random(n) < 1.0 / (1.0 + np.exp(-0.5 * x[:, relevant]))).astype(int)
    y = np.maximum(x[:, relevant], 0.0) + (t - 0.5) * effect(x) + rng.normal(size=n)
    return Problem.of(x, t, y, points, effect(points))


def wager_athey(seed: int, *, n: int, p: int, null: bool) -> Problem:
    """Randomised: the product of two sigmoids, or nothing (with a confounded treatment)."""
    rng = np.random.default_rng(seed)

    def sigmoid(v: FloatArray) -> FloatArray:
        return 1.0 + 1.0 / (1.0 + np.exp(-20.0 * (v - 1.0 / 3.0)))

    x, points = rng.random((n, p)), rng.random((POINTS, p))
    if null:
        chance = 0.25 * (1.0 + 20.0 * x[:, 0] * (1.0 - x[:, 0]) ** 3)  # a beta(2, 4) density
        t = (rng.random(n) < chance).astype(int)
        return Problem.of(x, t, 2.0 * x[:, 0] - 1.0 + rng.normal(size=n), points, np.zeros(POINTS))
    t = rng.integers(0, 2, n)
    y = (t - 0.5) * sigmoid(x[:, 0]) * sigmoid(x[:, 1]) + rng.normal(size=n)
    return Problem.of(x, t, y, points, sigmoid(points[:, 0]) * sigmoid(points[:, 1]))


def setup(seed: int, *, name: str) -> Problem:
    """A setup of Nie and Wager."""
    drawn = nie_wager.draw(name, seed)
    return Problem.of(drawn.x, drawn.treatment, drawn.outcome, drawn.points, drawn.truth)


DESIGNS: dict[str, Draw] = {
    **{
        f"{relevant} of 12, {'together' if together else 'additive'}": partial(
            kinks, n=2000, p=12, relevant=relevant, together=together
        )
        for relevant in (2, 4)
        for together in (False, True)
    },
    "two sigmoids": partial(wager_athey, n=2000, p=8, null=False),
    "no effect": partial(wager_athey, n=500, p=10, null=True),
    **{name: partial(setup, name=name) for name in "ABCD"},
    "4 of 18, together": partial(kinks, n=8000, p=18, relevant=4, together=True),
}


def butfor(problem: Problem, trees: int, *, slopes: int) -> Found:
    import butfor as bf
    from butfor.estimators.forest.causal import CausalForest

    names = [f"x{j}" for j in range(problem.x.shape[1])]
    frame = {"t": problem.treatment, "y": problem.outcome, **dict(zip(names, problem.x.T, strict=True))}
    given = {"outcome_model": bf.OutOfFold(problem.mean), "treatment_model": bf.OutOfFold(problem.chance)}
    start = time.process_time()
    fit = CausalForest(trees=trees, slopes=slopes, **given).fit(frame, treatment="t", outcome="y", covariates=names)
    found = fit.effect(dict(zip(names, problem.points.T, strict=True)))
    return Found(found.value[:, 0], found.std_error[:, 0], time.process_time() - start)


class Lookup:
    """A model that was fitted elsewhere: the prediction of row W."""

    def __init__(self, values: FloatArray) -> None:
        self.values = values

    def fit(self, *_: object, **__: object) -> Lookup:
        return self

    def predict(self, rows: FloatArray) -> FloatArray:
        return self.values[rows[:, -1].astype(int)]

    def get_params(self, deep: bool = True) -> dict[str, FloatArray]:
        return {"values": self.values}


class ChanceLookup(Lookup):
    """The same for probabilities."""

    def predict_proba(self, rows: FloatArray) -> FloatArray:
        chance = self.predict(rows)
        return np.column_stack([1.0 - chance, chance])


def econml(problem: Problem, trees: int) -> Found:
    from econml.dml import CausalForestDML

    start = time.process_time()
    model = CausalForestDML(
        model_y=Lookup(problem.mean),
        model_t=ChanceLookup(problem.chance),
        discrete_treatment=True,
        cv=2,
        n_estimators=trees,
        random_state=1,
        n_jobs=1,
    )
    rows = np.arange(len(problem.x), dtype=float)[:, None]
    model.fit(problem.outcome, problem.treatment, X=problem.x, W=rows)
    low, high = model.effect_interval(problem.points, alpha=0.05)
    spread = (high - low) / (2 * 1.959964)
    return Found((low + high) / 2, spread, time.process_time() - start)


def grf(problem: Problem, trees: int) -> Found:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        columns = np.column_stack([problem.x, problem.outcome, problem.treatment, problem.mean, problem.chance])
        for file, values in (("rows.csv", columns), ("points.csv", problem.points)):
            header = ",".join(f"v{j}" for j in range(values.shape[1]))
            np.savetxt(folder / file, values, delimiter=",", header=header, comments="")
        script = Path(__file__).with_suffix(".R")
        subprocess.run(["Rscript", str(script), name, str(trees)], check=True, capture_output=True)
        value, variance, seconds = np.loadtxt(folder / "effects.csv", delimiter=",", skiprows=1).T
    return Found(value, np.sqrt(variance), float(seconds[0]))


def contestants() -> dict[str, Contestant]:
    """Those that are installed."""
    found: dict[str, Contestant] = {"Butfor": partial(butfor, slopes=12), "Butfor, slopes=0": partial(butfor, slopes=0)}
    try:
        import econml as _  # noqa: F401

        found["EconML CausalForestDML"] = econml
    except ImportError:
        pass
    here = ["Rscript", "-e", "library(grf)"]
    if shutil.which("Rscript") and subprocess.run(here, capture_output=True, check=False).returncode == 0:
        found["grf causal_forest"] = grf
    return found


def measures(problem: Problem, found: Found) -> list[float]:
    half = 1.959964 * found.std_error
    held = np.abs(found.value - problem.truth) <= half
    far = np.argsort(-np.abs(problem.truth - problem.truth.mean()), kind="stable")[: POINTS // 10]
    error = float(np.sqrt(np.mean((found.value - problem.truth) ** 2)))
    return [error, float(held.mean()), float(held[far].mean()), 2 * float(half.mean()), found.seconds]


def _versions() -> str:
    names = [name for name in ("butfor", "econml", "scikit-learn", "numpy") if _installed(name)]
    return ", ".join(f"{name} {metadata.version(name)}" for name in names)


def _installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def main() -> None:
    path, draws, trees = Path(sys.argv[1]), *(int(a) for a in (*sys.argv[2:], 10, 1000)[:2])
    warnings.filterwarnings("ignore")
    rivals, rows = contestants(), ""
    for name, draw in DESIGNS.items():
        found: dict[str, list[list[float]]] = {rival: [] for rival in rivals}
        for seed in range(draws):
            problem = draw(seed)
            for rival, contestant in rivals.items():
                found[rival].append(measures(problem, contestant(problem, trees)))
        for rival, results in found.items():
            error, held, far, length, seconds = np.mean(results, axis=0)
            rows += f"| {name} | {len(problem.x):,} | {rival} | {error:.3f} | {held:.3f} | {far:.3f} "
            rows += f"| {length:.2f} | {seconds:.1f} |\n"
        head = HEAD.format(trees=trees, draws=draws, versions=_versions())
        path.write_text(head + rows, encoding="utf-8")


if __name__ == "__main__":
    main()
