"""Effects on quantiles for those whom an instrument moves, by doubly robust scores."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from butfor.core.diagnostic import Diagnostic
from butfor.core.errors import NumericalFailure
from butfor.core.rng import Seed, seed_of
from butfor.data.sample import Sample, TreatmentKind
from butfor.estimators.base import Estimator
from butfor.estimators.orthogonal.encouragement import (
    ArmChances,
    instrument_chances,
    level_difference,
    require_two_levels,
)
from butfor.estimators.orthogonal.quantiles import (
    ArmFit,
    ArmValues,
    arm_fit,
    check_quantiles,
    crossing,
    density,
    refuse_others,
)
from butfor.estimators.orthogonal.repetition import over_repetitions
from butfor.estimators.orthogonal.residuals import Split, unit_weights
from butfor.estimators.orthogonal.settings import check_floor, check_splitting
from butfor.estimators.orthogonal.wald import require_instrument, strength_note
from butfor.identify.strategies import Strategy
from butfor.inference.estimate import Estimate
from butfor.nuisance.cache import NuisanceCache, frozen
from butfor.nuisance.learner import Learner
from butfor.nuisance.wrap import OutOfFold
from butfor.question import ATE, LATE, LQTE, Question

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class LocalQuantileEffect(Estimator):
    """Compare quantiles of the outcome among those whom an instrument moves, with the treatment and without.

    **Answers** where in the distribution the treatment changes the outcome of those who take it because of the
    instrument, when hidden causes of treatment and outcome rule adjustment out.

    **Estimates** F₁⁻¹(q) − F₀⁻¹(q), with F_a the distribution of Y(a) among compliers,

        F_a(θ) = E[Γ_1(V) − Γ_0(V)] / E[Γ_1(W) − Γ_0(W)],   V = 1{T = a, Y ≤ θ},   W = 1{T = a},

    where Γ_z(V) = E[V | Z = z, X] + 1{Z = z}(V − E[V | Z = z, X]) / P(Z = z | X).

    **Assumes** what `InteractiveIV` does: an instrument as good as random given the covariates that reaches the outcome
    through the treatment alone and moves nobody against its direction (probe: instrumental inequality, placebo
    outcomes), overlap of its levels, that it moves the treatment (probe: the first-stage F, a diagnostic); and an
    outcome with a density at the quantiles (probe: a diagnostic says where values are heaped).

    Args:
        quantiles: q, each between 0 and 1; the first one answers the question.
        outcome_model: E[V | Z, X] near the answer; a Butfor learner, a scikit-learn regressor, or for a single quantile
            `OutOfFold(predictions)` (rows × levels of the instrument × arms).
        treatment_model: E[T | Z, X], with T = 1 for the second arm; likewise (rows × levels).
        instrument_model: P(Z | X); a classifier.
        folds: cross-fitting folds.
        floor: probabilities of the instrument are never taken below this; how many were is a diagnostic.
        repetitions: how many ways to split the rows into folds; the answer is the median over them.

    Raises:
        MethodMismatch: without an instrument, when treatment or instrument have more than two levels, for subgroups.
        NumericalFailure: when the instrument does not move the treatment, or too few to have a density.

    References:
        Frölich and Melly 2013 (doi:10.1080/07350015.2013.803869); Belloni, Chernozhukov, Fernández-Val and Hansen 2017
        (doi:10.3982/ECTA12723); Kallus, Mao and Uehara 2024 (arXiv:1912.12945).

    >>> import butfor as bf, numpy as np
    >>> rng = np.random.default_rng(1)
    >>> x, hidden = rng.normal(size=(2, 3000))
    >>> offered = (x + rng.normal(size=3000) > 0).astype(int)
    >>> taken = ((hidden > -0.5) & (offered == 1)).astype(int)
    >>> frame = {"x": x, "offered": offered, "taken": taken, "y": 2 * taken + x + hidden}
    >>> linear, logit = bf.LinearModel(), bf.LogisticModel()
    >>> local = bf.LocalQuantileEffect(outcome_model=linear, treatment_model=linear, instrument_model=logit)
    >>> fit = local.fit(frame, treatment="taken", outcome="y", instrument="offered", covariates=["x"])
    >>> fit.estimate().estimand.label, bool(abs(fit.estimate().value[0] - 2) < 3 * fit.estimate().std_error[0])
    ('LQTE', True)
    """

    quantiles: tuple[float, ...] = (0.5,)
    outcome_model: Learner | None = None
    treatment_model: Learner | None = None
    instrument_model: Learner | None = None
    folds: int = 5
    floor: float = 0.01
    repetitions: int = 1

    name: ClassVar[str] = "local_quantile_effect"
    title: ClassVar[str] = "Local quantile effect"
    treatments: ClassVar[tuple[TreatmentKind, ...]] = ("binary",)
    strategies: ClassVar[tuple[str, ...]] = ("instrument",)
    uses_instrument: ClassVar[bool] = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "quantiles", tuple(float(q) for q in np.atleast_1d(self.quantiles)))
        check_quantiles(self.quantiles)
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
    ) -> ArmFit:
        """Fit on a clean sample; `rng` decides the folds."""
        self.check(sample, strategy)
        refuse_others(question, self.title, (ATE(), LATE(), LQTE()))
        seed = rng if isinstance(rng, int) else seed_of(rng)
        encouraged = sample.with_treatment(require_instrument(sample))
        return over_repetitions(
            self.repetitions,
            seed,
            lambda s: self._fit_once(sample, question, strategy, Split.of(encouraged, self.folds, s, cache)),
        )

    def _fit_once(self, sample: Sample, question: Question, strategy: Strategy, split: Split) -> ArmFit:
        encouraged = sample.with_treatment(require_instrument(sample))
        chances = instrument_chances(encouraged, self.instrument_model, self.floor, split)
        taken = frozen((sample.treatment.codes == 1).astype(np.float64))
        followed = encouraged.with_outcome(sample.treatment.name, taken)
        moved, about_treatment = level_difference(followed, chances, self.treatment_model, split)
        stage = _Stage(sample, encouraged, chances, moved, split)
        found = [stage.quantiles(q, self.outcome_model) for q in self.quantiles]
        fit = arm_fit(self, (sample, question, strategy, split), chances, found, LQTE())
        notes = (*fit.result.diagnostics, stage.note(fit.result))
        words = f"treatment given instrument and covariates: {about_treatment}"
        return replace(
            fit,
            result=replace(fit.result, diagnostics=notes),
            propensity=None,
            nuisance_summary=(
                *fit.nuisance_summary[:-1],
                words,
                fit.nuisance_summary[-1].replace("treatment given", "instrument given"),
            ),
        )


@dataclass(frozen=True, eq=False)
class _Stage:
    """What all quantiles share: chances of the instrument, and Γ_1 − Γ_0 of the treatment (rows)."""

    sample: Sample
    encouraged: Sample
    chances: ArmChances
    moved: FloatArray
    split: Split

    @property
    def push(self) -> FloatArray:
        """1{Z = 1} / P(Z = 1 | X) − 1{Z = 0} / P(Z = 0 | X)."""
        up = self.encouraged.treatment.codes == 1
        return np.where(up, 1.0 / self.chances.values[:, 1], -1.0 / self.chances.values[:, 0])

    def quantiles(self, quantile: float, model: Learner | None) -> ArmValues:
        """The quantile of each arm among compliers."""
        weights = unit_weights(self.sample)
        total = float(weights @ self.moved)
        if abs(total) <= 1e-12 * float(weights @ np.abs(self.moved)):
            raise NumericalFailure(
                "The instrument does not move the treatment at all; an effect needs a first stage.",
                hint="choose another instrument",
            )
        arms = [self._arm(arm, quantile, model, weights) for arm in (0, 1)]
        values, influence, heaped, words = zip(*arms, strict=True)
        return ArmValues(f"quantile {quantile:g}", np.array(values), np.column_stack(influence), words[0], max(heaped))

    def _arm(
        self, arm: int, quantile: float, model: Learner | None, weights: FloatArray
    ) -> tuple[float, FloatArray, float, str]:
        outcome, own = self.sample.outcome, self.sample.treatment.codes == arm
        reach = self.moved if arm == 1 else -self.moved
        mean = float(np.average(reach, weights=weights))
        # Rows of an arm count for or against; with the side they count for compliers on average.
        push = np.sign(mean) * self.push
        mass = (weights * push)[own]
        nearby = crossing(outcome[own], mass, quantile * float(mass.sum()))
        below = own & (outcome <= nearby)
        target = self.encouraged.with_outcome(self.sample.outcome_name, frozen(below.astype(np.float64)))
        change, words = level_difference(target, self.chances, _of_arm(model, arm), self.split)
        known = np.sign(mean) * change - push * below
        theta = crossing(outcome[own], mass, float(weights @ (quantile * np.abs(mean) - known)))
        score = known + push * (own & (outcome <= theta)) - quantile * np.sign(mean) * reach
        score -= np.average(score, weights=weights)
        height = density(outcome[own], mass, theta)
        heaped = float(np.abs(mass[outcome[own] == theta]).sum() / np.abs(mass).sum())
        return theta, -weights * score / (np.abs(mean) * height), heaped, words

    def note(self, result: Estimate) -> Diagnostic:
        """How strong the instrument is."""
        weights = unit_weights(self.sample)
        mean = float(np.average(self.moved, weights=weights))
        influence = (weights * (self.moved - mean))[:, None]
        first = replace(result, labels=("first stage",), value=np.array([mean]), influence=influence)
        spread = float(first.std_error[0])
        f = (mean / spread) ** 2 if spread > 0 else np.inf
        return strength_note(f"first-stage F of {self.encouraged.treatment.name!r}", "", f, ())


def _of_arm(model: Learner | None, arm: int) -> Learner | None:
    """Predictions of one arm, where those of both were given."""
    if isinstance(model, OutOfFold) and np.ndim(model.predictions) == 3:
        return OutOfFold(np.asarray(model.predictions)[:, :, arm])
    return model
