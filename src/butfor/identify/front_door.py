"""Front-door sets: mediators that carry the whole effect and share no hidden cause with the treatment.

A set M identifies the effect if (1) it meets every directed path from treatment to outcome, (2) nothing connects
treatment and M but causation, given W, and (3) nothing connects M and the outcome but causation, given treatment and
W (Pearl 1995, doi:10.1093/biomet/82.4.669). Whether a set exists inside given nodes is decided in polynomial time
(Jeong, Tian and Bareinboim 2022, arXiv:2210.05816).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from butfor.core.effort import Effort
from butfor.graph.causal_graph import CausalGraph
from butfor.graph.separation import reachable

Nodes = frozenset[str]
# Nodes visited in a search that nobody has bounded.
MOST_STEPS = 1_000_000


@dataclass(frozen=True)
class FrontDoorProblem:
    """Treatments, outcomes, and covariates that are held fixed while front-door sets are sought.

    Attributes:
        given: measured nodes that the treatment does not act on.
    """

    graph: CausalGraph
    treatments: Nodes
    outcomes: Nodes
    given: Nodes = frozenset()

    @cached_property
    def candidates(self) -> Nodes:
        """Nodes that nothing but causation connects with the treatment."""
        tied = reachable(self.graph.without_edges_out_of(self.treatments), self.treatments, self.given)
        ends = self.treatments | self.outcomes | self.given
        return frozenset(self.graph.observed) - tied - ends - self.graph.selected

    @cached_property
    def on_path(self) -> Nodes:
        """Nodes on directed paths from treatment to outcome."""
        return self.graph.descendants(self.treatments) & self.graph.ancestors(self.outcomes)

    def largest(self, inside: Nodes) -> Nodes | None:
        """The largest front-door set inside some of the candidates, or None."""
        found = inside
        while True:
            cut = self.graph.without_edges_out_of(found)
            tied = reachable(cut, self.outcomes, self.treatments | self.given) & found
            if not tied:
                return found if self._carries(found) else None
            found -= tied
            if not self._carries(found):
                return None

    def is_valid(self, mediators: Iterable[str]) -> bool:
        """Do the three conditions hold?"""
        m = frozenset(map(self.graph.check, mediators))
        return m <= self.candidates and self.largest(m) == m

    def _carries(self, mediators: Nodes) -> bool:
        """Does every directed path meet the set (and is there one)?"""
        stack = [x for x in self.treatments if x in self.on_path]
        seen = set(stack)
        while stack:
            for child in self.graph.children(stack.pop()):
                if child in self.outcomes:
                    return False
                if child in self.on_path and child not in mediators and child not in seen:
                    seen.add(child)
                    stack.append(child)
        return bool(seen)


def minimal_front_door_sets(problem: FrontDoorProblem, *, effort: Effort | None = None) -> Iterator[tuple[str, ...]]:
    """Every front-door set of which no part is one, one after the other; the search ends with the effort.

    >>> graph = CausalGraph.from_any("x -> a -> b -> y; x <-> y")
    >>> list(minimal_front_door_sets(FrontDoorProblem(graph, frozenset("x"), frozenset("y"))))
    [('b',), ('a',)]
    """
    graph = problem.graph
    seen: set[Nodes] = set()
    branches: list[tuple[Nodes, Nodes]] = [(frozenset(), problem.candidates)]
    effort = effort or Effort(MOST_STEPS)
    for required, inside in branches:
        if not effort.spend(len(graph.nodes)):
            return
        found = _shrunk(problem, required, inside)
        if found is None:
            continue
        minimal = _shrunk(problem, frozenset(), found)
        if minimal is not None and minimal not in seen:
            seen.add(minimal)
            yield tuple(n for n in graph.nodes if n in minimal)
        # Any other set lacks some node of this one: the first such node divides what is left into branches.
        kept = required
        for node in sorted(found - required):
            branches.append((kept, inside - {node}))
            kept |= {node}


def _shrunk(problem: FrontDoorProblem, required: Nodes, inside: Nodes) -> Nodes | None:
    """A front-door set that holds `required` and nothing needless beside it."""
    found = problem.largest(inside)
    if found is None or not required <= found:
        return None
    # Large parts first: what is needless goes in few steps.
    loose = [n for n in sorted(found, key=lambda n: (n in problem.on_path, n)) if n not in required]
    size = max(len(loose) // 2, 1)
    while loose:
        start = 0
        while start < len(loose):
            part = frozenset(loose[start : start + size]) & found
            smaller = problem.largest(found - part) if part else None
            if smaller is not None and required <= smaller:
                found = smaller
            start += size
        if size == 1:
            return found
        loose = [n for n in loose if n in found]
        size = max(min(size // 2, len(loose) // 2), 1)
    return found
