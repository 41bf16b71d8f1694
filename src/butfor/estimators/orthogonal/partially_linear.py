"""Partially linear regression by double machine learning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from butfor.core.rng import Seed, seed_of
from butfor.data.sample import Sample, TreatmentKind
from butfor.estimators.base import Estimator, Fit, describe
from butfor.estimators.orthogonal.repetition import over_repetitions
from butfor.estimators.orthogonal.residuals import Split, parts_of_sample, residual_bread, treatment_residuals
from butfor.estimators.orthogonal.settings import check_splitting
from butfor.identify.strategies import Strategy
from butfor.inference.estimate import Estimate
from butfor.nuisance.cache import NuisanceCache
from butfor.nuisance.crossfit import cross_fit_outcome_mean
from butfor.nuisance.defaults import default_outcome_model
from butfor.nuisance.learner import Learner
from butfor.question import ATO, VWE, Estimand, Question

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class PartiallyLinear(Estimator):
    """Regress what is left of the outcome on what is left of the treatment after the covariates explained theirs.

    **Answers** how the outcome changes with the treatment among comparable units, with machine learning for the
    influence of the covariates; also for amounts (doses, prices).

    **Estimates** θ in Y = θT + g(X) + ε. When effects differ between units, θ = E[Var(T | X) τ(X)] / E[Var(T | X)]:
    for two arms that is the ATO, otherwise the variance-weighted effect (VWE). It is the ATE only when effects are the
    same for all or the treatment was randomised, and the label says which.

        ψ = (T − e(X)) (Y − m(X) − θ(T − e(X)))

    **Assumes** no unmeasured confounding (probe: omitted-variable bounds), some variation of the treatment given the
    covariates, and nuisance models whose errors multiply to less than 1/√n.

    Args:
        outcome_model: E[Y | X]; a Butfor learner, a scikit-learn regressor or `OutOfFold(predictions)`.
        treatment_model: E[T | X]; a classifier for arms, a regressor for an amount.
        folds: cross-fitting folds.
        repetitions: how many ways to split the rows into folds; the answer is the median over them.

    References:
        Robinson 1988 (doi:10.2307/1912705); Chernozhukov et al. 2018 (doi:10.1111/ectj.12097).

    >>> import butfor as bf, numpy as np
    >>> rng = np.random.default_rng(1)
    >>> x = rng.normal(size=400)
    >>> dose = x + rng.normal(size=400)
    >>> linear = bf.PartiallyLinear(outcome_model=bf.LinearModel(), treatment_model=bf.LinearModel())
    >>> fit = linear.fit({"dose": dose, "x": x, "y": 2 * dose + x}, treatment="dose", outcome="y", covariates=["x"])
    >>> round(float(fit.estimate().value[0]), 2)
    2.0
    """

    outcome_model: Learner | None = None
    treatment_model: Learner | None = None
    folds: int = 5
    repetitions: int = 1

    name: ClassVar[str] = "partially_linear"
    title: ClassVar[str] = "Partially linear DML"
    treatments: ClassVar[tuple[TreatmentKind, ...]] = ("binary", "arms", "amount")

    def __post_init__(self) -> None:
        check_splitting(self.folds, self.repetitions)

    @property
    def learners(self) -> tuple[Learner | None, ...]:
        """The models of outcome and treatment."""
        return (self.outcome_model, self.treatment_model)

    def fit_sample(
        self,
        sample: Sample,
        question: Question,
        strategy: Strategy,
        *,
        rng: Seed = 0,
        cache: NuisanceCache | None = None,
    ) -> Fit:
        """Fit on a clean sample; `rng` decides the folds."""
        self.check(sample, strategy)
        seed = rng if isinstance(rng, int) else seed_of(rng)
        return over_repetitions(
            self.repetitions,
            seed,
            lambda s: self._fit_once(sample, question, strategy, Split.of(sample, self.folds, s, cache)),
        )

    def _fit_once(self, sample: Sample, question: Question, strategy: Strategy, split: Split) -> Fit:
        model = self.outcome_model or default_outcome_model()
        outcome = cross_fit_outcome_mean(sample, model, split.folds, split.seed, split.cache)
        treatment = treatment_residuals(sample, self.treatment_model, split)
        parts = _partial(sample, sample.outcome - outcome.values, treatment.values, treatment.combine)
        chance_alone = not strategy.adjust_for
        estimate = Estimate(
            labels=parts.labels,
            value=parts.value,
            influence=parts.influence,
            estimand=_estimand(sample, question, chance_alone=chance_alone),
            **describe(self, sample, strategy, split.seed),
        )
        return Fit(
            self,
            sample,
            question,
            strategy,
            estimate,
            propensity=treatment.propensity,
            representer=parts.riesz,
            residual=parts.residual,
            nuisance_summary=(
                f"outcome given covariates: {outcome.words}",
                f"treatment given covariates: {treatment.words}",
            ),
        )


@dataclass(frozen=True, eq=False)
class _Parts:
    labels: tuple[str, ...]
    value: FloatArray
    influence: FloatArray
    riesz: FloatArray
    residual: FloatArray


def _estimand(sample: Sample, question: Question, *, chance_alone: bool) -> Estimand:
    if chance_alone and not question.estimand.trim:
        return question.estimand
    return ATO() if sample.treatment.kind == "binary" else VWE()


def _partial(sample: Sample, outcome: FloatArray, treatment: FloatArray, combine: FloatArray) -> _Parts:
    """Residual on residual, for everyone and for each subgroup."""
    values, influences = [], []
    labels: list[str] = []
    overall: tuple[FloatArray, FloatArray] | None = None
    for suffix, w in parts_of_sample(sample):
        bread = residual_bread(sample, treatment, w, suffix)
        weighted = treatment * w[:, None]
        theta = bread @ (weighted.T @ outcome) / sample.n
        residual = outcome - treatment @ theta
        influence = (weighted * residual[:, None]) @ bread @ combine.T
        labels.extend(term + suffix for term in sample.treatment.terms)
        values.append(combine @ theta)
        influences.append(influence)
        overall = overall or (weighted @ bread @ combine.T, residual)
    assert overall is not None
    riesz, residual = overall
    return _Parts(
        tuple(labels),
        np.concatenate(values),
        np.hstack(influences),
        riesz,
        np.repeat(residual[:, None], len(combine), axis=1),
    )
