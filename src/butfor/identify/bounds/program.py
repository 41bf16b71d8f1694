"""Bounds as numbers: the smallest and the largest answer of any model that agrees with a distribution."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from butfor.core.errors import InvalidSetting, NumericalFailure, UnknownColumn
from butfor.core.serial import public_value
from butfor.graph.causal_graph import CausalGraph
from butfor.identify.bounds.counterfactual import Counterfactual
from butfor.identify.bounds.response_model import ResponseModel
from butfor.identify.expression import Factor

FloatArray = NDArray[np.float64]
# Probabilities that differ by no more than this are the same: the tolerance of the linear program.
SAME = 1e-7


@public_value
@dataclass(frozen=True, eq=False)
class GraphBounds:
    """The smallest and largest value of a query, and a model that attains each.

    Attributes:
        lower: no model of the graph with this distribution has less.
        upper: none has more.
        lowest: the share of each kind of unit in a model that attains `lower`.
        highest: likewise for `upper`.
        sharp: both ends are attained by models of the graph itself; otherwise by models with more hidden causes than
            the graph has, and the bounds are valid and perhaps wide.
    """

    lower: float
    upper: float
    lowest: FloatArray
    highest: FloatArray
    sharp: bool = True


def graph_bounds(
    graph: CausalGraph,
    query: Counterfactual,
    table: Factor,
    *,
    knowing: Iterable[tuple[Counterfactual, float]] = (),
) -> GraphBounds:
    """The bounds of a query on an exact distribution, by linear programming over kinds of units.

    **Answers** how small and how large an effect, or any other probability of what would happen, can be, when the
    graph does not identify it.

    Args:
        graph: may have latent nodes and bidirected edges.
        query: what is asked.
        table: a joint distribution with an axis for each relevant variable; levels are positions on the axes.
        knowing: further queries with their values: what an experiment has found.

    Raises:
        NumericalFailure: when no model of the graph has this distribution, with the distance to the nearest one.
        UnknownColumn: for a variable that the table lacks.
        MethodMismatch: for graphs or levels with too many kinds of units.

    References:
        Balke and Pearl 1997 (doi:10.1080/01621459.1997.10474074); Sachs, Jonzon, Sjölander and Gabriel 2023
        (doi:10.1080/10618600.2022.2071905).

    >>> import numpy as np
    >>> graph = CausalGraph.from_any("z -> x -> y; x <-> y")
    >>> lipid = np.array([[[0.919, 0.081], [0.0, 0.0]], [[0.315, 0.073], [0.139, 0.473]]]) / 2
    >>> found = graph_bounds(graph, Counterfactual.effect("x", "y"), Factor.table(["z", "x", "y"], lipid))
    >>> round(found.lower, 3), round(found.upper, 3)
    (0.392, 0.78)
    """
    axes = {v.name: size for v, size in zip(table.variables, table.values.shape, strict=True)}
    knowing = tuple(knowing)
    asked = Counterfactual(tuple(term for q in (query, *(k for k, _ in knowing)) for term in q.terms))
    model = ResponseModel.of(graph, asked, levels=axes)
    for name in (*model.given, *model.inside):
        if name not in axes:
            raise UnknownColumn.named(name, axes, role="table of a bound")
    weights, conditional = _conditional(model, table)
    rows, values = [], []
    possible = np.repeat(weights > 0, conditional.shape[1])
    rows.append(model.constraints[possible].astype(float))
    values.append(conditional.ravel()[possible])
    for known, value in knowing:
        rows.append((model.objective(known) @ weights)[None])
        values.append(np.array([float(value)]))
    program = _Program(np.vstack(rows), np.concatenate(values), _describe(model))
    aim = model.objective(query) @ weights
    lowest, highest = program.solve(aim), program.solve(-aim)
    return GraphBounds(float(aim @ lowest), float(aim @ highest), lowest, highest, model.sharp)


def _conditional(model: ResponseModel, table: Factor) -> tuple[FloatArray, FloatArray]:
    """P(given) and P(inside | given), from a joint distribution."""
    names = [v.name for v in table.variables]
    values = np.asarray(table.values, dtype=float)
    if not np.isfinite(values).all() or values.min() < -SAME or abs(float(values.sum()) - 1.0) > SAME:
        raise InvalidSetting(
            f"The table has entries from {values.min():g} to {values.max():g} that sum to {values.sum():g}; a "
            "distribution needs entries of 0 or more that sum to 1.",
            hint="table / table.sum()",
        )
    kept = [names.index(n) for n in (*model.given, *model.inside)]
    gone = tuple(i for i in range(len(names)) if i not in kept)
    left = [i for i in range(len(names)) if i in kept]
    joint = np.transpose(values.sum(axis=gone), [left.index(i) for i in kept]).reshape(model.settings, -1)
    weights = joint.sum(axis=1)
    return weights, np.divide(joint, weights[:, None], out=np.zeros_like(joint), where=weights[:, None] > 0)


def _describe(model: ResponseModel) -> str:
    return f"P({', '.join(model.inside)}{' | ' + ', '.join(model.given) if model.given else ''})"


@dataclass(frozen=True, eq=False)
class _Program:
    """Shares of kinds of units that add up to what is known."""

    matrix: FloatArray
    values: FloatArray
    words: str

    def solve(self, aim: FloatArray) -> FloatArray:
        """The shares with the least aim.

        Raises:
            NumericalFailure: when there are none.
        """
        from scipy.optimize import linprog

        found = linprog(aim, A_eq=self.matrix, b_eq=self.values, bounds=(0, None), method="highs")
        if found.status == 0:
            return np.asarray(found.x, dtype=float)
        distance = self.distance()
        raise NumericalFailure(
            f"{self.words} differs by {distance:.4g} (sum of absolute differences) from the nearest distribution that "
            "the graph allows; bounds need data that do not contradict the graph.",
            hint="test the graph: an instrument that acts on the outcome directly, or a hidden cause, is missing in it",
        )

    def distance(self) -> float:
        """How far the known values are from those that some shares have."""
        from scipy.optimize import linprog

        rows, types = self.matrix.shape
        slack = np.hstack([self.matrix, np.eye(rows), -np.eye(rows)])
        cost = np.concatenate([np.zeros(types), np.ones(2 * rows)])
        found = linprog(cost, A_eq=slack, b_eq=self.values, bounds=(0, None), method="highs")
        return float(found.fun)


def contradiction(graph: CausalGraph, query: Counterfactual, table: Factor) -> float:
    """How far a distribution is from the nearest that the graph allows: 0 where it does not contradict the graph.

    The sum of absolute differences of P(inside | given), see `ResponseModel`. For a binary instrument, treatment and
    outcome it is positive exactly where the instrumental inequality is violated.

    >>> import numpy as np
    >>> graph = CausalGraph.from_any("z -> x -> y; x <-> y")
    >>> table = np.array([[[0.9, 0.1], [0.0, 0.0]], [[0.1, 0.9], [0.0, 0.0]]]) / 2
    >>> round(contradiction(graph, Counterfactual.effect("x", "y"), Factor.table(["z", "x", "y"], table)), 3)
    1.6
    """
    levels: Mapping[str, int] = {v.name: size for v, size in zip(table.variables, table.values.shape, strict=True)}
    model = ResponseModel.of(graph, query, levels=levels)
    weights, conditional = _conditional(model, table)
    possible = np.repeat(weights > 0, conditional.shape[1])
    return _Program(model.constraints[possible].astype(float), conditional.ravel()[possible], "").distance()
