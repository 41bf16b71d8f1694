"""Front-door sets: mediators that carry the whole effect and share no hidden cause with the treatment.

A set M identifies the effect if (1) it meets every directed path from treatment to outcome, (2) nothing connects
treatment and M but causation, given W, and (3) nothing connects M and the outcome but causation, given treatment and
W (Pearl 1995, doi:10.1093/biomet/82.4.669). Whether a set exists inside given nodes is decided in polynomial time
(Jeong, Tian and Bareinboim 2022, arXiv:2210.05816).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from butfor.core.effort import Effort
from butfor.graph.causal_graph import CausalGraph
from butfor.graph.separation import Cutting, reachable

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
        tied = reachable(Cutting(self.graph, out_of=self.treatments), self.treatments, self.given)
        ends = self.treatments | self.outcomes | self.given
        return frozenset(self.graph.observed) - tied - ends - self.graph.selected

    @cached_property
    def on_path(self) -> Nodes:
        """Nodes on directed paths from treatment to outcome."""
        return self.graph.descendants(self.treatments) & self.graph.ancestors(self.outcomes)

    @cached_property
    def near(self) -> Nodes:
        """The nodes that walks between treatments, outcomes and their causes can visit."""
        return self.graph.ancestors(self.treatments | self.outcomes | self.given)

    @cached_property
    def inevitable(self) -> Nodes:
        """Nodes of every front-door set: each alone between a treatment and an outcome."""
        effects = {n for x in self.treatments for n in self.graph.children(x)}
        return frozenset(n for y in self.outcomes for n in self.graph.parents(y) if n in effects)

    def largest(self, inside: Nodes) -> Nodes | None:
        """The largest front-door set inside some of the candidates, or None."""
        found = inside
        within = self.near if inside <= self.near else None
        while self._carries(found):
            cut = Cutting(self.graph, out_of=found, within=within)
            tied = reachable(cut, self.outcomes, self.treatments | self.given) & found
            if not tied:
                return found
            found -= tied
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
    effort = effort or Effort(MOST_STEPS)
    seen: set[Nodes] = set()
    # Each branch asks for the sets that hold some nodes and lie inside others.
    waiting = deque([iter([(problem.inevitable, problem.candidates & problem.near)])])
    while waiting:
        for required, inside in waiting.popleft():
            found = _shrunk(problem, required, inside, effort)
            minimal = None if found is None else _shrunk(problem, problem.inevitable, found, effort)
            if effort.exhausted:
                return
            if found is not None and minimal is not None:
                if minimal not in seen:
                    seen.add(minimal)
                    yield tuple(n for n in problem.graph.nodes if n in minimal)
                waiting.append(_branches(required, inside, found))


def _branches(required: Nodes, inside: Nodes, found: Nodes) -> Iterator[tuple[Nodes, Nodes]]:
    """Any other set lacks some node of the one that was found: the first such node divides what is left."""
    for node in sorted(found - required):
        yield required, inside - {node}
        required |= {node}


def needed_covariates(
    problem: FrontDoorProblem, mediators: Iterable[str], *, effort: Effort | None = None
) -> tuple[str, ...]:
    """Of the covariates of the problem those without which the mediators are no front-door set.

    Where the effort ends, some that are listed may be needless.

    >>> graph = CausalGraph.from_any("x -> m -> y; w -> x; w -> m; x <-> y; v -> y")
    >>> needed_covariates(FrontDoorProblem(graph, frozenset("x"), frozenset("y"), frozenset("vw")), ["m"])
    ('w',)
    """
    m = frozenset(mediators)
    effort = effort or Effort(MOST_STEPS)

    def suffices(given: Nodes) -> bool:
        fewer = replace(problem, given=given)
        return effort.spend(len(problem.graph.nodes)) and fewer.is_valid(m)

    found = _without_needless(sorted(problem.given), problem.given, lambda given: given if suffices(given) else None)
    return tuple(n for n in problem.graph.nodes if n in found)


def _shrunk(problem: FrontDoorProblem, required: Nodes, inside: Nodes, effort: Effort) -> Nodes | None:
    """A front-door set that holds `required` and nothing needless beside it."""

    def largest(part: Nodes) -> Nodes | None:
        found = problem.largest(part) if effort.spend(len(problem.near)) else None
        return found if found is not None and required <= found else None

    found = largest(inside)
    if found is None:
        return None
    loose = sorted(found - required, key=lambda n: (n in problem.on_path, n))
    return _without_needless(loose, found, largest)


def _without_needless(loose: list[str], whole: Nodes, smaller: Callable[[Nodes], Nodes | None]) -> Nodes:
    """The set without those of its nodes that can be left out; large parts first, so that many go in few steps.

    Args:
        loose: what may be left out, tried in this order.
        whole: the set.
        smaller: a set inside what is left that still does, or None.
    """
    found = whole
    size = max(len(loose) // 2, 1)
    while loose:
        for start in range(0, len(loose), size):
            part = found.intersection(loose[start : start + size])
            fewer = smaller(found - part) if part else None
            found = found if fewer is None else fewer
        if size == 1:
            return found
        loose = [n for n in loose if n in found]
        size = max(min(size // 2, len(loose) // 2), 1)
    return found
