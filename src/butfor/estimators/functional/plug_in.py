"""Plug-in estimation of any identified expression from the frequencies in the data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from butfor.core.diagnostic import Diagnostic, Severity
from butfor.core.errors import ConstantColumn, InvalidSetting, MethodMismatch, NumericalFailure
from butfor.core.rng import Seed
from butfor.data.sample import Sample, TreatmentKind
from butfor.estimators.base import Estimator, Fit, describe
from butfor.estimators.functional.groups import column_codes
from butfor.estimators.functional.slopes import slopes
from butfor.identify.expression import Factor, Variable, evaluate
from butfor.identify.strategies import Functional, Strategy
from butfor.inference.estimate import Estimate
from butfor.nuisance.cache import NuisanceCache
from butfor.question import ATE, Question
from butfor.question.question import Level

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]
# A combination with fewer rows than this gives a share that is mostly noise; and the share of rows in such.
FEW_ROWS = 5
MANY_THIN = 0.05
# Influences of two arms that differ by less than this share of the largest one are the same.
ROUNDING = 1e-12


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
        self.check(sample, strategy)
        _refuse(question, functional)
        table = _Table.of(self, sample, question, functional)
        arms = sorted({arm for pair in sample.treatment.contrasts for arm in pair})
        means, influence = table.effects(functional, arms)
        pairs = [(arms.index(a), arms.index(b)) for a, b in sample.treatment.contrasts]
        estimate = Estimate(
            labels=sample.treatment.terms,
            value=np.array([means[a] - means[b] for a, b in pairs]),
            influence=np.column_stack([influence[:, a] - influence[:, b] for a, b in pairs]),
            estimand=question.estimand,
            **describe(self, sample, strategy, rng),
        )
        words = (f"shares of {table.cells:,} combinations",)
        return Fit(self, sample, question, strategy, estimate, nuisance_summary=words).with_diagnostics(*table.notes)


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
    asked = {Variable(question.treatment), Variable(question.outcome)}
    others = sorted(str(v) for v in functional.expression.free - asked)
    if others:
        raise MethodMismatch(
            f"The expression depends on {', '.join(others)} as well; {PlugIn.title} needs one with one treatment, one "
            "outcome and no conditions.",
            hint="identify the effect of one treatment, or evaluate the expression itself: "
            "butfor.identify.expression.evaluate",
        )


@dataclass(frozen=True, eq=False)
class _Table:
    """The sample as cells: combinations of values, with their share and the outcome inside.

    The outcome is carried as a coin that shows 1 with probability (y − least) / range: every estimand is linear in the
    distribution of the outcome, so that its mean is all that matters.

    Attributes:
        shares: the share of each cell (last axis: the coin at 0 and at 1).
        treatment, outcome: the names of their axes.
        levels: of the treatment.
        row: the flat position of the cell of each row, coin aside.
        coin: of each row.
        weight: of each row, 1 on average.
        least, spread: of the outcome.
    """

    shares: Factor
    treatment: Variable
    outcome: Variable
    levels: tuple[Level, ...]
    row: IntArray
    coin: FloatArray
    weight: FloatArray
    least: float
    spread: float
    notes: tuple[Diagnostic, ...]

    @classmethod
    def of(cls, settings: PlugIn, sample: Sample, question: Question, functional: Functional) -> _Table:
        names, codes = [question.treatment], [sample.treatment.codes.astype(np.intp)]
        notes: list[Diagnostic] = []
        for name in functional.columns:
            code, cut = column_codes(sample, name, groups=settings.groups, most_values=settings.most_values)
            names.append(name)
            codes.append(code)
            notes += cut
        shape = (sample.treatment.arms, *(int(c.max()) + 1 for c in codes[1:]))
        if 2.0 * float(np.prod(np.array(shape, dtype=float))) > settings.most_cells:
            sizes = ", ".join(f"{n}: {s}" for n, s in zip(names, shape, strict=True))
            raise InvalidSetting(
                f"The table of all combinations ({sizes}) is larger than {settings.most_cells:,} cells.",
                hint="PlugIn(groups=2), or a graph with fewer columns between treatment and outcome",
            )
        row = np.ravel_multi_index(codes, shape)
        least, spread = float(sample.outcome.min()), float(np.ptp(sample.outcome))
        coin = (sample.outcome - least) / spread
        weight = np.ones(sample.n) if sample.weights is None else sample.weights / sample.weights.mean()
        size = int(np.prod(shape))
        sides = [np.bincount(row, weights=weight * side, minlength=size) / sample.n for side in (1.0 - coin, coin)]
        shares = Factor.table((*names, question.outcome), np.stack(sides, axis=-1).reshape(*shape, 2))
        axes = Variable(question.treatment), Variable(question.outcome)
        levels = sample.treatment.levels
        return cls(shares, *axes, levels, row, coin, weight, least, spread, (*notes, *_thin(row)))

    @property
    def cells(self) -> int:
        """How many combinations occur."""
        return len(np.unique(self.row))

    def effects(self, functional: Functional, arms: list[int]) -> tuple[FloatArray, FloatArray]:
        """E[Y(arm)] of each of the arms, and its influence function (rows × arms)."""
        found = evaluate(functional.expression, self.shares)
        if self.outcome not in found.variables:
            raise MethodMismatch(
                f"The expression does not contain the outcome {self.outcome.name!r}; {PlugIn.title} needs it.",
                hint="identify the effect on the outcome of the question",
            )
        held = self.treatment in found.variables
        chosen = _arms(found, self.treatment, arms) if held else found
        if chosen.undefined.any():
            raise self._never_happens(chosen, arms)
        wanted = [v for v in (self.treatment, self.outcome) if v in found.variables]
        heads = np.atleast_2d(chosen.arranged(wanted))[:, 1]
        means, influence = [], []
        for place, arm in enumerate(arms):
            seed = np.zeros(found.values.shape)
            at = {self.treatment: arm, self.outcome: 1}
            seed[tuple(at[v] for v in found.variables)] = 1.0
            slope = slopes(functional.expression, self.shares, seed)
            means.append(heads[place if held else 0])
            influence.append(self._influence(slope.reshape(-1, 2)))
        if held and np.ptp(influence, axis=0).max() <= ROUNDING * np.abs(influence).max():
            raise self._nothing_moves()
        return self.least + self.spread * np.array(means), self.spread * np.column_stack(influence)

    def _influence(self, slope: FloatArray) -> FloatArray:
        """The influence of each row, from the slope of each cell (cells × coin)."""
        own = slope[self.row, 0] * (1.0 - self.coin) + slope[self.row, 1] * self.coin
        return self.weight * (own - float(np.mean(self.weight * own)))

    def _never_happens(self, found: Factor, arms: list[int]) -> NumericalFailure:
        where = np.argwhere(found.undefined)[0]
        at = dict(zip(found.variables, where.tolist(), strict=True)).get(self.treatment)
        arm = "" if at is None else f" at {self.treatment} = {self.levels[arms[at]]!r}"
        others = ", ".join(repr(v.name) for v in self.shares.variables[1:-1])
        return NumericalFailure(
            f"The expression has no value{arm}: it divides by the share of a combination of {self.treatment.name!r}, "
            f"{others} that no row has.",
            hint="merge rare levels of these columns, PlugIn(groups=2), or ask for a contrast of other arms",
        )

    def _nothing_moves(self) -> ConstantColumn:
        sizes = zip(self.shares.variables, self.shares.values.shape, strict=True)
        constant = ", ".join(repr(v.name) for v, size in sizes if size == 1)
        return ConstantColumn(
            f"Column {constant or 'between treatment and outcome'} has one value in the rows used; the effect runs "
            "through it, and needs it to vary.",
            hint="check the column, and how the rows were selected",
        )


def _arms(found: Factor, treatment: Variable, arms: list[int]) -> Factor:
    """The function at the compared arms: another arm may lack what the expression divides by."""
    axis = found.variables.index(treatment)
    return Factor(found.variables, found.values.take(arms, axis), found.undefined.take(arms, axis))


def _thin(row: IntArray) -> tuple[Diagnostic, ...]:
    counts = np.unique(row, return_counts=True)[1]
    share = float(counts[counts < FEW_ROWS].sum() / counts.sum())
    if share <= MANY_THIN:
        return ()
    message = (
        f"{share:.0%} of the rows are in combinations of values with fewer than {FEW_ROWS} rows; their shares are "
        "mostly noise, and the interval is too short."
    )
    return (Diagnostic("thin-cells", Severity.CAUTION, message, share),)
