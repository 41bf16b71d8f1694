"""Effects that are linear in covariates: what is left of the outcome on what is left of the treatment, interacted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from butfor.data.sample import Sample, TreatmentKind
from butfor.estimators.base import Estimator
from butfor.estimators.orthogonal.effect_regression import EffectRegression, Slopes
from butfor.estimators.orthogonal.residuals import unit_weights
from butfor.inference.best_linear_predictor import project_effects
from butfor.inference.covariance import Robust

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class LinearEffects(EffectRegression, Estimator):
    """A line for the effect: how large it is for units with given covariates, with an interval for each.

    **Answers** how the effect changes with each covariate, and how large it is for every unit, with intervals; for arms
    and for amounts (doses, prices), with machine learning for the influence of the covariates on the outcome.

    **Estimates** τ(x) = β'b(x) in Y = Σ_j T_j β_j'b(X) + g(X) + ε, with b an intercept and covariates (and powers), by
    least squares of the residuals:

        Σ w [Y − m(X) − Σ_j (T_j − e_j(X)) β_j'b(X)]²

    with m = E[Y | X] and e_j = E[T_j | X] out of fold. `fit.slopes` has β, `fit.effect(…)` the effect of units,
    `estimate()` the average of β'b(X) over the estimand's population and over subgroups; of an amount, what one step
    more than each unit had would do on average.

    **Assumes** no unmeasured confounding (probe: omitted-variable bounds), some variation of the treatment given the
    covariates, nuisance models whose errors multiply to less than 1/√n, and an effect that is linear in b. Where it is
    not, β is the best line for those who could have gone either way (probe: raise `powers`, compare the average with
    `AIPW()`).

    Args:
        outcome_model: E[Y | X]; a Butfor learner, a scikit-learn regressor or `OutOfFold(predictions)`.
        treatment_model: E[T | X]; a classifier for arms, a regressor for an amount.
        along: covariates along which the effect may change; all of them by default.
        powers: 2 adds squares of numeric covariates about their mean to the basis, 3 cubes, …
        dose_powers: 2 lets the outcome bend in an amount, by its square about its mean, 3 by its cube, …
        covariance: of the slopes; HC2 by default.
        folds: cross-fitting folds.
        repetitions: how many ways to split the rows into folds; the answer is the median over them.

    References:
        Robinson 1988 (doi:10.2307/1912705); Chernozhukov et al. 2018 (doi:10.1111/ectj.12097); Semenova, Goldman,
        Chernozhukov and Taddy 2023 (doi:10.3982/QE1670).

    >>> import butfor as bf, numpy as np
    >>> rng = np.random.default_rng(1)
    >>> x = rng.normal(size=400)
    >>> dose = x + rng.normal(size=400)
    >>> linear = LinearEffects(outcome_model=bf.LinearModel(), treatment_model=bf.LinearModel())
    >>> frame = {"dose": dose, "x": x, "y": 2 * dose + x}
    >>> fit = linear.fit(frame, treatment="dose", outcome="y", covariates=["x"])
    >>> fit.slopes.labels
    ('dose × intercept', 'dose × x')
    >>> fit.effect({"x": [0.0, 1.0]}).value.round(1).tolist()
    [[2.0], [2.0]]
    """

    covariance: Robust = Robust.HC2

    name: ClassVar[str] = "linear_effects"
    title: ClassVar[str] = "Linear effects"
    treatments: ClassVar[tuple[TreatmentKind, ...]] = ("binary", "arms", "amount")

    @property
    def robust(self) -> Robust:
        """The kind of covariance of the slopes."""
        return Robust.of(self.covariance)

    def find_slopes(self, sample: Sample, outcome: FloatArray, columns: FloatArray, size: int) -> Slopes:
        """Least squares through the origin."""
        weights = unit_weights(sample)
        found = project_effects(columns, weights * outcome, weights)
        weighted = columns * weights[:, None]
        representer = np.asarray(sample.n * np.linalg.solve(weighted.T @ columns, weighted.T).T, dtype=np.float64)
        return Slopes(found.value, found.influence, found.leverage, representer)
