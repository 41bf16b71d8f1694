"""Several fits of one question, side by side."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from butfor.core.diagnostic import Diagnostic
from butfor.core.rng import Seed
from butfor.core.table import Table
from butfor.data.sample import Covariates, Sample
from butfor.estimators.base import Estimator, Fit
from butfor.estimators.experiment.difference_in_means import DifferenceInMeans
from butfor.estimators.functional.augmented_primal import AugmentedPrimalWeighting
from butfor.estimators.functional.plug_in import PlugIn
from butfor.estimators.orthogonal.aipw import AIPW
from butfor.estimators.orthogonal.partially_linear import PartiallyLinear
from butfor.estimators.regression.lin import Lin
from butfor.estimators.regression.ols import OLS
from butfor.estimators.weighting.ipw import IPW
from butfor.identify.strategies import Adjustment, FrontDoor, Functional, Randomization, Strategy
from butfor.inference.estimate import Estimate
from butfor.question import ATC, ATE, ATT, Association, Question

NAIVE = "none (naive)"


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
            for record in fit.result.records(level)
        ]

    def tidy(self, level: float = 0.95) -> Table:
        """One row per estimator and effect."""
        rows = [
            (fit.estimator.title, fit.result.strategy, fit.result.estimand.label, *row.values(), fit.result.n)
            for fit in self.all
            for row in fit.result.tidy(level)
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
            same = fit.result.estimand == self.primary.result.estimand
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


# Strategies whose estimators this version has.
ESTIMABLE = (Adjustment, Randomization, FrontDoor, Functional)


def estimable(strategies: Iterable[Strategy], given: Sequence[Estimator], most: int) -> list[Strategy]:
    """The strategies worth estimating, the first one to answer: different ways to the effect before more of the same.

    Methods that the user gave choose among the strategies that they can follow; otherwise the general expression is
    left out where a simpler strategy says the same.
    """
    found: list[Strategy] = [s for s in strategies if isinstance(s, ESTIMABLE)]
    if given:
        found = [s for s in found if all(e.accepts(s) for e in given)] or found
    simple: list[Strategy] = [s for s in found if not isinstance(s, Functional)]
    found = simple or found
    first_of_kind = {s.kind: s for s in reversed(found)}
    others = [s for s in first_of_kind.values() if s is not found[0]][::-1] if found else []
    rest = [s for s in found[1:] if s not in others]
    return [*found[:1], *others, *rest][:most]


def default_estimators(question: Question, strategy: Strategy, *, amount: bool) -> tuple[tuple[Estimator, ...], str]:
    """Estimators that fit the question and the strategy, the first one to answer it, and why.

    Raises:
        MethodMismatch: for a strategy without one.
    """
    if isinstance(strategy, FrontDoor | Functional):
        return _for_expressions(strategy)
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


def _for_expressions(strategy: FrontDoor | Functional) -> tuple[tuple[Estimator, ...], str]:
    if strategy.primal is None:
        return (PlugIn(),), "The expression is evaluated on the frequencies in the data."
    return (
        (AugmentedPrimalWeighting(),),
        "Augmented primal weighting follows the effect through what the treatment acts on, and stays right when its "
        "models of chances or its models of expectations are wrong.",
    )


def naive_fit(sample: Sample, question: Question, strategy: Strategy, rng: Seed) -> Fit:
    """The comparison that one would make without a causal question: the arms as they are, or a simple slope."""
    bare = sample.with_covariates(Covariates(np.empty((sample.n, 0)), (), ()))
    as_they_are = strategy if isinstance(strategy, Adjustment | Randomization) else Adjustment()
    if sample.treatment.kind == "amount":
        fit = OLS().fit_sample(bare, question, as_they_are, rng=rng)
    else:
        fit = DifferenceInMeans().fit_sample(bare, question, as_they_are, rng=rng)
    result: Estimate = replace(fit.result, strategy=NAIVE, estimand=Association(), assumptions=(), diagnostics=())
    return replace(fit, result=result)
