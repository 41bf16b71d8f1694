"""Plug-in estimation of any identified effect from learned models, with bootstrap intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from butfor.core.errors import ConstantColumn, InvalidSetting, MethodMismatch
from butfor.core.rng import Seed, seed_of
from butfor.data.sample import Sample, Treatment, TreatmentKind
from butfor.estimators.base import Estimator, Fit, describe
from butfor.estimators.functional.sequence import Averages
from butfor.identify.proof import listed
from butfor.identify.sequential import Sequential
from butfor.identify.strategies import Functional, Strategy
from butfor.inference.bootstrap import bootstrap
from butfor.inference.estimate import Estimate
from butfor.nuisance.cache import NuisanceCache, frozen
from butfor.nuisance.folds import sample_folds
from butfor.nuisance.learner import Learner
from butfor.nuisance.learning import Learning
from butfor.nuisance.linear import LinearModel
from butfor.nuisance.logistic import LogisticModel
from butfor.question import ATE, Question

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class LearnedPlugIn(Estimator):
    """Learn every step of an expression, and compute the effect from what was learned.

    **Answers** what the treatment would do on average, for effects that the graph identifies by an expression and for
    nothing simpler, whatever its columns are: numbers, categories, or both.

    **Estimates** the ATE. The expression is read as a chain of averages, from the outcome back to what came before the
    treatment: with the columns V_1, …, V_K = Y that the treatment acts on,

        g_K = Y,   g_{k−1} = E_w[g_k | what V_k depends on, T = t where it responds to t],   E[Y(t)] = E[g_0],

    each average learned across folds, so that no row predicts itself. Where a column Z hides what came before it (the
    napkin), the average is taken in rows with the weights w = P(Z) / P(Z | what came before): shares for categories,
    densities for numbers.

    **Assumes** the graph (probe: its implications), overlap (probe: the floor and the effective sample), models that
    are right or flexible enough: a plug-in is not doubly robust (probe: another `outcome_model`), and, where weights
    are taken of numbers, residuals of one shape (probe: cut the column into groups yourself).

    Intervals come from a bootstrap: everything is learned again in rows with random weights. Where
    `AugmentedPrimalWeighting` accepts the strategy it is the better method; where all columns have few values,
    `PlugIn` is exact.

    Args:
        outcome_model: for the averages; default: ridge regression. `Boosting()` where they bend, at a cost.
        propensity_model: for the chances of categories; default: ridge logit.
        folds: cross-fitting folds.
        floor: chances are never taken below this.
        resamples: of the bootstrap.
        most_values: a column with more values than this is a number.

    Raises:
        MethodMismatch: for a strategy without such a chain, or an estimand other than the ATE.
        ConstantColumn: when the whole effect runs through a column with one value.

    References:
        Tian and Pearl 2003 (arXiv:1212.2501) for the chain; Bhattacharya, Nabi and Shpitser 2022
        (jmlr.org/papers/v23/20-1171.html) for weights; Rubin 1981 (doi:10.1214/aos/1176345338) for the bootstrap.

    >>> import butfor as bf, numpy as np
    >>> rng = np.random.default_rng(1)
    >>> hidden, other = rng.normal(size=(2, 2000))
    >>> w = hidden + other + rng.normal(size=2000)
    >>> z = w + rng.normal(size=2000)
    >>> x = (z + hidden + rng.normal(size=2000) > 0).astype(int)
    >>> frame = {"w": w, "z": z, "x": x, "y": 2 * x + other + rng.normal(size=2000)}
    >>> study = bf.Study(frame, question=bf.Question("x", "y"), graph="w -> z -> x -> y; w <-> x; w <-> y")
    >>> effect = study.estimate(bf.LearnedPlugIn(resamples=20)).primary.result
    >>> bool(abs(effect.value[0] - 2.0) < 3 * effect.std_error[0])
    True
    """

    outcome_model: Learner | None = None
    propensity_model: Learner | None = None
    folds: int = 5
    floor: float = 0.01
    resamples: int = 100
    most_values: int = 12

    name: ClassVar[str] = "learned_plug_in"
    title: ClassVar[str] = "Learned plug-in"
    treatments: ClassVar[tuple[TreatmentKind, ...]] = ("binary", "arms")
    strategies: ClassVar[tuple[str, ...]] = ("functional",)

    def __post_init__(self) -> None:
        if not 0.0 < self.floor < 0.5:
            raise InvalidSetting(f"floor is {self.floor}; weighting needs 0 < floor < 0.5.", hint="floor=0.01")
        if self.folds < 2:
            raise InvalidSetting(f"folds is {self.folds}; cross-fitting needs at least 2.", hint="folds=5")
        if self.resamples < 20:
            raise InvalidSetting(f"resamples is {self.resamples}; a bootstrap needs at least 20.", hint="resamples=100")
        if self.most_values < 2:
            raise InvalidSetting(
                f"most_values is {self.most_values}; a category needs at least 2 values.", hint="most_values=12"
            )

    @property
    def learners(self) -> tuple[Learner | None, ...]:
        """The models of averages and chances."""
        return (self.outcome_model, self.propensity_model)

    def accepts(self, strategy: Strategy) -> bool:
        """Is the expression a chain of averages over one table?"""
        return isinstance(strategy, Functional) and strategy.sequential is not None and strategy.needs_one_table

    def covariates(self, strategy: Strategy) -> tuple[str, ...]:
        """The columns of the chain beside treatment and outcome."""
        return _used(chain_of(strategy))

    def fit_sample(
        self,
        sample: Sample,
        question: Question,
        strategy: Strategy,
        *,
        rng: Seed = 0,
        cache: NuisanceCache | None = None,
    ) -> Fit:
        """Fit on a clean sample; `rng` decides folds and resamples."""
        chain = chain_of(strategy)
        self.check(sample, strategy)
        _refuse(sample, question, chain)
        seed = rng if isinstance(rng, int) else seed_of(rng)
        pairs = sample.treatment.contrasts
        value, draws, averages = self.resampled(
            sample, [sample.treatment], lambda learned: _contrasts(_means(learned, chain), pairs), seed, cache
        )
        estimate = Estimate(
            labels=sample.treatment.terms,
            value=value,
            draws=draws,
            df=self.resamples - 1.0,  # a standard error from so many draws
            estimand=question.estimand,
            **describe(self, sample, strategy, seed),
        )
        words = (
            f"average{'s' if chain.stages[1:] else ''} of {listed([s.node for s in chain.stages])}: "
            f"{self._outcome_model!r}",
            *averages.words,
        )
        return Fit(self, sample, question, strategy, estimate, nuisance_summary=words).with_diagnostics(*averages.notes)

    def resampled(
        self,
        sample: Sample,
        treatments: Sequence[Treatment],
        statistic: Callable[[Averages], FloatArray],
        seed: int,
        cache: NuisanceCache | None = None,
    ) -> tuple[FloatArray, FloatArray, Averages]:
        """What learned averages say, what they say in resamples (resamples × values), and the averages."""
        folds = sample_folds(sample, self.folds, seed, cache)

        def learn(rows: Sample, own: int, known: NuisanceCache | None) -> Averages:
            chances = self.propensity_model or LogisticModel(penalty=None)
            learning = Learning(self._outcome_model, chances, self.floor, folds, own, known)
            return Averages(rows, treatments, learning, most_values=self.most_values)

        def again(weights: FloatArray, own: int) -> FloatArray:
            return statistic(learn(replace(sample, weights=frozen(weights)), own, NuisanceCache()))

        averages = learn(sample, seed, cache)
        return statistic(averages), bootstrap(sample, again, count=self.resamples, rng=seed), averages

    @property
    def _outcome_model(self) -> Learner:
        return self.outcome_model or LinearModel(penalty=None)


def _means(averages: Averages, chain: Sequential) -> dict[int, float]:
    """E[Y(arm)] of each compared arm."""
    sample = averages.sample
    arms = sorted({arm for pair in sample.treatment.contrasts for arm in pair})
    back = {arm: averages.back(chain.stages, {sample.treatment.name: arm}, sample.outcome) for arm in arms}
    return {arm: float(np.average(found, weights=sample.weights)) for arm, found in back.items()}


def _contrasts(means: dict[int, float], pairs: tuple[tuple[int, int], ...]) -> FloatArray:
    return np.array([means[a] - means[b] for a, b in pairs])


def chain_of(strategy: Strategy) -> Sequential:
    """The chain of averages of a strategy.

    Raises:
        MethodMismatch: when it has none.
    """
    if isinstance(strategy, Functional) and strategy.sequential is not None:
        return strategy.sequential
    raise MethodMismatch(
        f"The strategy is {strategy.kind.replace('_', ' ')}; {LearnedPlugIn.title} needs an expression that is a chain "
        "of averages.",
        hint="AIPW() for adjustment, AugmentedPrimalWeighting() for a front door, PlugIn() for any expression",
    )


def _used(chain: Sequential) -> tuple[str, ...]:
    asked = {name for s in chain.stages for name in s.treatments} | {s.node for s in chain.stages[-1:]}
    return tuple(name for name in chain.columns if name not in asked)


def _refuse(sample: Sample, question: Question, chain: Sequential) -> None:
    title = LearnedPlugIn.title
    if question.estimand != ATE() or question.modifiers:
        raise MethodMismatch(
            f"The question asks for the {question.estimand.label}{' by subgroup' if question.modifiers else ''}; "
            f"{title} answers the ATE of everyone.",
            hint="estimand=bf.ATE(), modifiers=()",
        )
    if not any(s.treatments for s in chain.stages):
        raise MethodMismatch(
            f"By the graph the effect of {question.treatment} on {question.outcome} is zero; there is nothing to "
            "learn.",
            hint="AIPW() with an adjustment set tests whether it is",
        )
    carriers = [s.node for s in chain.stages if s.node != question.outcome]
    constant = [name for name in carriers if name not in sample.covariates.source]
    if constant:
        raise ConstantColumn(
            f"Column {constant[0]!r} has one value in the rows used; the effect runs through it, and needs it to vary.",
            hint="check the column, and how the rows were selected",
        )
