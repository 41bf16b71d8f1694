"""Overlap: does every kind of unit have a chance of every arm?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from butfor.core.diagnostic import Diagnostic, Severity
from butfor.core.errors import SeparatedPropensity
from butfor.core.figure import Figure
from butfor.core.table import Table
from butfor.data.sample import Sample
from butfor.question.estimands import Estimand

FloatArray = NDArray[np.float64]
BINS = 40


def balancing_weights(sample: Sample, propensity: FloatArray, estimand: Estimand) -> tuple[FloatArray, FloatArray]:
    """Weights w h(X) / e_T(X) of each contrast (rows × contrasts; 0 outside its arms), and the Riesz representer α.

    α has the sign of the arm and is scaled so that the effect is E[α Y] given the covariates:
    α = w (1{T = a} / e_a − 1{T = b} / e_b) h / E[w h].
    """
    base = np.ones(sample.n) if sample.weights is None else sample.weights / sample.weights.mean()
    codes = sample.treatment.codes
    own = propensity[np.arange(sample.n), codes]
    weights: list[FloatArray] = []
    alphas: list[FloatArray] = []
    for a, b in sample.treatment.contrasts:
        tilt, _ = estimand.tilt(propensity, a, b)
        sign = np.where(codes == a, 1.0, np.where(codes == b, -1.0, 0.0))
        weight = np.abs(sign) * base * tilt / own
        weights.append(weight)
        alphas.append(sign * weight / max(float(np.mean(base * tilt)), 1e-300))
    return np.column_stack(weights), np.column_stack(alphas)


def effective_sample_size(weights: FloatArray) -> float:
    """Kish: (Σw)² / Σw²."""
    total = float(np.sum(weights**2))
    return float(np.sum(weights)) ** 2 / total if total > 0 else 0.0


@dataclass(frozen=True, eq=False)
class Overlap:
    """Propensities by arm, and what weighting leaves of the sample.

    Attributes:
        summary: one row per compared arm: rows, effective sample size, quantiles of the arm's own probability.
        figure: mirrored histogram of the probability of treatment by arm.
        diagnostics: what should worry the reader.
    """

    summary: Table
    figure: Figure
    diagnostics: tuple[Diagnostic, ...]

    @classmethod
    def of(cls, sample: Sample, propensity: FloatArray, estimand: Estimand) -> Overlap:
        """Overlap of a sample under modelled propensities (rows × arms), weighted for an estimand."""
        weights, _ = balancing_weights(sample, propensity, estimand)
        summary = _summary(sample, propensity, weights)
        return cls(summary, _figure(sample, propensity), _diagnostics(sample, propensity, summary))

    def _repr_html_(self) -> str:
        return self.summary.to_html()


def _summary(sample: Sample, propensity: FloatArray, weights: FloatArray) -> Table:
    names = ("contrast", "arm", "rows", "effective_rows", "effective_share", "p01", "median", "p99", "below_0.05")
    rows: list[tuple[Any, ...]] = []
    treatment = sample.treatment
    for k, (a, b) in enumerate(treatment.contrasts):
        for arm in (a, b):
            inside = treatment.codes == arm
            ess = effective_sample_size(weights[inside, k])
            low, middle, high = (float(q) for q in np.quantile(propensity[:, arm], [0.01, 0.5, 0.99]))
            count = int(inside.sum())
            thin = float(np.mean(propensity[:, arm] < 0.05))
            rows.append(
                (treatment.terms[k], str(treatment.levels[arm]), count, ess, ess / count, low, middle, high, thin)
            )
    return Table(names, tuple(rows))


def _diagnostics(sample: Sample, propensity: FloatArray, summary: Table) -> tuple[Diagnostic, ...]:
    found: list[Diagnostic] = []
    compared = sorted({code for pair in sample.treatment.contrasts for code in pair})
    lowest: FloatArray = np.min(propensity[:, compared], axis=1)
    thin = float(np.mean(lowest < 0.05))
    if thin > 0.02:
        severity = Severity.DANGER if thin > 0.2 else Severity.CAUTION
        message = (
            f"{thin:.0%} of the units had less than a 5 % chance of one of the arms: for them there is little to "
            "compare with. ATO() or trim=0.05 asks about those who can be compared."
        )
        found.append(Diagnostic("weak-overlap", severity, message, thin))
    for row in summary.to_dicts():
        share = float(row["effective_share"] or 0.0)
        if share < 0.5:
            severity = Severity.DANGER if share < 0.1 else Severity.CAUTION
            message = (
                f"After weighting, the {row['rows']:,} rows of arm {row['arm']} ({row['contrast']}) count as much as "
                f"{float(row['effective_rows'] or 0.0):,.0f} unweighted ones."
            )
            found.append(Diagnostic("low-effective-sample", severity, message, share))
    return tuple(found)


def _figure(sample: Sample, propensity: FloatArray) -> Figure:
    """The probability of the first contrast's treatment, the reference arm mirrored below the axis."""
    treatment = sample.treatment
    a, b = treatment.contrasts[0]
    edges = np.linspace(0.0, 1.0, BINS + 1)
    values: list[dict[str, Any]] = []
    for arm, sign in ((a, 1), (b, -1)):
        inside = treatment.codes == arm
        w = None if sample.weights is None else sample.weights[inside]
        counts, _ = np.histogram(propensity[inside, a], bins=edges, weights=w)
        share = counts / max(float(counts.sum()), 1e-300)
        label = f"{treatment.name} = {treatment.levels[arm]}"
        for left, height in zip(edges[:-1].tolist(), share.tolist(), strict=True):
            values.append({"left": left, "right": left + 1 / BINS, "share": sign * height, "arm": label})
    spec = {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "width": 560,
        "height": 220,
        "data": {"values": values},
        "mark": {"type": "bar", "binSpacing": 0},
        "encoding": {
            "x": {
                "field": "left",
                "bin": {"binned": True},
                "type": "quantitative",
                "scale": {"domain": [0, 1]},
                "title": f"modelled probability of {treatment.name} = {treatment.levels[a]}",
            },
            "x2": {"field": "right"},
            "y": {
                "field": "share",
                "type": "quantitative",
                "title": "share of the arm",
                "axis": {"labelExpr": "format(abs(datum.value), '.0%')"},
            },
            "color": {"field": "arm", "type": "nominal", "title": None, "scale": {"range": ["#1f6f8b", "#d98e04"]}},
        },
    }
    words = "Where both arms have bars, like is compared with like; where only one has, the model extrapolates."
    return Figure("Overlap", words, spec)


# Beyond this share of rows without a counterpart an average effect is extrapolation.
NO_OVERLAP = 0.9


def lift(propensity: FloatArray, floor: float) -> tuple[FloatArray, tuple[Diagnostic, ...]]:
    """Propensities no lower than `floor`, and a diagnostic that says how many were.

    Raises:
        SeparatedPropensity: when hardly any row has a chance of every arm.
    """
    low = propensity < floor
    if not low.any():
        return propensity, ()
    share = float(low.any(axis=1).mean())
    if share > NO_OVERLAP:
        raise SeparatedPropensity(
            f"{share:.0%} of the rows have an arm with a probability below {floor:g}; the covariates all but decide "
            "the treatment, and weighting needs units of every kind in every arm.",
            hint="remove the covariate that decides the treatment, or study a cutoff if there is one",
        )
    lifted = np.maximum(propensity, floor)
    severity = Severity.DANGER if share > 0.05 else Severity.CAUTION
    message = (
        f"{share:.1%} of the rows have an arm with a probability below {floor:g}, taken as {floor:g}: "
        "for them the data hold little to compare with. ATO() or trim= asks about those that can be compared."
    )
    return lifted / lifted.sum(axis=1, keepdims=True), (Diagnostic("propensity-floor", severity, message, share),)
