"""The interactive model with an instrument by double machine learning: the effect on those whom it moves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from butfor.core.rng import Seed, seed_of
from butfor.data.sample import Sample, TreatmentKind
from butfor.estimators.base import Estimator
from butfor.estimators.orthogonal.encouragement import instrument_chances, level_difference, require_two_levels
from butfor.estimators.orthogonal.repetition import over_repetitions
from butfor.estimators.orthogonal.residuals import Split
from butfor.estimators.orthogonal.settings import check_floor, check_splitting
from butfor.estimators.orthogonal.wald import Moments, WaldFit, require_instrument, wald_fit, with_strength
from butfor.identify.strategies import Strategy
from butfor.nuisance.cache import NuisanceCache, frozen
from butfor.nuisance.learner import Learner
from butfor.question import LATE, Question

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class InteractiveIV(Estimator):
    """Divide the effect of the instrument on the outcome by its effect on the treatment, both doubly robust.

    **Answers** what the treatment does on average for those who take it because of the instrument, when some do not
    follow their assignment or a hidden cause of treatment and outcome rules out adjustment.

    **Estimates** the LATE E[Y(1) − Y(0) | T(1) > T(0)] with effects that may differ in any way, where
    Γ_z(V) = E[V | Z = z, X] + 1{Z = z}(V − E[V | Z = z, X]) / P(Z = z | X):

        θ = E[Γ_1(Y) − Γ_0(Y)] / E[Γ_1(T) − Γ_0(T)].

    **Assumes** that the instrument is as good as random given the covariates and reaches the outcome through the
    treatment alone (probe: instrumental inequality, placebo outcomes), that it moves nobody against its direction,
    overlap of its levels (probe: the floor diagnostic), that it moves the treatment (probe: the first-stage F, a
    diagnostic; `fit.robust_interval()` holds without), and nuisance models whose errors multiply to less than 1/√n.

    Args:
        outcome_model: E[Y | Z, X]; a Butfor learner, a scikit-learn regressor or `OutOfFold(predictions)`, one column
            for each level of the instrument.
        treatment_model: E[T | Z, X], with T = 1 for the treated; likewise, a regressor.
        instrument_model: P(Z | X); a classifier.
        folds: cross-fitting folds.
        floor: probabilities of the instrument are never taken below this; how many were is a diagnostic.
        repetitions: how many ways to split the rows into folds; the answer is the median over them.

    Raises:
        MethodMismatch: without an instrument, or when treatment or instrument have more than two levels.
        NumericalFailure: when the instrument does not move the treatment at all.

    References:
        Chernozhukov et al. 2018 (doi:10.1111/ectj.12097), section 5.2; Frölich 2007
        (doi:10.1016/j.jeconom.2006.06.004); Imbens and Angrist 1994 (doi:10.2307/2951620).

    >>> import butfor as bf, numpy as np
    >>> rng = np.random.default_rng(1)
    >>> x, hidden = rng.normal(size=(2, 2000))
    >>> offered = (x + rng.normal(size=2000) > 0).astype(int)
    >>> taken = ((hidden > 0) & (offered == 1)).astype(int)
    >>> frame = {"x": x, "offered": offered, "taken": taken, "y": 2 * taken + x + hidden}
    >>> linear, logit = bf.LinearModel(), bf.LogisticModel()
    >>> late = bf.InteractiveIV(outcome_model=linear, treatment_model=linear, instrument_model=logit)
    >>> fit = late.fit(frame, treatment="taken", outcome="y", instrument="offered", covariates=["x"])
    >>> fit.estimate().estimand.label, bool(abs(fit.estimate().value[0] - 2) < 3 * fit.estimate().std_error[0])
    ('LATE', True)
    """

    outcome_model: Learner | None = None
    treatment_model: Learner | None = None
    instrument_model: Learner | None = None
    folds: int = 5
    floor: float = 0.01
    repetitions: int = 1

    name: ClassVar[str] = "interactive_iv"
    title: ClassVar[str] = "Interactive IV"
    treatments: ClassVar[tuple[TreatmentKind, ...]] = ("binary",)
    strategies: ClassVar[tuple[str, ...]] = ("instrument",)
    uses_instrument: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_floor(self.floor, self.title)
        check_splitting(self.folds, self.repetitions)

    @property
    def learners(self) -> tuple[Learner | None, ...]:
        """The models of outcome, treatment and instrument."""
        return (self.outcome_model, self.treatment_model, self.instrument_model)

    def check(self, sample: Sample, strategy: Strategy) -> None:
        """Refuse a strategy, a treatment or an instrument that the method cannot handle."""
        super().check(sample, strategy)
        require_two_levels(sample, self.title)

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
        seed = rng if isinstance(rng, int) else seed_of(rng)
        encouraged = sample.with_treatment(require_instrument(sample))
        fit = over_repetitions(
            self.repetitions,
            seed,
            lambda s: self._fit_once(sample, question, strategy, Split.of(encouraged, self.folds, s, cache)),
        )
        return with_strength(fit)

    def _fit_once(self, sample: Sample, question: Question, strategy: Strategy, split: Split) -> WaldFit:
        encouraged = sample.with_treatment(require_instrument(sample))
        (treated, _), *_ = sample.treatment.contrasts
        taken = frozen((sample.treatment.codes == treated).astype(np.float64))
        followed = encouraged.with_outcome(sample.treatment.name, taken)
        chances = instrument_chances(encouraged, self.instrument_model, self.floor, split)
        outcome, about_outcome = level_difference(encouraged, chances, self.outcome_model, split)
        treatment, about_treatment = level_difference(followed, chances, self.treatment_model, split)
        words = (
            f"outcome given instrument and covariates: {about_outcome}",
            f"treatment given instrument and covariates: {about_treatment}",
            f"instrument given covariates: {chances.words}",
        )
        moments = Moments(outcome, treatment, LATE(), words, notes=chances.diagnostics)
        return wald_fit(self, sample, question, strategy, split.seed, moments)
