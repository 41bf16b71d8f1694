"""Every identified effect as a chain of averages: from the outcome back to what came before the treatment.

The effect is Σ Π Q[T] over target districts (see `general.effect`). Each node of a target district is averaged out
given what its factor depends on, with the treatments held at what they are set to:

    g ← E_w[g | given, treatments set],   last node first,

where w are weights that make some columns independent of what came before them. Q[T] follows from Q[D] by summing down
to an ancestral set A and taking the district T inside A (Tian and Pearl 2003, arXiv:1212.2501). To sum a node out of
Q[D], rather than out of the observed distribution, is to sum it out where everything that Q[D] is conditional on was
dealt out by chance; the district inside A is then what regressions in these rows tell. So a few weights and regressions
stand in for any expression, and no column has to be a category.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from butfor.core.serial import public_value
from butfor.graph.causal_graph import CausalGraph
from butfor.graph.districts import markov_pillows
from butfor.identify.general.c_factors import Route
from butfor.identify.general.effect import GeneralEffect
from butfor.identify.primal import Fixing

Nodes = frozenset[str]


@public_value
@dataclass(frozen=True)
class Stage:
    """A column that is averaged out.

    Attributes:
        node: the column.
        given: columns that are held as they are.
        treatments: treatments that it responds to, held at what they are set to.
        fixed: what weights make independent first, in this order.
    """

    node: str
    given: tuple[str, ...] = ()
    treatments: tuple[str, ...] = ()
    fixed: tuple[Fixing, ...] = ()


@public_value
@dataclass(frozen=True)
class Sequential:
    """The stages of an effect, causes first: an estimator goes through them backwards.

    Attributes:
        stages: one for each column between the treatments and the outcomes.
        given: conditions of a query that stay conditions; others can be set like treatments.
    """

    stages: tuple[Stage, ...]
    given: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns of the stages, treatments and outcomes among them."""
        named = (
            name
            for s in self.stages
            for name in (*s.given, *(n for f in s.fixed for n in (*f.given, f.node)), *s.treatments, s.node)
        )
        return tuple(dict.fromkeys(named))


def sequential_structure(effect: GeneralEffect) -> Sequential | None:
    """The stages of an identified effect; None when a factor cannot be told from what a later one depends on.

    >>> from butfor.identify.general.effect import identify_effect
    >>> napkin = CausalGraph.from_any("w -> z -> x -> y; w <-> x; w <-> y")
    >>> sequential_structure(identify_effect(napkin, ["x"], ["y"])).stages
    (Stage(node='y', given=(), treatments=('x',), fixed=(Fixing(node='z', given=('w',)),)),)
    """
    if not effect.identified:
        return None
    graph = effect.graph
    after = graph.descendants(effect.treatments)
    # What the treatments do not act on comes first: it is averaged over as it is.
    order = [n for late in (False, True) for n in graph.topological_order if (n in after) is late]
    pillows = dict(markov_pillows(graph, effect.ancestral, order))
    route_of = {node: route for route in effect.routes for node in route.target}
    needed = effect.outcomes | effect.given
    stages: list[Stage] = []
    for node in reversed([n for n in order if n in effect.random and n in after]):
        if node not in needed:
            continue
        history = needed - {node}
        kernel = _Kernel(graph, tuple(order), effect.ancestral, pillows, route_of[node].start)
        if not kernel.follow(route_of[node], history):
            return None
        asked = kernel.pillows[node]
        given = (asked | history) - effect.treatments
        stages.append(Stage(node, kernel.sort(given), kernel.sort(asked & effect.treatments), tuple(kernel.fixed)))
        needed = given
    return Sequential(_merged(stages[::-1]), tuple(n for n in order if n in effect.given))


def _merged(stages: list[Stage]) -> tuple[Stage, ...]:
    """An average of averages over the same rows is one average (tower property): columns in between need no stage."""
    done: list[Stage] = []
    for stage in stages:
        merged = stage
        while done and _is_inner(done[-1], merged):
            merged = replace(merged, given=done.pop().given)
        done.append(merged)
    return tuple(done)


def _is_inner(earlier: Stage, later: Stage) -> bool:
    """Does the later average, taken in the rows of the earlier one, run over the earlier column?"""
    same_rows = earlier.fixed == later.fixed and earlier.treatments == later.treatments
    left = set(later.given) - {earlier.node}
    # In rows without weights a column depends on nothing before it but what it is given.
    return same_rows and (set(earlier.given) == left if later.fixed else left <= set(earlier.given))


class _Kernel:
    """Q[D] as rows with weights: what was dealt out so far, and what each node depends on in these rows."""

    def __init__(
        self, graph: CausalGraph, order: tuple[str, ...], ancestral: Nodes, pillows: dict[str, Nodes], start: Nodes
    ) -> None:
        self.graph, self.order, self.pillows = graph, order, dict(pillows)
        self.place = {n: i for i, n in enumerate(order)}
        self.known = ancestral
        self.district = start
        self.fixed: list[Fixing] = []

    def sort(self, nodes: Iterable[str]) -> tuple[str, ...]:
        return tuple(sorted(nodes, key=self.place.__getitem__))

    def follow(self, route: Route, history: Nodes) -> bool:
        """Go along the route; False when it would sum out a column that is still needed."""
        for ancestral, following in route.steps:
            gone = self.district - ancestral
            if gone & history:
                return False
            if gone:
                self._deal_out(ancestral, history)
                self.pillows |= dict(markov_pillows(self.graph, ancestral, self.order))
            self.district = following
        return True

    def _deal_out(self, ancestral: Nodes, history: Nodes) -> None:
        """Make what the remaining nodes are held at independent of the district that is summed."""
        first = min(self.place[n] for n in self.district)
        causes = {p for n in ancestral for p in self.graph.parents(n)} | history
        done = {f.node for f in self.fixed}
        for node in self.sort((causes & self.known) - self.district - done):
            if self.place[node] > first:
                self.fixed.append(Fixing(node, self.sort(self.pillows[node])))
