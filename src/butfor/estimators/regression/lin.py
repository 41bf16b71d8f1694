"""Lin's interacted regression: a linear model per arm, averaged over the population (standardisation)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from butfor.core.errors import MethodMismatch, TooFewRows
from butfor.core.rng import Seed
from butfor.data.powers import with_powers
from butfor.data.sample import Sample, TreatmentKind
from butfor.estimators.base import Estimator, Fit, describe
from butfor.identify.strategies import Randomization, Strategy
from butfor.inference.covariance import Robust
from butfor.inference.estimate import Estimate
from butfor.inference.least_squares import Controls
from butfor.inference.parts import Part, fit_parts
from butfor.nuisance.cache import NuisanceCache
from butfor.question import ATC, ATE, ATT, Estimand, Question

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Lin(Estimator):
    """Regress the outcome on treatment, covariates and their interactions, centred at the population's mean.

    **Answers** what the treatment would do on average for everyone (or the treated, or the untreated), by predicting
    each unit's outcome under each arm with a linear model of that arm: standardisation, or g-computation.

    **Estimates** (x̄'β_a + α_a) − (x̄'β_b + α_b) with x̄ the covariate mean of the estimand's population: ATE, ATT, ATC.

    **Assumes** in a randomised experiment nothing more than randomisation; otherwise no unmeasured confounding (probe:
    omitted-variable bounds) and outcomes linear in the covariates within arms (probe: compare with `AIPW()`, or raise
    `powers`).

    In a randomised experiment the standard error is design-based, about these very rows: HC2 with the centring taken
    as fixed, as in Lin (2013) and R's estimatr. Otherwise the rows are a sample, and the variance of the covariate
    mean is added.

    Args:
        powers: 2 adds squares of numeric covariates, 3 cubes, …
        covariance: HC2 by default.

    References:
        Lin 2013 (doi:10.1214/12-AOAS583).

    >>> import butfor as bf
    >>> frame = {"t": [0, 0, 0, 1, 1, 1], "x": [0.0, 1.0, 2.0, 1.0, 2.0, 3.0], "y": [0.0, 1.0, 2.0, 3.0, 5.0, 7.0]}
    >>> fit = bf.Lin().fit(frame, treatment="t", outcome="y", covariates=["x"])
    >>> round(float(fit.estimate().value[0]), 6)
    2.5
    """

    powers: int = 1
    covariance: Robust = Robust.HC2

    name: ClassVar[str] = "lin"
    title: ClassVar[str] = "Lin's regression"
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
        estimand = question.estimand
        if not isinstance(estimand, ATE | ATT | ATC) or estimand.trim:
            raise MethodMismatch(
                f"estimand is {estimand.label}; Lin's regression needs the ATE, ATT or ATC without trimming.",
                hint="use AIPW() or IPW()",
            )
        these_rows = isinstance(strategy, Randomization)
        expanded = sample.with_covariates(with_powers(sample.covariates, self.powers))
        whole = fit_parts(expanded, lambda rows: _standardise(rows, estimand, these_rows=these_rows))
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
        part = whole.overall
        return Fit(self, sample, question, strategy, estimate, representer=part.riesz, residual=part.residual)


@dataclass(frozen=True, eq=False)
class _Arm:
    """The linear model of one arm, embedded in all rows."""

    rows: NDArray[np.intp]
    mean_outcome: float
    slopes: FloatArray
    residual: FloatArray
    leverage: FloatArray
    controls: Controls

    def predict(self, centre: FloatArray) -> float:
        return self.mean_outcome + float((centre - self.controls.mean) @ self.slopes)

    def alpha(self, centre: FloatArray) -> FloatArray:
        """How much each row of the arm counts in the prediction at `centre`."""
        controls = self.controls
        weights = controls.weights
        total = len(controls.matrix) if weights is None else weights.sum()
        direction = controls.root @ (controls.root.T @ (centre - controls.mean))
        out = 1.0 / total + controls.matrix @ direction - controls.mean @ direction
        return out if weights is None else out * weights


def _fit_arm(sample: Sample, code: int) -> _Arm:
    rows = np.flatnonzero(sample.treatment.codes == code)
    weights = None if sample.weights is None else sample.weights[rows]
    controls = Controls.of(sample.covariates.matrix[rows], weights)
    if len(rows) <= controls.rank:
        raise TooFewRows(
            f"Arm {sample.treatment.levels[code]!r} has {len(rows)} rows and {controls.rank} coefficients; "
            "a regression per arm needs more rows than coefficients.",
            hint="use fewer covariates, or OLS()",
        )
    y = sample.outcome[rows]
    freed = controls.project(y[:, None])
    leverage = freed.leverage * (1.0 if weights is None else weights)
    return _Arm(
        rows, float(np.average(y, weights=weights)), freed.slopes[:, 0], freed.residual[:, 0], leverage, controls
    )


def _standardise(sample: Sample, estimand: Estimand, *, these_rows: bool) -> Part:
    treatment, x, n = sample.treatment, sample.covariates.matrix, sample.n
    w = np.ones(n) if sample.weights is None else sample.weights
    arms = [_fit_arm(sample, code) for code in range(treatment.arms)]
    residual, leverage = np.zeros(n), np.zeros(n)
    for arm in arms:
        residual[arm.rows], leverage[arm.rows] = arm.residual, arm.leverage
    values, riesz, influence = [], [], []
    for a, b in treatment.contrasts:
        population = w * _members(estimand, treatment.codes, a, b)
        centre = population @ x / population.sum()
        alpha = np.zeros(n)
        alpha[arms[a].rows] = n * arms[a].alpha(centre)
        alpha[arms[b].rows] = -n * arms[b].alpha(centre)
        values.append(arms[a].predict(centre) - arms[b].predict(centre))
        moving = np.zeros(n)
        if not these_rows:
            gap = arms[a].slopes - arms[b].slopes
            moving = population * (x @ gap - centre @ gap) * (n / population.sum())
        riesz.append(alpha)
        influence.append(alpha * residual + moving)
    parameters = sum(arm.controls.rank for arm in arms)
    return Part(
        value=np.array(values),
        influence=np.column_stack(influence),
        leverage=leverage,
        parameters=parameters,
        df=float(n - parameters),
        riesz=np.column_stack(riesz),
        residual=np.repeat(residual[:, None], len(values), axis=1),
    )


def _members(estimand: Estimand, codes: NDArray[np.int32], treated: int, reference: int) -> FloatArray:
    """One for each row of the estimand's population."""
    if isinstance(estimand, ATT):
        return (codes == treated).astype(float)
    if isinstance(estimand, ATC):
        return (codes == reference).astype(float)
    return np.ones(len(codes))
