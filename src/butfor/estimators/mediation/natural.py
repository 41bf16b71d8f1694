"""Natural direct and indirect effects with learned models and an honest interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from butfor.core.diagnostic import Diagnostic, Severity
from butfor.core.errors import InvalidSetting, NumericalFailure
from butfor.core.rng import Seed, seed_of
from butfor.data.sample import Sample, TreatmentKind
from butfor.estimators.base import Estimator, Fit, Roles, describe
from butfor.estimators.mediation.refusals import has_formula, mediators_of, refuse_other_questions
from butfor.estimators.mediation.worlds import Worlds
from butfor.identify.mediation.strategy import MediationStrategy, declared_mediation
from butfor.identify.strategies import Strategy
from butfor.inference.distribution import critical_value
from butfor.inference.estimate import Estimate
from butfor.inference.fieller import Interval, fieller_intervals
from butfor.inference.ratio import ratio_effects
from butfor.nuisance.cache import NuisanceCache
from butfor.nuisance.defaults import default_outcome_model, default_propensity_model
from butfor.nuisance.folds import sample_folds
from butfor.nuisance.learner import Learner
from butfor.nuisance.learning import Learning
from butfor.question import Question

FloatArray = NDArray[np.float64]
# The two worlds that each effect compares: is the treatment that of the treated arm, and are the mediators?
EFFECTS = {
    "total effect": ((True, True), (False, False)),
    "natural direct effect": ((True, False), (False, False)),
    "natural indirect effect": ((False, True), (False, False)),
    "total direct effect": ((True, True), (False, True)),
    "total indirect effect": ((True, True), (True, False)),
}
# Effects whose share of the total is a proportion mediated.
INDIRECT = ("total indirect effect", "natural indirect effect")
# A total effect within this many standard errors of zero says little of its shares.
UNCLEAR = 2.0


@dataclass(frozen=True, eq=False)
class MediationFit(Fit):
    """Total, direct and indirect effects, and the share of the total that goes through the mediators.

    Attributes:
        means: the mean outcome of each world that is compared, E[Y(t, M(t'))], for everyone.
    """

    means: Estimate | None = None

    @property
    def proportion_mediated(self) -> Estimate:
        """Each indirect effect divided by the total effect.

        Read it where all effects have one sign. Its interval trusts a total effect that is far from zero;
        `proportion_intervals` holds however near it is.

        Raises:
            NumericalFailure: when a total effect is zero to the last digit.
        """
        result, pairs = self.result, self._shares()
        tops, bottoms = (np.array([pair[k] for pair in pairs.values()]) for k in (0, 1))
        totals = result.value[bottoms]
        if not np.all(np.abs(totals) > 1e-12 * np.abs(result.value).max()):
            raise NumericalFailure(
                "A total effect is zero; a proportion mediated needs one that is not.",
                hint="report the indirect effect itself",
            )
        assert result.influence is not None
        value = result.value[tops] / totals
        return replace(
            result,
            labels=tuple(pairs),
            value=value,
            influence=(result.influence[:, tops] - value * result.influence[:, bottoms]) / totals,
            diagnostics=(*result.diagnostics, *_unclear(result, np.unique(bottoms).tolist())),
        )

    def proportion_intervals(self, level: float = 0.95) -> tuple[tuple[Interval, ...], ...]:
        """For each proportion mediated the intervals that hold however near to zero the total effect is (Fieller 1954).

        One interval when the total effect is clearly not zero; otherwise perhaps two rays, or the whole line.
        """
        value, covariance = self.result.value, self.result.covariance
        critical = float(np.max(critical_value(level, self.result.degrees_of_freedom)))
        return tuple(
            fieller_intervals(float(value[j]), float(value[k]), covariance[np.ix_([j, k], [j, k])], critical)
            for j, k in self._shares().values()
        )

    def _shares(self) -> dict[str, tuple[int, int]]:
        """For each proportion the positions of the indirect and the total effect."""
        labels, total = self.result.labels, ", total effect"
        found: dict[str, tuple[int, int]] = {}
        for k, label in enumerate(labels):
            if total in label:
                for name in INDIRECT:
                    j = labels.index(label.replace(total, f", {name}"))
                    found[label.replace(total, f", {name} / total effect")] = (j, k)
        return found


def _unclear(result: Estimate, totals: Sequence[int]) -> list[Diagnostic]:
    notes: list[Diagnostic] = []
    for k in totals:
        size = float(abs(result.statistic[k]))
        if size < UNCLEAR:
            message = (
                f"The effect {result.labels[k]!r} is {size:.1f} standard errors from zero: a share of it says little. "
                "proportion_intervals() holds all the same."
            )
            notes.append(Diagnostic("unclear-total", Severity.DANGER, message, size))
    return notes


@dataclass(frozen=True, kw_only=True)
class MediationAnalysis(Estimator):
    """Split the effect into what goes through mediators and the rest, with learned models and an honest interval.

    **Answers** how much of what the treatment does goes through the mediators, and how much past them.

    **Estimates** the means E[Y(t, M(t'))] of the outcome under t with the mediators as they would be under t', and
    from them, for each contrast of a treated arm 1 with a reference 0,

        total             E[Y(1, M(1)) − Y(0, M(0))]
        natural direct    E[Y(1, M(0)) − Y(0, M(0))]     total indirect  E[Y(1, M(1)) − Y(1, M(0))]
        natural indirect  E[Y(0, M(1)) − Y(0, M(0))]     total direct    E[Y(1, M(1)) − Y(0, M(1))]

    The two effects of a line add up to the total. With e_t(·) the chance of arm t, μ_t(X, M) = E[Y | t, X, M] and
    ω(X) = E[μ_t(X, M) | t', X], a mean is the average of the efficient score

        ψ = ω + 1{T = t'}/e_t'(X) (μ_t − ω) + 1{T = t}/e_t(X, M) · e_t'(X, M)/e_t'(X) (Y − μ_t).

    No density of the mediators is modelled: they may be several, numbers or categories. The total effect is that of
    AIPW (on the same folds). `fit.proportion_mediated` has the shares of the total.

    **Assumes** that among units alike in the covariates nothing else causes two of treatment, mediators and outcome,
    above all nothing that the treatment changes (probe: draw the graph, `identify_natural_effects`); independence
    across worlds, which no experiment can show (probe: controlled direct effects do without); overlap of the arms given
    covariates and mediators (probe: the floor diagnostic); and nuisance models whose errors multiply to less than
    1/√n. A mean is right when both expectations are (μ and ω), or both chances (with and without mediators), or μ and
    the chances without mediators.

    Args:
        outcome_model: for the expectations; default: mix of penalised linear model and early-stopped boosting.
        propensity_model: for the chances of arms; default: the same mix for classes, calibrated.
        folds: cross-fitting folds.
        floor: propensities are never taken below this; how many were is a diagnostic.

    Raises:
        MethodMismatch: for a strategy that is no mediation formula, an amount, an estimand other than the ATE, or
            subgroups by a column that is no covariate.
        ConstantColumn: for a mediator with one value.
        SeparatedPropensity: when a mediator all but decides the treatment.

    References:
        Tchetgen Tchetgen and Shpitser 2012 (doi:10.1214/12-AOS990); Díaz, Hejazi, Rudolph and van der Laan 2021
        (doi:10.1093/biomet/asaa085); Farbmacher, Huber, Lafférs, Langen and Spindler 2022 (doi:10.1093/ectj/utac003).

    >>> import butfor as bf, numpy as np
    >>> from butfor.estimators.mediation.natural import MediationAnalysis
    >>> rng = np.random.default_rng(1)
    >>> t = rng.integers(0, 2, 1000)
    >>> m = 1.0 * t + rng.normal(size=1000)
    >>> frame = {"t": t, "m": m, "y": 0.5 * t + 2 * m + rng.normal(size=1000)}
    >>> simple = MediationAnalysis(outcome_model=bf.LinearModel(), propensity_model=bf.LogisticModel())
    >>> fit = simple.fit(frame, treatment="t", outcome="y", mediators=["m"])
    >>> effect = fit.result.select("t: 1 - 0, total indirect effect")
    >>> bool(abs(effect.value[0] - 2.0) < 3 * effect.std_error[0])
    True
    """

    outcome_model: Learner | None = None
    propensity_model: Learner | None = None
    folds: int = 5
    floor: float = 0.01

    name: ClassVar[str] = "natural_effects"
    title: ClassVar[str] = "Mediation analysis"
    treatments: ClassVar[tuple[TreatmentKind, ...]] = ("binary", "arms")
    strategies: ClassVar[tuple[str, ...]] = ("mediation",)

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
        """Does the strategy have natural effects by the mediation formula?"""
        return has_formula(strategy, "natural")

    def covariates(self, strategy: Strategy) -> tuple[str, ...]:
        """What is adjusted for, and the mediators."""
        return (*strategy.adjust_for, *mediators_of(strategy, self.title, "natural"))

    def on_your_word(self, question: Question, roles: Roles) -> MediationStrategy:
        """The mediation formula with the named mediators and covariates."""
        roles.only(self.title, "covariates", "mediators")
        return declared_mediation(question.treatment, question.outcome, roles.mediators, roles.covariates)

    def fit_sample(
        self,
        sample: Sample,
        question: Question,
        strategy: Strategy,
        *,
        rng: Seed = 0,
        cache: NuisanceCache | None = None,
    ) -> MediationFit:
        """Fit on a clean sample; `rng` decides the folds."""
        mediators = mediators_of(strategy, self.title, "natural")
        self.check(sample, strategy)
        refuse_other_questions(self.title, sample, question, strategy, mediators)
        seed = rng if isinstance(rng, int) else seed_of(rng)
        learning = Learning(
            self.outcome_model or default_outcome_model(),
            self.propensity_model or default_propensity_model(),
            self.floor,
            sample_folds(sample, self.folds, seed, cache),
            seed,
            cache,
        )
        worlds = Worlds.of(sample, mediators, learning)
        scores = {pair: worlds.score(*pair) for pair in _compared(sample.treatment.contrasts)}
        origin = describe(self, sample, strategy, seed)
        labels, value, influence = _effects(sample, scores)
        names, means, moves = _means(sample, scores)
        fit = MediationFit(
            self,
            sample,
            question,
            strategy,
            Estimate(labels=labels, value=value, influence=influence, estimand=question.estimand, **origin),
            nuisance_summary=tuple(c.words for c in worlds.chances),
            means=Estimate(labels=names, value=means, influence=moves, **origin),
        )
        notes = tuple(note for c in worlds.chances for note in c.notes)
        return replace(fit, result=replace(fit.result, diagnostics=(*fit.result.diagnostics, *notes)))


Scores = Mapping[tuple[int, int], FloatArray]
Averages = tuple[tuple[str, ...], FloatArray, FloatArray]


def _compared(contrasts: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The pairs (arm of the treatment, arm of the mediators) that the contrasts compare, each once."""
    return list(dict.fromkeys((d, m) for pair in contrasts for d in pair for m in pair))


def _effects(sample: Sample, scores: Scores) -> Averages:
    """The five effects of each contrast, for everyone and each subgroup."""
    tops: list[FloatArray] = []
    terms: list[str] = []
    for term, (a, b) in zip(sample.treatment.terms, sample.treatment.contrasts, strict=True):
        for name, pair in EFFECTS.items():
            one, two = ((a if direct else b, a if mediated else b) for direct, mediated in pair)
            tops.append(scores[one] - scores[two])
            terms.append(f"{term}, {name}")
    return ratio_effects(sample, tops, [np.ones(sample.n)] * len(tops), terms=terms)


def _means(sample: Sample, scores: Scores) -> Averages:
    """The mean of each world, for everyone."""
    t, levels = sample.treatment.name, sample.treatment.levels
    names = [f"{t} = {levels[d]}, mediators as under {levels[m]}" for d, m in scores]
    everyone = replace(sample, subgroups=())
    return ratio_effects(everyone, list(scores.values()), [np.ones(sample.n)] * len(names), terms=names)
