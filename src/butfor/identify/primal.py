"""Effects with a doubly robust estimator: those whose treatment shares no hidden cause with what it acts on directly.

Then the effect needs only the order of the nodes and which of them lie in the treatment's district (Tian and Pearl
2002, theorem 3; Bhattacharya, Nabi and Shpitser 2022, jmlr.org/papers/v23/20-1171.html, who call it primal fixability):

    P(y | do(t)) = Σ_{all but y} Π_{M} P(m | before)|_{T=t} Σ_T Π_{L} P(l | before) P(C),

with C the nodes before the treatment, L its district from itself on, M the other nodes after it.

Where a hidden cause does tie the treatment to its own effects, it may be that the tie runs through a column that acts
on the outcome through the treatment alone (the napkin w -> z -> x -> y; w <-> x; w <-> y). Weights that make such a
column independent of what came before it (as if chance had dealt it out) cut the tie, and in the weighted data the
formula above holds: nested fixing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations

from butfor.core.effort import Effort
from butfor.core.serial import public_value
from butfor.graph.causal_graph import CausalGraph
from butfor.graph.districts import ancestors_within, district_of, latent_projection

# Sets of columns that are tried as dealt out by chance.
SEARCH = 2_000


@public_value
@dataclass(frozen=True)
class Fixing:
    """A column that weights make independent of what came before it: each row weighs P(node) / P(node | given)."""

    node: str
    given: tuple[str, ...] = ()


@public_value
@dataclass(frozen=True)
class Primal:
    """The order in which the estimator goes through the columns.

    Attributes:
        before: columns before the treatment (C).
        after: columns after it, causes first, the outcome last.
        tied: those of `after` that share hidden causes with the treatment (L without the treatment).
        fixed: what is made independent by weights first, in this order; empty when nothing needs to be.
    """

    before: tuple[str, ...]
    after: tuple[str, ...]
    tied: frozenset[str] = frozenset()
    fixed: tuple[Fixing, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "tied", frozenset(self.tied))

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns beside treatment and outcome."""
        weighted = (name for f in self.fixed for name in (*f.given, f.node))
        return tuple(dict.fromkeys((*self.before, *self.after[:-1], *weighted)))


def primal_structure(graph: CausalGraph, treatment: str, outcome: str) -> Primal | None:
    """The order for one treatment and one outcome; None when no such weights cut the treatment from its own effects.

    >>> primal_structure(CausalGraph.from_any("x -> m -> y; x <-> y"), "x", "y")
    Primal(before=(), after=('m', 'y'), tied=frozenset({'y'}), fixed=())
    >>> primal_structure(CausalGraph.from_any("w -> z -> x -> y; w <-> x; w <-> y"), "x", "y").fixed
    (Fixing(node='z', given=('w',)),)
    """
    projected = latent_projection(graph)
    if treatment not in projected.ancestors({outcome}):
        return None
    return next(_orders(projected, treatment, outcome, Effort(SEARCH)), None)


def _orders(graph: CausalGraph, treatment: str, outcome: str, effort: Effort) -> Iterator[Primal]:
    """Orders for larger and larger sets of columns that are made independent."""
    relevant = graph.ancestors({outcome})
    # What acts on the outcome through the treatment alone can be set at will: the effect stays what it is.
    idle = relevant - ancestors_within(graph, {outcome}, relevant - {treatment}) - {treatment}
    names = [n for n in graph.topological_order if n in idle]
    for size in range(len(names) + 1):
        for chosen in combinations(names, size):
            if not effort.spend():
                return
            cut = _fix_all(graph, chosen, outcome)
            found = None if cut is None else _order(cut[0], treatment, outcome, cut[1])
            if found is not None:
                yield found


def _fix_all(graph: CausalGraph, nodes: Iterable[str], outcome: str) -> tuple[CausalGraph, tuple[Fixing, ...]] | None:
    """The graph without edges into the nodes, and the weights that achieve it; None when a hidden cause forbids it.

    Fixing removes edges only, so that the order in which nodes are taken decides nothing.
    """
    waiting, done = list(nodes), list[Fixing]()
    while waiting:
        relevant = graph.ancestors({outcome})
        for node in waiting:
            tied = district_of(graph, node, relevant) if node in relevant else frozenset[str]()
            if tied and tied & graph.descendants({node}) == frozenset({node}):
                causes = {p for n in tied for p in graph.parents(n)}
                given = tuple(n for n in graph.topological_order if n in (tied | causes) - {node})
                done.append(Fixing(node, given))
                graph = graph.replaced(
                    directed=tuple(e for e in graph.directed if e[1] != node),
                    bidirected=tuple(e for e in graph.bidirected if node not in e),
                )
                waiting.remove(node)
                break
        else:
            return None
    return graph, tuple(done)


def _order(graph: CausalGraph, treatment: str, outcome: str, fixed: tuple[Fixing, ...]) -> Primal | None:
    relevant = graph.ancestors({outcome})
    district = district_of(graph, treatment, relevant)
    if any(child in district for child in graph.children(treatment)):
        return None
    # Nodes that the treatment does not act on may come before it: fewer densities have to be learned.
    acted_on = graph.descendants({treatment}) & relevant
    order = [n for n in graph.topological_order if n in relevant]
    between = [n for n in order if n in acted_on and n not in (treatment, outcome)]
    after = (*between, outcome)
    before = _useful(graph, treatment, [n for n in order if n not in acted_on], relevant)
    return Primal(before, after, frozenset(district) & frozenset(after), fixed)


def _useful(graph: CausalGraph, treatment: str, before: list[str], relevant: frozenset[str]) -> tuple[str, ...]:
    """What came before the treatment, less what is tied to the rest through the treatment alone.

    Such a column predicts the treatment and nothing else: to hold it fixed costs precision and buys nothing. Left out,
    it is a hidden cause of the treatment alone, and the graph over the other columns is the same.
    """
    gone = {treatment}
    for node in reversed(before):
        near = {*graph.children(node), *graph.spouses(node)} & relevant
        if near <= gone:
            gone.add(node)
    return tuple(n for n in before if n not in gone)
