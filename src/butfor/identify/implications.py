"""What a graph says about data that nobody has experimented with: independences, tetrads, instrument inequalities.

Each statement can be wrong in the data, and then the graph is. None of them can show that a graph is right: graphs of
one equivalence class imply the same.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, islice
from math import comb

from butfor.core.effort import Effort
from butfor.core.errors import InvalidSetting
from butfor.core.serial import public_value
from butfor.graph import separation
from butfor.graph.causal_graph import CausalGraph, Edge
from butfor.graph.districts import latent_projection, near_district
from butfor.identify.expression import quoted_names

# Sets of four variables among which tetrads are sought: all of 40 variables.
MOST_FOURSOMES = 100_000
# Nodes visited in a search for independences that nobody has bounded.
MOST_STEPS = 10_000_000
MOST_COUNTED = 100_000
# Visits of a node while one pair is separated.
WORK = 4


@public_value
@dataclass(frozen=True)
class Independence:
    """Two variables that tell nothing about each other once the given ones are known.

    >>> print(Independence("y", "z", ("i", "x")))
    y ⊥ z | i, x
    """

    first: str
    second: str
    given: tuple[str, ...] = ()

    def holds_in(self, graph: CausalGraph) -> bool:
        """Does the graph imply it?"""
        return graph.is_separated({self.first}, {self.second}, self.given)

    def __str__(self) -> str:
        first, second, given = map(quoted_names, ([self.first], [self.second], self.given))
        return f"{first} ⊥ {second}" + (f" | {given}" if given else "")


@public_value
@dataclass(frozen=True)
class Tetrad:
    """Two products of covariances that are equal in every linear model of the graph.

    Attributes:
        first: one pair of variables.
        second: the other pair; each covariance is between a variable of either.
        choke_point: the variable (or hidden common cause) through which all that the pairs have in common passes.

    >>> print(Tetrad(("a", "b"), ("c", "d"), "f"))
    cov(a, c) cov(b, d) = cov(a, d) cov(b, c)
    """

    first: tuple[str, str]
    second: tuple[str, str]
    choke_point: str

    def __str__(self) -> str:
        a, b, c, d = (quoted_names([name]) for name in (*self.first, *self.second))
        return f"cov({a}, {c}) cov({b}, {d}) = cov({a}, {d}) cov({b}, {c})"


@public_value
@dataclass(frozen=True)
class InstrumentInequality:
    """A bound on what an instrument can do: Σ_y max_z P(x, y | z) ≤ 1 for each value x of the treatment.

    It says something of treatments with few values only; a continuous treatment meets it always.

    >>> print(InstrumentInequality("z", "x", "y"))
    for each x: Σ_y max_z P(x, y | z) ≤ 1
    """

    instrument: str
    treatment: str
    outcome: str

    def __str__(self) -> str:
        x, y, z = (quoted_names([name]) for name in (self.treatment, self.outcome, self.instrument))
        return f"for each {x}: Σ_{y} max_{z} P({x}, {y} | {z}) ≤ 1"


@public_value
@dataclass(frozen=True)
class VermaConstraint:
    """An expression of the observed distribution that must not change with some of the variables in it.

    Attributes:
        functional: the expression as text.
        free_of: the variables that it must not depend on.

    >>> print(VermaConstraint("Σ_b P(d | a, b, c) P(b | a)", ("a",)))
    Σ_b P(d | a, b, c) P(b | a) does not depend on a
    """

    functional: str
    free_of: tuple[str, ...]

    @property
    def statement(self) -> str:
        """The constraint in words."""
        return f"{self.functional} does not depend on {quoted_names(self.free_of)}"

    def __str__(self) -> str:
        return self.statement


# --- independences -----------------------------------------------------------------------------------------------


def independences(graph: CausalGraph, *, effort: Effort | None = None) -> Iterator[Independence]:
    """One independence for each missing edge: what the graph denies, pair by pair.

    **Answers** which variables must be unrelated in the data, given which others, if the graph is right.

    Every pair of measured variables that some set of measured variables separates is listed once, with a set of which
    nothing can be left out. Pairs that only hidden variables could separate are not listed. Nodes that decide which
    rows are seen are always given. The statements come one by one, in the order of the alphabet, each in a time that
    is linear in the size of the graph.

    Args:
        graph: may have latent nodes, bidirected edges and selected nodes.
        effort: the nodes that the search may visit, enough for all of some hundred variables by default; where it ends,
            `exhausted` says so.

    References:
        van der Zander and Liśkiewicz 2020, Finding minimal d-separators in linear time and applications
        (proceedings.mlr.press/v115/van-der-zander20a.html).

    >>> graph = CausalGraph.from_any("z -> x; z -> i; x -> i; x -> y; i -> y")
    >>> [str(statement) for statement in independences(graph)]
    ['y ⊥ z | i, x']
    """
    names = sorted(n for n in graph.observed if n not in graph.selected)
    joined = {frozenset(edge) for edge in (*graph.directed, *graph.bidirected)}
    effort = effort or Effort(MOST_STEPS)
    unseen = graph.latent - graph.selected
    hidden = {n: unseen.intersection(graph.parents(n)) for n in names}
    for first, second in combinations(names, 2):
        if not effort.spend():
            return
        # Nothing separates what a hidden node acts on directly.
        if frozenset((first, second)) not in joined and hidden[first].isdisjoint(hidden[second]):
            given = minimal_separator(graph, first, second, effort=effort)
            if effort.exhausted:
                return
            if given is not None:
                yield Independence(first, second, given)


def first_independences(graph: CausalGraph, limit: int) -> tuple[tuple[Independence, ...], int | None]:
    """The first independences and how many more there are; None when that takes too long to count.

    >>> [str(i) for i in first_independences(CausalGraph.from_any("a; b; c"), 1)[0]]
    ['a ⊥ b']
    >>> first_independences(CausalGraph.from_any("a; b; c"), 1)[1]
    2
    """
    effort = Effort(MOST_STEPS)
    found = tuple(islice(independences(graph, effort=effort), limit + 1))
    if len(found) <= limit:
        return found, None if effort.exhausted else 0
    counted = count_independences(graph)
    return found[:limit], None if counted is None else counted - limit


def count_independences(graph: CausalGraph, *, effort: Effort | None = None) -> int | None:
    """How many independences there are, without finding them: all pairs but those that nothing parts.

    None where counting takes more than the effort, and where only selected rows are seen.

    >>> count_independences(CausalGraph.from_any("a; b; c; d; x -> y; x <-> y"))
    14
    """
    if graph.selected:
        return None
    effort = effort or Effort(MOST_COUNTED)
    seen = latent_projection(graph)
    joined = {frozenset(edge) for edge in (*seen.directed, *seen.bidirected)}
    parted: set[frozenset[str]] = set()
    for first in (n for n in seen.nodes if seen.spouses(n)):
        for second in near_district(seen, first):
            pair = frozenset((first, second))
            if pair not in joined and pair not in parted:
                (joined if minimal_separator(seen, first, second, effort=effort) is None else parted).add(pair)
            if effort.exhausted:
                return None
    return comb(len(seen.nodes), 2) - len(joined)


def minimal_separator(
    graph: CausalGraph, first: str, second: str, *, effort: Effort | None = None
) -> tuple[str, ...] | None:
    """A set of measured variables that makes two variables independent, and of which nothing can be left out.

    Selected nodes are in every set, as the data never show them otherwise. None where no such set exists.

    Raises:
        UnknownNode: with the nearest name.

    >>> minimal_separator(CausalGraph.from_any("x -> m -> y; x -> c; y -> c"), "x", "y")
    ('m',)
    """
    ends = frozenset((first, second))
    fixed = graph.selected - ends
    # If any set separates the two, the observed ancestors do; no walk that matters leaves the ancestors.
    near = graph.ancestors(ends | fixed)
    if effort is not None and not effort.spend(WORK * (len(near) + 10)):
        return None
    cutting = separation.Cutting(graph, within=near)
    widest = (near - graph.latent | fixed) - ends
    touched = separation.reachable(cutting, frozenset({first}), widest)
    if second in touched:
        return None
    # What the first end touches is a separator; what the second end touches of it is a minimal one.
    touching = (widest & touched) | fixed
    touched = separation.reachable(cutting, frozenset({second}), touching)
    return tuple(sorted((touching & touched) | fixed))


# --- tetrads -----------------------------------------------------------------------------------------------------


def tetrads(graph: CausalGraph, *, among: Iterable[str] | None = None) -> Iterator[Tetrad]:
    """Products of covariances that must be equal if all relations are linear.

    **Answers** what a graph with hidden variables implies even where no two measured variables are independent: four
    indicators of one hidden trait have three tetrads.

    cov(a, c) cov(b, d) − cov(a, d) cov(b, c) is the determinant of a 2 × 2 block of the covariance matrix. In linear
    models of the graph it vanishes if and only if one node, on one side, lies on every trek between the two pairs
    (Sullivant, Talaska and Draisma 2010): by Menger's theorem, if no two treks avoid each other. Tetrads of which a
    covariance is zero itself are left out, as `independences` has what they say; and there are none where only
    selected rows are seen, whose covariances are not those of the model.

    Args:
        graph: may have latent nodes and bidirected edges.
        among: measured variables to look at; default all.

    Raises:
        InvalidSetting: for more than about 40 variables.
        UnknownNode: with the nearest name.

    References:
        doi:10.1214/09-AOS760

    >>> graph = CausalGraph.from_any("f [latent]; f -> a; f -> b; f -> c; f -> d")
    >>> [str(tetrad) for tetrad in tetrads(graph)][0]
    'cov(a, c) cov(b, d) = cov(a, d) cov(b, c)'
    """
    names = sorted(set(graph.observed if among is None else map(graph.check, among)) - graph.latent)
    if comb(len(names), 4) > MOST_FOURSOMES:
        raise InvalidSetting(
            f"The graph has {len(names)} measured variables; a search for tetrads needs at most about 40.",
            hint=f"tetrads(graph, among={names[:6]})",
        )
    return iter(()) if graph.selected else _tetrads(graph, names)


def _tetrads(graph: CausalGraph, names: list[str]) -> Iterator[Tetrad]:
    treks = _Treks(graph)
    related = {n: separation.reachable(graph, frozenset({n}), frozenset()) for n in names}
    for a, b, c, d in combinations(names, 4):
        for first, second in (((a, b), (c, d)), ((a, c), (b, d)), ((a, d), (b, c))):
            if all(v in related[u] for u in first for v in second):
                choke_point = treks.choke_point(first, second)
                if choke_point is not None:
                    yield Tetrad(first, second, choke_point)


# A node on the way up to the top of a trek (False) or on the way down (True); an edge stands for its hidden cause.
_Place = tuple[bool, str | Edge]


@dataclass(frozen=True)
class _Treks:
    """The network whose paths are the treks of a graph: up against the arrows, over, and down along them."""

    graph: CausalGraph

    @cached_property
    def following(self) -> Mapping[_Place, list[_Place]]:
        """Where each place leads."""
        graph = self.graph
        arrows: list[tuple[str | Edge, str]] = [*graph.directed, *((e, n) for e in graph.bidirected for n in e)]
        tops: tuple[str | Edge, ...] = (*graph.nodes, *graph.bidirected)
        out: dict[_Place, list[_Place]] = {(False, top): [(True, top)] for top in tops}
        out |= {(True, top): [] for top in tops}
        for cause, effect in arrows:
            out[(False, effect)].append((False, cause))
            out[(True, cause)].append((True, effect))
        return out

    def choke_point(self, first: tuple[str, str], second: tuple[str, str]) -> str | None:
        """The node that lies on all treks between two pairs, on one side; None if there is none."""
        for place in self._path(first, second, None) or ():
            if self._path(first, second, place) is None:
                node = place[1]
                return node if isinstance(node, str) else " <-> ".join(node)
        return None

    def _path(self, first: Iterable[str], second: Iterable[str], closed: _Place | None) -> list[_Place] | None:
        """A shortest path from the first pair to the second that avoids a place."""
        ends = {(True, node) for node in second}
        came: dict[_Place, _Place | None] = {(False, n): None for n in first if (False, n) != closed}
        queue: deque[_Place] = deque(came)
        while queue:
            place = queue.popleft()
            if place in ends:
                path = [place]
                while (before := came[path[-1]]) is not None:
                    path.append(before)
                return path
            for other in self.following[place]:
                if other != closed and other not in came:
                    came[other] = place
                    queue.append(other)
        return None


# --- instruments -------------------------------------------------------------------------------------------------


def instrument_inequalities(
    graph: CausalGraph, treatment: str, outcome: str, instruments: Iterable[str]
) -> Iterator[InstrumentInequality]:
    """The inequality that each instrument must meet, where the graph implies one.

    **Answers** how an instrument can be refuted by data although no independence of the graph shows it.

    Setting the treatment to x, the outcome is Y(x), and P(x, y | z) = P(x, Y(x) = y | z) ≤ P(Y(x) = y | z). If the
    graph makes Y(x) independent of the instrument, the bound is the same for all z, and adds up to one over y. That
    is so if the instrument is no effect of the treatment and is separated from the outcome once the edges out of the
    treatment are cut. Instruments that the treatment itself separates from the outcome are left out: `independences`
    says more of them.

    Args:
        graph: may have latent nodes, bidirected edges and selected nodes.
        treatment: the treatment, with few values.
        outcome: the outcome.
        instruments: nodes that may be instruments; others than measured ones are left out.

    Raises:
        UnknownNode: with the nearest name.

    References:
        Pearl 1995, On the testability of causal models with latent and instrumental variables (arXiv:1302.4976).

    >>> graph = CausalGraph.from_any("z -> x -> y; x <-> y")
    >>> [str(inequality) for inequality in instrument_inequalities(graph, "x", "y", ["z"])]
    ['for each x: Σ_y max_z P(x, y | z) ≤ 1']
    """
    x, y = graph.check(treatment, role="treatment"), graph.check(outcome, role="outcome")
    later = graph.descendants({x})
    unseen = graph.latent | graph.selected
    if {x, y} & unseen or graph.selected & later:
        return
    assigned = separation.Cutting(graph, out_of=frozenset({x}))
    reaching = separation.reachable(assigned, frozenset({y}), graph.selected)
    telling = separation.reachable(graph, frozenset({y}), graph.selected | {x})
    found = telling - reaching - later - unseen - {y}
    yield from (InstrumentInequality(z, x, y) for z in instruments if graph.check(z, role="instrument") in found)
