"""Adjustment sets: the complete criterion, minimal sets, all minimal sets, the optimal set.

A set Z identifies P(y | do(x)) by adjustment if and only if it holds no descendant of a node on a proper causal path,
and separates treatment and outcome in the proper back-door graph (Shpitser, VanderWeele and Robins 2010; Perković and
others 2018, jmlr.org/papers/v18/16-319.html). Minimal sets are the minimal separators of the moral graph of ancestors
(van der Zander, Liśkiewicz and Textor 2019, doi:10.1016/j.artint.2018.12.006); the optimal set is that of Henckel,
Perković and Maathuis 2022 (doi:10.1111/rssb.12451), in graphs with hidden nodes that of Smucler, Sapienza and Rotnitzky
2022 (doi:10.1093/biomet/asab018). Where only selected rows are seen, the choice must not depend on the outcome once the
treatment is set, and counts as given (Correa, Tian and Bareinboim 2018, doi:10.1609/aaai.v32i1.12125).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from butfor.graph.causal_graph import CausalGraph

Nodes = frozenset[str]


@dataclass(frozen=True)
class AdjustmentProblem:
    """Treatments, outcomes and the graph in which adjustment sets are sought.

    Attributes:
        causal: nodes on proper causal paths, without the treatments.
        forbidden: what no adjustment set may hold: treatments, outcomes, the descendants of `causal`.
        backdoor: the graph without the first edges of the proper causal paths.
    """

    graph: CausalGraph
    treatments: Nodes
    outcomes: Nodes
    causal: Nodes
    forbidden: Nodes
    backdoor: CausalGraph

    @classmethod
    def of(cls, graph: CausalGraph, treatments: Iterable[str], outcomes: Iterable[str]) -> AdjustmentProblem:
        """The problem of one effect."""
        x, y = frozenset(treatments), frozenset(outcomes)
        without_in = graph.replaced(directed=tuple(e for e in graph.directed if e[1] not in x))
        without_out = graph.without_edges_out_of(x)
        causal = (without_in.descendants(x) - x) & without_out.ancestors(y)
        forbidden = graph.descendants(causal) | x | y
        first = tuple(e for e in graph.directed if not (e[0] in x and e[1] in causal))
        return cls(graph, x, y, causal, forbidden, graph.replaced(directed=first))

    @property
    def candidates(self) -> Nodes:
        """Nodes that an adjustment set may hold."""
        return frozenset(self.graph.observed) - self.forbidden - self.graph.selected

    @property
    def canonical(self) -> Nodes:
        """Every candidate that is an ancestor of treatment, outcome or selection: valid whenever any set is."""
        return self.backdoor.ancestors(self.treatments | self.outcomes | self.graph.selected) & self.candidates

    @cached_property
    def assigned(self) -> CausalGraph:
        """The graph in which nothing causes the treatments."""
        return self.graph.replaced(
            directed=tuple(e for e in self.graph.directed if e[1] not in self.treatments),
            bidirected=tuple(e for e in self.graph.bidirected if not self.treatments & set(e)),
        )

    @cached_property
    def selection_is_ignorable(self) -> bool:
        """Do the rows that are seen speak for all?

        The outcome must not depend on the choice once the treatments are set; and a treatment that acts on the choice
        must have nothing in common with the outcome, or the choice changes the mix of what they have in common.
        """
        chosen = self.graph.selected
        if chosen & (self.treatments | self.outcomes):
            return False
        acting = self.treatments & self.graph.ancestors(chosen)
        unconfounded = self.graph.without_edges_out_of(self.treatments).is_separated(acting, self.outcomes)
        return unconfounded and self.assigned.is_separated(self.outcomes, chosen, self.treatments)

    def is_valid(self, adjust_for: Iterable[str]) -> bool:
        """Does adjusting for this set identify the effect?"""
        z = frozenset(map(self.graph.check, adjust_for))
        given = z | self.graph.selected
        apart = z <= self.candidates and self.backdoor.is_separated(self.treatments, self.outcomes, given)
        return apart and self.selection_is_ignorable


def is_adjustment_set(graph: CausalGraph, treatment: str, outcome: str, adjust_for: Iterable[str]) -> bool:
    """Does adjusting for this set identify the effect of treatment on outcome?"""
    return AdjustmentProblem.of(graph, {treatment}, {outcome}).is_valid(adjust_for)


def minimal_adjustment_sets(
    problem: AdjustmentProblem, *, must_include: Iterable[str] = (), never: Iterable[str] = ()
) -> Iterator[tuple[str, ...]]:
    """Every set that is valid and holds no needless node, one after the other (each in the order of the graph).

    Args:
        must_include: nodes that every set holds; the sets are minimal among those that do.
        never: nodes that no set may hold.
    """
    forced = frozenset(map(problem.graph.check, must_include))
    if not (forced <= problem.candidates and problem.selection_is_ignorable):
        return
    allowed = problem.candidates - frozenset(never)
    position = {n: i for i, n in enumerate(problem.graph.nodes)}
    field = _separation_field(problem, forced | problem.graph.selected, allowed)
    if field is None:
        return
    for separator in _minimal_separators(field):
        yield tuple(sorted(separator | forced, key=position.__getitem__))


def optimal_adjustment_set(problem: AdjustmentProblem) -> tuple[str, ...] | None:
    """The valid set with the smallest asymptotic variance of all; None where none is known to be the best.

    O = parents of the causal nodes that are not forbidden, when these parents are measured and no causal node shares a
    hidden cause. Otherwise, for one treatment and one outcome, O = neighbours of the outcome in the moral graph of
    ancestors over the candidates: every other valid set Z blocks O \\ Z from the treatment (else Z would not block the
    outcome next to it), so O is the best if the outcome is independent of the other candidates given O and treatment.
    """
    graph, candidates = problem.graph, problem.candidates
    if not problem.causal or graph.selected:
        return None
    best = frozenset(p for n in problem.causal for p in graph.parents(n)) - problem.forbidden
    if best & graph.latent or any(graph.spouses(n) for n in problem.causal):
        field = _separation_field(problem, frozenset(), candidates)
        if field is None or len(problem.treatments) > 1 or len(problem.outcomes) > 1:
            return None
        best = field.sink
        if not graph.is_separated(problem.outcomes, candidates - best, best | problem.treatments):
            return None
    return tuple(n for n in graph.nodes if n in best) if problem.is_valid(best) else None


# --- minimal separators ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Field:
    """An undirected graph over the nodes that may separate, with a source (treatments) and a sink (outcomes)."""

    neighbours: dict[str, Nodes]
    source: Nodes
    sink: Nodes


def _separation_field(problem: AdjustmentProblem, forced: Nodes, allowed: Nodes) -> _Field | None:
    """The moral graph of the ancestors, in which nodes that must not separate are short-circuited.

    None when source and sink touch: no set separates them.
    """
    graph = problem.backdoor
    relevant = graph.ancestors(problem.treatments | problem.outcomes | forced)
    moral = _moral(graph, relevant)
    for node in forced:
        for other in moral.pop(node, set()):
            moral[other].discard(node)
    separators = (allowed & relevant) - forced
    passable = relevant - separators - forced - problem.treatments - problem.outcomes
    for start, touched in _connected_through(moral, passable):
        for node in start:
            moral.pop(node)
        for a in touched:
            moral[a] = (moral[a] - start) | (touched - {a})
    if any(moral[x] & problem.outcomes for x in problem.treatments):
        return None
    ends = problem.treatments | problem.outcomes
    return _Field(
        {n: frozenset(others - ends) for n, others in moral.items() if n in separators},
        frozenset(n for x in problem.treatments for n in moral[x]) & separators,
        frozenset(n for y in problem.outcomes for n in moral[y]) & separators,
    )


def _moral(graph: CausalGraph, nodes: Nodes) -> dict[str, set[str]]:
    """Undirected neighbours: adjacent nodes, and nodes joined by a path of colliders (districts and their parents)."""
    out: dict[str, set[str]] = {n: set() for n in nodes}
    for district in _districts(graph, nodes):
        members = district | {p for n in district for p in graph.parents(n)}
        for a in members:
            out[a] |= members - {a}
    return out


def _districts(graph: CausalGraph, nodes: Nodes) -> Iterator[set[str]]:
    waiting = set(nodes)
    while waiting:
        district = {waiting.pop()}
        stack = list(district)
        while stack:
            for other in graph.spouses(stack.pop()):
                if other in waiting:
                    waiting.discard(other)
                    district.add(other)
                    stack.append(other)
        yield district


def _connected_through(moral: dict[str, set[str]], passable: Nodes) -> Iterator[tuple[set[str], set[str]]]:
    """Each connected piece of the passable nodes, and the other nodes that it touches."""
    waiting = set(passable)
    while waiting:
        piece = {waiting.pop()}
        stack = list(piece)
        touched: set[str] = set()
        while stack:
            for other in moral[stack.pop()]:
                if other in waiting:
                    waiting.discard(other)
                    piece.add(other)
                    stack.append(other)
                elif other not in piece:
                    touched.add(other)
        yield piece, touched


def _minimal_separators(field: _Field) -> Iterator[Nodes]:
    """All minimal separators of source and sink, each once (Berry, Bordat and Cogis 2000)."""
    first = _close_to(field, field.source)
    seen = {first}
    queue = [first]
    for separator in queue:
        yield separator
        for node in sorted(separator):
            if node in field.sink:
                continue
            following = _close_to(field, separator - {node} | field.neighbours[node], behind=_side(field, separator))
            if following not in seen:
                seen.add(following)
                queue.append(following)


def _side(field: _Field, separator: Nodes) -> Nodes:
    """What the source reaches without crossing the separator."""
    return _reach(field, field.source - separator, separator)


def _close_to(field: _Field, wall: Nodes, behind: Nodes = frozenset()) -> Nodes:
    """The minimal separator inside a wall: the part of it that what the sink reaches touches."""
    wall = wall - behind
    far = _reach(field, field.sink - wall - behind, wall | behind)
    return frozenset(n for n in wall if n in field.sink or field.neighbours[n] & far)


def _reach(field: _Field, start: Nodes, stop: Nodes) -> Nodes:
    seen = set(start)
    stack = list(start)
    while stack:
        for other in field.neighbours[stack.pop()]:
            if other not in seen and other not in stop:
                seen.add(other)
                stack.append(other)
    return frozenset(seen)
