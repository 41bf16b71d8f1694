"""Response functions: every causal model with hidden causes, as a distribution over finitely many kinds of units.

A unit's hidden causes say how each variable answers to its measured causes. With finitely many levels there are
finitely many answers, and what the graph leaves open is how common each combination of them is (Balke and Pearl 1994,
arXiv:1302.6784).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import prod

import numpy as np
from numpy.typing import NDArray

from butfor.core.errors import InvalidSetting, MethodMismatch, UnknownNode
from butfor.graph.causal_graph import CausalGraph
from butfor.graph.districts import ancestors_within, latent_projection
from butfor.identify.bounds.counterfactual import Counterfactual, checked_levels

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
Nodes = frozenset[str]
# Kinds of units beyond which a linear program is not built.
MOST_TYPES = 20_000
# Numbers in the table of what each kind of unit does.
MOST_ENTRIES = 20_000_000


@dataclass(frozen=True, eq=False)
class ResponseModel:
    """The part of a graph that a query is about, with every kind of unit that it allows.

    The variables `inside` may share any hidden causes; those in `given` come before them, and share none with them.
    The data say P(inside | given), which is linear in the shares of the kinds of units, and so is the query: Sachs,
    Jonzon, Sjölander and Gabriel 2023 (doi:10.1080/10618600.2022.2071905).

    Attributes:
        graph: over the measured nodes.
        inside: causes before effects.
        given: what acts on them from outside.
        levels: how many levels each of these variables has.
        sharp: the bounds are the narrowest that the graph allows. Otherwise the graph denies hidden causes between
            some of the nodes inside, or ties some of them to nodes outside, and the bounds, valid all the same, do not
            use it.
    """

    graph: CausalGraph
    inside: tuple[str, ...]
    given: tuple[str, ...]
    levels: Mapping[str, int]
    sharp: bool = True

    @classmethod
    def of(cls, graph: CausalGraph, query: Counterfactual, *, levels: Mapping[str, int] | None = None) -> ResponseModel:
        """The model of a query.

        Args:
            graph: may have latent nodes and bidirected edges.
            query: about measured nodes.
            levels: how many levels each variable has; two where it is not named.

        Raises:
            UnknownNode: for a node that the graph does not have, or that is not measured.
            MethodMismatch: where selected rows are seen only, or where there would be too many kinds of units.
        """
        named = {event.variable: None for event in query.events} | {n: None for e in query.events for n, _ in e.do}
        for name in named:
            if graph.check(name) in graph.latent:
                raise UnknownNode(
                    f"Node {name!r} is not measured; bounds need measured treatments and outcomes.",
                    hint=f"choose a proxy of {name!r} that is in the data",
                )
        if graph.selected:
            raise MethodMismatch(
                f"The rows are selected by {', '.join(sorted(graph.selected))}; bounds need rows that stand for all.",
                hint="ask about the rows that are seen: leave the selected nodes out of the graph",
            )
        seen = latent_projection(graph)
        relevant = ancestors_within(seen, named, frozenset(seen.nodes))
        inside = _closed(seen, frozenset(named), relevant)
        order = tuple(n for n in seen.topological_order if n in inside)
        given = tuple(n for n in seen.topological_order if any(n in seen.parents(m) for m in order) and n not in inside)
        counts = checked_levels(levels, (*given, *order))
        model = cls(seen, order, given, counts, sharp=_one_hidden_cause(graph, seen, inside))
        model._refuse_large()
        model._refuse_levels(query)
        return model

    # --- sizes -----------------------------------------------------------------------------------------------------

    @cached_property
    def functions(self) -> tuple[int, ...]:
        """How many answers each variable inside may have to its causes."""
        return tuple(self.levels[n] ** prod(self.levels[p] for p in self.graph.parents(n)) for n in self.inside)

    @property
    def types(self) -> int:
        """How many kinds of units there are."""
        return prod(self.functions)

    @property
    def shape(self) -> tuple[int, ...]:
        """Levels of what is given, then of what is inside."""
        return tuple(self.levels[n] for n in (*self.given, *self.inside))

    @property
    def settings(self) -> int:
        """How many combinations of what is given there are."""
        return prod(self.levels[n] for n in self.given)

    def _refuse_large(self) -> None:
        # In logarithms: a node with forty causes has more answers than a number can hold.
        size = sum(
            float(np.log10(self.levels[n])) * float(prod(float(self.levels[p]) for p in self.graph.parents(n)))
            for n in self.inside
        )
        entries = size + sum(float(np.log10(self.levels[n])) for n in self.given)
        if size > np.log10(MOST_TYPES) + 1e-9 or entries > np.log10(MOST_ENTRIES):
            shown = ", ".join(self.inside[:6]) + (", …" if len(self.inside) > 6 else "")
            raise MethodMismatch(
                f"There are about 1e{size:.0f} kinds of units that {shown} can be made of; the linear program needs at "
                f"most {MOST_TYPES:,}.",
                hint="merge levels, or ask for natural bounds",
            )

    def _refuse_levels(self, query: Counterfactual) -> None:
        for name, level in [(e.variable, e.level) for e in query.events] + [p for e in query.events for p in e.do]:
            if not 0 <= level < self.levels[name]:
                raise InvalidSetting(
                    f"{name!r} is set to level {level}; it needs one from 0 to {self.levels[name] - 1}.",
                    hint=f"levels={{{name!r}: {level + 1}}}",
                )

    # --- what units do ---------------------------------------------------------------------------------------------

    @cached_property
    def _answers(self) -> dict[str, IntArray]:
        """The level of each variable for each kind of unit and each combination of its causes (types × causes)."""
        digits = np.unravel_index(np.arange(self.types), self.functions)
        found: dict[str, IntArray] = {}
        for node, code in zip(self.inside, digits, strict=True):
            causes = prod(self.levels[p] for p in self.graph.parents(node))
            place = self.levels[node] ** np.arange(causes)
            found[node] = (code[:, None] // place % self.levels[node]).astype(np.int64)
        return found

    def behaviour(self, do: Mapping[str, int]) -> dict[str, IntArray]:
        """The level of each variable when some are set: types × settings of what is given."""
        shape = (self.types, self.settings)
        given = np.unravel_index(np.arange(self.settings), [self.levels[n] for n in self.given]) if self.given else ()
        values: dict[str, IntArray] = {
            n: np.broadcast_to(level.astype(np.int64), shape) for n, level in zip(self.given, given, strict=True)
        }
        rows = np.arange(self.types)[:, None]
        for node in self.inside:
            place = np.zeros(shape, dtype=np.int64)
            for cause in self.graph.parents(node):
                place = place * self.levels[cause] + values[cause]
            values[node] = np.full(shape, do[node]) if node in do else self._answers[node][rows, place]
        return values

    @cached_property
    def cells(self) -> IntArray:
        """Which combination of levels inside each kind of unit shows, in each setting (types × settings)."""
        seen = self.behaviour({})
        sizes = [self.levels[n] for n in self.inside]
        return np.ravel_multi_index([seen[n] for n in self.inside], sizes).astype(np.int64)

    @cached_property
    def constraints(self) -> IntArray:
        """What each kind of unit adds to P(inside | given): (settings · cells) × types."""
        width = prod(self.levels[n] for n in self.inside)
        matrix = np.zeros((self.settings, width, self.types), dtype=np.int64)
        matrix[np.arange(self.settings)[None, :], self.cells, np.arange(self.types)[:, None]] = 1
        return matrix.reshape(-1, self.types)

    def objective(self, query: Counterfactual) -> IntArray:
        """What each kind of unit adds to the query, in each setting (types × settings)."""
        worlds: dict[tuple[tuple[str, int], ...], dict[str, IntArray]] = {}
        found = np.zeros((self.types, self.settings), dtype=np.int64)
        for weight, events in query.terms:
            holds = np.ones((self.types, self.settings), dtype=bool)
            for event in events:
                if event.do not in worlds:
                    worlds[event.do] = self.behaviour(dict(event.do))
                holds &= worlds[event.do][event.variable] == event.level
            found += weight * holds
        return found


def _closed(graph: CausalGraph, start: Nodes, relevant: Nodes) -> Nodes:
    """The smallest set around `start` that shares no hidden cause with other relevant nodes and acts on none."""
    found: set[str] = set()
    stack = list(start)
    while stack:
        node = stack.pop()
        if node not in found:
            found.add(node)
            stack += [n for n in (*graph.spouses(node), *graph.children(node)) if n in relevant]
    return frozenset(found)


def _one_hidden_cause(graph: CausalGraph, seen: CausalGraph, inside: Nodes) -> bool:
    """Does one hidden cause act on all these nodes and no others, so that their answers may depend in any way?"""
    if any(other not in inside for node in inside for other in seen.spouses(node)):
        return False
    first, *others = inside
    if len(others) == 1 and others[0] in seen.spouses(first):
        return True
    hidden = graph.latent
    return any(inside <= _closure_of(graph, node) for node in hidden)


def _closure_of(graph: CausalGraph, hidden: str) -> Nodes:
    """The measured nodes on which a hidden node acts through hidden nodes only."""
    found: set[str] = set()
    stack = [hidden]
    while stack:
        for child in graph.children(stack.pop()):
            if child not in found:
                found.add(child)
                stack += [child] if child in graph.latent else []
    return frozenset(found)
