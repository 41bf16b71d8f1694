"""Augmented primal weighting: the doubly robust estimator of front doors and all effects of their kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from butfor.core.diagnostic import Diagnostic
from butfor.core.errors import ConstantColumn, InvalidSetting, MethodMismatch
from butfor.core.rng import Seed, seed_of
from butfor.data.sample import FloatArray, Sample, TreatmentKind
from butfor.estimators.base import Estimator, Fit, describe
from butfor.estimators.functional.chain import Chain
from butfor.estimators.functional.fixing import DealtOut
from butfor.identify.primal import Primal
from butfor.identify.strategies import FrontDoor, Functional, Strategy
from butfor.inference.estimate import Estimate
from butfor.inference.ratio import ratio_effects
from butfor.nuisance.cache import NuisanceCache
from butfor.nuisance.defaults import default_outcome_model, default_propensity_model
from butfor.nuisance.folds import sample_folds
from butfor.nuisance.learner import Learner
from butfor.nuisance.learning import Learning
from butfor.question import ATE, Question


@dataclass(frozen=True, kw_only=True)
class AugmentedPrimalWeighting(Estimator):
    """Follow the effect through what the treatment acts on, with learned models and an honest interval.

    **Answers** what the treatment would do on average, when a hidden cause of treatment and outcome rules out
    adjustment, but a mediator (front door), a chain of measured variables or a column that acts through the treatment
    alone (napkin) tells the effect all the same.

    **Estimates** the ATE by solving the efficient influence function of E[Y(t)]. With V_1, …, V_K = Y what comes after
    the treatment, H_k what comes before V_k, L those that share hidden causes with the treatment, M the others, and
    g_K = Y, g_{k−1}(s) = E[g_k(s) | H_k, T = t if V_k ∈ M else s]:

        ψ(t) = g_0(T) + Σ_{k ∈ L} Π_{M_i < V_k} p(M_i | t)/p(M_i | T) · (g_k(T) − g_{k−1}(T))
             + Σ_{k ∈ M} 1{T = t} Σ_s p(s | C)/p(t | C) Π_{L_i < V_k} p(L_i | s)/p(L_i | t) · (g_k(s) − g_{k−1}(s)).

    Density ratios are ratios of propensities given more and more columns (Bayes), so that the variables in between may
    be numbers or categories. With no variable in between this is AIPW, with one it is the front-door estimator of
    Fulcher et al.

    Where the treatment is tied to its own effects through columns Z that act through it alone (nested fixing), rows
    are first weighted by ρ = P(Z) / P(Z | what came before). With ψ(t) from the weighted rows and
    m(z) = E[ψ(t) | z, what came before] the score becomes ρ (ψ(t) − m(Z)) + Σ_z P(z) m(z), plus what P(Z) is
    uncertain by.

    **Assumes** the graph (probe: its implications), overlap of the treatment given what comes before each variable in
    between (probe: the floor diagnostic), and nuisance models whose errors multiply to less than 1/√n. It is right
    when all models of expectations or all models of chances are.

    Args:
        outcome_model: for the expectations; default: mix of penalised linear model and early-stopped boosting.
        propensity_model: for P(T | …) and P(Z | …); default: the same mix for classes, calibrated.
        folds: cross-fitting folds.
        floor: propensities are never taken below this; how many were is a diagnostic.
        groups: how many groups a column Z with more than `most_values` values is cut into.
        most_values: a column Z with no more values than this is taken as it is.

    Raises:
        MethodMismatch: for a strategy that is not of this kind, an estimand other than the ATE, or subgroups by a
            column that does not come before the treatment.
        ConstantColumn: when the whole effect runs through a column with one value.
        SeparatedPropensity: when a column in between all but decides the treatment.

    References:
        Bhattacharya, Nabi and Shpitser 2022 (jmlr.org/papers/v23/20-1171.html); Fulcher, Shpitser, Marealle and
        Tchetgen Tchetgen 2020 (doi:10.1111/rssb.12345); Guo, Benkeser and Nabi 2023 (arXiv:2312.10234).

    >>> import butfor as bf, numpy as np
    >>> rng = np.random.default_rng(1)
    >>> hidden = rng.normal(size=2000)
    >>> x = (hidden + rng.normal(size=2000) > 0).astype(int)
    >>> m = 0.5 * x + rng.normal(size=2000)
    >>> frame = {"x": x, "m": m, "y": 2 * m + hidden + rng.normal(size=2000)}
    >>> study = bf.Study(frame, question=bf.Question("x", "y"), graph="x -> m -> y; x <-> y")
    >>> simple = bf.AugmentedPrimalWeighting(outcome_model=bf.LinearModel(), propensity_model=bf.LogisticModel())
    >>> effect = study.estimate(simple).primary.result
    >>> bool(abs(effect.value[0] - 1.0) < 3 * effect.std_error[0])
    True
    """

    outcome_model: Learner | None = None
    propensity_model: Learner | None = None
    folds: int = 5
    floor: float = 0.01
    groups: int = 4
    most_values: int = 12

    name: ClassVar[str] = "augmented_primal_weighting"
    title: ClassVar[str] = "Augmented primal weighting"
    treatments: ClassVar[tuple[TreatmentKind, ...]] = ("binary", "arms")
    strategies: ClassVar[tuple[str, ...]] = ("front_door", "functional")

    def __post_init__(self) -> None:
        if not 0.0 < self.floor < 0.5:
            raise InvalidSetting(f"floor is {self.floor}; weighting needs 0 < floor < 0.5.", hint="floor=0.01")
        if self.folds < 2:
            raise InvalidSetting(f"folds is {self.folds}; cross-fitting needs at least 2.", hint="folds=5")
        if self.groups < 2 or self.most_values < 2:
            raise InvalidSetting(
                f"groups is {self.groups}, most_values {self.most_values}; both need at least 2.",
                hint="groups=4, most_values=12",
            )

    @property
    def learners(self) -> tuple[Learner | None, ...]:
        """The models of expectations and treatment."""
        return (self.outcome_model, self.propensity_model)

    def accepts(self, strategy: Strategy) -> bool:
        """Does the strategy have an order of columns?"""
        return isinstance(strategy, FrontDoor | Functional) and strategy.primal is not None

    def covariates(self, strategy: Strategy) -> tuple[str, ...]:
        """What comes before the treatment, what lies between it and the outcome, and what is weighted."""
        return primal_of(strategy).columns

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
        primal = primal_of(strategy)
        self.check(sample, strategy)
        _refuse(sample, question, primal)
        seed = rng if isinstance(rng, int) else seed_of(rng)
        learning = Learning(
            self.outcome_model or default_outcome_model(),
            self.propensity_model or default_propensity_model(),
            self.floor,
            sample_folds(sample, self.folds, seed, cache),
            seed,
            cache,
        )
        scores, words, notes = self._scores(sample, primal, learning)
        tops = [scores[:, a] - scores[:, b] for a, b in sample.treatment.contrasts]
        labels, value, influence = ratio_effects(sample, tops, [np.ones(sample.n)] * len(tops))
        estimate = Estimate(
            labels=labels,
            value=value,
            influence=influence,
            estimand=question.estimand,
            **describe(self, sample, strategy, seed),
        )
        fit = Fit(self, sample, question, strategy, estimate, scores=scores, nuisance_summary=words)
        return fit.with_diagnostics(*dict.fromkeys(notes))

    def _scores(
        self, sample: Sample, primal: Primal, learning: Learning
    ) -> tuple[FloatArray, tuple[str, ...], tuple[Diagnostic, ...]]:
        """ψ of every arm (rows × arms), the models in words, and caveats."""
        dealt: list[DealtOut] = []
        for fixing in primal.fixed:
            dealt.append(DealtOut.of(sample, fixing, learning, groups=self.groups, most_values=self.most_values))
            sample = dealt[-1].weighted(sample)
        chain = Chain.of(sample, primal, learning)
        scores = [chain.score(arm) for arm in range(sample.treatment.arms)]
        for column in reversed(dealt):
            scores = [column.augmented(score) for score in scores]
        words = (*(d.words for d in dealt), *chain.words)
        return np.column_stack(scores), words, (*(n for d in dealt for n in d.notes), *chain.notes)


def primal_of(strategy: Strategy) -> Primal:
    """The order of the columns that a strategy asks for.

    Raises:
        MethodMismatch: when it has none.
    """
    if isinstance(strategy, FrontDoor | Functional) and strategy.primal is not None:
        return strategy.primal
    raise MethodMismatch(
        f"The strategy is {strategy.kind.replace('_', ' ')}; augmented primal weighting needs a front door, or an "
        "expression in which the treatment shares no hidden cause with what it acts on directly.",
        hint="AIPW() for adjustment, PlugIn() for any other expression",
    )


def _refuse(sample: Sample, question: Question, primal: Primal) -> None:
    title = AugmentedPrimalWeighting.title
    if question.estimand != ATE():
        raise MethodMismatch(
            f"The estimand is the {question.estimand.label}; {title} answers the ATE.",
            hint="estimand=bf.ATE(), or a strategy that adjusts",
        )
    strange = [name for name in question.modifiers if primal.fixed or name not in primal.before]
    if strange:
        raise MethodMismatch(
            f"The question asks for subgroups by {strange[0]!r}; {title} needs modifiers among the columns before the "
            f"treatment ({', '.join(primal.before) or 'none'}){' and no weighted columns' if primal.fixed else ''}.",
            hint=f"leave {strange[0]!r} out of modifiers, or estimate on the rows of each of its values alone",
        )
    carriers = (*primal.after[:-1], *(f.node for f in primal.fixed))
    constant = [name for name in carriers if name not in sample.covariates.source]
    if constant:
        raise ConstantColumn(
            f"Column {constant[0]!r} has one value in the rows used; the effect runs through it, and needs it to vary.",
            hint="check the column, and how the rows were selected",
        )
