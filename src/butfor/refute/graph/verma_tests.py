"""Verma constraints: does an expression change with variables that it must not depend on?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import ClassVar

import numpy as np

from butfor.core.effort import Effort
from butfor.core.errors import MethodMismatch, TooFewRows
from butfor.core.serial import public_value
from butfor.estimators.functional.slopes import slopes
from butfor.graph.causal_graph import CausalGraph
from butfor.identify.expression import Expression, Factor, Probability, evaluate, parse_expression
from butfor.identify.implications import VermaConstraint
from butfor.identify.verma import verma_constraints
from butfor.inference.distribution import chi_square_tail
from butfor.refute.graph.columns import Columns, FloatArray, IntArray, level_codes
from butfor.refute.graph.independence_tests import TestResult

# Rows in each combination of values that a probability is conditional on.
FEWEST_ROWS = 20
MOST_CELLS = 10_000
MOST_DIFFERENCES = 500
# Of the largest eigenvalue: what is smaller is zero, for differences that add up to one another.
ROUNDING = 1e-9
HALF = 0.5
GROUP = "group values before, if the graph holds for the groups as well"

Place = tuple[int, ...]


@public_value
@dataclass(frozen=True)
class VermaConstraints:
    """An expression of the observed distribution does not change with some of its variables: for few values each.

    **Answers** whether data fit the hidden causes of a graph where all of its independences hold, or where it has none.

    **Tests** that the expression, computed from the observed shares, is the same at all levels of the variables that it
    must not depend on: a Wald test of all differences from the first level. Their covariance follows from the slopes of
    the expression in the share of each combination of values; for it alone, each combination gets half a row more, as
    one that happens not to occur is not known never to. The effect is the largest difference.

    **Assumes** nothing beyond the graph, but many rows: tables in which a combination that the expression divides by
    has fewer than twenty rows are left untested, and columns with many values are not cut into groups.

    References:
        Verma and Pearl 1990 (arXiv:1304.1108); Tian and Pearl 2002 (arXiv:1301.0608).

    >>> rng = np.random.default_rng(0)
    >>> a, u = rng.integers(0, 2, (2, 2_000))
    >>> b = rng.binomial(1, 0.2 + 0.3 * a + 0.3 * u)
    >>> c = rng.binomial(1, 0.2 + 0.5 * b)
    >>> right = {"a": a, "b": b, "c": c, "d": rng.binomial(1, 0.2 + 0.3 * c + 0.4 * u)}
    >>> wrong = right | {"d": rng.binomial(1, 0.2 + 0.3 * a + 0.4 * u)}
    >>> constraint = next(verma_constraints(CausalGraph.from_any("a -> b -> c -> d; b <-> d")))
    >>> [VermaConstraints().test(columns, constraint).p_value < 0.01 for columns in (right, wrong)]
    [False, True]
    """

    noun: ClassVar[str] = "Verma constraint"
    steps: ClassVar[int] = 20_000

    @property
    def name(self) -> str:
        """The test in words."""
        return "Wald test of the expression's levels"

    def statements(self, graph: CausalGraph, effort: Effort) -> Iterator[VermaConstraint]:
        """All of the graph; none where only selected rows are seen, whose distribution is not that of the graph."""
        return iter(()) if graph.selected else verma_constraints(graph, effort=effort)

    def test(self, columns: Columns, statement: VermaConstraint) -> TestResult:
        """Test one constraint.

        Raises:
            MethodMismatch: for a column with many values, or too large a table.
            NumericalFailure: when the expression divides by what never happens.
            TooFewRows: when a combination that the expression divides by has fewer than twenty rows.
            UnknownColumn: with the nearest name.
        """
        expression = parse_expression(statement.functional)
        probabilities = set(_probabilities(expression))
        names = sorted({v.name for p in probabilities for v in p.free})
        codes = {n: level_codes(columns, n, method="test of Verma constraints", hint=GROUP) for n in names}
        counts = _counts(codes)
        for probability in probabilities:
            _refuse_thin(counts, names, [v.name for v in probability.given])
        found = evaluate(expression, Factor.table(names, counts / counts.sum()))
        pairs = _pairs(found, statement.free_of)
        values = found.arranged(found.variables)
        differences = np.array([values[place] - values[first] for place, first in pairs])
        smooth = Factor.table(names, (counts + HALF) / (counts + HALF).sum())
        slope = [_slope(expression, smooth, values.shape, place, first) for place, first in pairs]
        cells = smooth.values.reshape(-1)
        return _wald(differences, np.array(slope).reshape(len(pairs), len(cells)), cells, int(counts.sum()))


def _probabilities(expression: Expression) -> Iterator[Probability]:
    waiting = [expression]
    while waiting:
        part = waiting.pop()
        if isinstance(part, Probability):
            yield part
        waiting += part.parts


def _counts(codes: dict[str, IntArray]) -> FloatArray:
    """Rows of each combination of values, one axis per column."""
    shape = tuple(int(c.max(initial=0)) + 1 for c in codes.values())
    if prod(shape) > MOST_CELLS:
        sizes = ", ".join(f"{name}: {size}" for name, size in zip(codes, shape, strict=True))
        raise MethodMismatch(
            f"The table of all combinations ({sizes}) has {prod(shape):,} cells; a test of Verma constraints takes at "
            f"most {MOST_CELLS:,}.",
            hint=GROUP,
        )
    row = np.ravel_multi_index(tuple(codes.values()), shape)
    return np.bincount(row, minlength=prod(shape)).reshape(shape).astype(np.float64)


def _refuse_thin(counts: FloatArray, names: list[str], given: list[str]) -> None:
    """Refuse a table with few rows in a combination of the given columns."""
    gone = tuple(i for i, name in enumerate(names) if name not in given)
    least = int(counts.sum(axis=gone).min())
    if least < FEWEST_ROWS:
        raise TooFewRows(
            f"A combination of {', '.join(n for n in names if n in given) or 'all rows'} has {least} rows; a test of "
            f"Verma constraints needs at least {FEWEST_ROWS} in each.",
            hint="merge rare values before, or use more rows",
        )


def _pairs(found: Factor, free_of: tuple[str, ...]) -> list[tuple[Place, Place]]:
    """The places of an expression that must have one value: each, and the one at the first levels of what is idle."""
    shape = found.values.shape
    idle = [i for i, v in enumerate(found.variables) if v.name in free_of]
    count = found.values.size - found.values.size // prod(shape[i] for i in idle)
    if count > MOST_DIFFERENCES:
        raise MethodMismatch(
            f"The constraint is about {count:,} differences; a test of Verma constraints takes at most "
            f"{MOST_DIFFERENCES}.",
            hint=GROUP,
        )
    firsts = ((place, tuple(0 if i in idle else at for i, at in enumerate(place))) for place in np.ndindex(*shape))
    return [(place, first) for place, first in firsts if place != first]


def _slope(expression: Expression, table: Factor, shape: Place, place: Place, first: Place) -> FloatArray:
    """How a difference moves with the share of each cell."""
    seed = np.zeros(shape)
    seed[place], seed[first] = 1.0, -1.0
    return slopes(expression, table, seed).reshape(-1)


def _wald(differences: FloatArray, slope: FloatArray, shares: FloatArray, n: int) -> TestResult:
    """All differences are zero: by their covariance, slope · (diag p − p pᵀ) · slopeᵀ / n."""
    centred = slope - (slope @ shares)[:, None]
    covariance = (centred * shares) @ centred.T / n
    moving = np.diag(covariance) > ROUNDING / n
    effect = float(np.abs(differences).max(initial=0.0))
    if not moving.any():
        return TestResult(0.0, 1.0, effect, n, 0)
    scale = np.sqrt(np.diag(covariance)[moving])
    values, vectors = np.linalg.eigh(covariance[np.ix_(moving, moving)] / np.outer(scale, scale))
    kept = values > ROUNDING * values[-1]
    parts = vectors[:, kept].T @ (differences[moving] / scale)
    statistic = float(np.sum(np.square(parts) / values[kept]))
    df = int(np.count_nonzero(kept))
    return TestResult(statistic, chi_square_tail(statistic, df), effect, n, df)
