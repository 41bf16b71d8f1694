"""Adjustment sets: the complete criterion, all minimal sets, the cheapest set, the optimal sets.

A set Z identifies P(y | do(x)) by adjustment if and only if it holds no descendant of a node on a proper causal path,
and separates treatment and outcome in the proper back-door graph (Shpitser, VanderWeele and Robins 2010; Perković and
others 2018, jmlr.org/papers/v18/16-319.html). Minimal sets are the minimal separators of the moral graph of ancestors
(van der Zander, Liśkiewicz and Textor 2019, doi:10.1016/j.artint.2018.12.006); the optimal set is that of Henckel,
Perković and Maathuis 2022 (doi:10.1111/rssb.12451), in graphs with hidden nodes that of Smucler, Sapienza and Rotnitzky
2022 (doi:10.1093/biomet/asab018), who also give the best of the minimal sets; the best of the cheapest sets is that of
Smucler and Rotnitzky 2022 (doi:10.1515/jci-2022-0015). Where only selected rows are seen, the choice must not depend on the outcome once the
treatment is set, and counts as given (Correa, Tian and Bareinboim 2018, doi:10.1609/aaai.v32i1.12125).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from butfor.core.errors import InvalidSetting
from butfor.graph.causal_graph import CausalGraph
from butfor.graph.minimum_cut import cheapest_separator
from butfor.graph.separators import Cut, cut_between, minimal_separators

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

    There can be very many: take as many as you want to see.

    Args:
        must_include: nodes that every set holds; the sets are minimal among those that do.
        never: nodes that no set may hold.
    """
    forced, allowed = _choices(problem, must_include, never)
    if not (forced <= problem.candidates and problem.selection_is_ignorable):
        return
    always = forced | problem.graph.selected
    for separator in minimal_separators(
        problem.backdoor, problem.treatments, problem.outcomes, allowed=allowed, always=always
    ):
        yield _in_order(problem, separator | forced)


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
        cut = cut_between(problem.backdoor, problem.treatments, problem.outcomes, allowed=candidates)
        if len(problem.treatments) > 1 or len(problem.outcomes) > 1 or cut.nearest() is None:
            return None
        best = cut.walk(cut.sink, cut.separators)[1]
        if not graph.is_separated(problem.outcomes, candidates - best, best | problem.treatments):
            return None
    return _in_order(problem, best) if problem.is_valid(best) else None


def canonical_adjustment_set(problem: AdjustmentProblem) -> tuple[str, ...] | None:
    """Every measured ancestor that may be adjusted for, if these together are valid; None: then no set is.

    >>> graph = CausalGraph.from_any("a -> z -> x -> y; z -> y")
    >>> canonical_adjustment_set(AdjustmentProblem.of(graph, {"x"}, {"y"}))
    ('a', 'z')
    """
    found = problem.canonical
    return _in_order(problem, found) if problem.is_valid(found) else None


def cheapest_adjustment_set(
    problem: AdjustmentProblem,
    costs: Mapping[str, float] | None = None,
    *,
    must_include: Iterable[str] = (),
    never: Iterable[str] = (),
) -> tuple[str, ...] | None:
    """The valid set with the smallest sum of costs, without costs the one with the fewest nodes; None if none is valid.

    Of several cheapest sets it is the one next to the outcome. For one treatment and one outcome that is the most
    precise of them, the optimal minimum-cost set: adjusting for it without a parametric model has the smallest
    asymptotic variance (Smucler and Rotnitzky 2022). Time: one maximum flow.

    Args:
        problem: treatments, outcomes, graph.
        costs: what it costs to measure a node: 0 or more, `inf` if it cannot be had; nodes without an entry cost 1.
        must_include: nodes that the set holds; it is the cheapest among those that do.
        never: nodes that it may not hold.

    Raises:
        InvalidSetting: for a cost that is negative or not a number.
        UnknownNode: for a name that the graph does not have.

    >>> graph = CausalGraph.from_any("a -> b -> x; a -> c -> y; x -> y")
    >>> problem = AdjustmentProblem.of(graph, {"x"}, {"y"})
    >>> cheapest_adjustment_set(problem), cheapest_adjustment_set(problem, {"c": 5.0, "a": 2.0})
    (('c',), ('b',))
    """
    prices = {problem.graph.check(n, role="costs"): _price(n, c) for n, c in (costs or {}).items()}
    beyond_reach = [n for n, cost in (costs or {}).items() if math.isinf(cost)]
    forced, cut = _cut(problem, must_include, [*never, *beyond_reach])
    if cut is None:
        return None
    found = cheapest_separator(cut, {n: prices.get(n, Fraction(1)) for n in cut.separators})
    return None if found is None else _in_order(problem, found | forced)


def optimal_minimal_adjustment_set(
    problem: AdjustmentProblem, *, must_include: Iterable[str] = (), never: Iterable[str] = ()
) -> tuple[str, ...] | None:
    """The minimal set with the smallest asymptotic variance of all minimal sets: the one next to the outcome.

    It exists whenever a valid set does, also beside hidden nodes (Smucler, Sapienza and Rotnitzky 2022, theorem 3).
    None where no set is valid, and where the theory does not speak: several treatments or outcomes, selected rows, a
    treatment that does not act on the outcome.

    Args:
        problem: treatments, outcomes, graph.
        must_include: nodes that the set holds; it is the best of the minimal sets that do.
        never: nodes that it may not hold.

    >>> graph = CausalGraph.from_any("a -> b -> x; a -> c -> y; x -> y; p -> y")
    >>> problem = AdjustmentProblem.of(graph, {"x"}, {"y"})
    >>> optimal_minimal_adjustment_set(problem), optimal_adjustment_set(problem)
    (('c',), ('c', 'p'))
    """
    single = len(problem.treatments) == len(problem.outcomes) == 1
    if not (single and problem.causal) or problem.graph.selected:
        return None
    forced, cut = _cut(problem, must_include, never)
    found = None if cut is None else cut.nearest(to_sink=True)
    return None if found is None else _in_order(problem, found | forced)


def _choices(problem: AdjustmentProblem, must_include: Iterable[str], never: Iterable[str]) -> tuple[Nodes, Nodes]:
    """What a set must hold, and what it may hold."""
    forced, refused = (frozenset(map(problem.graph.check, names)) for names in (must_include, never))
    return forced, problem.candidates - refused


def _cut(problem: AdjustmentProblem, must_include: Iterable[str], never: Iterable[str]) -> tuple[Nodes, Cut | None]:
    """What a set must hold, and what lies between treatments and outcomes; None if no set is valid for other reasons."""
    forced, allowed = _choices(problem, must_include, never)
    if not (forced <= problem.candidates and problem.selection_is_ignorable):
        return forced, None
    always = forced | problem.graph.selected
    return forced, cut_between(problem.backdoor, problem.treatments, problem.outcomes, allowed=allowed, always=always)


def _in_order(problem: AdjustmentProblem, names: Nodes) -> tuple[str, ...]:
    return tuple(n for n in problem.graph.nodes if n in names)


def _price(node: str, cost: float) -> Fraction:
    """The cost as it is written: 0.1 is a tenth, so that 0.1 and 0.2 together cost as much as 0.3."""
    if not cost >= 0:
        raise InvalidSetting(
            f"The cost of {node!r} is {cost}; a cheapest set needs costs of 0 or more.",
            hint=f"costs={{{node!r}: 1.0}}, or math.inf for what cannot be measured",
        )
    return Fraction(0 if math.isinf(cost) else repr(float(cost)))
