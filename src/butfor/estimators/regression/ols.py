"""Least squares with one common slope of the treatment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from butfor.core.rng import Seed
from butfor.data.powers import with_powers
from butfor.data.sample import Sample, TreatmentKind
from butfor.estimators.base import Estimator, Fit, describe, treatment_columns
from butfor.identify.strategies import Strategy
from butfor.inference.covariance import Robust
from butfor.inference.estimate import Estimate
from butfor.inference.least_squares import least_squares
from butfor.inference.parts import Part, fit_parts
from butfor.nuisance.cache import NuisanceCache
from butfor.question import VWE, Question

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class OLS(Estimator):
    """Regress the outcome on the treatment and the covariates.

    **Answers** how the outcome changes with the treatment among units with the same covariates, as one number.

    **Estimates** E[Var(T | X) τ(X)] / E[Var(T | X)] when E[T | X] is linear in the covariates: the *variance-weighted
    effect* (VWE). It is the ATE when effects are the same for all or the treatment was randomised, and is labelled so
    only then. For an amount it is the effect of one unit more (or of `contrast`).

    **Assumes** no unmeasured confounding given the covariates (probe: omitted-variable bounds), and a linear outcome
    or treatment model (probe: compare with `AIPW()`, or raise `powers`).

    Args:
        powers: 2 adds squares of numeric covariates, 3 cubes, …
        covariance: HC2 by default; intervals use t with n − coefficients degrees of freedom.

    References:
        Angrist 1998 (doi:10.2307/2998558); MacKinnon and White 1985 (doi:10.1016/0304-4076(85)90158-7).

    >>> import butfor as bf
    >>> frame = {"dose": [0.0, 1.0, 2.0, 3.0, 4.0], "y": [1.0, 3.0, 5.0, 7.0, 9.0]}
    >>> round(float(bf.OLS().fit(frame, treatment="dose", outcome="y").estimate().value[0]), 6)
    2.0
    """

    powers: int = 1
    covariance: Robust = Robust.HC2

    name: ClassVar[str] = "ols"
    title: ClassVar[str] = "OLS"
    treatments: ClassVar[tuple[TreatmentKind, ...]] = ("binary", "arms", "amount")

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
        whole = fit_parts(sample, lambda rows: _regress(rows, self.powers))
        chance_alone = not strategy.adjust_for
        estimate = Estimate(
            labels=whole.labels,
            value=whole.value,
            influence=whole.influence,
            regression=whole.regression,
            df=whole.df,
            robust=self.covariance,
            estimand=question.estimand if chance_alone and not question.estimand.trim else VWE(),
            **describe(self, sample, strategy, rng),
        )
        part = whole.overall
        return Fit(self, sample, question, strategy, estimate, representer=part.riesz, residual=part.residual)


def _regress(sample: Sample, powers: int) -> Part:
    focus, combine = treatment_columns(sample.treatment)
    fit = least_squares(focus, sample.outcome, with_powers(sample.covariates, powers).matrix, sample.weights)
    riesz = fit.focus_residual @ (fit.bread * sample.n) @ combine.T
    if sample.weights is not None:
        riesz = riesz * sample.weights[:, None]
    return Part(
        value=combine @ fit.coefficients,
        influence=fit.influence @ combine.T,
        leverage=fit.leverage,
        parameters=fit.parameters,
        df=fit.df,
        riesz=riesz,
        residual=np.repeat(fit.residual[:, None], len(combine), axis=1),
    )
