"""Balance: are the arms alike in what was measured, before and after weighting?

Conventions are those of the R package cobalt: differences are divided by the spread *before* weighting, of the treated
for the ATT, of the reference for the ATC, and of both, sqrt((s²_a + s²_b) / 2), otherwise; variances of indicators are
p(1 − p), of numbers the unbiased ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from butfor.core.errors import EmptyArm
from butfor.core.figure import Figure
from butfor.core.table import Table
from butfor.data.sample import Sample
from butfor.question.estimands import ATC, ATT, Estimand

FloatArray = NDArray[np.float64]

COLUMNS = (
    "contrast",
    "covariate",
    "mean_treated",
    "mean_reference",
    "difference_before",
    "standardised_before",
    "standardised_after",
    "variance_ratio_before",
    "variance_ratio_after",
    "ks_before",
    "ks_after",
)


@dataclass(frozen=True, eq=False)
class _Arm:
    values: FloatArray
    plain: FloatArray
    weighted: FloatArray
    indicator: bool


def balance_table(sample: Sample, weights: FloatArray, estimand: Estimand) -> Table:
    """One row per contrast and covariate column, before and after weighting.

    Variance ratios of columns without variance in the reference arm are empty.

    Args:
        weights: balancing weights (rows × contrasts).
        estimand: decides the spread that differences are divided by.

    Raises:
        EmptyArm: when no row of a compared arm has weight.
    """
    base = np.ones(sample.n) if sample.weights is None else sample.weights
    treatment = sample.treatment
    rows: list[tuple[Any, ...]] = []
    for k, (a, b) in enumerate(treatment.contrasts):
        masks = [treatment.codes == code for code in (a, b)]
        for code, mask in zip((a, b), masks, strict=True):
            if weights[mask, k].sum() <= 0.0:
                raise EmptyArm(
                    f"Arm {treatment.levels[code]!r} of {treatment.name!r} has no weight; balance needs both arms.",
                    hint="use a smaller trim",
                )
        for j, name in enumerate(sample.covariates.columns):
            column = sample.covariates.matrix[:, j]
            indicator = bool(np.all((column == 0.0) | (column == 1.0)))
            arms = [_Arm(column[m], base[m], weights[m, k], indicator) for m in masks]
            rows.append((treatment.terms[k], name, *_compare(arms[0], arms[1], estimand)))
    return Table(COLUMNS, tuple(rows))


def _compare(treated: _Arm, reference: _Arm, estimand: Estimand) -> tuple[float | None, ...]:
    spread = _spread(treated, reference, estimand)
    means = [float(np.average(arm.values, weights=arm.plain)) for arm in (treated, reference)]
    after = [float(np.average(arm.values, weights=arm.weighted)) for arm in (treated, reference)]
    gap = means[0] - means[1]
    return (
        means[0],
        means[1],
        gap,
        gap / spread if spread > 0 else 0.0,
        (after[0] - after[1]) / spread if spread > 0 else 0.0,
        _ratio(_variance(treated, treated.plain), _variance(reference, reference.plain)),
        _ratio(_variance(treated, treated.weighted), _variance(reference, reference.weighted)),
        _kolmogorov(treated.values, treated.plain, reference.values, reference.plain),
        _kolmogorov(treated.values, treated.weighted, reference.values, reference.weighted),
    )


def _variance(arm: _Arm, weights: FloatArray) -> float:
    """Unbiased for reliability weights; p(1 − p) for indicators; 0 for a single row."""
    total = float(weights.sum())
    mean = float(arm.values @ weights) / total
    if arm.indicator:
        return mean * (1 - mean)
    slack = total - float(weights @ weights) / total
    return float(weights @ (arm.values - mean) ** 2) / slack if slack > 0 else 0.0


def _spread(treated: _Arm, reference: _Arm, estimand: Estimand) -> float:
    first, second = (_variance(arm, arm.plain) for arm in (treated, reference))
    if isinstance(estimand, ATT):
        return float(np.sqrt(first))
    if isinstance(estimand, ATC):
        return float(np.sqrt(second))
    return float(np.sqrt((first + second) / 2))


def _ratio(top: float, bottom: float) -> float | None:
    return top / bottom if bottom > 0 else None


def _kolmogorov(a: FloatArray, wa: FloatArray, b: FloatArray, wb: FloatArray) -> float:
    """Largest distance between the two weighted distribution functions."""
    values = np.concatenate([a, b])
    steps = np.concatenate([wa / max(float(wa.sum()), 1e-300), -wb / max(float(wb.sum()), 1e-300)])
    order = np.argsort(values, kind="stable")
    running = np.cumsum(steps[order])
    last = np.r_[values[order][1:] != values[order][:-1], True]
    return float(np.abs(running[last]).max())


def love_plot(table: Table) -> Figure:
    """Standardised differences before and after, the largest on top."""
    values: list[dict[str, Any]] = []
    for row in table:
        for when, key in (("before", "standardised_before"), ("after weighting", "standardised_after")):
            values.append({"covariate": row["covariate"], "when": when, "difference": row[key]})
    names = list(dict.fromkeys(row["covariate"] for row in table))
    worst = {n: max(abs(float(v["difference"] or 0)) for v in values if v["covariate"] == n) for n in names}
    order = sorted(names, key=lambda n: -worst[n])
    rule = {"mark": {"type": "rule", "strokeDash": [4, 4], "color": "#888"}, "encoding": {"x": {"datum": 0.1}}}
    other = {"mark": {"type": "rule", "strokeDash": [4, 4], "color": "#888"}, "encoding": {"x": {"datum": -0.1}}}
    points = {
        "mark": {"type": "point", "filled": True, "size": 70},
        "encoding": {
            "x": {"field": "difference", "type": "quantitative", "title": "standardised difference"},
            "y": {"field": "covariate", "type": "nominal", "sort": order, "title": None},
            "color": {"field": "when", "type": "nominal", "title": None, "scale": {"range": ["#1f6f8b", "#d98e04"]}},
            "shape": {"field": "when", "type": "nominal", "title": None},
        },
    }
    spec = {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "width": 560,
        "height": {"step": 20},
        "data": {"values": values},
        "layer": [rule, other, points],
    }
    return Figure("Balance", "Differences within ±0.1 (dashed) are usually small enough.", spec)
