"""Adjustment where the graph is known only up to its equivalence class: CPDAGs, PDAGs, MAGs and PAGs.

A set identifies the effect by adjustment in every graph of the class if and only if (amenability) every path along
which a treatment may cause an outcome starts with a visible edge, the set holds nothing that those paths may change,
and it blocks every other proper path (Perković, Textor, Kalisch and Maathuis 2018, jmlr.org/papers/v18/16-319.html; for
PDAGs with directions known besides, Perković, Kalisch and Maathuis 2017, arXiv:1707.02171). Given the first two, the
third holds in the class when it holds in one member: minimal sets are the minimal separators there (van der Zander and
Liśkiewicz 2016, doi:10.1609/aaai.v30i1.10424).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import combinations

from butfor.core.errors import GraphError, RoleConflict
from butfor.graph.causal_graph import CausalGraph, Edge
from butfor.graph.marked_graph import Mark, MarkedGraph
from butfor.graph.separators import minimal_separators

Nodes = frozenset[str]
# The mark here and the mark there.
Ends = tuple[Mark, Mark]
UNDIRECTED: Ends = ("tail", "tail")
DIRECTED: Ends = ("tail", "arrow")
AGAINST: Ends = ("arrow", "tail")


@dataclass(frozen=True)
class GeneralisedAdjustment:
    """Which sets identify the effect of treatments on outcomes by adjustment, whatever graph of the class is true?

    Attributes:
        graph: the graph, of a PDAG with all directions that follow.
        unclear: if not, the first edge of a path along which causation and confounding look alike.
        why: the path and what is unclear about its first edge, in words; "" if amenable.
        forbidden: what no adjustment set may hold: treatments, outcomes, what proper causal paths may change.
        member: one graph of the class.
        backdoor: that graph without the first edges of proper causal paths.

    References: Perković, Textor, Kalisch and Maathuis 2018, jmlr.org/papers/v18/16-319.html.

    >>> graph = MarkedGraph.from_text("pag { a o-> x -> y; x <-> z; b o-> z -> y }")
    >>> task = GeneralisedAdjustment.of(graph, {"x"}, {"y"})
    >>> task.amenable, task.is_valid(["z"]), list(task.minimal_sets())
    (True, True, [('z',)])
    >>> GeneralisedAdjustment.of(MarkedGraph.from_text("mag { x -> y }"), {"x"}, {"y"}).why
    'the path x -> y may be causal, but its first edge may hide a common cause'
    """

    graph: MarkedGraph
    treatments: Nodes
    outcomes: Nodes
    unclear: Edge | None
    why: str
    forbidden: Nodes
    member: CausalGraph
    backdoor: CausalGraph

    @classmethod
    def of(cls, graph: MarkedGraph, treatments: Iterable[str], outcomes: Iterable[str]) -> GeneralisedAdjustment:
        """The problem of one effect.

        Raises:
            UnknownNode: for a treatment or outcome that is not in the graph.
            RoleConflict: for a treatment that is an outcome.
            GraphError: when the graph stands for no graph at all, or a MAG or PAG for selected rows.
        """
        x = frozenset(graph.check(n, role="treatment") for n in treatments)
        y = frozenset(graph.check(n, role="outcome") for n in outcomes)
        for name in sorted(x & y):
            raise RoleConflict(
                f"Node {name!r} is a treatment and an outcome; adjustment needs different nodes.",
                hint=f"remove {name!r} from the treatments",
            )
        known = closed(graph)
        starts = tuple(_first_edges(known, x, y))
        unclear = next((edge for edge in starts if not known.is_visible(*edge)), None)
        why = "" if unclear is None else _why(known, unclear, x, y)
        forbidden = known.possible_descendants(b for _, b in starts) | x | y
        one = member(known)
        backdoor = one.replaced(directed=tuple(e for e in one.directed if e not in starts))
        return cls(known, x, y, unclear, why, forbidden, one, backdoor)

    @property
    def amenable(self) -> bool:
        """Can any set do it?"""
        return self.unclear is None

    @property
    def candidates(self) -> Nodes:
        """Nodes that an adjustment set may hold."""
        return frozenset(self.graph.nodes) - self.graph.latent - self.forbidden

    @property
    def canonical(self) -> Nodes:
        """Every candidate that may cause a treatment or outcome: valid whenever any set is."""
        return self.graph.possible_ancestors(self.treatments | self.outcomes) & self.candidates

    def is_valid(self, adjust_for: Iterable[str]) -> bool:
        """Does adjusting for this set identify the effect in every graph of the class?

        Raises:
            UnknownNode: for a node that is not in the graph.
        """
        z = frozenset(map(self.graph.check, adjust_for))
        allowed = self.amenable and z <= self.candidates
        return allowed and self.backdoor.is_separated(self.treatments, self.outcomes, z)

    def minimal_sets(self) -> Iterator[tuple[str, ...]]:
        """Every set that is valid and holds no needless node, one after the other (each in the order of the graph)."""
        if not self.amenable:
            return
        position = {n: i for i, n in enumerate(self.graph.nodes)}
        for found in minimal_separators(self.backdoor, self.treatments, self.outcomes, allowed=self.candidates):
            yield tuple(sorted(found, key=position.__getitem__))


def _first_edges(graph: MarkedGraph, treatments: Nodes, outcomes: Nodes) -> Iterator[Edge]:
    """The first edges of paths along which a treatment may cause an outcome without passing another treatment."""
    for x in sorted(treatments):
        reaching = graph.possible_ancestors(outcomes, avoiding=_off_paths(graph, x, treatments))
        yield from ((x, n) for n in graph.neighbours(x) if n in reaching and graph.mark(n, x) != "arrow")


def _off_paths(graph: MarkedGraph, treatment: str, treatments: Nodes) -> Nodes:
    """What these paths do not touch after their first node: treatments, and in a PDAG the causes of that node.

    A path of a PDAG with an edge across it that points back is causal in no graph of the class.
    """
    if graph.kind != "pdag":
        return treatments
    return treatments | {n for n in graph.neighbours(treatment) if graph.is_directed(n, treatment)}


def _why(graph: MarkedGraph, edge: Edge, treatments: Nodes, outcomes: Nodes) -> str:
    x, following = edge
    rest = graph.possible_path(following, outcomes, avoiding=_off_paths(graph, x, treatments)) or (following,)
    reason = (
        "its first edge may hide a common cause"
        if graph.is_directed(*edge)
        else f"its first edge does not say whether {x} causes {following}"
    )
    return f"the path {graph.in_words((x, *rest))} may be causal, but {reason}"


def closed(graph: MarkedGraph) -> MarkedGraph:
    """A PDAG with every direction that follows from those it has (Meek 1995, arXiv:1302.4972); others unchanged.

    >>> closed(MarkedGraph.from_text("pdag { a -> b -- c }")).is_directed("b", "c")
    True
    """
    if graph.kind != "pdag":
        return graph
    ends: dict[str, dict[str, Ends]] = {n: {} for n in graph.nodes}
    for a, here, there, b in graph.edges:
        ends[a][b], ends[b][a] = (here, there), (there, here)
    undirected = [(a, b) for a, here, there, b in graph.edges if here == there]
    changed = True
    while changed:
        changed = False
        for edge in [e for e in undirected if ends[e[0]][e[1]] == UNDIRECTED]:
            a, b = next(((a, b) for a, b in (edge, edge[::-1]) if _follows(ends, a, b)), ("", ""))
            if a:
                ends[a][b], ends[b][a] = DIRECTED, AGAINST
                changed = True
    edges = tuple((a, *ends[a][b], b) for a, _, _, b in graph.edges)
    return replace(graph, edges=edges)


def member(graph: MarkedGraph) -> CausalGraph:
    """One graph of those that the graph stands for: a DAG for a PDAG, a MAG for a MAG or PAG.

    Of a PAG, `o->` becomes `->`, and the edges `o-o` are directed without a new collider (Zhang 2008, theorem 2,
    doi:10.1016/j.artint.2008.08.001).

    Raises:
        GraphError: when there is none, or when an edge `--` or `o--` tells of selected rows.

    >>> member(MarkedGraph.from_text("pag { a o-> c; b o-> c }")).directed
    (('a', 'c'), ('b', 'c'))
    """
    if graph.kind != "pdag":
        graph.refuse_selection()
    free = [(a, b) for a, here, there, b in graph.edges if here == there and here != "arrow"]
    fixed = [(a, b) for a, here, there, b in graph.edges if here != there]
    # The edges o-> of a PAG leave the edges o-o as free as they were; in a PDAG the directed edges bind the others.
    found = fixed + list(_directions(graph.nodes, fixed if graph.kind == "pdag" else [], free))
    return CausalGraph(graph.nodes, tuple(found), graph.definite.bidirected, latent=graph.latent)


def _follows(ends: Mapping[str, Mapping[str, Ends]], a: str, b: str) -> bool:
    """Must an edge a -- b be a -> b? Meek's four rules: else there would be a new collider, or a cycle."""
    into_a = [c for c, marks in ends[a].items() if marks == AGAINST]
    into_b = [c for c, marks in ends[b].items() if marks == AGAINST]
    beside_a = [c for c, marks in ends[a].items() if marks == UNDIRECTED]
    if any(c not in ends[b] for c in into_a) or any(ends[a].get(c) == DIRECTED for c in into_b):
        return True
    around = [c for c in into_b if c in beside_a]
    if any(d not in ends[c] for c, d in combinations(around, 2)):
        return True
    return any(ends[d].get(c) == DIRECTED and d not in ends[b] for c in into_b if c in ends[a] for d in beside_a)


