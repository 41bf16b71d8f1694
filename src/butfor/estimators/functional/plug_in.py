"""Plug-in estimation of any identified expression from the frequencies in the data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from butfor.core.errors import InvalidSetting, MethodMismatch
from butfor.core.rng import Seed
from butfor.data.sample import Sample, TreatmentKind
from butfor.estimators.base import Estimator, Fit, describe
from butfor.estimators.functional.counts import Axis, Counting, Counts
from butfor.identify.expression import Variable
from butfor.identify.proof import listed
from butfor.identify.strategies import Functional, Strategy
from butfor.inference.estimate import Estimate
from butfor.nuisance.cache import NuisanceCache
from butfor.question import ATE, Question


@dataclass(frozen=True, kw_only=True)
class PlugIn(Estimator):
    """Count, and compute the expression from the counts.

    **Answers** what the treatment would do on average, for every effect that the graph identifies: whatever the
    expression is, it is evaluated on the frequencies in the data.

    **Estimates** the ATE, E[Y(t)] − E[Y(t')], with P replaced by the observed shares. The outcome may be any number:
    the expression is linear in its distribution. Other columns with many values are cut into groups of equal size.

    **Assumes** the graph (probe: its implications), that every combination that the expression divides by occurs
    (probe: an error says which does not), and, where columns were cut, that the groups are fine enough (probe: more of
    them).

    Standard errors come from the influence function of the expression, which the chain rule gives for any expression:
    conditional probabilities, products, sums and ratios are differentiated with respect to the share of each
    combination. That is right for large samples; a diagnostic says when many combinations have only a few rows.

    Args:
        groups: how many groups a column with many values is cut into.
        most_values: a column with no more values than this is taken as it is.
        most_cells: largest table that is built.

    Raises:
        MethodMismatch: for a strategy without expression, an expression that depends on more than treatment and
            outcome, or an estimand other than the ATE.
        InvalidSetting: when the table would be larger than `most_cells`.
        NumericalFailure: when the expression divides by the share of something that never happens.
        ConstantColumn: when the whole effect runs through a column with one value.

    References:
        Shpitser and Pearl 2006 (arXiv:1206.6876); Jung, Tian and Bareinboim 2021 (doi:10.1609/aaai.v35i13.17438) for
        influence functions of identified expressions; van der Vaart 1998, Asymptotic Statistics, chapter 20.

    >>> import butfor as bf
    >>> rows = [(0, 0, 1.0)] * 6 + [(0, 1, 2.0)] * 2 + [(1, 0, 2.0)] * 2 + [(1, 1, 4.0)] * 6
    >>> frame = {name: list(column) for name, column in zip("xmy", zip(*rows))}
    >>> study = bf.Study(frame, question=bf.Question("x", "y"), graph="x -> m -> y; x <-> y")
    >>> strategy = study.identify().strategies[-1]
    >>> str(strategy.expression)
    "sum_{m} P(m | x) sum_{x'} P(y | x', m) P(x')"
    >>> sample_mean = study.estimate(bf.PlugIn()).primary.result.value[0]
    >>> float(round(sample_mean, 6))  # (0.75 − 0.25) · ((2 + 4) / 2 − (1 + 2) / 2)
    0.75
    """

    groups: int = 4
    most_values: int = 12
    most_cells: int = 2_000_000

    name: ClassVar[str] = "plug_in"
    title: ClassVar[str] = "Plug-in"
    treatments: ClassVar[tuple[TreatmentKind, ...]] = ("binary", "arms")
    strategies: ClassVar[tuple[str, ...]] = ("functional",)

    def __post_init__(self) -> None:
        if self.groups < 2 or self.most_values < 2 or self.most_cells < 4:
            raise InvalidSetting(
                f"groups is {self.groups}, most_values {self.most_values}, most_cells {self.most_cells}; a table needs "
                "at least 2 values per column.",
                hint="groups=4, most_values=12",
            )

    @property
    def counting(self) -> Counting:
        """How columns become cells."""
        return Counting(self.groups, self.most_values, self.most_cells)

    def accepts(self, strategy: Strategy) -> bool:
        """Is there an expression in what one table tells?"""
        return isinstance(strategy, Functional) and strategy.needs_one_table

    def covariates(self, strategy: Strategy) -> tuple[str, ...]:
        """The columns of the expression beside treatment and outcome."""
        return _functional(strategy).columns

    def fit_sample(
        self,
        sample: Sample,
        question: Question,
        strategy: Strategy,
        *,
        rng: Seed = 0,
        cache: NuisanceCache | None = None,
    ) -> Fit:
        """Fit on a clean sample; nothing is random."""
        functional = _functional(strategy)
        _refuse(question, functional)
        self.check(sample, strategy)
        treatment = sample.treatment
        axis = Axis(treatment.name, treatment.codes.astype(np.intp), treatment.levels)
        counts = Counts.of(sample, [axis], functional.columns, self.counting, functional.expression)
        arms = sorted({arm for pair in treatment.contrasts for arm in pair})
        means, influence = counts.means(functional.expression, [{treatment.name: arm} for arm in arms])
        counts.refuse_still(influence)
        pairs = [(arms.index(a), arms.index(b)) for a, b in treatment.contrasts]
        estimate = Estimate(
            labels=sample.treatment.terms,
            value=np.array([means[a] - means[b] for a, b in pairs]),
            influence=np.column_stack([influence[:, a] - influence[:, b] for a, b in pairs]),
            estimand=question.estimand,
            **describe(self, sample, strategy, rng),
        )
        words = (f"shares of {counts.cells:,} combinations",)
        return Fit(self, sample, question, strategy, estimate, nuisance_summary=words).with_diagnostics(*counts.notes)


def _functional(strategy: Strategy) -> Functional:
    if isinstance(strategy, Functional):
        return strategy
    raise MethodMismatch(
        f"The strategy is {strategy.kind.replace('_', ' ')}; the plug-in estimator needs an expression.",
        hint="AIPW() for adjustment, AugmentedPrimalWeighting() for a front door",
    )


def _refuse(question: Question, functional: Functional) -> None:
    if question.estimand != ATE() or question.modifiers:
        raise MethodMismatch(
            f"The question asks for the {question.estimand.label}{' by subgroup' if question.modifiers else ''}; "
            f"{PlugIn.title} answers the ATE of everyone.",
            hint="estimand=bf.ATE(), modifiers=()",
        )
    if not functional.needs_one_table:
        sources = listed([s.describe() for s in functional.sources])
        raise MethodMismatch(
            f"The expression takes {sources}; {PlugIn.title} counts the rows of one observational table.",
            hint="evaluate it on the table of each source: butfor.identify.expression.evaluate",
        )
    asked = {Variable(question.treatment), Variable(question.outcome)}
    free = functional.expression.free
    if free < asked:
        raise MethodMismatch(
            f"The expression {functional.estimand} does not depend on both {question.treatment} and "
            f"{question.outcome}: by the graph the effect is zero, and there is nothing to count.",
            hint="AIPW() with an adjustment set tests whether it is",
        )
    others = sorted(str(v) for v in free - asked)
    if others:
        raise MethodMismatch(
            f"The expression depends on {', '.join(others)} as well; {PlugIn.title} needs one with one treatment, one "
            "outcome and no conditions.",
            hint="identify the effect of one treatment, or evaluate the expression itself: "
            "butfor.identify.expression.evaluate",
        )
