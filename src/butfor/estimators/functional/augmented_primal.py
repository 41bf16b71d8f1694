"""Augmented primal weighting: the doubly robust estimator of front doors and all effects of their kind."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from butfor.core.diagnostic import Diagnostic
from butfor.core.errors import InvalidSetting, MethodMismatch
from butfor.core.rng import Seed, seed_of
from butfor.data.sample import Covariates, Sample, TreatmentKind
from butfor.estimators.base import Estimator, Fit, describe
from butfor.identify.primal import Primal
from butfor.identify.strategies import FrontDoor, Functional, Strategy
from butfor.inference.estimate import Estimate
from butfor.inference.ratio import ratio_effects
from butfor.nuisance.cache import NuisanceCache, frozen
from butfor.nuisance.crossfit import cross_fit_outcome_by_arm, cross_fit_propensity
from butfor.nuisance.defaults import default_outcome_model, default_propensity_model
from butfor.nuisance.folds import Folds, sample_folds
from butfor.nuisance.learner import Learner
from butfor.nuisance.overlap import lift
from butfor.question import ATE, Question

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class AugmentedPrimalWeighting(Estimator):
    """Follow the effect through what the treatment acts on, with learned models and an honest interval.

    **Answers** what the treatment would do on average, when a hidden cause of treatment and outcome rules out
    adjustment, but a mediator (front door) or a chain of measured variables tells the effect all the same.

    **Estimates** the ATE by solving the efficient influence function of E[Y(t)]. With V_1, …, V_K = Y what comes after
    the treatment, H_k what comes before V_k, L those that share hidden causes with the treatment, M the others, and
    g_K = Y, g_{k−1}(s) = E[g_k(s) | H_k, T = t if V_k ∈ M else s]:

        ψ(t) = g_0(T) + Σ_{k ∈ L} Π_{M_i < V_k} p(M_i | t)/p(M_i | T) · (g_k(T) − g_{k−1}(T))
             + Σ_{k ∈ M} 1{T = t} Σ_s p(s | C)/p(t | C) Π_{L_i < V_k} p(L_i | s)/p(L_i | t) · (g_k(s) − g_{k−1}(s)).

    Density ratios are ratios of propensities given more and more columns (Bayes), so that the variables in between may
    be numbers or categories. With no variable in between this is AIPW, with one it is the front-door estimator of
    Fulcher et al.

    **Assumes** the graph (probe: its implications), overlap of the treatment given what comes before each variable in
    between (probe: the floor diagnostic), and nuisance models whose errors multiply to less than 1/√n.

    Args:
        outcome_model: for the expectations; default: mix of penalised linear model and early-stopped boosting.
        propensity_model: for P(T | …); default: the same mix for classes, calibrated.
        folds: cross-fitting folds.
        floor: propensities are never taken below this; how many were is a diagnostic.

    Raises:
        MethodMismatch: for a strategy that is not of this kind, or an estimand other than the ATE.

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

    name: ClassVar[str] = "augmented_primal_weighting"
    title: ClassVar[str] = "Augmented primal weighting"
    treatments: ClassVar[tuple[TreatmentKind, ...]] = ("binary", "arms")
    strategies: ClassVar[tuple[str, ...]] = ("front_door", "functional")

    def __post_init__(self) -> None:
        if not 0.0 < self.floor < 0.5:
            raise InvalidSetting(f"floor is {self.floor}; weighting needs 0 < floor < 0.5.", hint="floor=0.01")
        if self.folds < 2:
            raise InvalidSetting(f"folds is {self.folds}; cross-fitting needs at least 2.", hint="folds=5")

    @property
    def learners(self) -> tuple[Learner | None, ...]:
        """The models of expectations and treatment."""
        return (self.outcome_model, self.propensity_model)

    def accepts(self, strategy: Strategy) -> bool:
        """Does the strategy have an order of columns?"""
        return isinstance(strategy, FrontDoor | Functional) and strategy.primal is not None

    def covariates(self, strategy: Strategy) -> tuple[str, ...]:
        """What comes before the treatment, and what lies between it and the outcome."""
        primal = primal_of(strategy)
        return (*primal.before, *primal.after[:-1])

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
        if question.estimand != ATE():
            raise MethodMismatch(
                f"The estimand is the {question.estimand.label}; {self.title} answers the ATE.",
                hint="estimand=bf.ATE(), or a strategy that adjusts",
            )
        seed = rng if isinstance(rng, int) else seed_of(rng)
        folds = sample_folds(sample, self.folds, seed, cache)
        chain = _Chain.of(self, sample, primal_of(strategy), folds, seed, cache)
        scores = np.column_stack([chain.score(arm) for arm in range(sample.treatment.arms)])
        tops = [scores[:, a] - scores[:, b] for a, b in sample.treatment.contrasts]
        labels, value, influence = ratio_effects(sample, tops, [np.ones(sample.n)] * len(tops))
        estimate = Estimate(
            labels=labels,
            value=value,
            influence=influence,
            estimand=question.estimand,
            **describe(self, sample, strategy, seed),
        )
        fit = Fit(self, sample, question, strategy, estimate, scores=scores, nuisance_summary=chain.words)
        return fit.with_diagnostics(*chain.diagnostics)