def _directions(nodes: Iterable[str], directed: Iterable[Edge], undirected: Iterable[Edge]) -> Iterator[Edge]:
    """Directions for the undirected edges without a new collider or a cycle (Dor and Tarsi 1992, UCLA R-185).

    A node that causes nothing, and whose undirected neighbours are joined to all its neighbours, may take all arrows;
    then the rest is directed likewise.

    Raises:
        GraphError: when there are none.
    """
    joined: dict[str, set[str]] = {n: set() for n in nodes}
    effects: dict[str, set[str]] = {n: set() for n in joined}
    free: dict[str, set[str]] = {n: set() for n in joined}
    for a, b in directed:
        effects[a].add(b)
    for a, b in (*directed, *undirected):
        joined[a].add(b)
        joined[b].add(a)
    for a, b in undirected:
        free[a].add(b)
        free[b].add(a)
    waiting = deque(joined)
    passed = 0
    while waiting:
        node = waiting.popleft()
        if effects[node] or any(joined[node] - joined[other] - {other} for other in free[node]):
            waiting.append(node)
            passed += 1
            if passed > len(waiting):
                raise GraphError(
                    f"The edges between {', '.join(map(repr, sorted(waiting)[:8]))} have no directions without a cycle "
                    "or a new collider; a graph of an equivalence class needs a member.",
                    hint="check the directions that were drawn by hand against those that were learned",
                )
            continue
        passed = 0
        for other in free[node]:
            yield other, node
            free[other].discard(node)
        for other in joined[node]:
            joined[other].discard(node)
            effects[other].discard(node)
