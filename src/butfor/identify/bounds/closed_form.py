"""Bounds as formulas: the largest and the smallest of a few sums of probabilities."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from butfor.core.effort import Effort
from butfor.core.errors import MethodMismatch
from butfor.identify.bounds.counterfactual import Counterfactual, written_sum
from butfor.identify.bounds.dual import extreme_rays, independent_rows
from butfor.identify.bounds.response_model import ResponseModel

FloatArray = NDArray[np.float64]
# Steps of the search for corners that nobody has bounded: a second or two.
MOST_STEPS = 2_000_000


@dataclass(frozen=True)
class LinearExpression:
    """constant + Σ weight · P(cell | setting), with a weight for each cell in each setting (settings · cells)."""

    constant: Fraction
    weights: tuple[Fraction, ...]

    def value(self, probabilities: FloatArray) -> float:
        """On probabilities of the cells (settings × cells)."""
        return float(self.constant) + float(np.asarray(self.weights, dtype=float) @ probabilities.ravel())


@dataclass(frozen=True, eq=False)
class ClosedForm:
    """The bounds of a query as functions of P(inside | given).

    Attributes:
        lower: the lower bound is the largest of these.
        upper: the upper bound is the smallest of these.
        constraints: the graph says that none of these exceeds zero; data in which one does contradict it.
    """

    model: ResponseModel
    query: Counterfactual
    lower: tuple[LinearExpression, ...]
    upper: tuple[LinearExpression, ...]
    constraints: tuple[LinearExpression, ...]

    def written(
        self,
        expressions: Iterable[LinearExpression],
        names: Mapping[str, str] | None = None,
        given: Sequence[str] = (),
    ) -> tuple[str, ...]:
        """Expressions as text.

        Args:
            names: other names for the variables of the model.
            given: further variables that every probability is given.
        """
        called = [(names or {}).get(n, n) for n in (*self.model.given, *self.model.inside)]
        conditions = len(self.model.given)
        symbols: list[str] = []
        for place in np.ndindex(*self.model.shape):
            words = [f"{n}={v}" for n, v in zip(called, place, strict=True)]
            bar = ", ".join((*words[:conditions], *given))
            symbols.append(f"P({', '.join(words[conditions:])}{' | ' + bar if bar else ''})")
        return tuple(written_sum([(e.constant, ""), *zip(e.weights, symbols, strict=True)]) for e in expressions)

    def __str__(self) -> str:
        low, high = (",\n  ".join(self.written(side)) for side in (self.lower, self.upper))
        return f"{self.query} is at least the largest of\n  {low}\nand at most the smallest of\n  {high}"


def closed_form(model: ResponseModel, query: Counterfactual, *, effort: Effort | None = None) -> ClosedForm:
    """The formula of the sharp bounds of a query: the corners of the dual of its linear program.

    Args:
        model: the response functions that the graph allows.
        query: what is asked.
        effort: steps of the search for corners.

    Raises:
        MethodMismatch: when the search ends before all corners are found, or when what is asked depends on variables
            outside the model, so that the formula would need their distribution.

    References:
        Balke and Pearl 1994 (arXiv:1302.6784); Sachs, Jonzon, Sjölander and Gabriel 2023
        (doi:10.1080/10618600.2022.2071905).

    >>> from butfor.graph.causal_graph import CausalGraph
    >>> query = Counterfactual.effect("x", "y")
    >>> model = ResponseModel.of(CausalGraph.from_any("x -> y; x <-> y"), query)
    >>> print(closed_form(model, query))
    P(y(x=1)=1) − P(y(x=0)=1) is at least the largest of
      −1 + P(x=0, y=0) + P(x=1, y=1)
    and at most the smallest of
      P(x=0, y=0) + P(x=1, y=1)
    """
    effort = effort or Effort(MOST_STEPS)
    aims = model.objective(query)
    if np.ptp(aims, axis=1).any():
        raise MethodMismatch(
            f"{query} also depends on {', '.join(model.given)} directly; a formula needs a query that does not.",
            hint="compute the bounds from numbers: graph_bounds(graph, query, table)",
        )
    costs, matrix = aims[:, 0], model.constraints
    lower, rays = _corners(matrix, costs, model, effort)
    upper, _ = _corners(matrix, -costs, model, effort)
    flipped = [_plain([-w for w in e.weights], model.settings, -e.constant) for e in upper]
    return ClosedForm(model, query, _ordered(lower), _ordered(flipped), _ordered(rays))


def _corners(
    matrix: NDArray[np.int64], costs: NDArray[np.int64], model: ResponseModel, effort: Effort
) -> tuple[list[LinearExpression], list[LinearExpression]]:
    """Corners and rays of {λ : Aᵀ λ ≤ c}: the lower bounds, and what the data must not exceed."""
    kept = independent_rows(matrix.tolist())
    planes: dict[tuple[int, ...], int] = {}
    for column, cost in zip(matrix[kept].T.tolist(), costs.tolist(), strict=True):
        key = tuple(-v for v in column)
        planes[key] = min(cost, planes.get(key, cost))
    rows = [(*plane, cost) for plane, cost in planes.items()]
    rays = extreme_rays([*rows, (*[0] * len(kept), 1)], effort)
    if rays is None:
        raise MethodMismatch(
            f"The formula of {' and '.join(model.inside)} given {', '.join(model.given) or 'nothing'} has too many "
            f"parts to be searched ({model.types:,} kinds of units); it needs fewer levels.",
            hint="merge levels, or compute the bounds from numbers: graph_bounds(graph, query, table)",
        )
    settings = model.settings
    corners: list[LinearExpression] = []
    limits: list[LinearExpression] = []
    for *direction, height in rays:
        weights = [Fraction(0)] * len(matrix)
        for place, value in zip(kept, direction, strict=True):
            weights[place] = Fraction(value, height or 1)
        (corners if height else limits).append(_plain(weights, settings))
    # That no probability is negative says nothing.
    return corners, [e for e in limits if e.constant > 0 or any(w > 0 for w in e.weights)]


def _plain(weights: Sequence[Fraction], settings: int, constant: Fraction = Fraction(0)) -> LinearExpression:
    """The expression with as few weights as its being a sum over whole distributions allows."""
    width = len(weights) // settings
    out = list(weights)
    for start in range(0, len(out), width):
        block = out[start : start + width]
        # The cells of one setting sum to one: what most of them have in common is a constant.
        common = max(Counter(block).items(), key=lambda item: (item[1], -item[0]))[0]
        constant += common
        out[start : start + width] = [w - common for w in block]
    return LinearExpression(constant, tuple(out))


def _ordered(expressions: list[LinearExpression]) -> tuple[LinearExpression, ...]:
    """Each once, short ones first."""
    distinct = dict.fromkeys(expressions)
    return tuple(sorted(distinct, key=lambda e: (sum(map(bool, e.weights)), [-w for w in e.weights], e.constant)))
