"""What would make an effect identified: the smallest sets to measure, and what to randomise."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations

from butfor.core.effort import Effort
from butfor.core.serial import public_value
from butfor.graph.causal_graph import CausalGraph
from butfor.identify.general.effect import identify_effect
from butfor.identify.general.sources import OBSERVATION, Experiment, identify_from
from butfor.identify.query import Query

LARGEST = 3
# Nodes visited in the search for each kind.
MOST_STEPS = 50_000


@public_value
@dataclass(frozen=True)
class Remedy:
    """Something that can be done about an effect that is not identified.

    Attributes:
        action: "measure" or "randomise".
        variables: what; a common cause that the graph has no name for is called "common cause of a and b".
    """

    action: str
    variables: tuple[str, ...]

    def describe(self) -> str:
        """The remedy in a sentence."""
        called = [f"the {n}" if n.startswith("common cause of ") else n for n in self.variables]
        names = " and ".join(filter(None, [", ".join(called[:-1]), called[-1]]))
        if self.action == "measure":
            return f"Measure {names}."
        return f"Randomise {names} and observe the rest."


def remedies(graph: CausalGraph, query: Query) -> tuple[Remedy, ...]:
    """The smallest sets of each kind that identify the effect; the treatment itself last."""
    measured = tuple(Remedy("measure", found) for found in _to_measure(graph, query, Effort(MOST_STEPS)))
    randomised = tuple(Remedy("randomise", found) for found in _to_randomise(graph, query, Effort(MOST_STEPS)))
    return (*measured, *randomised)


def _to_measure(graph: CausalGraph, query: Query, effort: Effort) -> Iterator[tuple[str, ...]]:
    named = _with_named_causes(graph)
    relevant = named.ancestors({*query.outcomes, *query.given})
    hidden = [n for n in named.nodes if n in named.latent & relevant]
    found: list[set[str]] = []
    for size in range(1, LARGEST + 1):
        for chosen in combinations(hidden, size):
            if any(smaller <= set(chosen) for smaller in found):
                continue
            if not effort.spend(len(named.nodes)):
                return
            seen = replace(named, latent=named.latent - set(chosen))
            if identify_effect(seen, query.treatments, query.outcomes, query.given).identified:
                found.append(set(chosen))
                yield chosen


def _with_named_causes(graph: CausalGraph) -> CausalGraph:
    """The graph with a hidden node for each bidirected edge."""
    causes = {f"common cause of {a} and {b}": (a, b) for a, b in graph.bidirected}
    arrows = tuple((cause, n) for cause, pair in causes.items() for n in pair)
    return CausalGraph(
        (*graph.nodes, *causes), (*graph.directed, *arrows), (), graph.latent | frozenset(causes), graph.selected
    )


def _to_randomise(graph: CausalGraph, query: Query, effort: Effort) -> Iterator[tuple[str, ...]]:
    relevant = graph.ancestors({*query.outcomes, *query.given}) - {*query.outcomes, *query.given}
    others = [n for n in graph.observed if n in relevant and n not in query.treatments and n not in graph.selected]
    found: list[set[str]] = []
    for size in (1, 2):
        for chosen in combinations(others, size):
            if any(smaller <= set(chosen) for smaller in found):
                continue
            if not effort.spend(len(graph.nodes)):
                break
            sources = (OBSERVATION, Experiment(do=chosen))
            if identify_from(graph, sources, query.treatments, query.outcomes, query.given).identified:
                found.append(set(chosen))
                yield chosen
    yield query.treatments
