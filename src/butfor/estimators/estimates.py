"""Several fits of one question, side by side."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from butfor.core.diagnostic import Diagnostic
from butfor.core.rng import Seed
from butfor.core.table import Table
from butfor.data.rows import Numbers, Rows
from butfor.data.sample import Covariates, Sample, TreatmentKind
from butfor.data.treatments import read_instrument, read_treatment
from butfor.estimators.base import Estimator, Fit
from butfor.estimators.bounds.instrument import InstrumentBounds
from butfor.estimators.bounds.natural import NaturalBounds
from butfor.estimators.experiment.difference_in_means import DifferenceInMeans
from butfor.estimators.functional.augmented_primal import AugmentedPrimalWeighting
from butfor.estimators.functional.learned_plug_in import LearnedPlugIn
from butfor.estimators.functional.plug_in import PlugIn
from butfor.estimators.orthogonal.aipw import AIPW
from butfor.estimators.orthogonal.interactive_iv import InteractiveIV
from butfor.estimators.orthogonal.partially_linear import PartiallyLinear
from butfor.estimators.orthogonal.partially_linear_iv import PartiallyLinearIV
from butfor.estimators.orthogonal.survival_effect import SurvivalEffect
from butfor.estimators.regression.lin import Lin
from butfor.estimators.regression.ols import OLS
from butfor.estimators.weighting.ipw import IPW
from butfor.identify.bounds.strategy import Bounds
from butfor.identify.proof import listed
from butfor.identify.strategies import Adjustment, FrontDoor, Functional, Instrument, Randomization, Strategy
from butfor.inference.estimate import Estimate
from butfor.question import ATC, ATE, ATT, CWE, LATE, Association, Question

NAIVE = "none (naive)"
# Strategies whose estimators this version has.
ESTIMABLE = (Adjustment, Randomization, FrontDoor, Functional, Bounds)

# Of treatment and instruments, what each column is.
Kinds = Mapping[str, TreatmentKind]


@dataclass(frozen=True, eq=False)
class Estimates:
    """All fits of a study on the same rows, the primary one first, and the naive comparison.

    Attributes:
        reason: why these estimators were chosen.
    """

    fits: tuple[Fit, ...]
    naive: Fit
    reason: str = ""

    @property
    def primary(self) -> Fit:
        """The fit that answers the question."""
        return self.fits[0]

    @property
    def all(self) -> tuple[Fit, ...]:
        """Every fit, the naive one last."""
        return (*self.fits, self.naive)

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """Caveats of the fits, each once."""
        return tuple(dict.fromkeys(d for fit in self.fits for d in fit.result.diagnostics))

    def records(self, level: float = 0.95) -> list[dict[str, Any]]:
        """One record per estimator and effect, as the JSON contract has it."""
        return [
            {**record, "adjust_for": [] if fit is self.naive else list(fit.estimator.covariates(fit.strategy))}
            for fit in self.all
            for record in _without_tests(fit, fit.result.records(level))
        ]

    def tidy(self, level: float = 0.95) -> Table:
        """One row per estimator and effect."""
        rows = [
            (fit.estimator.title, fit.result.strategy, fit.result.estimand.label, *row.values(), fit.result.n)
            for fit in self.all
            for row in _without_tests(fit, fit.result.tidy(level).to_dicts())
        ]
        statistics = ("term", "estimate", "std_error", "statistic", "p_value", "conf_low", "conf_high")
        return Table(("estimator", "strategy", "estimand", *statistics, "n"), tuple(rows))

    def comparison(self) -> Table:
        """Each other estimate less the primary one, with the standard error of the difference on the same rows."""
        first = self.primary.result.select(self.primary.result.labels[0])
        rows = []
        for fit in self.fits[1:]:
            other = fit.result.select(fit.result.labels[0])
            gap = other.difference(first)
            same = fit.result.estimand == self.primary.result.estimand and _moved_by(fit) == _moved_by(self.primary)
            rows.append(
                {
                    "estimator": fit.estimator.title,
                    "adjust_for": ", ".join(fit.strategy.adjust_for),
                    "difference": float(gap.value[0]),
                    "std_error": float(gap.std_error[0]),
                    "p_value": float(gap.p_value[0]),
                    "same_estimand": same,
                }
            )
        names = ("estimator", "adjust_for", "difference", "std_error", "p_value", "same_estimand")
        return Table(names, tuple(tuple(row[name] for name in names) for row in rows))

    def __str__(self) -> str:
        return str(self.tidy())

    def _repr_html_(self) -> str:
        return self.tidy().to_html()


def _moved_by(fit: Fit) -> str | None:
    """The instrument: another one moves others, and their effect is another one."""
    return fit.strategy.instrument if isinstance(fit.strategy, Instrument) else None


def _without_tests(fit: Fit, records: Iterable[dict[str, Any]]) -> Iterable[dict[str, Any]]:
    """A test of an end of an interval against zero says nothing of the effect: it is left out."""
    if not isinstance(fit.strategy, Bounds):
        return records
    return ({**r, **{name: None for name in ("statistic", "p_value") if name in r}} for r in records)


def estimable(strategies: Iterable[Strategy], given: Sequence[Estimator]) -> list[Strategy]:
    """The strategies worth estimating, the first one to answer: different ways to the effect before more of the same.

    Methods that the user gave choose among the strategies that they can follow; otherwise the general expression is
    left out where a simpler strategy says the same. An instrument answers another question than the graph's: only
    where it is the way by design or the only one, or for those who ask for it.
    """
    every = list(strategies)
    able = (*ESTIMABLE, Instrument) if every and isinstance(every[0], Instrument) else ESTIMABLE
    found = [s for s in every if (isinstance(s, able) or _asked(s, given)) and _on_one_table(s)]
    if given:
        found = [s for s in every if any(e.accepts(s) for e in given)] or found
        first = next((s for s in found if given[0].accepts(s)), None)
        found = found if first is None else [first, *(s for s in found if s is not first)]
    else:
        found = [s for s in found if not isinstance(s, Functional)] or found
    first_of_kind = {s.kind: s for s in reversed(found)}
    others = [s for s in first_of_kind.values() if s is not found[0]][::-1] if found else []
    return [*found[:1], *others, *(s for s in found[1:] if s not in others)]


def _asked(strategy: Strategy, given: Sequence[Estimator]) -> bool:
    return isinstance(strategy, Instrument) and any(e.uses_instrument and e.accepts(strategy) for e in given)


def _on_one_table(strategy: Strategy) -> bool:
    return not isinstance(strategy, Functional) or strategy.needs_one_table


def as_asked(question: Question, strategies: Sequence[Strategy]) -> list[Strategy]:
    """The strategies in their order, but instruments first for a question about those whom they move."""
    if not isinstance(question.estimand, LATE | CWE):
        return list(strategies)
    return sorted(strategies, key=lambda s: not isinstance(s, Instrument))


def kinds_of(rows: Rows, question: Question, plan: Iterable[tuple[Strategy, Estimator]]) -> Kinds:
    """What treatment and instruments of the planned fits are."""
    names = {s.instrument for s, e in plan if isinstance(s, Instrument) and e.uses_instrument}
    found: dict[str, TreatmentKind] = {name: read_instrument(rows, name, question.outcome).kind for name in names}
    used = {name for s, _ in plan if isinstance(s, Functional) for name in s.uses}
    numbers: dict[str, TreatmentKind] = {name: "amount" for name in used if _is_number(rows.columns.get(name))}
    return {**numbers, **found, question.treatment: read_treatment(rows, question).kind}


def _is_number(column: object) -> bool:
    """Has the column too many values to be counted?"""
    return isinstance(column, Numbers) and len(np.unique(column.values)) > PlugIn.most_values


def plan_of(
    question: Question, strategies: Sequence[Strategy], given: Sequence[Estimator], *, kinds: Kinds, others: int
) -> list[tuple[Strategy, Estimator]]:
    """What is fitted: every method on the first strategy that it can follow, one method on a few other strategies."""
    amount = kinds.get(question.treatment) == "amount"
    chosen = given or default_estimators(question, strategies[0], kinds)[0]
    plan = [(next((s for s in strategies if e.accepts(s)), strategies[0]), e) for e in chosen]
    used = [s for s, _ in plan]
    left = [s for s in strategies if not any(s is u for u in used) and can_compare(question, s, amount=amount)]
    for strategy in left[:others]:
        default = default_estimators(question, strategy, kinds)[0]
        able = default if isinstance(strategy, Instrument) else chosen
        plan.append((strategy, next((e for e in able if e.accepts(strategy)), default[0])))
    return plan


def can_compare(question: Question, strategy: Strategy, *, amount: bool) -> bool:
    """Can a strategy stand beside the one that answers? Front doors and expressions know the ATE of arms alone."""
    if isinstance(question.estimand, LATE | CWE):
        return isinstance(strategy, Instrument)
    if not isinstance(strategy, FrontDoor | Functional):
        return True
    return not amount and question.estimand == ATE() and not question.modifiers


def default_estimators(question: Question, strategy: Strategy, kinds: Kinds) -> tuple[tuple[Estimator, ...], str]:
    """Estimators that fit the question and the strategy, the first one to answer it, and why.

    Raises:
        MethodMismatch: for a strategy without one.
    """
    if question.event is not None:
        return (
            (SurvivalEffect(),),
            "The outcome is a time that some units do not reach: areas under curves of survival are compared.",
        )
    if isinstance(strategy, Instrument):
        return _by_instrument(question, strategy, kinds)
    if isinstance(strategy, FrontDoor | Functional | Bounds):
        return _beyond_adjustment(strategy, kinds)
    return _by_comparison(question, strategy, amount=kinds.get(question.treatment) == "amount")


def _by_comparison(question: Question, strategy: Strategy, *, amount: bool) -> tuple[tuple[Estimator, ...], str]:
    if amount:
        return (
            (PartiallyLinear(), OLS()),
            "The treatment is an amount: partially linear DML gives the effect of one unit more, OLS is its twin.",
        )
    if isinstance(strategy, Randomization):
        if not strategy.precision or not isinstance(question.estimand, ATE | ATT | ATC):
            return (DifferenceInMeans(),), "Chance assigned the treatment: the difference in means is unbiased."
        return (
            (Lin(), DifferenceInMeans()),
            "Chance assigned the treatment: Lin's regression uses covariates for precision alone, and the "
            "difference in means checks it.",
        )
    if not strategy.adjust_for:
        return (
            (DifferenceInMeans(),),
            "By the graph nothing needs adjustment: the arms can be compared as they are.",
        )
    return (
        (AIPW(), IPW(), OLS()),
        f"AIPW answers the {question.estimand.label} and stays right when one of its two models is wrong; IPW trusts "
        "the treatment model alone, OLS the outcome model alone.",
    )


def _beyond_adjustment(strategy: FrontDoor | Functional | Bounds, kinds: Kinds) -> tuple[tuple[Estimator, ...], str]:
    if isinstance(strategy, Bounds):
        return (InstrumentBounds() if strategy.instrument else NaturalBounds(),), "Only an interval is certain."
    if strategy.primal is None:
        numbers = [name for name in strategy.uses if kinds.get(name) == "amount"]
        if numbers and LearnedPlugIn().accepts(strategy):
            return (
                (LearnedPlugIn(),),
                f"Every step of the expression is learned: {listed(numbers)} {'has' if len(numbers) == 1 else 'have'} "
                "too many values to count.",
            )
        return (PlugIn(),), "The expression is evaluated on the frequencies in the data."
    return (
        (AugmentedPrimalWeighting(),),
        "Augmented primal weighting follows the effect through what the treatment acts on, and stays right when its "
        "models of chances or its models of expectations are wrong.",
    )


def _by_instrument(question: Question, strategy: Instrument, kinds: Kinds) -> tuple[tuple[Estimator, ...], str]:
    name = strategy.instrument
    moved = f"The effect is that on those whom {name} moves, not on everyone"
    if kinds.get(question.treatment) == kinds.get(name) == "binary":
        return (
            (InteractiveIV(),),
            f"{moved}: interactive IV divides what {name} does to {question.outcome} by what it does to "
            f"{question.treatment}, and lets effects differ.",
        )
    return (
        (PartiallyLinearIV(),),
        f"{moved}: partially linear IV compares what the covariates leave of {question.treatment}, "
        f"{question.outcome} and {name}, with one slope for all.",
    )


def naive_fit(sample: Sample, question: Question, strategy: Strategy, rng: Seed) -> Fit:
    """The comparison that one would make without a causal question: the arms as they are, or a simple slope."""
    bare = sample.with_covariates(Covariates(np.empty((sample.n, 0)), (), ()))
    question = replace(question, estimand=ATE())
    as_they_are = strategy if isinstance(strategy, Adjustment | Randomization) else Adjustment()
    if sample.treatment.kind == "amount":
        fit = OLS().fit_sample(bare, question, as_they_are, rng=rng)
    elif question.event is not None:
        fit = SurvivalEffect().fit_sample(bare, question, as_they_are, rng=rng)
    else:
        fit = DifferenceInMeans().fit_sample(bare, question, as_they_are, rng=rng)
    result: Estimate = replace(fit.result, strategy=NAIVE, estimand=Association(), assumptions=(), diagnostics=())
    return replace(fit, result=result)