def primal_of(strategy: Strategy) -> Primal:
    """The order of the columns that a strategy asks for.

    Raises:
        MethodMismatch: when it has none.
    """
    if isinstance(strategy, FrontDoor | Functional) and strategy.primal is not None:
        return strategy.primal
    raise MethodMismatch(
        f"The strategy is {strategy.kind}; augmented primal weighting needs a treatment that shares no hidden cause "
        "with what it acts on directly.",
        hint="AIPW() for adjustment, PlugIn() for any other expression",
    )


@dataclass(frozen=True, eq=False)
class _Chain:
    """The columns in order, and what the models say of them.

    Attributes:
        histories: the design matrix before each variable after the treatment (H_1, …, H_K).
        tied: whether each of these variables shares hidden causes with the treatment.
        propensity: P(arm | H_k) for each history.
    """

    estimator: AugmentedPrimalWeighting
    sample: Sample
    histories: tuple[Covariates, ...]
    tied: tuple[bool, ...]
    propensity: tuple[FloatArray, ...]
    folds: Folds
    seed: int
    cache: NuisanceCache | None
    words: tuple[str, ...]
    diagnostics: tuple[Diagnostic, ...]

    @classmethod
    def of(
        cls,
        estimator: AugmentedPrimalWeighting,
        sample: Sample,
        primal: Primal,
        folds: Folds,
        seed: int,
        cache: NuisanceCache | None,
    ) -> _Chain:
        between = primal.after[:-1]
        sources = sample.covariates.source
        # A column that the strategy does not know (a simulated covariate of a check) was there before the treatment.
        known = {n for n in sources if n not in between}
        histories: list[Covariates] = []
        for name in (*between, None):
            histories.append(_only(sample.covariates, known))
            known |= {name} if name is not None else set()
        propensity: list[FloatArray] = []
        diagnostics: dict[Diagnostic, None] = {}
        words: list[str] = []
        model = estimator.propensity_model or default_propensity_model()
        for history in histories:
            found = cross_fit_propensity(sample.with_covariates(history), model, folds, seed, cache)
            lifted, notes = lift(found.values, estimator.floor)
            propensity.append(lifted)
            diagnostics |= dict.fromkeys(notes)
            given = ", ".join(dict.fromkeys(history.source)) or "nothing"
            words.append(f"treatment given {given}: {found.words}")
        tied = tuple(name in primal.tied for name in primal.after)
        return cls(
            estimator,
            sample,
            tuple(histories),
            tied,
            tuple(propensity),
            folds,
            seed,
            cache,
            tuple(words),
            tuple(diagnostics),
        )

    def score(self, arm: int) -> FloatArray:
        """ψ(arm), uncentred: its mean is E[Y(arm)]."""
        codes, arms, rows = self.sample.treatment.codes, self.sample.treatment.arms, np.arange(self.sample.n)
        expected = self._expected(arm)  # g_0, …, g_K: rows × arms s
        own = [g[rows, codes] for g in expected]
        score = own[0].copy()
        through_m = np.ones(self.sample.n)  # Π p(M_i | t) / p(M_i | T)
        through_l = np.ones((self.sample.n, arms))  # Π p(L_i | s) / p(L_i | t)
        start = self.propensity[0]
        weight = start / start[:, [arm]]
        here = codes == arm
        for k, tied in enumerate(self.tied):
            if tied:
                score += through_m * (own[k + 1] - own[k])
            else:
                gap = expected[k + 1] - expected[k]
                score += here * np.einsum("ij,ij->i", weight * through_l, gap)
            if k + 1 < len(self.tied):
                ratio = self._density_ratio(k)
                if tied:
                    through_l = through_l * ratio / ratio[:, [arm]]
                else:
                    through_m = through_m * ratio[:, arm] / ratio[rows, codes]
        return score

    def _density_ratio(self, k: int) -> FloatArray:
        """p(V_k | H_k, arm) for every arm, up to a factor that all arms share: e(H_{k+1}) / e(H_k)."""
        return self.propensity[k + 1] / self.propensity[k]

    def _expected(self, arm: int) -> list[FloatArray]:
        """g_0, …, g_K for every s, from the outcome backwards."""
        arms = self.sample.treatment.arms
        current = np.repeat(self.sample.outcome[:, None], arms, axis=1)
        found = [current]
        for k in reversed(range(len(self.tied))):
            history = self.sample.with_covariates(self.histories[k])
            same = all(np.array_equal(current[:, 0], current[:, s]) for s in range(1, arms))
            columns: list[FloatArray] = []
            for s in range(1 if same else arms):
                target = frozen(np.ascontiguousarray(current[:, s]))
                by_arm = self._regress(history, target)
                if same and self.tied[k]:
                    columns = [by_arm[:, other] for other in range(arms)]
                else:
                    columns.append(by_arm[:, s if self.tied[k] else arm])
            current = np.column_stack(columns * arms if len(columns) == 1 else columns)
            found.append(current)
        return found[::-1]

    def _regress(self, history: Sample, target: FloatArray) -> FloatArray:
        """E[target | H, arm] (rows × arms)."""
        model = self.estimator.outcome_model or default_outcome_model()
        aimed = replace(history, outcome=target)
        return cross_fit_outcome_by_arm(aimed, model, self.folds, self.seed, self.cache).values


def _only(covariates: Covariates, sources: set[str]) -> Covariates:
    keep = [j for j, s in enumerate(covariates.source) if s in sources]
    matrix = np.ascontiguousarray(covariates.matrix[:, keep])
    matrix.flags.writeable = False
    return Covariates(matrix, tuple(covariates.columns[j] for j in keep), tuple(covariates.source[j] for j in keep))
