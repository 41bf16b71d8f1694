"""A sample as a table of combinations of values, and what an expression says on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from butfor.core.diagnostic import Diagnostic, Severity
from butfor.core.errors import ConstantColumn, InvalidSetting, NumericalFailure
from butfor.data.sample import Sample
from butfor.estimators.functional.groups import column_codes
from butfor.estimators.functional.slopes import slopes
from butfor.identify.expression import Expression, Factor, Probability, Ratio, Variable, evaluate
from butfor.question.question import Level

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]
# A combination with fewer rows than this gives a share that is mostly noise; and the share of rows in such.
FEW_ROWS = 5
MANY_THIN = 0.05
# Influences of two points that differ by less than this share of the largest one are the same.
ROUNDING = 1e-12


@dataclass(frozen=True)
class Counting:
    """How columns become cells: see `PlugIn`."""

    groups: int
    most_values: int
    most_cells: int


@dataclass(frozen=True, eq=False)
class Axis:
    """A column with the code of each row, and the levels where they are known."""

    name: str
    codes: IntArray
    levels: tuple[Level, ...] = ()


@dataclass(frozen=True, eq=False)
class Counts:
    """The sample as cells: combinations of values, with their share and the outcome inside.

    The outcome is an axis of its own. Where nothing is conditional on it, the expression is linear in its distribution
    and its mean is all that matters: then it is carried as a coin that shows 1 with probability (y − least) / range.

    Attributes:
        shares: the share of each cell (last axis: the outcome).
        axes: the other axes, in their order.
        row: the flat position of the cell of each row, outcome aside.
        inside: how a row is spread over the values of the outcome (rows × values).
        values: the values of the outcome.
        weight: of each row, 1 on average.
    """

    shares: Factor
    axes: tuple[Axis, ...]
    row: IntArray
    inside: FloatArray
    values: FloatArray
    weight: FloatArray
    notes: tuple[Diagnostic, ...]

    @classmethod
    def of(
        cls, sample: Sample, axes: Sequence[Axis], columns: Sequence[str], counting: Counting, expression: Expression
    ) -> Counts:
        """The table for an expression: columns that are set or held, then others of the sample, then the outcome.

        Raises:
            InvalidSetting: when it would be too large.
        """
        outcome = next(v.name for v in expression.free if v.name not in {a.name for a in axes})
        axes, notes = list(axes), list[Diagnostic]()
        for name in columns:
            code, cut = column_codes(sample, name, groups=counting.groups, most_values=counting.most_values)
            axes.append(Axis(name, code))
            notes += cut
        shape = tuple(len(a.levels) or int(a.codes.max()) + 1 for a in axes)
        values, inside = _levels(sample.outcome) if is_condition(outcome, expression) else _coin(sample.outcome)
        if len(values) * float(np.prod(np.array(shape, dtype=float))) > counting.most_cells:
            sizes = ", ".join(f"{a.name}: {s}" for a, s in zip(axes, shape, strict=True))
            raise InvalidSetting(
                f"The table of all combinations ({sizes}) is larger than {counting.most_cells:,} cells.",
                hint="PlugIn(groups=2), or a graph with fewer columns between treatment and outcome",
            )
        row = np.ravel_multi_index([a.codes for a in axes], shape)
        weight = np.ones(sample.n) if sample.weights is None else sample.weights / sample.weights.mean()
        size = int(np.prod(shape))
        sides = [np.bincount(row, weights=weight * side, minlength=size) / sample.n for side in inside.T]
        shares = Factor.table((*(a.name for a in axes), outcome), np.stack(sides, axis=-1).reshape(*shape, len(values)))
        return cls(shares, tuple(axes), row, inside, values, weight, (*notes, *_thin(row)))

    @property
    def cells(self) -> int:
        """How many combinations occur."""
        return len(np.unique(self.row))

    def means(self, expression: Expression, points: Sequence[Mapping[str, int]]) -> tuple[FloatArray, FloatArray]:
        """The mean outcome under an expression at each point, and its influence function (rows × points).

        Args:
            expression: P(outcome | …), a function of the outcome and of what the points name.
            points: codes of the columns that are set or held.

        Raises:
            NumericalFailure: when the expression divides by the share of something that never happens.
        """
        found = evaluate(expression, self.shares)
        outcome = self.shares.variables[-1]
        means: list[float] = []
        influence: list[FloatArray] = []
        for point in points:
            at = tuple(slice(None) if v == outcome else point[v.name] for v in found.variables)
            if found.undefined[at].any():
                raise self._never_happens(point)
            seed = np.zeros(found.values.shape)
            seed[at] = self.values
            means.append(float(found.values[at] @ self.values))
            influence.append(self._influence(slopes(expression, self.shares, seed)))
        return np.array(means), np.column_stack(influence)

    def _influence(self, slope: FloatArray) -> FloatArray:
        """The influence of each row, from the slope of each cell."""
        own = np.einsum("ij,ij->i", slope.reshape(-1, len(self.values))[self.row], self.inside)
        return self.weight * (own - float(np.mean(self.weight * own)))

    def _never_happens(self, point: Mapping[str, int]) -> NumericalFailure:
        known = {a.name: a.levels for a in self.axes}
        places = ", ".join(f"{n} = {known[n][code]!r}" for n, code in point.items())
        names = ", ".join(repr(a.name) for a in self.axes)
        return NumericalFailure(
            f"The expression has no value at {places}: it divides by the share of a combination of {names} that no row "
            "has.",
            hint="merge rare levels of these columns, PlugIn(groups=2), or ask for a contrast of other arms",
        )

    def refuse_still(self, influence: FloatArray) -> None:
        """Refuse means that are the same at all points, whatever the outcome is.

        Raises:
            ConstantColumn: with the columns that have one value.
        """
        if np.ptp(influence, axis=1).max() > ROUNDING * np.abs(influence).max():
            return
        sizes = zip(self.shares.variables, self.shares.values.shape, strict=True)
        constant = ", ".join(repr(v.name) for v, size in sizes if size == 1)
        raise ConstantColumn(
            f"Column {constant or 'between treatment and outcome'} has one value in the rows used; the effect runs "
            "through it, and needs it to vary.",
            hint="check the column, and how the rows were selected",
        )


def _coin(outcome: FloatArray) -> tuple[FloatArray, FloatArray]:
    least, spread = float(outcome.min()), float(np.ptp(outcome))
    shows = (outcome - least) / spread
    return np.array([least, least + spread]), np.column_stack([1.0 - shows, shows])


def _levels(outcome: FloatArray) -> tuple[FloatArray, FloatArray]:
    values, codes = np.unique(outcome, return_inverse=True)
    return values, np.eye(len(values))[codes]


def is_condition(name: str, expression: Expression) -> bool:
    """Is anything in the expression conditional on the column, so that its mean is not all that matters?"""
    waiting = [expression]
    while waiting:
        part = waiting.pop()
        held: frozenset[Variable] = frozenset()
        if isinstance(part, Probability):
            held = frozenset(part.given)
        elif isinstance(part, Ratio):
            held = part.denominator.free
        if any(v.name == name for v in held):
            return True
        waiting += part.parts
    return False


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
