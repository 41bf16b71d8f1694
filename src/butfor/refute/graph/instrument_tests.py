"""The instrumental inequality: does the instrument do more than an instrument can?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import ClassVar

import numpy as np

from butfor.core.effort import Effort
from butfor.core.errors import MethodMismatch, TooFewRows
from butfor.core.serial import public_value
from butfor.graph.causal_graph import CausalGraph
from butfor.graph.districts import latent_projection, near_district
from butfor.identify.implications import InstrumentInequality, instrument_inequalities, minimal_separator
from butfor.inference.distribution import two_sided_p
from butfor.refute.graph.columns import Columns, FloatArray, IntArray, level_codes
from butfor.refute.graph.independence_tests import TestResult

# Rows at each level of the instrument; with fewer, a share is mostly noise.
FEWEST_ROWS = 20
# Sums that the inequality bounds: one for each choice of a level of the instrument per value of the outcome.
MOST_SUMS = 20_000
# A sum that is larger than one by less is one.
ROUNDING = 1e-12
# Halvings of an interval until only rounding is left of it.
HALVINGS = 100
# Odds move by less than this power of e; roots below this are zero.
STEEPEST = 100.0
CLOSE = 1e-4
# Visits of a node in the search for the instruments of one treatment and one outcome.
SEARCHES = 4


@public_value
@dataclass(frozen=True)
class InstrumentInequalities:
    """Σ_y max_z P(x, y | z) ≤ 1 for each value x of the treatment, of columns with few values.

    **Answers** whether an instrument is one: whether it moves the outcome only through the treatment, and shares no
    cause with it.

    **Tests** all the sums that the maximum is over, Σ_y P(x, y | z(y)) ≤ 1 for each x and each choice z(y) of a level
    per value of the outcome. Each sum adds shares of separate groups of rows, and is tested by how probable so large a
    sum is if the sum is one (its tail by the saddle point, which is right for rare values and small groups as well);
    p-values are multiplied by how many sums there are (Bonferroni), so that a right graph is rejected at most as often
    as stated. The effect is how far the largest sum is above one; below zero the inequality holds. With
    two levels of everything, these are the four inequalities that Wang, Robins and Richardson compare groups by.

    **Assumes** nothing beyond the graph. Columns are taken as they are: a treatment, outcome or instrument with many
    values is not cut into groups, but left untested. A continuous treatment always meets the inequality.

    Pairs of instrument and outcome that some set of measured variables separates are left to `Independences`. The
    search walks through the graph a few times for each outcome with hidden causes and each of its causes: it ends for
    graphs of some hundred nodes; of larger ones the check says that there may be more.

    References:
        Pearl 1995 (arXiv:1302.4976); Wang, Robins and Richardson 2017, On falsification of the binary instrumental
        variable model (doi:10.1093/biomet/asw064).

    >>> rows = 50 * [("a", 0, 0), ("a", 0, 0), ("a", 1, 0), ("b", 0, 1), ("b", 0, 1), ("b", 1, 0)]
    >>> columns = {name: np.array(values) for name, values in zip("zxy", zip(*rows))}
    >>> found = InstrumentInequalities().test(columns, InstrumentInequality("z", "x", "y"))
    >>> round(found.effect, 3), found.p_value < 0.001  # P(x=0, y=0 | a) + P(x=0, y=1 | b) = 2/3 + 2/3
    (0.333, True)
    """

    noun: ClassVar[str] = "instrument inequality"
    steps: ClassVar[int] = 4_000_000

    @property
    def name(self) -> str:
        """The test in words."""
        return "tails of the instrumental inequality"

    def statements(self, graph: CausalGraph, effort: Effort) -> Iterator[InstrumentInequality]:
        """Every treatment and outcome that it causes, with every instrument that only hidden variables tie to it."""
        seen = latent_projection(graph)
        for outcome in sorted(set(seen.nodes) - seen.selected):
            yield from _of_outcome(seen, outcome, effort)

    def test(self, columns: Columns, statement: InstrumentInequality) -> TestResult:
        """Test one inequality.

        Raises:
            MethodMismatch: for a column with many values, or columns with too many together.
            TooFewRows: with fewer than 20 rows at a level of the instrument.
            UnknownColumn: with the nearest name.
        """
        hint = "group its values before, if the graph holds for the groups as well"
        names = (statement.instrument, statement.treatment, statement.outcome)
        z, x, y = (level_codes(columns, n, method="test of instruments", hint=hint) for n in names)
        n = len(z)
        shares, sizes = _shares(z, x, y)
        count = _sums(statement, shares)
        if sizes.min() < FEWEST_ROWS:
            raise TooFewRows(
                f"A level of column {statement.instrument!r} has {int(sizes.min())} rows; a test of instruments needs "
                f"at least {FEWEST_ROWS} at each.",
                hint="merge its rare levels before, or use more rows",
            )
        effect = float(shares.max(axis=0).sum(axis=1).max()) - 1.0
        tails = [_smallest_tail(shares[:, value], sizes) for value in range(shares.shape[1])]
        statistic, tail = min(tails, key=lambda found: found[1])
        return TestResult(statistic, min(1.0, count * tail) if statistic > 0.0 else 1.0, effect, n)


def _of_outcome(graph: CausalGraph, outcome: str, effort: Effort) -> Iterator[InstrumentInequality]:
    """The inequalities of one outcome, in a graph without latent nodes: a few searches for each of its causes."""

    @cache
    def is_parted(node: str) -> bool:
        return minimal_separator(graph, node, outcome, effort=effort) is not None

    near = sorted(near_district(graph, outcome) - graph.selected)
    for treatment in sorted(graph.ancestors({outcome}) - {outcome}) if near else ():
        if not effort.spend(SEARCHES * len(graph.nodes)):
            return
        for found in instrument_inequalities(graph, treatment, outcome, near):
            tied = not is_parted(found.instrument)
            if effort.exhausted:
                return
            if tied:
                yield found


def _shares(z: IntArray, x: IntArray, y: IntArray) -> tuple[FloatArray, FloatArray]:
    """P(x, y | z) with axes z, x, y, and the rows at each z."""
    shape = tuple(int(codes.max(initial=0)) + 1 for codes in (z, x, y))
    counts = np.bincount(np.ravel_multi_index((z, x, y), shape), minlength=int(np.prod(shape))).reshape(shape)
    sizes = counts.sum(axis=(1, 2)).astype(np.float64)
    return counts / sizes[:, None, None], sizes


def _sums(statement: InstrumentInequality, shares: FloatArray) -> int:
    """How many sums could be above one: those of more than one level of the instrument."""
    levels, values, outcomes = shares.shape
    count = values * (levels**outcomes - levels)
    if count > MOST_SUMS:
        raise MethodMismatch(
            f"The levels of {statement.instrument!r}, {statement.treatment!r} and {statement.outcome!r} ({levels}, "
            f"{values}, {outcomes}) give {count:,} inequalities; a test of instruments takes at most {MOST_SUMS:,}.",
            hint="group values of the outcome before: the inequality holds for groups as well",
        )
    return count


def _smallest_tail(shares: FloatArray, sizes: FloatArray) -> tuple[float, float]:
    """Of Σ_y P(y | z(y)) ≤ 1 over all choices z: the most telling one's signed root, and its tail probability.

    The rows at each level z are a sample of their own, with a share q of rows that the sum counts.
    """
    levels, outcomes = shares.shape
    choices = np.array(list(product(range(levels), repeat=outcomes)))
    counted = np.stack([np.where(choices == z, shares[z], 0.0).sum(axis=1) for z in range(levels)], axis=1)
    # Half a row of each group that is counted, as shares are steps.
    excess = counted.sum(axis=1) - 1.0 - (counted > 0.0) @ (0.5 / sizes)
    counted, excess = np.minimum(counted[excess > ROUNDING], 1.0), excess[excess > ROUNDING]
    if not len(excess):
        return 0.0, 1.0
    fitted = _adding_to_one(counted, sizes)
    log_fitted = np.log(fitted, out=np.full_like(fitted, -np.inf), where=fitted > 0.0)
    roots, tails = _tails(1.0 + excess, log_fitted, np.log1p(-fitted), sizes)
    best = int(np.argmin(tails))
    return float(roots[best]), float(tails[best])


def _adding_to_one(shares: FloatArray, sizes: FloatArray) -> FloatArray:
    """The likeliest shares q that add up to one: each solves m (q̂ − q) = λ q (1 − q), with m rows.

    The root of this quadratic equation that is a share is written so that nothing cancels.
    """

    def solution(multiplier: FloatArray) -> FloatArray:
        total = multiplier + sizes
        root = np.sqrt(np.maximum(np.square(total) - 4.0 * multiplier * sizes * shares, 0.0))
        return np.asarray(2.0 * sizes * shares / (total + root), dtype=float)

    most = np.full(len(shares), 2.0 * sizes.sum())
    return solution(_zeros(most, lambda at: 1.0 - solution(at[:, None]).sum(axis=1))[:, None])


def _tails(
    sums: FloatArray, log_q: FloatArray, log_rest: FloatArray, sizes: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """P(Σ k/m ≥ sum) for binomial counts k of m rows, by the saddle point (Lugannani and Rice 1980); and its root w."""

    def tilted(at: FloatArray) -> FloatArray:
        return np.exp(-np.logaddexp(0.0, log_rest - log_q - at[:, None] / sizes))

    at = _zeros(np.full(len(sums), STEEPEST * sizes.max()), lambda t: tilted(t).sum(axis=1) - sums)
    share = tilted(at)
    cumulant = np.logaddexp(log_rest, log_q + at[:, None] / sizes) @ sizes
    w = np.sqrt(np.maximum(2.0 * (at * sums - cumulant), 0.0))
    u = at * np.sqrt((share * (1.0 - share)) @ (1.0 / sizes))
    # Close to the mean both are zero, and so is what their inverses differ by.
    far = np.minimum(w, u) > CLOSE
    correction = np.divide(1.0, u, out=np.zeros_like(u), where=far) - np.divide(1.0, w, out=np.zeros_like(w), where=far)
    tails = two_sided_p(w, None) / 2.0 + np.exp(-0.5 * w**2) / np.sqrt(2.0 * np.pi) * correction
    return w, np.clip(tails, 0.0, 1.0)


def _zeros(most: FloatArray, excess: Callable[[FloatArray], FloatArray]) -> FloatArray:
    """Where each of several rising functions is zero, between 0 and `most`."""
    low, high = np.zeros_like(most), most
    for _ in range(HALVINGS):
        middle = (low + high) / 2.0
        below = excess(middle) < 0.0
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return high
