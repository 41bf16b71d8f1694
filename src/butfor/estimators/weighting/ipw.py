"""Inverse probability weighting with a logit propensity, normalised (Hájek)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from butfor.core.rng import Seed
from butfor.data.powers import with_powers
from butfor.data.sample import Sample, TreatmentKind
from butfor.estimators.base import Estimator, Fit, describe
from butfor.identify.strategies import Strategy
from butfor.inference.estimate import Estimate
from butfor.nuisance.cache import NuisanceCache
from butfor.nuisance.logistic import LogitFit, fit_logit
from butfor.question import Estimand, Question

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class IPW(Estimator):
    """Weight each arm so that its covariates look like those of the population asked about.

    **Answers** what the treatment would do on average for the population of the estimand, trusting a model of who got
    treated and none of the outcome.

    **Estimates** Σ w_i 1{T_i = a} Y_i / Σ w_i 1{T_i = a} less the same for b, with balancing weights w = h(X) / e_T(X):
    ATE 1/e_T, ATT e_a/e_T, ATC e_b/e_T, ATO overlap weights. e is a (multinomial) logit by maximum likelihood.

    The standard error stacks the score of the logit with the weighted means (M-estimation), so that it knows the
    propensities were estimated; treating them as known is usually too wide for the ATE.

    **Assumes** no unmeasured confounding (probe: negative controls, sensitivity analysis), overlap (probe: effective
    sample size), and a correct logit (probe: balance after weighting; raise `powers`).

    Args:
        powers: 2 adds squares of numeric covariates to the logit, 3 cubes, …

    References:
        Hernán and Robins, What If, chapter 12; Li, Morgan and Zaslavsky 2018 (doi:10.1080/01621459.2016.1260466);
        Lunceford and Davidian 2004 (doi:10.1002/sim.1903) for the variance.

    >>> import butfor as bf
    >>> frame = {"t": [0, 0, 0, 1, 0, 1, 1, 1], "x": [0, 0, 0, 0, 1, 1, 1, 1], "y": [1, 1, 1, 2, 3, 4, 4, 4]}
    >>> fit = bf.IPW().fit(frame, treatment="t", outcome="y", covariates=["x"])
    >>> round(float(fit.estimate().value[0]), 6)
    1.0
    """

    powers: int = 1

    name: ClassVar[str] = "ipw"
    title: ClassVar[str] = "IPW"
    treatments: ClassVar[tuple[TreatmentKind, ...]] = ("binary", "arms")

    def fit_sample(
        self,
        sample: Sample,
        question: Question,
        strategy: Strategy,
        *,
        rng: Seed = 0,
        cache: NuisanceCache | None = None,
    ) -> Fit:
        """Fit on a clean sample; nothing here is random."""
        self.check(sample, strategy)
        covariates = with_powers(sample.covariates, self.powers)
        treatment = sample.treatment
        logit = fit_logit(covariates.matrix, treatment.codes, treatment.arms, sample.weights, names=covariates.columns)
        estimand = question.estimand
        labels, value, influence = _effects(sample, logit, estimand)
        estimate = Estimate(
            labels=labels, value=value, influence=influence, estimand=estimand, **describe(self, sample, strategy, rng)
        )
        return Fit(self, sample, question, strategy, estimate, propensity=logit.probabilities)


def _effects(sample: Sample, logit: LogitFit, estimand: Estimand) -> tuple[tuple[str, ...], FloatArray, FloatArray]:
    """Weighted means per arm and their difference, for everyone and each subgroup."""
    scores = logit.influence()
    labels: list[str] = []
    values: list[float] = []
    columns: list[FloatArray] = []
    base = np.ones(sample.n) if sample.weights is None else sample.weights / sample.weights.mean()
    for suffix, rows in (("", None), *((f" | {g.label}", g.rows) for g in sample.subgroups)):
        w = base if rows is None else base * rows
        for term, (a, b) in zip(sample.treatment.terms, sample.treatment.contrasts, strict=True):
            tilt, slope = estimand.tilt(logit.probabilities, a, b)
            mean_a, phi_a = _arm_mean(sample, logit, scores, (w, tilt, slope), a)
            mean_b, phi_b = _arm_mean(sample, logit, scores, (w, tilt, slope), b)
            labels.append(term + suffix)
            values.append(mean_a - mean_b)
            columns.append(phi_a - phi_b)
    return tuple(labels), np.array(values), np.column_stack(columns)


def _arm_mean(
    sample: Sample,
    logit: LogitFit,
    scores: FloatArray,
    weighting: tuple[FloatArray, FloatArray, FloatArray],
    arm: int,
) -> tuple[float, FloatArray]:
    """Hájek mean of one arm and its influence function, logit included.

    With ω = w h / e_a on the arm, the moment ω (Y − μ) moves with the logit's coefficients through
    ∂ω/∂e_l = w (h_l' / e_a − 1{l = a} h / e_a²) and ∂e_l/∂β_m = e_l (1{l = m} − e_m) x.
    """
    w, tilt, slope = weighting
    e = logit.probabilities
    inside = w * (sample.treatment.codes == arm)
    omega = inside * tilt / e[:, arm]
    total = omega.mean()
    mu = float(np.mean(omega * sample.outcome) / total)
    gap = sample.outcome - mu
    by_arm = slope / e[:, [arm]]
    by_arm[:, arm] -= tilt / e[:, arm] ** 2
    by_arm *= (inside * gap)[:, None] * e
    # Rows × (arms − 1): the derivative along each arm's linear index.
    along = by_arm[:, 1:] - by_arm.sum(axis=1, keepdims=True) * e[:, 1:]
    jacobian = (along.T @ logit.design / sample.n).reshape(-1)
    return mu, (omega * gap + scores @ jacobian) / total
