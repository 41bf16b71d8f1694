"""The causal survival forest: effects on times to an event that differ from unit to unit, under censoring."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from butfor.core.errors import InvalidSetting
from butfor.core.rng import Seed, seed_of
from butfor.data.sample import Sample, TreatmentKind
from butfor.estimators.base import Estimator, describe
from butfor.estimators.forest.causal import CausalForest
from butfor.estimators.forest.fit import ForestFit
from butfor.identify.strategies import Strategy
from butfor.nuisance.cache import NuisanceCache, frozen
from butfor.nuisance.completion import INDEPENDENT_CENSORING, Completion, check_times
from butfor.nuisance.crossfit import cross_fit_propensity
from butfor.nuisance.defaults import default_propensity_model
from butfor.nuisance.folds import sample_folds
from butfor.nuisance.learner import Learner
from butfor.nuisance.wrap import OutOfFold
from butfor.question import Question


@dataclass(frozen=True, kw_only=True)
class CausalSurvivalForest(Estimator):
    """Let the data say who gains time, or whose chance to be without the event rises, though some units leave sight.

    **Answers** how much longer units with given covariates are without the event because of the treatment, up to a
    horizon, with an interval for each; and how much longer on average. Or how much likelier they are to be without it
    at a certain time.

    **Estimates** τ(x) = E[min(T(1), h) − min(T(0), h) | X = x], or P(T(1) > t | X = x) − P(T(0) > t | X = x), by a
    `CausalForest` of completed outcomes. What was not seen of a row is made up with the hazards λ of the event and the
    chance G to be still in sight,

        Y* = μ_A(X) − Σ_{t_k ≤ U} Q_k / G_k (dN_k − λ_k),

    so that E[Y* | A, X] = E[Y | A, X] if either is right. The forest solves Σ α_i(x) (T_i − e_i) (Y*_i − m_i −
    τ (T_i − e_i)) = 0 with m = Σ_a e_a μ_a, as in the paper, whose denominator comes to (T − e)² whatever G is.
    `estimate()` averages the doubly robust score of the completed outcomes.

    **Assumes** what `SurvivalEffect` does (no unmeasured confounding; independent censoring, given arm and covariates;
    a chance of every arm and of staying in sight), and of units what `CausalForest` does: effects that are smooth.

    Args:
        horizon: h of the restricted mean. Default: the last time to which a tenth of every arm was in sight.
        time: t, for the chance to be without the event at t; then there is no horizon.
        survival_model: of the event in an interval of time, given arm, covariates and no event before; a classifier.
        censoring_model: of leaving sight, likewise.
        treatment_model: P(A | X); a classifier.
        intervals: into how many intervals of time the models of hazards cut the way to the last time, at most.
        folds: cross-fitting folds.
        floor: propensities, and chances to be in sight, are never taken below this; how many were is a diagnostic.
        trees, subsample, honesty, features, min_node_size, slopes: as of `CausalForest`.

    Raises:
        MethodMismatch: for a question without an event, or an amount.
        InvalidSetting: for times beyond the last row of an arm, or both a time and a horizon.

    References:
        Cui, Kosorok, Sverdrup, Wager and Zhu 2023 (doi:10.1093/jrsssb/qkac001); Athey, Tibshirani and Wager 2019
        (doi:10.1214/18-AOS1709).

    >>> import butfor as bf, numpy as np
    >>> rng = np.random.default_rng(1)
    >>> x, t = rng.normal(size=1000), rng.integers(0, 2, 1000)
    >>> time, lost = rng.exponential(np.exp(t * (x > 0))), rng.exponential(3.0, 1000)
    >>> frame = {"t": t, "x": x, "time": np.minimum(time, lost), "seen": (time <= lost) * 1}
    >>> quick = dict.fromkeys(("survival_model", "censoring_model", "treatment_model"), bf.LogisticModel(penalty=0.001))
    >>> forest = bf.CausalSurvivalForest(horizon=2.0, trees=300, **quick)
    >>> fit = forest.fit(frame, treatment="t", outcome="time", event="seen", covariates=["x"])
    >>> low, high = fit.effect({"x": [-1.0, 1.0]}).value[:, 0]
    >>> bool(low + 0.1 < high)
    True
    """

    horizon: float | None = None
    time: float | None = None
    survival_model: Learner | None = None
    censoring_model: Learner | None = None
    treatment_model: Learner | None = None
    intervals: int = 20
    folds: int = 5
    floor: float = 0.01
    trees: int = 2000
    subsample: float = 0.5
    honesty: float = 0.5
    features: int | None = None
    min_node_size: int = 5
    slopes: int = 12

    name: ClassVar[str] = "causal_survival_forest"
    title: ClassVar[str] = "Causal survival forest"
    treatments: ClassVar[tuple[TreatmentKind, ...]] = ("binary", "arms")
    uses_event: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.time is not None and self.horizon is not None:
            raise InvalidSetting(
                f"time is {self.time:g} and horizon {self.horizon:g}; {self.title} needs one of them.",
                hint="one forest for the restricted mean, another for the chance at a time",
            )
        check_times(() if self.time is None else (self.time,), self.horizon, self.intervals, self.title)
        _ = self._forest(None)

    @property
    def learners(self) -> tuple[Learner | None, ...]:
        """The models of event, loss of sight and treatment."""
        return (self.survival_model, self.censoring_model, self.treatment_model)

    def _forest(self, known: tuple[OutOfFold, OutOfFold] | None) -> CausalForest:
        return CausalForest(
            outcome_model=None if known is None else known[0],
            treatment_model=None if known is None else known[1],
            folds=self.folds,
            floor=self.floor,
            trees=self.trees,
            subsample=self.subsample,
            honesty=self.honesty,
            features=self.features,
            min_node_size=self.min_node_size,
            slopes=self.slopes,
        )

    def fit_sample(
        self,
        sample: Sample,
        question: Question,
        strategy: Strategy,
        *,
        rng: Seed = 0,
        cache: NuisanceCache | None = None,
    ) -> ForestFit:
        """Fit on a clean sample; `rng` decides folds and trees."""
        self.check(sample, strategy)
        if not sample.covariates.columns:
            raise InvalidSetting(
                "The strategy adjusts for no covariate; a causal forest needs some along which effects may differ.",
                hint="name covariates, or use SurvivalEffect()",
            )
        seed = rng if isinstance(rng, int) else seed_of(rng)
        folds = sample_folds(sample, self.folds, seed, cache)
        model = self.treatment_model or default_propensity_model()
        chances = cross_fit_propensity(sample, model, folds, seed, cache)
        completion = Completion(
            self.survival_model, self.censoring_model, self.intervals, self.floor, folds, seed, cache
        )
        answers = completion.answers(sample, () if self.time is None else (self.time,), self.horizon)
        mean = np.einsum("ij,ij->i", chances.values, answers.completed.means[:, 0])
        forest = self._forest((OutOfFold(mean), OutOfFold(chances.values)))
        completed = frozen(np.ascontiguousarray(answers.completed.values[:, 0]))
        fit = forest.fit_sample(
            sample.with_outcome(sample.outcome_name, completed), question, strategy, rng=seed, cache=cache
        )
        named = _as_ours(self, fit, sample, seed, answers.names[0])
        words = (*answers.words, f"treatment given covariates: {chances.words}")
        noted = replace(named, nuisance_summary=words).with_diagnostics(*answers.notes)
        assert isinstance(noted, ForestFit)
        return noted


def _as_ours(estimator: CausalSurvivalForest, fit: ForestFit, sample: Sample, seed: int, asked: str) -> ForestFit:
    """The fit of completed outcomes as one of the sample that was seen, its labels with what was asked."""
    common = describe(estimator, sample, fit.strategy, seed)
    labels = [label.partition(" | ") for label in fit.result.labels]
    result = replace(
        fit.result,
        labels=tuple(f"{term}, {asked}{bar}{group}" for term, bar, group in labels),
        estimator=common["estimator"],
        provenance=common["provenance"],
        assumptions=(*common["assumptions"], INDEPENDENT_CENSORING),
    )
    return replace(fit, estimator=estimator, sample=sample, result=result)
