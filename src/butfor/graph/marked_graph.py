"""Graphs that stand for several causal graphs: what data alone, or data and some knowledge, say about causes.

A PDAG stands for acyclic graphs without hidden causes, a MAG for graphs with hidden causes, a PAG for MAGs that no data
can tell apart (Zhang 2008, jmlr.org/papers/v9/zhang08a.html). Every edge has a mark at both ends: an arrowhead says
"not a cause of the other", a tail says "a cause", a circle says "not known"; in a PDAG two tails say "not known which".
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Literal, cast, get_args

from butfor.core.errors import GraphError, GraphSyntax, UnknownNode
from butfor.core.serial import public_value
from butfor.graph.causal_graph import CausalGraph
from butfor.graph.content import ByContent

Mark = Literal["tail", "arrow", "circle"]
Kind = Literal["pdag", "mag", "pag"]
MarkedEdge = tuple[str, Mark, Mark, str]
# The marks that an edge of each kind of graph may have.
MARKS_OF: Mapping[Kind, frozenset[tuple[Mark, Mark]]] = {
    "pdag": frozenset({("tail", "tail"), ("tail", "arrow")}),
    "mag": frozenset({("tail", "tail"), ("tail", "arrow"), ("arrow", "arrow")}),
    "pag": frozenset((a, b) for a in get_args(Mark) for b in get_args(Mark)),
}
DEFINITE: tuple[tuple[Mark, Mark], ...] = (("tail", "arrow"), ("arrow", "arrow"))
MARK_ORDER: Mapping[Mark, int] = {"tail": 0, "circle": 1, "arrow": 2}
ROLES = {"latent": "latent", "exposures": "exposure", "outcomes": "outcome", "adjusted": "adjusted"}
SIGNS: Mapping[tuple[Mark, Mark], str] = {
    ("tail", "tail"): "--",
    ("tail", "circle"): "--o",
    ("tail", "arrow"): "->",
    ("circle", "tail"): "o--",
    ("circle", "circle"): "o-o",
    ("circle", "arrow"): "o->",
    ("arrow", "tail"): "<-",
    ("arrow", "circle"): "<-o",
    ("arrow", "arrow"): "<->",
}
# The node before on a walk (None at its start), and the node itself.
Step = tuple[str | None, str]


@public_value
@dataclass(frozen=True, eq=False)
class MarkedGraph(ByContent):
    """A CPDAG or PDAG, a MAG or a PAG: every edge has a mark at both ends.

    Graphs are equal when they have the same kind, nodes, edges and roles, in whatever order.
    Graphs that were learned may contradict themselves (`a <-> b`, though a causes b): they are kept as they are.

    Args:
        nodes: all names, in the order in which they are shown.
        edges: (node, mark at it, mark at the other, other node): `a -> b` is ("a", "tail", "arrow", "b"), `a <-> b` has
            two arrows, `a -- b` two tails, `a o-> b` circle and arrow. Kept with the stronger mark (arrow, circle,
            tail) last.
        kind: "pdag" (a CPDAG, a DAG, or a CPDAG with more directions known), "mag" or "pag".
        latent: nodes that were not measured.
        exposures: nodes that a drawing marks as causes in question; kept, but never used for identification.
        outcomes: nodes that a drawing marks as effects in question; likewise.
        adjusted: nodes that a drawing marks as adjusted for; likewise.

    Raises:
        UnknownNode: for an edge or a role of a node that is not in the graph.
        GraphSyntax: for a node joined to itself, two edges between one pair, marks that the kind does not have.
        CyclicGraph: for a directed cycle.

    >>> graph = MarkedGraph.from_text("pag { z o-> x -> y }")
    >>> graph.mark("z", "x"), graph.mark("x", "z"), graph.is_visible("x", "y")
    ('arrow', 'circle', True)
    """

    nodes: tuple[str, ...]
    edges: tuple[MarkedEdge, ...]
    kind: Kind
    latent: frozenset[str] = frozenset()
    exposures: frozenset[str] = frozenset()
    outcomes: frozenset[str] = frozenset()
    adjusted: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if self.kind not in MARKS_OF:
            raise GraphSyntax(
                f"The kind is {self.kind!r}; a marked graph needs one of {', '.join(MARKS_OF)}.", hint='kind="pag"'
            )
        nodes = tuple(dict.fromkeys(map(str, self.nodes)))
        if "" in nodes:
            raise GraphSyntax("A node has an empty name; a marked graph needs names.", hint="name every node")
        edges = tuple(dict.fromkeys(_ordered(edge) for edge in self.edges))
        object.__setattr__(self, "nodes", nodes)
        object.__setattr__(self, "edges", edges)
        for marks, role in ROLES.items():
            marked = frozenset(map(str, getattr(self, marks)))
            for name in sorted(marked.difference(nodes)):
                raise UnknownNode.named(name, nodes, role=role)
            object.__setattr__(self, marks, marked)
        self._refuse_wrong_edges()
        # A causal graph has no cycle: that of the directed edges refuses them here.
        _ = self.definite

    @classmethod
    def from_text(cls, text: str) -> MarkedGraph:
        """A graph from dagitty text.

        Raises:
            GraphSyntax: for text that is no such graph, with its line.

        >>> MarkedGraph.from_text("pdag { a -- b -> c }").edges
        (('a', 'tail', 'tail', 'b'), ('b', 'tail', 'arrow', 'c'))
        """
        from butfor.graph.formats.marked import read

        return read(text)

    @cached_property
    def content(self) -> Hashable:
        """All that the graph says, without the order in which it says it."""
        edges = frozenset(frozenset({(a, here), (b, there)}) for a, here, there, b in self.edges)
        return self.kind, frozenset(self.nodes), edges, tuple(getattr(self, marks) for marks in ROLES)

    # --- edges ---------------------------------------------------------------------------------------------------

    @cached_property
    def _ends(self) -> Mapping[str, Mapping[str, tuple[Mark, Mark]]]:
        """For each node and neighbour, the mark here and the mark there."""
        found: dict[str, dict[str, tuple[Mark, Mark]]] = {n: {} for n in self.nodes}
        for a, here, there, b in self.edges:
            found[a][b] = (here, there)
            found[b][a] = (there, here)
        return found

    @cached_property
    def definite(self) -> CausalGraph:
        """The edges -> and <-> alone."""
        pairs = {marks: tuple((a, b) for a, *ends, b in self.edges if tuple(ends) == marks) for marks in DEFINITE}
        return CausalGraph(self.nodes, pairs["tail", "arrow"], pairs["arrow", "arrow"], latent=self.latent)

    @cached_property
    def _effects(self) -> Mapping[str, tuple[str, ...]]:
        return {a: tuple(b for b in ends if self._may_cause(a, b)) for a, ends in self._ends.items()}

    @cached_property
    def _causes(self) -> Mapping[str, tuple[str, ...]]:
        return {b: tuple(a for a in ends if self._may_cause(a, b)) for b, ends in self._ends.items()}

    def _may_cause(self, a: str, b: str) -> bool:
        here, there = self._ends[a][b]
        return here != "arrow" and (there != "tail" or self.kind == "pdag")

    def neighbours(self, node: str) -> tuple[str, ...]:
        """Nodes with an edge to the node."""
        return tuple(self._ends[self.check(node)])

    def mark(self, first: str, second: str) -> Mark | None:
        """The mark at the second node of the edge between the two; None without an edge."""
        ends = self._ends[self.check(first)].get(self.check(second))
        return None if ends is None else ends[1]

    def is_adjacent(self, first: str, second: str) -> bool:
        """Is there an edge between the two?"""
        return self.check(second) in self._ends[self.check(first)]

    def is_directed(self, first: str, second: str) -> bool:
        """Is there an edge first -> second?"""
        return self._ends[self.check(first)].get(self.check(second)) == ("tail", "arrow")

    def is_visible(self, first: str, second: str) -> bool:
        """Is there an edge first -> second that cannot hide a common cause of the two?

        In a PDAG every directed edge is visible. In a MAG or PAG a node that is no neighbour of `second` must point to
        `first`, or reach it by colliders that all cause `second` (Zhang 2008, definition 8).

        >>> MarkedGraph.from_text("mag { x -> y }").is_visible("x", "y")
        False
        """
        if not self.is_directed(first, second):
            return False
        if self.kind == "pdag":
            return True
        seen = {first}
        stack = [first]
        while stack:
            for other, (here, there) in self._ends[stack.pop()].items():
                if here != "arrow" or other in seen:
                    continue
                if not self.is_adjacent(other, second):
                    return True
                if there == "arrow" and self.is_directed(other, second):
                    seen.add(other)
                    stack.append(other)
        return False

    def roles(self, node: str) -> tuple[str, ...]:
        """What the node is marked as, in words."""
        return tuple(role for marks, role in ROLES.items() if node in getattr(self, marks))

    def check(self, node: str, *, role: str = "query") -> str:
        """The node itself.

        Raises:
            UnknownNode: with the nearest name.
        """
        if node not in self._ends:
            raise UnknownNode.named(node, self.nodes, role=role)
        return node

    # --- causes and effects --------------------------------------------------------------------------------------

    def ancestors(self, nodes: Iterable[str]) -> frozenset[str]:
        """The nodes and everything that causes them by directed edges."""
        return self.definite.ancestors(nodes)

    def descendants(self, nodes: Iterable[str]) -> frozenset[str]:
        """The nodes and everything that they cause by directed edges."""
        return self.definite.descendants(nodes)

    def possible_ancestors(self, nodes: Iterable[str], *, avoiding: Iterable[str] = ()) -> frozenset[str]:
        """The nodes and everything that may cause them: by paths without an arrowhead that points back.

        Args:
            nodes: where the paths end.
            avoiding: nodes that the paths must not touch.

        >>> sorted(MarkedGraph.from_text("pag { a o-> b o-o c }").possible_ancestors({"b"}))
        ['a', 'b', 'c']
        """
        return frozenset(node for _, node in self._walks(self._causes, nodes, avoiding))

    def possible_descendants(self, nodes: Iterable[str], *, avoiding: Iterable[str] = ()) -> frozenset[str]:
        """The nodes and everything that they may cause.

        >>> sorted(MarkedGraph.from_text("pdag { a -> b -- c }").possible_descendants({"b"}))
        ['b', 'c']
        """
        return frozenset(node for _, node in self._walks(self._effects, nodes, avoiding))

    def possible_path(self, start: str, ends: Iterable[str], *, avoiding: Iterable[str] = ()) -> tuple[str, ...] | None:
        """The nodes of a shortest path along which the start may cause one of the ends; None without such a path."""
        targets = frozenset(ends)
        came = self._walks(self._effects, [start], avoiding)
        step = next((s for s in came if s[1] in targets), None)
        if step is None:
            return None
        path: list[str] = []
        while step is not None:
            path.append(step[1])
            step = came[step]
        return tuple(reversed(path))

    def _walks(
        self, onward: Mapping[str, tuple[str, ...]], start: Iterable[str], avoiding: Iterable[str]
    ) -> dict[Step, Step | None]:
        """Every step of a walk, with the step before it.

        In a PDAG, nodes that are two steps apart on the walk must have no edge: where some directions are known, an
        edge across a longer way may point back, but whatever may cause a node does so along such a path (Perković,
        Kalisch and Maathuis 2017, arXiv:1707.02171).
        """
        avoided = frozenset(avoiding)
        came: dict[Step, Step | None] = {(None, self.check(n)): None for n in start if n not in avoided}
        queue = deque(came)
        while queue:
            step = queue.popleft()
            before, node = step
            for other in onward[node]:
                following = (node, other)
                if following in came or other in avoided or other == before:
                    continue
                if before is None or self.kind != "pdag" or other not in self._ends[before]:
                    came[following] = step
                    queue.append(following)
        return came

    # --- text ----------------------------------------------------------------------------------------------------

    def in_words(self, path: Iterable[str]) -> str:
        """A path with the marks of its edges.

        >>> MarkedGraph.from_text("pag { a o-> b -> c }").in_words(["c", "b", "a"])
        'c <- b <-o a'
        """
        nodes = list(path)
        return " ".join([*nodes[:1], *(w for a, b in pairwise(nodes) for w in (SIGNS[self._ends[a][b]], b))])

    def to_text(self) -> str:
        """dagitty text; circles are written as @."""
        from butfor.graph.formats.marked import write

        return write(self)

    def __str__(self) -> str:
        return self.to_text()

    # --- checks --------------------------------------------------------------------------------------------------

    def _refuse_wrong_edges(self) -> None:
        known, joined = frozenset(self.nodes), set[frozenset[str]]()
        for a, here, there, b in self.edges:
            for name in (a, b):
                if name not in known:
                    raise UnknownNode.named(name, self.nodes, role="edge")
            if a == b:
                raise GraphSyntax(
                    f"Node {a!r} has an edge to itself; a marked graph needs edges between two nodes.",
                    hint=f"remove the edge from {a!r} to {a!r}",
                )
            if (here, there) not in MARKS_OF[self.kind]:
                raise GraphSyntax(
                    f"The edge between {a!r} and {b!r} has the marks {here} and {there}; a {self.kind.upper()} needs "
                    f"{' or '.join(' and '.join(ends) for ends in sorted(MARKS_OF[self.kind]))}.",
                    hint="circles need the kind pag, <-> needs mag or pag",
                )
            if frozenset((a, b)) in joined:
                raise GraphSyntax(
                    f"The nodes {a!r} and {b!r} have two edges; a {self.kind.upper()} needs at most one for each pair.",
                    hint=f"remove one of the edges between {a!r} and {b!r}",
                )
            joined.add(frozenset((a, b)))

    def refuse_selection(self) -> None:
        """Refuse the edges of a MAG or PAG that tell of selected rows.

        Raises:
            GraphError: with such an edge.
        """
        for a, here, there, b in self.edges:
            if here == "tail" and there != "arrow":
                raise GraphError(
                    f"The edge {self.in_words([a, b])} is a sign of selected rows; this needs a {self.kind.upper()} "
                    "without selection.",
                    hint="learn the graph under the assumption that no rows were selected",
                )


def _ordered(edge: Iterable[str]) -> MarkedEdge:
    """The edge with the stronger mark last.

    Raises:
        GraphSyntax: for what is no edge.
    """
    found = () if isinstance(edge, str) else tuple(edge)
    if len(found) != 4 or not {found[1], found[2]} <= MARK_ORDER.keys():
        raise GraphSyntax(
            f"An edge is {found!r}; a marked graph needs (node, mark, mark, node).",
            hint='("a", "tail", "arrow", "b") is a -> b; marks are tail, arrow and circle',
        )
    a, here, there, b = cast(MarkedEdge, (str(found[0]), *found[1:3], str(found[3])))
    return (a, here, there, b) if MARK_ORDER[here] <= MARK_ORDER[there] else (b, there, here, a)
