"""What columns say about effects: the best linear predictor of the conditional effect, and calibration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from butfor.core.errors import Collinear, NonNumeric, TooFewRows
from butfor.data.rows import Numbers
from butfor.data.sample import Sample
from butfor.inference.covariance import Regression, Robust
from butfor.inference.doubly_robust import EffectScores
from butfor.inference.estimate import Estimate
from butfor.inference.group_effects import derived
from butfor.inference.groups import covariate_columns, read_columns

FloatArray = NDArray[np.float64]

# Smallest eigenvalue of the correlation matrix of the columns that still counts as information.
LEAST_INFORMATION = 1e-10


@dataclass(frozen=True, eq=False)
class Projection:
    """β (k), its influence functions φ (rows × k), and the leverage of each row."""

    value: FloatArray
    influence: FloatArray
    leverage: FloatArray


def project_effects(design: FloatArray, top: FloatArray, bottom: FloatArray) -> Projection:
    """β with Σ d (top − bottom d'β) = 0: the weighted least squares of the effect top / bottom on the columns d.

    Taken together with the leverage h = bottom d'(Σ bottom d d')⁻¹d, φ / (1 − h) is what the estimate moves by when a
    row is left out, also where bottom is zero: HC3 holds for every population.

    Raises:
        TooFewRows: when there are no more rows than columns.
        Collinear: when a column is a linear function of the others.
    """
    n, k = design.shape
    if n <= k:
        raise TooFewRows(f"There are {n} rows for {k} columns; a linear predictor needs more rows.", hint="on=['age']")
    scale = np.sqrt(bottom @ design**2)
    if not np.all(scale > 0.0):
        raise _collinear()
    columns = design / scale
    gram = (columns * bottom[:, None]).T @ columns
    if np.linalg.eigvalsh(gram)[0] < LEAST_INFORMATION:
        raise _collinear()
    bread = np.linalg.inv(gram)
    beta = bread @ (columns.T @ top)
    bent = columns @ bread
    influence = n * bent * (top - bottom * (columns @ beta))[:, None] / scale
    return Projection(beta / scale, influence, bottom * np.einsum("ij,ij->i", bent, columns))


def basis_columns(sample: Sample, on: Any) -> tuple[FloatArray, tuple[str, ...]]:
    """The columns that effects are regressed on, and their names.

    Args:
        on: names of covariates of the fit (a category stands for its indicators), or a frame or dict of numbers.

    Raises:
        UnknownColumn, NonNumeric, MissingValues, InvalidSetting: for columns that are no numbers for each row.
    """
    if isinstance(on, str) or (isinstance(on, Sequence) and all(isinstance(name, str) for name in on)):
        places = covariate_columns(sample, [on] if isinstance(on, str) else list(on))
        return sample.covariates.matrix[:, places], tuple(sample.covariates.columns[j] for j in places)
    rows = read_columns(sample, on)
    for name, column in rows.columns.items():
        if not isinstance(column, Numbers):
            raise NonNumeric(
                f"Column {name!r} of the basis holds no numbers; a linear predictor needs numbers.",
                hint=f"put indicators of its levels in place of {name!r}",
            )
    matrix = np.column_stack([column.values for column in rows.columns.values() if isinstance(column, Numbers)])
    return matrix, tuple(rows.columns)


def best_linear_predictor(
    overall: Estimate, sample: Sample, scores: EffectScores, basis: FloatArray, names: Sequence[str]
) -> Estimate:
    """Intercept and slopes of the effect on the columns of a basis (rows × p), one set per term; HC3."""
    columns = [f"{term} × {name}" for term in scores.terms for name in ("intercept", *names)]
    parts = [_uncentred(basis, top, bottom) for top, bottom in zip(*_weighted(sample, scores), strict=True)]
    return _regression(overall, tuple(columns), parts)


def calibration_test(overall: Estimate, sample: Sample, scores: EffectScores, effects: FloatArray) -> Estimate:
    """The effect on the mean of its predictions (rows × terms) and on their differences from it, one pair per term.

    Raises:
        Collinear: when predictions are all the same, or zero on average.
    """
    parts: list[Projection] = []
    tops, bottoms = _weighted(sample, scores)
    for k, (top, bottom) in enumerate(zip(tops, bottoms, strict=True)):
        mean = float(bottom @ effects[:, k] / bottom.sum())
        gap = effects[:, k] - mean
        size = float(np.abs(effects[:, k]).max())
        if min(abs(mean), float(np.abs(gap).max())) <= 1e-12 * size or size == 0.0:
            raise Collinear(
                "Predicted effects are all the same or zero on average; their calibration needs effects that differ.",
                hint="read the average effect instead",
            )
        parts.append(project_effects(np.column_stack([np.full(sample.n, mean), gap]), top, bottom))
    names = ("mean effect", "differences of effects")
    labels = names if len(parts) == 1 else tuple(f"{term} × {name}" for term in scores.terms for name in names)
    return _regression(overall, labels, parts)


def _uncentred(basis: FloatArray, top: FloatArray, bottom: FloatArray) -> Projection:
    """The projection on intercept and basis, computed on centred columns: a large mean costs no digits."""
    centre = bottom @ basis / max(float(bottom.sum()), 1e-300)
    found = project_effects(np.column_stack([np.ones(len(basis)), basis - centre]), top, bottom)
    back = np.eye(len(found.value))
    back[0, 1:] = -centre
    return replace(found, value=back @ found.value, influence=found.influence @ back.T)


def _weighted(sample: Sample, scores: EffectScores) -> tuple[list[FloatArray], list[FloatArray]]:
    w = np.ones(sample.n) if sample.weights is None else sample.weights / sample.weights.mean()
    return [w * top for top in scores.numerators], [w * bottom for bottom in scores.denominators]


def _regression(overall: Estimate, labels: tuple[str, ...], parts: Sequence[Projection]) -> Estimate:
    """All coefficients with HC3, the choice of grf and of small samples, and a t distribution."""
    count, n = len(parts[0].value), len(parts[0].leverage)
    leverage = parts[0].leverage
    if len(parts) > 1:
        leverage = np.repeat(np.column_stack([p.leverage for p in parts]), count, axis=1)
    together = derived(
        overall, labels, np.concatenate([p.value for p in parts]), np.column_stack([p.influence for p in parts])
    )
    regression = Regression((n,) * len(labels), (count,) * len(labels), leverage)
    return replace(together, regression=regression, robust=Robust.HC3, df=float(n - count))


def _collinear() -> Collinear:
    return Collinear(
        "A column is constant or a linear function of the others; a linear predictor needs columns that vary.",
        hint="leave the column out; an intercept is always there",
    )
