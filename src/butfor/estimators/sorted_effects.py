"""Effects of groups by predicted effect, honestly: learned on one half of the rows, measured on the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from butfor.core.errors import InvalidSetting, MethodMismatch
from butfor.core.rng import Seed, seed_of
from butfor.data.sample import Sample, Subgroup, TreatmentKind
from butfor.estimators.base import Estimator, Fit, describe
from butfor.estimators.meta.dr_learner import DRLearner
from butfor.estimators.meta.learner import EffectLearner, MetaFit
from butfor.estimators.orthogonal.repetition import median_estimate
from butfor.identify.strategies import Strategy
from butfor.inference.doubly_robust import EffectScores
from butfor.inference.estimate import Estimate
from butfor.inference.group_effects import derived, group_effects, group_profile
from butfor.inference.groups import groups_by
from butfor.nuisance.cache import NuisanceCache
from butfor.nuisance.folds import assign_folds
from butfor.nuisance.learner import Learner
from butfor.question import Question

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SortedFit(Fit):
    """A fit that knows who gains most, and what they are like.

    Attributes:
        profile: mean of each covariate in the least and in the most affected group, and the difference.
    """

    profile: Estimate | None = None


@dataclass(frozen=True, kw_only=True)
class SortedEffects(Estimator):
    """How much do those gain who are predicted to gain most? Predictions and measurements never share a row.

    **Answers** whether effects differ in a way that the covariates tell, how large they are for the least and the most
    affected, and what these units are like. Nothing needs to be true of the learner: a bad one finds no differences.

    **Estimates** E[τ(X) | G_k], k = 1 … K, the average effect in groups of equal size by predicted effect (sorted
    group effects), and the last less the first. Half of the rows learn the prediction; the other half measures the
    groups with doubly robust scores that are cross-fitted within it. The answer is the median over many ways to halve
    the rows, with a variance that counts the spread between them: intervals hold at least their level.

    **Assumes** no unmeasured confounding (probe: omitted-variable bounds, negative controls), overlap (probe: the
    propensity plot), and nuisance models whose errors multiply to less than 1/√n within half of the rows.

    Args:
        learner: predicts effects and cross-fits the scores; a meta-learner. Default: `DRLearner()`.
        groups: how many groups of equal size.
        splits: ways to halve the rows.

    Raises:
        MethodMismatch: for effects of subgroups.

    References:
        Chernozhukov, Demirer, Duflo and Fernández-Val 2025 (doi:10.3982/ECTA19303); the variance is that of
        Chernozhukov et al. 2018, definition 3.3 (doi:10.1111/ectj.12097).

    >>> import butfor as bf, numpy as np
    >>> rng = np.random.default_rng(1)
    >>> x, t = rng.normal(size=800), rng.integers(0, 2, 800)
    >>> y = t * x + rng.normal(size=800)
    >>> linear = {"outcome_model": bf.LinearModel(), "propensity_model": bf.LogisticModel()}
    >>> learner = bf.DRLearner(effect_model=bf.LinearModel(), **linear)
    >>> sort = bf.SortedEffects(learner=learner, groups=3, splits=5)
    >>> fit = sort.fit({"t": t, "x": x, "y": y}, treatment="t", outcome="y", covariates=["x"])
    >>> fit.estimate().labels[-1]
    't: 1 - 0 | group 3 - group 1'
    >>> bool(fit.estimate().interval()[-1, 0] > 0)
    True
    """

    learner: EffectLearner | None = None
    groups: int = 5
    splits: int = 11

    name: ClassVar[str] = "sorted_effects"
    title: ClassVar[str] = "Sorted effects"
    treatments: ClassVar[tuple[TreatmentKind, ...]] = ("binary", "arms")

    def __post_init__(self) -> None:
        if self.groups < 2:
            raise InvalidSetting(f"groups is {self.groups}; sorting needs 2 or more.", hint="groups=5")
        if self.splits < 1:
            raise InvalidSetting(f"splits is {self.splits}; halving needs 1 or more.", hint="splits=11")
        if self.learner is not None and not _predicts_effects(self.learner):
            raise InvalidSetting(
                f"learner is {self.learner!r}; sorting needs one that predicts effects.", hint="learner=DRLearner()"
            )

    @property
    def learners(self) -> tuple[Learner | None, ...]:
        """The models of the meta-learner."""
        return (self.learner or DRLearner()).learners

    def fit_sample(
        self,
        sample: Sample,
        question: Question,
        strategy: Strategy,
        *,
        rng: Seed = 0,
        cache: NuisanceCache | None = None,
    ) -> SortedFit:
        """Fit on a clean sample; `rng` decides the halves and the folds within them."""
        self.check(sample, strategy)
        if sample.subgroups:
            raise MethodMismatch(
                "The question asks for effects of subgroups; sorted effects make groups of their own.",
                hint="modifiers=(), or fit.group_effects(by) of AIPW()",
            )
        seed = rng if isinstance(rng, int) else seed_of(rng)
        whole = Estimate(
            labels=(), value=np.empty(0), estimand=question.estimand, **describe(self, sample, strategy, seed)
        )
        seeds = [seed, *(seed_of(np.random.default_rng([seed, k])) for k in range(1, self.splits))]
        answers = [self._half(_Halves.of(sample, s), whole, question, strategy, cache) for s in seeds]
        result, profile = (median_estimate(estimates) for estimates in zip(*answers, strict=True))
        words = f"effects and scores: {self.learner or DRLearner()!r}, {self.splits} halves"
        return SortedFit(self, sample, question, strategy, result, nuisance_summary=(words,), profile=profile)

    def _half(
        self, halves: _Halves, whole: Estimate, question: Question, strategy: Strategy, cache: NuisanceCache | None
    ) -> tuple[Estimate, Estimate]:
        """Groups and profile of one way to halve the rows."""
        learner = self.learner or DRLearner()
        learned = learner.fit_sample(halves.learn, question, strategy, rng=halves.seed, cache=cache)
        main = learner.fit_sample(halves.measure, question, strategy, rng=halves.seed, cache=cache)
        predicted = learned.model.predict(halves.measure.covariates.matrix)
        effects: list[Estimate] = []
        profiles: list[Estimate] = []
        for k, term in enumerate(main.effect_scores.terms):
            groups = self._groups(halves, predicted[:, k])
            effects.append(_with_gap(_effects(main, k, groups), term, self.groups))
            profiles.append(_profile(main, term if len(main.effect_scores.terms) > 1 else "", groups))
        noted = replace(whole, diagnostics=(*whole.diagnostics, *main.result.diagnostics))
        return halves.spread(noted, effects), halves.spread(noted, profiles)

    def _groups(self, halves: _Halves, predicted: FloatArray) -> tuple[Subgroup, ...]:
        """Groups of equal size; equal predictions are told apart by chance, so that a constant makes groups as well."""
        if 2 * self.groups > halves.measure.n:
            raise InvalidSetting(
                f"groups is {self.groups}; half of the rows, {halves.measure.n:,}, need two for each group.",
                hint=f"groups={max(2, halves.measure.n // 10)}, or more rows",
            )
        chance = assign_folds(halves.measure.row_key, self.groups, halves.seed)
        _, rank = np.unique(np.column_stack([predicted, chance]), axis=0, return_inverse=True)
        found = groups_by(halves.measure, rank.reshape(-1).astype(float), count=self.groups)
        if len(found) < self.groups:
            raise InvalidSetting(
                f"groups is {self.groups}; the rows have too few different predictions for as many.",
                hint=f"groups={len(found)}",
            )
        return tuple(replace(group, label=f"group {j + 1}") for j, group in enumerate(found))


def _predicts_effects(learner: object) -> bool:
    return isinstance(learner, EffectLearner)


ENDS = ("least affected", "most affected")


@dataclass(frozen=True, eq=False)
class _Halves:
    """One way to halve a sample: rows to learn from, and rows to measure (`inside` the sample)."""

    learn: Sample
    measure: Sample
    inside: NDArray[np.intp]
    size: int
    seed: int

    @classmethod
    def of(cls, sample: Sample, seed: int) -> _Halves:
        half = assign_folds(sample.row_key, 2, seed)
        inside = np.flatnonzero(half == 1)
        return cls(sample.take(np.flatnonzero(half == 0)), sample.take(inside), inside, sample.n, seed)

    def spread(self, whole: Estimate, parts: Sequence[Estimate]) -> Estimate:
        """The parts' effects as estimates of the whole sample: rows of the other half have no influence."""
        labels = tuple(label for part in parts for label in part.labels)
        influence = np.zeros((self.size, len(labels)))
        own = np.column_stack([part.influence for part in parts if part.influence is not None])
        influence[self.inside] = own * (self.size / len(self.inside))
        return derived(whole, labels, np.concatenate([part.value for part in parts]), influence)


def _effects(main: MetaFit, term: int, groups: Sequence[Subgroup]) -> Estimate:
    """Effects of one contrast in its groups."""
    scores = main.effect_scores
    one = EffectScores((scores.terms[term],), (scores.numerators[term],), (scores.denominators[term],))
    return group_effects(main.result, main.sample, one, groups)


def _profile(main: MetaFit, term: str, groups: Sequence[Subgroup]) -> Estimate:
    """Means of the covariates in the first and the last group, and their differences."""
    prefix = f"{term}, " if term else ""
    ends = [replace(group, label=prefix + name) for group, name in zip((groups[0], groups[-1]), ENDS, strict=True)]
    covariates = main.sample.covariates
    return group_profile(
        main.result, main.sample, dict(zip(covariates.columns, covariates.matrix.T, strict=True)), ends
    )


def _with_gap(effects: Estimate, term: str, count: int) -> Estimate:
    """The effects, and the last less the first."""
    matrix = np.vstack([np.eye(count), np.eye(count)[-1] - np.eye(count)[0]])
    return effects.contrast(matrix, [*effects.labels, f"{term} | group {count} - group 1"])
