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
from butfor.graph.separators import cut_between, minimal_separators

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
    for separator in minimal_separators(
        problem.backdoor,
        problem.treatments,
        problem.outcomes,
        allowed=allowed,
        always=forced | problem.graph.selected,
    ):
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
        cut = cut_between(problem.backdoor, problem.treatments, problem.outcomes, allowed=candidates)
        if len(problem.treatments) > 1 or len(problem.outcomes) > 1 or cut.nearest() is None:
            return None
        best = cut.walk(cut.sink, cut.separators)[1]
        if not graph.is_separated(problem.outcomes, candidates - best, best | problem.treatments):
            return None
    return tuple(n for n in graph.nodes if n in best) if problem.is_valid(best) else None
