"""Small data and deliberately broken estimators for the checks to find out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

import butfor as bf
from butfor.core.rng import Seed
from butfor.data.sample import Sample, TreatmentKind
from butfor.estimators.base import Estimator, Fit, describe
from butfor.identify.strategies import Strategy
from butfor.inference.estimate import Estimate
from butfor.nuisance.cache import NuisanceCache
from butfor.question import Question

Frame = dict[str, np.ndarray]

COVARIATES = ("age", "income", "region")


def confounded(n: int = 400, seed: int = 3, *, effect: float = 1.0) -> Frame:
    """A binary treatment that older and richer people take more often; `earlier` is untouched by it."""
    rng = np.random.default_rng(seed)
    age, income = rng.normal(size=n), rng.normal(size=n)
    region = rng.choice(["east", "north", "west"], size=n)
    push = 0.7 * age + 0.3 * income + 0.4 * (region == "west")
    treatment = (push + rng.logistic(size=n) > 0.0).astype(float)
    common = 0.8 * age + 0.4 * income + 0.3 * (region == "north")
    return {
        "treatment": treatment,
        "outcome": effect * treatment + common + rng.normal(size=n),
        "earlier": common + rng.normal(size=n),
        "age": age,
        "income": income,
        "region": region,
        "household": np.arange(n) // 4,
    }


def fitted(estimator: Estimator | None = None, frame: Frame | None = None, **how: Any) -> Fit:
    """A fit on the confounded world."""
    how = {"covariates": list(COVARIATES), **how}
    return (estimator or bf.OLS()).fit(frame or confounded(), treatment="treatment", outcome="outcome", **how)


def linear_aipw() -> Estimator:
    """AIPW with closed-form nuisances."""
    return bf.AIPW(outcome_model=bf.LinearModel(), propensity_model=bf.LogisticModel())


@dataclass(frozen=True, kw_only=True)
class Offset(Estimator):
    """The difference in means plus something that the data know nothing of: a pipeline that makes up effects."""

    offset: float

    name: ClassVar[str] = "offset"
    title: ClassVar[str] = "Offset"
    treatments: ClassVar[tuple[TreatmentKind, ...]] = ("binary",)

    def fit_sample(
        self,
        sample: Sample,
        question: Question,
        strategy: Strategy,
        *,
        rng: Seed = 0,
        cache: NuisanceCache | None = None,
    ) -> Fit:
        t, y, p = sample.treatment.values, sample.outcome, sample.treatment.values.mean()
        alpha = t / p - (1.0 - t) / (1.0 - p)
        value = float(np.mean(alpha * y)) + self.offset
        residual = np.where(t == 1.0, y - y[t == 1.0].mean(), y - y[t == 0.0].mean())
        estimate = Estimate(
            labels=sample.treatment.terms,
            value=np.array([value]),
            influence=(alpha * residual)[:, None],
            **describe(self, sample, strategy, rng),
        )
        return Fit(self, sample, question, strategy, estimate)


@dataclass(frozen=True, kw_only=True)
class Drifting(Estimator):
    """Moves by a fixed amount with every covariate that it is given."""

    step: float

    name: ClassVar[str] = "drifting"
    title: ClassVar[str] = "Drifting"
    treatments: ClassVar[tuple[TreatmentKind, ...]] = ("binary",)

    def fit_sample(
        self,
        sample: Sample,
        question: Question,
        strategy: Strategy,
        *,
        rng: Seed = 0,
        cache: NuisanceCache | None = None,
    ) -> Fit:
        drift = self.step * sample.covariates.matrix.shape[1] + 1e-6 * float(sample.covariates.matrix[:, -1].mean())
        fit = Offset(offset=drift).fit_sample(sample, question, strategy, rng=rng, cache=cache)
        return replace(fit, estimator=self)
