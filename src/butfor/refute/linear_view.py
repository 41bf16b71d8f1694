"""The first effect as one slope of a linear regression, and how strong each covariate is in it.

Partial R² of a covariate with the treatment (given the other covariates) and with the outcome (given treatment and
the other covariates) need no regression each: with G the co-moments of the controls, s the slopes of the treatment
on them and P = G⁻¹, leaving the columns J out raises the residual sum of squares by s_J' (P_JJ)⁻¹ s_J.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from butfor.core.errors import Collinear
from butfor.data.powers import with_powers
from butfor.data.sample import Covariates, Sample
from butfor.estimators.base import Fit
from butfor.estimators.regression.ols import OLS
from butfor.inference.least_squares import Controls

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Strength:
    """How much of what is left of treatment and outcome something explains: two partial R²."""

    treatment: float
    outcome: float


@dataclass(frozen=True, eq=False)
class LinearView:
    """Outcome on treatment and covariates, freed of the covariates (Frisch, Waugh and Lovell).

    Attributes:
        treatment: residual of the treatment given the covariates.
        outcome: residual of the outcome given treatment and covariates.
        weights: sampling weights or None.
        slope: the effect.
        std_error: its classical standard error, as if errors had the same variance everywhere.
        df: rows less coefficients.
        strengths: of each data column among the covariates.
    """

    treatment: FloatArray
    outcome: FloatArray
    weights: FloatArray | None
    controls: Controls
    slope: float
    std_error: float
    df: float
    strengths: dict[str, Strength]

    @classmethod
    def of(cls, fit: Fit) -> LinearView:
        """The first effect of a fit, whatever its estimator; for `OLS` the numbers are its own."""
        powers = fit.estimator.powers if isinstance(fit.estimator, OLS) else 1
        return cls.regress(fit.sample, with_powers(fit.sample.covariates, powers))

    @classmethod
    def regress(cls, sample: Sample, covariates: Covariates) -> LinearView:
        """The first effect of a sample by least squares on these covariates."""
        focus, others = _first_effect(sample)
        matrix = np.ascontiguousarray(np.hstack([covariates.matrix, others]))
        controls = Controls.of(matrix, sample.weights)
        freed = controls.project(np.column_stack([focus, sample.outcome]))
        weights = np.ones(sample.n) if sample.weights is None else sample.weights
        d, y = freed.residual[:, 0], freed.residual[:, 1]
        variation = float(weights @ d**2)
        if variation <= 1e-10 * float(weights @ (focus - np.average(focus, weights=weights)) ** 2):
            raise Collinear(
                "The treatment is a linear function of the covariates; partial R² needs some variation of its own.",
                hint="remove the covariates that define the treatment",
            )
        slope = float((weights * d) @ y) / variation
        left = y - slope * d
        unexplained, df = float(weights @ left**2), float(sample.n - controls.rank - 1)
        return cls(
            treatment=d,
            outcome=left,
            weights=sample.weights,
            controls=controls,
            slope=slope,
            std_error=float(np.sqrt(unexplained / df / variation)),
            df=df,
            strengths=_strengths(covariates.source, controls, freed.slopes, slope, (variation, unexplained)),
        )

    def ranked(self) -> list[str]:
        """Covariates from the most to the least able to bias the effect."""
        reach = {name: s.outcome * s.treatment / (1.0 - s.treatment + 1e-12) for name, s in self.strengths.items()}
        return sorted(reach, key=lambda name: -reach[name])


def _first_effect(sample: Sample) -> tuple[FloatArray, FloatArray]:
    """The treatment column whose slope is the first effect, and columns of the arms that it does not compare."""
    treatment = sample.treatment
    if treatment.kind == "amount":
        return treatment.values / treatment.step, np.empty((sample.n, 0))
    treated, reference = treatment.contrasts[0]
    rest = [code for code in range(treatment.arms) if code not in (treated, reference)]
    others = [(treatment.codes == code).astype(float) for code in rest]
    columns = np.column_stack(others) if others else np.empty((sample.n, 0))
    return (treatment.codes == treated).astype(float), columns


def _strengths(
    source: tuple[str, ...], controls: Controls, slopes: FloatArray, effect: float, left: tuple[float, float]
) -> dict[str, Strength]:
    variation, unexplained = left
    inverse = controls.root @ controls.root.T
    on_treatment = slopes[:, 0]
    on_outcome = slopes[:, 1] - effect * on_treatment
    found: dict[str, Strength] = {}
    for name in dict.fromkeys(source):
        group = np.array([j for j, s in enumerate(source) if s == name])
        block = inverse[np.ix_(group, group)]
        s, b = on_treatment[group], on_outcome[group]
        gain_treatment = _gain(block, s)
        gain_outcome = _gain(block + np.outer(s, s) / variation, b)
        found[name] = Strength(
            treatment=gain_treatment / (gain_treatment + variation),
            outcome=gain_outcome / (gain_outcome + unexplained) if gain_outcome > 0.0 else 0.0,
        )
    return found


def _gain(block: FloatArray, slopes: FloatArray) -> float:
    """s' (P_JJ)⁻¹ s, scaled so that powers of a column do not swamp each other; constant columns have no part."""
    scale = np.sqrt(np.diag(block))
    moving = scale > 0.0
    if not moving.any():
        return 0.0
    s, scale = slopes[moving] / scale[moving], scale[moving]
    return float(s @ np.linalg.pinv(block[np.ix_(moving, moving)] / np.outer(scale, scale), hermitian=True) @ s)
