"""Nuisances of an amount: outcomes at any dose, and the density of the dose, by models that did not see the row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from butfor.core.diagnostic import Diagnostic, Severity
from butfor.core.errors import Collinear, InvalidSetting
from butfor.data.sample import Sample
from butfor.nuisance.cache import NuisanceCache, frozen, remember
from butfor.nuisance.crossfit import Task, cross_fit, cross_fit_treatment_mean
from butfor.nuisance.folds import Folds, take_folds
from butfor.nuisance.whole import learn
from butfor.nuisance.wrap import OutOfFold

FloatArray = NDArray[np.float64]

# The spread of the dose given the covariates is never taken below this share of its average variance.
LEAST_SPREAD = 0.1
# Shares of units without a chance of a dose that call for a word, and for a warning.
FEW, MANY = 0.02, 0.2
# Points at which the density of standardised residuals is kept.
POINTS = 400


@dataclass(frozen=True, eq=False)
class Doses:
    """Outcomes and densities along doses.

    Attributes:
        own: E[Y | A, X] of each row (n).
        means: E[Y | A = t, X] at each dose of the grid (n × G).
        ratio: marginal density of the dose over that given the covariates (n), nowhere above a ceiling.
        words: the models.
        diagnostics: how many ratios were above the ceiling, and how many units had next to no chance of a dose.
    """

    own: FloatArray
    means: FloatArray
    ratio: FloatArray
    words: tuple[str, ...]
    diagnostics: tuple[Diagnostic, ...]


def cross_fit_doses(
    sample: Sample,
    models: tuple[Any, Any],
    folds: Folds,
    grid: FloatArray,
    asked: FloatArray,
    *,
    floor: float,
    seed: int,
    cache: NuisanceCache | None = None,
) -> Doses:
    """Outcomes and densities along a grid of doses.

    Args:
        models: of the outcome and of the dose.
        grid: doses at which outcomes are predicted for everyone.
        asked: doses that the question is about.
        floor: density given the covariates is never taken below this multiple of the marginal one.

    Raises:
        InvalidSetting: for predictions made elsewhere, which say nothing of other doses.
        Collinear: when the covariates decide the dose.
    """
    if any(isinstance(model, OutOfFold) for model in models):
        raise InvalidSetting(
            "A nuisance model is OutOfFold; a dose response needs models that can predict at any dose.",
            hint="give a learner such as LinearModel()",
        )
    outcome, dose = models
    key = ("outcome by dose", outcome, repr(outcome), folds.count, seed)
    arrays = (sample.covariates.matrix, sample.outcome, sample.treatment.values, folds.codes, sample.weights, grid)
    own, means = remember(cache, key, arrays, lambda: _outcomes(sample, outcome, folds, grid, seed))
    density = _density(sample, dose, folds, seed, cache)
    lifted, diagnostics = _lift(density.ratio(sample.treatment.values, grid), floor)
    thin = _thin(sample.treatment.name, density, asked, floor)
    return Doses(
        own,
        means,
        lifted,
        (f"outcome given dose and covariates: {outcome!r}", f"dose given covariates: {density.words}"),
        (*diagnostics, *thin),
    )


def dose_design(matrix: FloatArray, dose: FloatArray | float, centre: float, scale: float) -> FloatArray:
    """Columns that a linear model can bend: a, a², X and a·X, with a the standardised dose."""
    a = np.broadcast_to((np.asarray(dose) - centre) / scale, (len(matrix),))[:, None]
    return np.hstack([a, a * a, matrix, a * matrix])


def _outcomes(sample: Sample, model: Any, folds: Folds, grid: FloatArray, seed: int) -> tuple[FloatArray, FloatArray]:
    dose, matrix = sample.treatment.values, sample.covariates.matrix
    centre, scale = float(dose.mean()), max(float(dose.std()), 1e-300)
    design = dose_design(matrix, dose, centre, scale)
    own, means = np.empty(sample.n), np.empty((sample.n, len(grid)))
    for fold in range(folds.count):
        inside = np.flatnonzero(folds.codes == fold)
        train = np.flatnonzero(folds.codes != fold)
        weights = None if sample.weights is None else sample.weights[train]
        task = Task(design[train], sample.outcome[train], take_folds(folds, train), weights, seed)
        predictor = learn(model, task)
        own[inside] = predictor.predict(design[inside])
        for column, at in enumerate(grid.tolist()):
            means[inside, column] = predictor.predict(dose_design(matrix[inside], at, centre, scale))
    return frozen(own), frozen(means)


@dataclass(frozen=True, eq=False)
class _Density:
    """π(a | x) of A = m(X) + s(X) ε, with the density of ε on some points."""

    mean: FloatArray
    spread: FloatArray
    weights: FloatArray
    points: FloatArray
    heights: FloatArray
    words: str

    def given(self, dose: FloatArray | float) -> FloatArray:
        """π(dose | X) of each row."""
        z = (dose - self.mean) / self.spread
        return np.interp(z, self.points, self.heights, left=0.0, right=0.0) / self.spread

    def marginal(self, dose: float) -> float:
        """ϖ(dose), the average over everyone."""
        return float(self.weights @ self.given(dose)) / len(self.mean)

    def ratio(self, dose: FloatArray, grid: FloatArray) -> FloatArray:
        """ϖ(A) / π(A | X) of each row, the former interpolated on a grid."""
        marginal = np.array([self.marginal(t) for t in grid.tolist()])
        return np.interp(dose, grid, marginal) / np.maximum(self.given(dose), 1e-300)


def _density(sample: Sample, model: Any, folds: Folds, seed: int, cache: NuisanceCache | None) -> _Density:
    """Mean and spread are learned, the density of what is left by a normal kernel."""
    mean = cross_fit_treatment_mean(sample, model, folds, seed, cache)
    dose = sample.treatment.values
    weights = np.ones(sample.n) if sample.weights is None else sample.weights / sample.weights.mean()
    square = (dose - mean.values) ** 2
    average = float(weights @ square) / sample.n
    if average <= 1e-12 * float(dose.var()):
        raise Collinear(
            f"The covariates predict {sample.treatment.name!r} all but exactly; a dose response needs variation.",
            hint="remove the covariates that define the treatment",
        )
    spread = np.full(sample.n, np.sqrt(average))
    if sample.covariates.columns:
        task = Task(sample.covariates.matrix, square, folds, sample.weights, seed)
        spread = np.sqrt(np.maximum(cross_fit(model, task)[0], LEAST_SPREAD * average))
    points, heights = _kernel_density((dose - mean.values) / spread, weights)
    return _Density(mean.values, spread, weights, points, heights, mean.words)


def _kernel_density(values: FloatArray, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
    """A normal kernel estimate on evenly spaced points, with Silverman's bandwidth (1986, eq. 3.31)."""
    low, high = np.quantile(values, [0.25, 0.75])
    size = min(float(values.std()), float(high - low) / 1.34) or float(values.std())
    bandwidth = 0.9 * size * len(values) ** -0.2
    points = np.linspace(values.min() - 4 * bandwidth, values.max() + 4 * bandwidth, POINTS)
    total = float(weights.sum()) * bandwidth * np.sqrt(2.0 * np.pi)
    density = np.array([weights @ np.exp(-0.5 * ((p - values) / bandwidth) ** 2) for p in points.tolist()]) / total
    return points, density


