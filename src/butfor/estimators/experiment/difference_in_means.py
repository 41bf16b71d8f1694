"""Difference in means, also within the strata of a randomised design."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from butfor.core.diagnostic import Diagnostic, Severity
from butfor.core.errors import EmptyArm
from butfor.core.rng import Seed
from butfor.data.sample import Sample, TreatmentKind
from butfor.estimators.base import Estimator, Fit, describe
from butfor.identify.strategies import Randomization, Strategy
from butfor.inference.covariance import Robust
from butfor.inference.estimate import Estimate
from butfor.inference.parts import Part, fit_parts
from butfor.nuisance.cache import NuisanceCache
from butfor.question import Association, Estimand, Question

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]


@dataclass(frozen=True, kw_only=True)
class DifferenceInMeans(Estimator):
    """Compare the average outcome of the arms.

    **Answers** what the treatment did, when chance alone decided who got it.

    **Estimates** ȳ_a − ȳ_b; with strata s, Σ_s ω_s (ȳ_as − ȳ_bs) with ω_s the share of the estimand's population in s.
    The HC2 variance is Neyman's, Σ_s ω_s² (s²_as/n_as + s²_bs/n_bs), and intervals use Welch's degrees of freedom
    (strata: n less two per stratum).

    **Assumes** randomisation (within strata). Probe: balance of pre-treatment columns, a count of the arms.
    Without randomisation it is the *naive difference*: the result is labelled an association.

    Args:
        covariance: HC2 (Neyman) by default.

    References:
        Neyman 1923 (doi:10.1214/ss/1177012031); Imbens and Rubin 2015, chapters 6 and 9.

    >>> import butfor as bf
    >>> frame = {"sent": [1, 1, 1, 0, 0, 0], "value": [5.0, 6.0, 7.0, 2.0, 3.0, 4.0]}
    >>> fit = bf.DifferenceInMeans().fit(frame, treatment="sent", outcome="value")
    >>> float(fit.estimate().value[0]), round(float(fit.estimate().std_error[0]), 4)
    (3.0, 0.8165)
    """

    covariance: Robust = Robust.HC2

    name: ClassVar[str] = "difference_in_means"
    title: ClassVar[str] = "Difference in means"
    treatments: ClassVar[tuple[TreatmentKind, ...]] = ("binary", "arms")

    def covariates(self, strategy: Strategy) -> tuple[str, ...]:
        """The strata of a randomised design; nothing otherwise."""
        return strategy.within if isinstance(strategy, Randomization) else ()

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
        randomized = isinstance(strategy, Randomization)
        estimand = question.estimand if randomized or not strategy.adjust_for else Association()
        stratified = randomized and sample.covariates.matrix.shape[1] > 0

        def part(rows: Sample) -> Part:
            strata = _strata(rows.covariates.matrix) if stratified else np.zeros(rows.n, dtype=np.intp)
            return _compare(rows, strata, estimand)

        whole = fit_parts(sample, part)
        estimate = Estimate(
            labels=whole.labels,
            value=whole.value,
            influence=whole.influence,
            regression=whole.regression,
            df=whole.df,
            robust=self.covariance,
            estimand=estimand,
            **describe(self, sample, strategy, rng),
        )
        fit = Fit(
            self, sample, question, strategy, estimate, representer=whole.overall.riesz, residual=whole.overall.residual
        )
        if randomized or not strategy.adjust_for:
            return fit
        return fit.with_diagnostics(
            Diagnostic(
                "ignores-confounders",
                Severity.DANGER,
                f"The difference in means leaves {', '.join(strategy.adjust_for)} out: it is no effect.",
            )
        )


def _strata(matrix: FloatArray) -> IntArray:
    """A code per distinct row."""
    return np.unique(matrix, axis=0, return_inverse=True)[1].reshape(-1)


def _compare(sample: Sample, strata: IntArray, estimand: Estimand) -> Part:
    treatment, y = sample.treatment, sample.outcome
    w = np.ones(sample.n) if sample.weights is None else sample.weights
    arms, blocks = treatment.arms, int(strata.max()) + 1
    cell = strata * arms + treatment.codes
    size = np.bincount(cell, weights=w, minlength=arms * blocks).reshape(blocks, arms)
    count = np.bincount(cell, minlength=arms * blocks).reshape(blocks, arms)
    _check_cells(sample, count)
    mean = np.bincount(cell, weights=w * y, minlength=arms * blocks).reshape(blocks, arms) / np.maximum(size, 1e-300)
    propensity = size / size.sum(axis=1, keepdims=True)
    residual = y - mean[strata, treatment.codes]
    values, alphas, spares = [], [], []
    for a, b in treatment.contrasts:
        share = estimand.tilt(propensity, a, b)[0] * size.sum(axis=1)
        share = share / share.sum()
        values.append(float(share @ (mean[:, a] - mean[:, b])))
        sign = np.where(treatment.codes == a, 1.0, np.where(treatment.codes == b, -1.0, 0.0))
        alphas.append(sample.n * sign * w * (share[:, None] / np.maximum(size, 1e-300))[strata, treatment.codes])
        spares.append(_degrees_of_freedom(sample, residual, count, (a, b)))
    riesz = np.column_stack(alphas)
    leverage = w / size[strata, treatment.codes]
    return Part(
        value=np.array(values),
        influence=riesz * residual[:, None],
        leverage=leverage,
        parameters=int((count > 0).sum()),
        df=min(spares),
        riesz=riesz,
        residual=np.repeat(residual[:, None], len(values), axis=1),
    )


def _check_cells(sample: Sample, count: IntArray) -> None:
    for code in sorted({c for pair in sample.treatment.contrasts for c in pair}):
        short = int((count[:, code] < 2).sum())
        if short:
            where = f"{short} of {len(count)} strata" if len(count) > 1 else "the sample"
            raise EmptyArm(
                f"Arm {sample.treatment.levels[code]!r} of {sample.treatment.name!r} has under two rows in {where};"
                " the difference in means needs two rows per arm for a variance.",
                hint="merge small strata, or use Lin() with the strata as covariates",
            )


def _degrees_of_freedom(sample: Sample, residual: FloatArray, count: IntArray, pair: tuple[int, int]) -> float:
    """Welch and Satterthwaite for one stratum; n less two per stratum otherwise."""
    if len(count) > 1:
        return float(count[:, list(pair)].sum() - 2 * len(count))
    parts = []
    for code in pair:
        e, n = residual[sample.treatment.codes == code], int(count[0, code])
        parts.append((float(e @ e) / (n - 1) / n, n))
    total = sum(v for v, _ in parts)
    if total == 0.0:
        return float(sum(n for _, n in parts) - 2)
    return total**2 / sum(v**2 / (n - 1) for v, n in parts)
