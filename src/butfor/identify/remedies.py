"""What would make an effect identified: the smallest sets to measure, and what to randomise."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import combinations

from butfor.core.effort import Effort
from butfor.core.serial import public_value
from butfor.graph.causal_graph import CausalGraph
from butfor.identify.general.sources import OBSERVATION, Experiment, identify_from
from butfor.identify.query import Query

LARGEST = 3
# Nodes visited in the search for each kind.
MOST_STEPS = 50_000


SENTENCES = {
    "measure": "Measure {}.",
    "randomise in everyone": "Randomise {} in everyone, not in chosen rows alone, and observe the rest.",
    "sample": "Draw a random sample of everyone, instead of rows that {} chose.",
    "count": "Find out how {} is distributed in everyone, from a census or a random sample.",
    "orient": "Find out which of {} causes the other.",
    "rule out a common cause": "Find out whether {} have a hidden common cause.",
}


@public_value
@dataclass(frozen=True)
class Remedy:
    """Something that can be done about an effect that is not identified.

    Attributes:
        action: "measure", "randomise" (perhaps "in everyone"); "sample": rows that nobody chose; "count": measure it in
            everyone, not in chosen rows alone; "orient": find out which of two causes the other; "rule out a common
            cause" of two.
        variables: what; a common cause that the graph has no name for is called "common cause of a and b".
    """

    action: str
    variables: tuple[str, ...]

    def describe(self) -> str:
        """The remedy in a sentence."""
        called = [f"the {n}" if n.startswith("common cause of ") else n for n in self.variables]
        names = " and ".join(filter(None, [", ".join(called[:-1]), called[-1]]))
        if self.action in SENTENCES:
            return SENTENCES[self.action].format(names)
        return f"Randomise {names} and observe the rest."


def remedies(graph: CausalGraph, query: Query, sources: tuple[Experiment, ...] = (OBSERVATION,)) -> tuple[Remedy, ...]:
    """The smallest sets of each kind that identify the effect beside what is at hand; the treatment itself last."""
    graph = _relevant(graph, query, sources)
    found = [Remedy("measure", names) for names in _to_measure(graph, query, sources, Effort(MOST_STEPS))]
    if graph.selected:
        found += [Remedy("count", names) for names in _to_count(graph, query, sources, Effort(MOST_STEPS))]
        everyone = replace(graph, selected=frozenset())
        if identify_from(everyone, sources, query.treatments, query.outcomes, query.given).identified:
            found.append(Remedy("sample", tuple(n for n in graph.nodes if n in graph.selected)))
    action = "randomise in everyone" if graph.selected else "randomise"
    found += [Remedy(action, names) for names in _to_randomise(graph, query, sources, Effort(MOST_STEPS))]
    return tuple(found)


def _relevant(graph: CausalGraph, query: Query, sources: tuple[Experiment, ...]) -> CausalGraph:
    """The part of the graph that the answer can depend on."""
    named = {n for s in sources for n in (*s.do, *s.differs, *(s.measured or ()))}.intersection(graph.nodes)
    asked = {*query.treatments, *query.outcomes, *query.given}
    return graph.restricted_to(graph.ancestors(asked | named | graph.selected))


def _to_measure(
    graph: CausalGraph, query: Query, sources: tuple[Experiment, ...], effort: Effort
) -> Iterator[tuple[str, ...]]:
    named = with_named_causes(graph)
    relevant = named.ancestors({*query.outcomes, *query.given})
    hidden = [n for n in named.nodes if n in named.latent and n in relevant]
    found: list[set[str]] = []
    for size in range(1, LARGEST + 1):
        for chosen in combinations(hidden, size):
            needless = any(smaller <= set(chosen) for smaller in found)
            if not effort.spend(len(found) + 1 if needless else len(named.nodes) * (1 + len(query.given))):
                return
            if needless:
                continue
            seen = replace(named, latent=named.latent - set(chosen))
            if identify_from(seen, sources, query.treatments, query.outcomes, query.given).identified:
                found.append(set(chosen))
                yield chosen


def with_named_causes(graph: CausalGraph) -> CausalGraph:
    """The graph with a hidden node for each bidirected edge."""
    causes = {f"common cause of {a} and {b}": (a, b) for a, b in graph.bidirected}
    arrows = tuple((cause, n) for cause, pair in causes.items() for n in pair)
    return CausalGraph(
        (*graph.nodes, *causes), (*graph.directed, *arrows), (), graph.latent | frozenset(causes), graph.selected
    )


def _to_count(
    graph: CausalGraph, query: Query, sources: tuple[Experiment, ...], effort: Effort
) -> Iterator[tuple[str, ...]]:
    """Columns whose distribution in everyone mends what the choice of rows has done."""
    relevant = graph.ancestors({*query.outcomes, *query.given, *graph.selected})
    names = [n for n in graph.observed if n in relevant and n not in {*query.treatments, *query.outcomes}]
    yield from _smallest(
        [n for n in names if n not in graph.selected],
        LARGEST,
        lambda chosen: (*sources, Experiment(population="everyone", measured=chosen)),
        graph,
        query,
        effort,
    )


def _to_randomise(
    graph: CausalGraph, query: Query, sources: tuple[Experiment, ...], effort: Effort
) -> Iterator[tuple[str, ...]]:
    relevant = graph.ancestors({*query.outcomes, *query.given}) - {*query.outcomes, *query.given}
    others = [n for n in graph.observed if n in relevant and n not in query.treatments and n not in graph.selected]
    yield from _smallest(others, 2, lambda chosen: (*sources, Experiment(do=chosen)), graph, query, effort)
    yield query.treatments


def _smallest(
    names: list[str],
    largest: int,
    sources_with: Callable[[tuple[str, ...]], tuple[Experiment, ...]],
    graph: CausalGraph,
    query: Query,
    effort: Effort,
) -> Iterator[tuple[str, ...]]:
    """The smallest sets that, as a source, identify the effect."""
    found: list[set[str]] = []
    for size in range(1, largest + 1):
        for chosen in combinations(names, size):
            needless = any(smaller <= set(chosen) for smaller in found)
            if not effort.spend(len(found) + 1 if needless else len(graph.nodes) * (1 + len(query.given))):
                return
            if needless:
                continue
            sources = sources_with(chosen)
            if identify_from(graph, sources, query.treatments, query.outcomes, query.given).identified:
                found.append(set(chosen))
                yield chosen
