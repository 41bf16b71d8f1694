"""Plug-in estimation of any identified expression from the frequencies in the data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from butfor.core.diagnostic import Diagnostic, Severity
from butfor.core.errors import InvalidSetting, MethodMismatch
from butfor.core.rng import Seed
from butfor.data.sample import Sample, TreatmentKind
from butfor.estimators.base import Estimator, Fit, describe
from butfor.identify.expression import Expression, Factor, Variable, evaluate
from butfor.identify.strategies import Functional, Strategy
from butfor.inference.estimate import Estimate
from butfor.nuisance.cache import NuisanceCache
from butfor.question import ATE, Question

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]
# Step of the derivative with respect to the share of a cell, relative to the largest one.
STEP = 1e-4
# Numbers that are computed at a time.
BLOCK = 4_000_000


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

    Standard errors come from the influence function of the shares: how the estimate moves when a cell weighs a little
    more (the delta method). It is exact for large samples; with few rows per cell it is too small.

    Args:
        groups: how many groups a column with many values is cut into.
        most_values: a column with no more values than this is taken as it is.
        most_cells: largest table that is built.

    Raises:
        MethodMismatch: for a strategy without expression, or an estimand other than the ATE.
        InvalidSetting: when the table would be larger than `most_cells`.
        NumericalFailure: when the expression divides by the share of something that never happens.

    References:
        Shpitser and Pearl 2006 (arXiv:1206.6876); van der Vaart 1998, Asymptotic Statistics, chapter 20.
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
        self.check(sample, strategy)
        if question.estimand != ATE() or question.modifiers:
            raise MethodMismatch(
                f"The question asks for the {question.estimand.label}{' by subgroup' if question.modifiers else ''}; "
                f"{self.title} answers the ATE of everyone.",
                hint="estimand=bf.ATE(), modifiers=()",
            )
        expression = _functional(strategy).expression
        table = _Table.of(self, sample)
        treatment, outcome = Variable(sample.treatment.name), Variable(sample.outcome_name)
        means = table.means(expression, treatment, outcome)
        slopes = table.slopes(expression, treatment, outcome)
        pairs = sample.treatment.contrasts
        value = np.array([means[a] - means[b] for a, b in pairs])
        influence = np.column_stack([table.influence(slopes[:, :, a] - slopes[:, :, b]) for a, b in pairs])
        estimate = Estimate(
            labels=sample.treatment.terms,
            value=value,
            influence=influence,
            estimand=question.estimand,
            **describe(self, sample, strategy, rng),
        )
        fit = Fit(self, sample, question, strategy, estimate, nuisance_summary=(f"shares of {table.cells:,} cells",))
        return fit.with_diagnostics(*table.notes)


def _functional(strategy: Strategy) -> Functional:
    if isinstance(strategy, Functional):
        return strategy
    raise MethodMismatch(
        f"The strategy is {strategy.kind}; the plug-in estimator needs a functional.",
        hint="AIPW() for adjustment, AugmentedPrimalWeighting() for a front door",
    )


@dataclass(frozen=True, eq=False)
class _Table:
    """The sample as cells: combinations of values, with their share and the outcome inside.

    The outcome is carried as a coin that shows 1 with probability (y − least) / range: every estimand is linear in the
    distribution of the outcome, so that its mean is all that matters.

    Attributes:
        names: treatment and the other columns.
        shape: how many values each has.
        place: the flat position of each nonempty cell.
        row: the cell of each row.
        share: the share of each cell with the coin at 0 and at 1 (cells × 2).
        coin: of each row.
    """

    names: tuple[str, ...]
    shape: tuple[int, ...]
    place: IntArray
    row: IntArray
    share: FloatArray
    coin: FloatArray
    weight: FloatArray
    least: float
    spread: float
    notes: tuple[Diagnostic, ...]

    @classmethod
    def of(cls, settings: PlugIn, sample: Sample) -> _Table:
        names, codes, notes = [sample.treatment.name], [sample.treatment.codes.astype(np.intp)], []
        for source in dict.fromkeys(sample.covariates.source):
            columns = [j for j, s in enumerate(sample.covariates.source) if s == source]
            code, cut = _codes(sample.covariates.matrix[:, columns], settings)
            names.append(source)
            codes.append(code)
            notes += [_cut_note(source, int(code.max()) + 1)] if cut else []
        shape = tuple(int(c.max()) + 1 for c in codes)
        if float(np.prod(np.array(shape, dtype=float))) * 2 > settings.most_cells:
            sizes = ", ".join(f"{n}: {s}" for n, s in zip(names, shape, strict=True))
            raise InvalidSetting(
                f"The table of all combinations ({sizes}) is larger than {settings.most_cells:,} cells.",
                hint="PlugIn(groups=2), or a graph with fewer columns between treatment and outcome",
            )
        place, row = np.unique(np.ravel_multi_index(codes, shape), return_inverse=True)
        least, spread = float(sample.outcome.min()), float(np.ptp(sample.outcome))
        coin = (sample.outcome - least) / spread
        weight = np.full(sample.n, 1.0) if sample.weights is None else sample.weights / sample.weights.mean()
        ones = np.bincount(row, weights=weight * coin, minlength=len(place)) / sample.n
        all_ = np.bincount(row, weights=weight, minlength=len(place)) / sample.n
        share = np.column_stack([all_ - ones, ones])
        return cls(tuple(names), shape, place, row, share, coin, weight, least, spread, tuple(notes))

    @property
    def cells(self) -> int:
        """How many combinations occur."""
        return len(self.place)

    def _evaluate(
        self, expression: Expression, treatment: Variable, outcome: Variable, shares: FloatArray
    ) -> FloatArray:
        """P(coin = 1 | do(arm)) for each table of shares (tables × cells × 2): arms × tables."""
        many, size = len(shares), int(np.prod(self.shape))
        dense = np.zeros((many, size, 2))
        dense[:, self.place] = shares
        values = np.moveaxis(dense.reshape(many, *self.shape, 2), 0, -1)
        along = Variable("tables")
        factor = Factor.table((*self.names, outcome.name, along.name), values)
        found = evaluate(expression, factor, along=along)
        # An estimand that does not hold the treatment is the same for every arm.
        wanted = [v for v in (treatment, outcome, along) if v in found.variables]
        array = found.arranged(wanted)
        array = array if treatment in wanted else np.repeat(array[None], self.shape[0], axis=0)
        return array[:, 1, :]

    def means(self, expression: Expression, treatment: Variable, outcome: Variable) -> FloatArray:
        """E[Y(arm)] of each arm."""
        found = self._evaluate(expression, treatment, outcome, self.share[None])[:, 0]
        return self.least + self.spread * found

    def slopes(self, expression: Expression, treatment: Variable, outcome: Variable) -> FloatArray:
        """How E[Y(arm)] changes with the share of each cell: cells × coin × arms."""
        step = STEP * self.share.max()
        blocks: list[FloatArray] = []
        per_block = max(1, BLOCK // max(2 * int(np.prod(self.shape)), 1))
        moves = [(j, side) for j in range(self.cells) for side in (0, 1)]
        for start in range(0, len(moves), per_block):
            block = moves[start : start + per_block]
            shares = np.repeat(self.share[None], 2 * len(block), axis=0)
            for i, (j, side) in enumerate(block):
                shares[2 * i, j, side] += step
                shares[2 * i + 1, j, side] -= step
            found = self._evaluate(expression, treatment, outcome, shares)
            blocks.append((found[:, 0::2] - found[:, 1::2]).T / (2 * step))
        return self.spread * np.concatenate(blocks).reshape(self.cells, 2, -1)

    def influence(self, slope: FloatArray) -> FloatArray:
        """The influence of each row on the effect, from the slope of each cell (cells × coin)."""
        own = slope[self.row, 0] * (1.0 - self.coin) + slope[self.row, 1] * self.coin
        return self.weight * (own - float(np.sum(self.share * slope)))


def _codes(columns: FloatArray, settings: PlugIn) -> tuple[IntArray, bool]:
    """The value of one column in each row as a code, and whether it was cut into groups."""
    _, codes = np.unique(columns, axis=0, return_inverse=True)
    codes = np.asarray(codes).reshape(-1).astype(np.intp)
    if columns.shape[1] > 1 or codes.max() < settings.most_values:
        return codes, False
    edges = np.quantile(columns[:, 0], np.arange(1, settings.groups) / settings.groups)
    return np.searchsorted(np.unique(edges), columns[:, 0], side="left").astype(np.intp), True


def _cut_note(name: str, groups: int) -> Diagnostic:
    message = f"{name!r} was cut into {groups} groups of equal size; what it does inside a group is not accounted for."
    return Diagnostic("cut-into-groups", Severity.CAUTION, message, float(groups))
