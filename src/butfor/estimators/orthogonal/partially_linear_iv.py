"""Partially linear regression with an instrument by double machine learning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from butfor.core.rng import Seed, seed_of
from butfor.data.sample import Sample, TreatmentKind
from butfor.estimators.base import Estimator
from butfor.estimators.orthogonal.repetition import over_repetitions
from butfor.estimators.orthogonal.residuals import Split, parts_of_sample, residual_bread, treatment_residuals
from butfor.estimators.orthogonal.settings import check_splitting
from butfor.estimators.orthogonal.wald import Moments, WaldFit, require_instrument, wald_fit, with_strength
from butfor.identify.strategies import Strategy
from butfor.inference.estimate import Estimate
from butfor.nuisance.cache import NuisanceCache
from butfor.nuisance.crossfit import cross_fit_outcome_mean
from butfor.nuisance.defaults import default_outcome_model
from butfor.nuisance.learner import Learner
from butfor.question import CWE, LATE, Estimand, Question

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class PartiallyLinearIV(Estimator):
    """Move the treatment by an instrument, after the covariates explained their part of all three.

    **Answers** how the outcome changes with the treatment when a hidden cause of both rules out adjustment, but
    something else moves the treatment and reaches the outcome through it alone; also for amounts.

    **Estimates** θ in Y = θT + g(X) + ε with E[ε | Z, X] = 0. When effects differ between units,
    θ = E[Cov(Z, T | X) τ(X)] / E[Cov(Z, T | X)], with τ(X) the effect on those whom the instrument moves: the
    covariance-weighted effect (CWE). Without covariates, with two arms and an instrument with two levels it is the
    LATE, and the label says so.

        ψ = (Y − l(X) − θ(T − r(X))) (Z − m(X))

    An instrument with several levels enters by indicators, combined as two-stage least squares does.

    **Assumes** that the instrument is as good as random given the covariates and reaches the outcome through the
    treatment alone (probe: instrumental inequality, placebo outcomes), that it moves nobody against its direction or
    effects are the same for all, that it moves the treatment (probe: the first-stage F, a diagnostic;
    `fit.robust_interval()` holds without), and nuisance models whose errors multiply to less than 1/√n.

    Args:
        outcome_model: l(X) = E[Y | X]; a Butfor learner, a scikit-learn regressor or `OutOfFold(predictions)`.
        treatment_model: r(X) = E[T | X]; a classifier for two arms, a regressor for an amount.
        instrument_model: m(X) = E[Z | X]; likewise.
        folds: cross-fitting folds.
        repetitions: how many ways to split the rows into folds; the answer is the median over them.

    Raises:
        MethodMismatch: without an instrument, or for a treatment with more than two arms.
        Collinear: when the covariates predict the instrument or the treatment all but exactly.

    References:
        Chernozhukov et al. 2018 (doi:10.1111/ectj.12097), section 4.2; Anderson and Rubin 1949
        (doi:10.1214/aoms/1177730090); Montiel Olea and Pflueger 2013 (doi:10.1080/00401706.2013.806694).

    >>> import butfor as bf, numpy as np
    >>> rng = np.random.default_rng(1)
    >>> x, z, hidden = rng.normal(size=(3, 2000))
    >>> dose = x + z + hidden
    >>> frame = {"x": x, "z": z, "dose": dose, "y": 2 * dose + x - 3 * hidden}
    >>> linear = bf.LinearModel()
    >>> iv = bf.PartiallyLinearIV(outcome_model=linear, treatment_model=linear, instrument_model=linear)
    >>> fit = iv.fit(frame, treatment="dose", outcome="y", instrument="z", covariates=["x"])
    >>> bool(abs(fit.estimate().value[0] - 2) < 3 * fit.estimate().std_error[0])
    True
    """

    outcome_model: Learner | None = None
    treatment_model: Learner | None = None
    instrument_model: Learner | None = None
    folds: int = 5
    repetitions: int = 1

    name: ClassVar[str] = "partially_linear_iv"
    title: ClassVar[str] = "Partially linear IV"
    treatments: ClassVar[tuple[TreatmentKind, ...]] = ("binary", "amount")
    strategies: ClassVar[tuple[str, ...]] = ("instrument",)
    uses_instrument: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_splitting(self.folds, self.repetitions)

    @property
    def learners(self) -> tuple[Learner | None, ...]:
        """The models of outcome, treatment and instrument."""
        return (self.outcome_model, self.treatment_model, self.instrument_model)

    def fit_sample(
        self,
        sample: Sample,
        question: Question,
        strategy: Strategy,
        *,
        rng: Seed = 0,
        cache: NuisanceCache | None = None,
    ) -> WaldFit:
        """Fit on a clean sample; `rng` decides the folds."""
        self.check(sample, strategy)
        require_instrument(sample)
        seed = rng if isinstance(rng, int) else seed_of(rng)
        fit = over_repetitions(
            self.repetitions,
            seed,
            lambda s: self._fit_once(sample, question, strategy, Split.of(sample, self.folds, s, cache)),
        )
        return with_strength(fit)

    def _fit_once(self, sample: Sample, question: Question, strategy: Strategy, split: Split) -> WaldFit:
        encouraged = sample.with_treatment(require_instrument(sample))
        model = self.outcome_model or default_outcome_model()
        outcome = cross_fit_outcome_mean(sample, model, split.folds, split.seed, split.cache)
        treatment = treatment_residuals(sample, self.treatment_model, split)
        instrument = treatment_residuals(encouraged, self.instrument_model, split)
        stages = [
            first_stage(sample, treatment.values[:, 0], instrument.values, w, suffix)
            for suffix, w in parts_of_sample(sample)
        ]
        fitted = instrument.values @ stages[0].slopes
        moments = Moments(
            top=fitted * (sample.outcome - outcome.values) * float(treatment.combine[0, 0]),
            bottom=fitted * treatment.values[:, 0],
            estimand=_estimand(sample, adjusted=bool(strategy.adjust_for)),
            words=(
                f"outcome given covariates: {outcome.words}",
                f"treatment given covariates: {treatment.words}",
                f"instrument given covariates: {instrument.words}",
            ),
            strength=np.array([stage.strength for stage in stages]),
            columns=instrument.values.shape[1],
        )
        return wald_fit(self, sample, question, strategy, split.seed, moments)


def _estimand(sample: Sample, *, adjusted: bool) -> Estimand:
    two = sample.treatment.kind == "binary" and require_instrument(sample).kind == "binary"
    return LATE() if two and not adjusted else CWE()


@dataclass(frozen=True, eq=False)
class FirstStage:
    """Slopes of the treatment on the columns of the instrument, and their effective F."""

    slopes: FloatArray
    strength: float


def first_stage(
    sample: Sample, treatment: FloatArray, instrument: FloatArray, weights: FloatArray, suffix: str = ""
) -> FirstStage:
    """Regress what is left of the treatment (rows) on what is left of the instrument (rows × k).

    The effective F is π'Qπ / tr(VQ), with Q = E[Z̃ Z̃'] and V the robust covariance of π; for one column it is π² / V.
    """
    encouraged = sample.with_treatment(require_instrument(sample))
    bread = residual_bread(encouraged, instrument, weights, suffix)
    residual_bread(sample, treatment[:, None], weights, suffix)
    weighted = instrument * weights[:, None]
    slopes = bread @ (weighted.T @ treatment) / sample.n
    influence = (weighted * (treatment - instrument @ slopes)[:, None]) @ bread
    clusters = () if sample.cluster is None else (sample.cluster,)
    names = tuple(f"column {k}" for k in range(len(slopes)))
    spread = Estimate(names, slopes, sample.n, "first stage", influence=influence, clusters=clusters).covariance
    gram = np.linalg.inv(bread)
    noise = float(np.trace(spread @ gram))
    signal = float(slopes @ gram @ slopes)
    return FirstStage(slopes, signal / noise if noise > 1e-24 * max(signal, 1e-300) else np.inf)
