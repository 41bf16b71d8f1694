"""Instrumental sets as a strategy: the effect in a linear model, as one coefficient or as a sum over paths."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from numpy.typing import ArrayLike

from butfor.core.diagnostic import Assumption
from butfor.core.effort import Effort
from butfor.core.serial import public_value
from butfor.graph.causal_graph import CausalGraph, Edge
from butfor.graph.districts import latent_projection
from butfor.identify.linear.coefficients import MOST_STEPS, Coefficient, LinearCoefficients, linear_coefficients
from butfor.identify.linear.evaluation import coefficient_values
from butfor.identify.strategies import CONSISTENCY, GRAPH, Strategy

LINEARITY = Assumption(
    "linearity",
    "Every effect in the model is linear and the same for all.",
    "Plot residuals; add squares and products and see whether they matter; compare the answer across groups.",
)
JOINT_RELEVANCE = Assumption(
    "joint relevance",
    "The instruments move the treatments that are instrumented together, each in a way of its own.",
    "Look at the first-stage F statistic of each treatment given the others (Sanderson and Windmeijer 2016).",
)


@public_value
@dataclass(frozen=True, kw_only=True)
class InstrumentSet(Strategy):
    """Compute the effect in a linear model from instruments that are used together.

    Attributes:
        treatment: the cause.
        outcome: the effect.
        instruments: what the equations are multiplied with; a cause without hidden ties serves itself.
        given: columns on which instruments are regressed (the same as `adjust_for`).
        treatments: the causes that are instrumented together, in all equations of the route.
        route: the arrows from treatment to outcome whose coefficients make up the effect.
        coefficients: how they and what they need are computed, in order.
    """

    treatment: str = ""
    outcome: str = ""
    instruments: tuple[str, ...] = ()
    treatments: tuple[str, ...] = ()
    route: tuple[Edge, ...] = ()
    coefficients: tuple[Coefficient, ...] = ()

    kind: ClassVar[str] = "instrument_set"

    @property
    def uses(self) -> tuple[str, ...]:
        """Every column that an equation holds, beside treatment and outcome."""
        return tuple(n for n in _columns(self.coefficients) if n not in (self.treatment, self.outcome))

    @property
    def given(self) -> tuple[str, ...]:
        """Columns on which instruments are regressed."""
        return self.adjust_for

    def effect(self, matrix: ArrayLike, names: Sequence[str]) -> float:
        """The effect of one unit of treatment, from a covariance matrix of the columns.

        Raises:
            NumericalFailure: where instruments move nothing.
        """
        values = coefficient_values(self.coefficients, matrix, names)
        totals = {self.treatment: 1.0}
        for cause, effect in self.route:
            totals[effect] = totals.get(effect, 0.0) + totals[cause] * values[cause, effect][0]
        return totals[self.outcome]

    def describe(self) -> str:
        """The strategy in a sentence."""
        inside = f", given {', '.join(self.given)}" if self.given else ""
        some = f"Use {', '.join(self.instruments)} as instruments{inside}" if self.instruments else "Solve equations"
        together = f" for {', '.join(self.treatments)} together" if len(self.treatments) > 1 else ""
        return f"{some}{together} in a linear model: the effect of one unit, the same for all."

    def to_dict(self) -> dict[str, Any]:
        """The record that `butfor identify --json` prints."""
        own = {
            "instruments": list(self.instruments),
            "given": list(self.given),
            "treatments": list(self.treatments),
            "route": [list(edge) for edge in self.route],
            "coefficients": [str(c) for c in self.coefficients],
        }
        return {**super().to_dict(), **own}


def instrument_sets(
    graph: CausalGraph, treatment: str, outcome: str, *, effort: Effort | None = None
) -> Iterator[InstrumentSet]:
    """Ways to the total effect in a linear model: first in one equation, then as a sum over causal paths.

    One equation: mediators are left out of the graph, so that the effect is the coefficient of one arrow. Sum over
    paths: the product of the coefficients along each. Nothing comes out where neither is identified, where the
    treatment has no effect, or where rows were selected. The search ends with the effort.

    References:
        Brito and Pearl 2002, arXiv:1301.0560; van der Zander and Liśkiewicz 2016,
        proceedings.mlr.press/v51/vanderzander16.html.

    >>> graph = CausalGraph.from_any("z1 -> x1; z1 -> x2; z2 -> x1; z2 -> x2; x1 -> y; x2 -> y; x1 <-> y; x2 <-> y")
    >>> for found in instrument_sets(graph, "x1", "y"):
    ...     print(found.estimand)
    λ(x1→y) from Cov((z1; z2), y) = Cov((z1; z2), (x1, x2)) λ(x1, x2→y)
    """
    effort = effort or Effort(MOST_STEPS)
    for node in (treatment, outcome):
        graph.check(node)
    if graph.selected or {treatment, outcome} & graph.latent or outcome not in graph.descendants({treatment}):
        return
    between = (graph.descendants({treatment}) & graph.ancestors({outcome})) - {treatment, outcome}
    direct = graph.with_latent(between)
    found = linear_coefficients(direct, first=(outcome,), effort=effort)
    yield from _along(((treatment, outcome),), treatment, outcome, found)
    if between - graph.latent:
        yield from _along_paths(graph, treatment, outcome, effort)


def direct_instrument_set(
    graph: CausalGraph, cause: str, effect: str, *, effort: Effort | None = None
) -> InstrumentSet | None:
    """The way to the coefficient of one arrow in a linear model; None where the search finds none.

    >>> graph = CausalGraph.from_any("z -> x -> m -> y; x -> y; x <-> m")
    >>> direct_instrument_set(graph, "x", "m").instruments
    ('z',)
    """
    for node in (cause, effect):
        graph.check(node)
    if graph.selected or {cause, effect} & graph.latent:
        return None
    found = linear_coefficients(graph, first=(effect,), effort=effort)
    return next(_along(((cause, effect),), cause, effect, found), None)


def _along_paths(graph: CausalGraph, treatment: str, outcome: str, effort: Effort) -> Iterator[InstrumentSet]:
    projected = latent_projection(graph)
    inside = projected.descendants({treatment}) & projected.ancestors({outcome})
    order = [n for n in projected.topological_order if n in inside]
    route = tuple((p, n) for n in order for p in order if p in projected.parents(n))
    found = linear_coefficients(graph, first=order[1:], effort=effort)
    yield from _along(route, treatment, outcome, found)


def _along(route: tuple[Edge, ...], treatment: str, outcome: str, found: LinearCoefficients) -> Iterator[InstrumentSet]:
    """The strategy of a route, if every coefficient has one value."""
    known = {c.edge: c for c in found.coefficients if c.solutions == 1}
    if any(edge not in known for edge in route):
        return
    needed = found.needed_for(route)
    moments = [m for edge in route for m in known[edge].moments]
    yield InstrumentSet(
        treatment=treatment,
        outcome=outcome,
        instruments=tuple(dict.fromkeys(m.node for m in moments)),
        adjust_for=tuple(dict.fromkeys(n for m in moments for n in m.given)),
        treatments=tuple(dict.fromkeys(n for edge in route for n in known[edge].together or edge[:1])),
        route=route,
        coefficients=needed,
        estimand=_estimand(route, treatment, outcome, needed),
        assumptions=(GRAPH, LINEARITY, JOINT_RELEVANCE, CONSISTENCY),
    )


def _estimand(route: tuple[Edge, ...], treatment: str, outcome: str, needed: tuple[Coefficient, ...]) -> str:
    own = next((str(c) for c in needed if route == (c.edge,)), "")
    if own:
        return "; ".join([own, *(str(c) for c in needed if c.edge not in route)])
    totals: dict[str, str] = {treatment: ""}
    for node in dict.fromkeys(effect for _, effect in route):
        parts = [f"{totals[p]} λ({p}→{e})".strip() for p, e in route if e == node]
        totals[node] = parts[0] if len(parts) == 1 else f"({' + '.join(parts)})"
    return "; ".join([totals[outcome], *map(str, needed)])


def _columns(coefficients: tuple[Coefficient, ...]) -> tuple[str, ...]:
    names: dict[str, None] = {}
    for found in coefficients:
        names |= dict.fromkeys((*found.edge, *found.together, *found.less))
        names |= dict.fromkeys(n for m in found.moments for n in (m.node, *m.less, *m.given))
        names |= dict.fromkeys(n for edge in sorted(found.needs) for n in edge)
        if found.cycle is not None:
            pairs = (*found.cycle.steps, *found.cycle.closing)
            names |= dict.fromkeys(n for pair in pairs for u in pair for n in (u.node, u.cause))
    return tuple(names)
