"""Instruments: what moves the treatment and reaches the outcome through it alone, given covariates.

Z is an instrument given W if W separates Z from the outcome once the effect of the treatment is taken away
(m-separation in the proper back-door graph), Z and the treatment depend on each other given W, and neither Z nor W is
an effect of treatment or outcome (Brito and Pearl 2002, arXiv:1301.0560; van der Zander, Textor and Liśkiewicz 2015,
ijcai.org/Proceedings/15/Papers/457.pdf).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from butfor.core.effort import Effort
from butfor.graph.causal_graph import CausalGraph
from butfor.graph.separation import reachable
from butfor.graph.separators import minimal_separators
from butfor.identify.adjustment import AdjustmentProblem

Nodes = frozenset[str]
# Nodes visited in a search that nobody has bounded.
MOST_STEPS = 20_000_000


@dataclass(frozen=True)
class InstrumentProblem:
    """One treatment, one outcome and the graph in which instruments are sought."""

    graph: CausalGraph
    treatment: str
    outcome: str

    @cached_property
    def backdoor(self) -> CausalGraph:
        """The graph without the effect of the treatment."""
        return AdjustmentProblem.of(self.graph, {self.treatment}, {self.outcome}).backdoor

    @cached_property
    def candidates(self) -> Nodes:
        """Measured nodes that are effects of neither treatment nor outcome."""
        after = self.graph.descendants({self.treatment, self.outcome})
        return frozenset(self.graph.observed) - after - self.graph.selected

    def is_valid(self, instrument: str, given: Iterable[str] = ()) -> bool:
        """Is the node an instrument given these?"""
        z, w = self.graph.check(instrument), frozenset(map(self.graph.check, given))
        if z in w or not {z, *w} <= self.candidates:
            return False
        w |= self.graph.selected
        return self.moves(z, w) and self.backdoor.is_separated({z}, {self.outcome}, w)

    def moves(self, instrument: str, given: Nodes) -> bool:
        """Does the treatment depend on the node, given a set?"""
        return not self.graph.is_separated({instrument}, {self.treatment}, given)

    @cached_property
    def unconditional(self) -> Nodes:
        """Instruments that need nothing given."""
        chosen = self.graph.selected
        with_outcome = reachable(self.backdoor, frozenset({self.outcome}), chosen)
        return (reachable(self.graph, frozenset({self.treatment}), chosen) & self.candidates) - with_outcome


def instruments(problem: InstrumentProblem, *, effort: Effort | None = None) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Every instrument with each smallest set that parts it from the outcome and not from the treatment.

    Those that need nothing come first; the search ends with the effort. Nodes that are instruments only given something
    that acts neither on them nor on the outcome are not listed (to find them is hard); where there are any, others are.

    >>> graph = CausalGraph.from_any("w -> z -> x -> y; w -> y; x <-> y")
    >>> list(instruments(InstrumentProblem(graph, "x", "y")))
    [('z', ('w',))]
    """
    graph, chosen = problem.graph, problem.graph.selected
    effort = effort or Effort(MOST_STEPS)
    yield from ((n, ()) for n in graph.nodes if n in problem.unconditional)
    # Nothing parts the outcome from what it has an edge with.
    beside = {f(problem.outcome) for f in (problem.backdoor.parents, problem.backdoor.spouses)}
    possible = problem.candidates.difference(problem.unconditional, *beside)
    for node in (n for n in graph.nodes if n in possible):
        # What leaves a node connected with the treatment does so as well when it lies nearer to the outcome.
        for separator in minimal_separators(
            problem.backdoor,
            {problem.outcome},
            {node},
            allowed=problem.candidates,
            always=chosen,
            go_on=lambda found, node=node: problem.moves(node, found | chosen),
            effort=effort,
        ):
            yield node, tuple(n for n in graph.nodes if n in separator)
        if effort.exhausted:
            return