def _lift(ratio: FloatArray, floor: float) -> tuple[FloatArray, tuple[Diagnostic, ...]]:
    share = float(np.mean(ratio > 1.0 / floor))
    if share == 0.0:
        return ratio, ()
    severity = Severity.DANGER if share > 0.05 else Severity.CAUTION
    message = (
        f"{share:.1%} of the rows have a dose whose density given their covariates is below {floor:g} of that among "
        "everyone, taken as that: for them the data hold little to compare with."
    )
    return np.minimum(ratio, 1.0 / floor), (Diagnostic("density-floor", severity, message, share),)


def _thin(name: str, density: _Density, asked: FloatArray, floor: float) -> tuple[Diagnostic, ...]:
    """The asked dose that most units had next to no chance of, where these are many."""
    marginal = [density.marginal(dose) for dose in asked.tolist()]
    low = [density.given(dose) < floor * most for dose, most in zip(asked.tolist(), marginal, strict=True)]
    shares = [float(density.weights @ below) / len(below) for below in low]
    worst = int(np.argmax(shares))
    if shares[worst] <= FEW:
        return ()
    severity = Severity.DANGER if shares[worst] > MANY else Severity.CAUTION
    message = (
        f"{shares[worst]:.0%} of the units had next to no chance of {name} = {asked[worst]:.4g}, given their "
        "covariates: what it would do for them is extrapolated by the outcome model."
    )
    return (Diagnostic("dose-overlap", severity, message, shares[worst]),)
