"""Coefficients and effects from a covariance matrix."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from butfor.core.errors import InvalidSetting, NumericalFailure, UnknownColumn
from butfor.graph.causal_graph import Edge
from butfor.identify.linear.coefficients import Coefficient
from butfor.identify.linear.cycles import (
    ITSELF,
    Fraction,
    MissingCycle,
    Partner,
    Quadratic,
    Unknown,
    bilinear,
    closed,
    common_root,
    onward,
)
from butfor.identify.linear.moments import Weights, cleaned_weights, covariance, weights

FloatArray = NDArray[np.float64]
# Singular values below this share of the largest are zero.
SINGULAR = 1e-11


@dataclass(frozen=True, eq=False)
class Covariance:
    """The covariance matrix of named columns.

    Raises:
        InvalidSetting: for a matrix that is not square, symmetric and finite, or does not fit the names.
        UnknownColumn: for a name that it does not have, when it is asked for.
    """

    values: FloatArray
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        values, names = np.asarray(self.values, dtype=float), tuple(self.names)
        if values.shape != (len(names), len(names)) or len(set(names)) < len(names):
            raise InvalidSetting(
                f"The matrix has shape {values.shape} and {len(names)} names; a covariance matrix needs one row, one "
                "column and one name for each column of the data.",
                hint="Covariance(np.cov(data, rowvar=False), names)",
            )
        if not np.isfinite(values).all() or not np.allclose(values, values.T, rtol=1e-8, atol=0.0):
            raise InvalidSetting(
                "The matrix is not symmetric and finite; a covariance matrix needs both.",
                hint="Covariance(np.cov(data, rowvar=False), names)",
            )
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "names", names)

    def place(self, name: str) -> int:
        """The row of a column."""
        if name not in self.names:
            raise UnknownColumn.named(name, self.names, role="covariance matrix")
        return self.names.index(name)

    def between(self, first: str, second: str) -> float:
        """The covariance of two columns."""
        return float(self.values[self.place(first), self.place(second)])

    def block(self, rows: Sequence[str], columns: Sequence[str]) -> FloatArray:
        """The covariances of two sets."""
        return self.values[np.ix_([self.place(n) for n in rows], [self.place(n) for n in columns])]

    def solve(self, matrix: list[list[Any]], right: list[Any]) -> list[Any]:
        """The solution of a regular system."""
        return solved(np.asarray(matrix), np.asarray(right)).tolist()


def solved(matrix: FloatArray, right: FloatArray) -> FloatArray:
    """The solution of a square system.

    Raises:
        NumericalFailure: for a matrix that is singular to machine precision, whatever the units.
    """
    scale = np.abs(matrix).max(axis=1, keepdims=True)
    columns = np.abs(matrix).max(axis=0, keepdims=True)
    if not (scale.all() and columns.all()):
        raise _singular()
    scaled = matrix / scale
    columns = np.abs(scaled).max(axis=0, keepdims=True)
    scaled = scaled / columns
    sizes = np.linalg.svd(scaled, compute_uv=False)
    if sizes[-1] < SINGULAR * sizes[0]:
        raise _singular()
    return np.linalg.solve(scaled, right / scale[:, 0]) / columns[0]


def _singular() -> NumericalFailure:
    return NumericalFailure(
        "The covariances of instruments and treatments are singular; the coefficient needs instruments that move every "
        "treatment in a way of its own.",
        hint="look for columns that are copies or sums of others, and for instruments that move nothing",
    )


def coefficient_values(
    coefficients: Iterable[Coefficient], matrix: ArrayLike, names: Sequence[str]
) -> dict[Edge, tuple[float, ...]]:
    """The values of structural coefficients, each computed from those before it.

    Args:
        coefficients: as `linear_coefficients` lists them.
        matrix: covariances, columns × columns.
        names: of the columns.

    Returns:
        For each arrow one value, or two that fit the covariances equally well.

    Raises:
        InvalidSetting: for something that is no covariance matrix.
        NumericalFailure: where it has no solution: instruments that move nothing, a quadratic equation without root.

    >>> from butfor.graph.causal_graph import CausalGraph
    >>> from butfor.identify.linear.coefficients import linear_coefficients
    >>> found = linear_coefficients(CausalGraph.from_any("z -> x -> y; x <-> y"))
    >>> values = coefficient_values(found.coefficients, [[1, 0.5, 1], [0.5, 1, 2.3], [1, 2.3, 9]], ["z", "x", "y"])
    >>> values["x", "y"]
    (2.0,)
    """
    numbers = Covariance(np.asarray(matrix, dtype=float), tuple(names))
    found: dict[Edge, tuple[float, ...]] = {}
    single: dict[Edge, float] = {}
    for wanted in coefficients:
        if wanted.cycle is not None:
            found[wanted.edge] = _roots(wanted.cycle, numbers, single)
        elif wanted.partner is not None:
            found[wanted.edge] = _followed(wanted.partner, numbers, single, found)
        else:
            found[wanted.edge] = (_by_moments(wanted, numbers, single),)
        if len(found[wanted.edge]) == 1:
            single[wanted.edge] = found[wanted.edge][0]
    return found


def _by_moments(wanted: Coefficient, numbers: Covariance, known: Mapping[Edge, float]) -> float:
    left = cleaned_weights(wanted.effect, wanted.less, known)
    sums: list[Weights] = [weights(m, numbers, known) for m in wanted.moments]
    table = np.array([[covariance(s, {p: 1}, numbers) for p in wanted.together] for s in sums])
    right = np.array([covariance(s, left, numbers) for s in sums])
    place = wanted.together.index(wanted.cause)
    if table.shape[0] == table.shape[1]:
        return float(solved(table, right)[place])
    # Fewer equations than causes: all solutions agree in this coefficient, so the shortest one has it.
    columns = np.abs(table).max(axis=0)
    return float((np.linalg.pinv(table / columns, rcond=SINGULAR) @ right)[place] / columns[place])


def _roots(cycle: MissingCycle, numbers: Covariance, known: Mapping[Edge, float]) -> tuple[float, ...]:
    fractions: dict[str, Fraction] = {cycle.unknown.node: ITSELF}
    for first, second in cycle.steps:
        fraction = onward(bilinear(first, second, numbers, known), fractions[first.node])
        size = max(map(abs, fraction)) or 1.0
        n0, n1, d0, d1 = (v / size for v in fraction)
        fractions[second.node] = (n0, n1, d0, d1)

    def equation(pair: tuple[Unknown, Unknown]) -> Quadratic:
        first, second = pair
        return closed(bilinear(first, second, numbers, known), fractions[first.node], fractions[second.node])

    q0, q1, q2 = equation(cycle.closing[0])
    match cycle.form:
        case "linear":
            return (_ratio(-q0, q1),)
        case "double root":
            return (_ratio(-q1, 2 * q2),)
        case "excluded root":
            _, _, d0, d1 = fractions[cycle.excluded.node if cycle.excluded else cycle.unknown.node]
            return (_ratio(d0, d1) - _ratio(q1, q2),)
        case "common root":
            return (_ratio(*common_root((q0, q1, q2), equation(cycle.closing[1]))),)
        case "two roots":
            inside = q1 * q1 - 4 * q0 * q2
            if inside < 0:
                raise NumericalFailure(
                    "The equation of a missing cycle has no real root; it needs covariances that fit the graph.",
                    hint="test the graph's implications against the data",
                )
            # The stable form: the larger root by addition, the other by Vieta.
            half = -(q1 + np.copysign(np.sqrt(inside), q1)) / 2
            return _ratio(half, q2), _ratio(q0, half)


def _followed(
    partner: Partner, numbers: Covariance, known: Mapping[Edge, float], found: Mapping[Edge, tuple[float, ...]]
) -> tuple[float, ...]:
    other = partner.other
    a, b, c, d = bilinear(other, partner.unknown, numbers, known)
    return tuple(_ratio(a - b * t, c - d * t) for t in found[other.cause, other.node])


def _ratio(numerator: float, denominator: float) -> float:
    if denominator == 0.0:
        raise _singular()
    return float(numerator / denominator)
