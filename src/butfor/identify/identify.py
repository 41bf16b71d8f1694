"""Find every valid way from the data to the effect."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from butfor.core.errors import UnknownNode
from butfor.graph.causal_graph import CausalGraph
from butfor.graph.marked_graph import MarkedGraph
from butfor.identify.by_design import by_design, randomized
from butfor.identify.by_graph import by_graph
from butfor.identify.by_marked_graph import by_marked_graph
from butfor.identify.estimands import adjustment_estimand
from butfor.identify.further import bounds_beside
from butfor.identify.general.sources import OBSERVATION, Experiment
from butfor.identify.identification import Identification, Status
from butfor.identify.instruments import InstrumentProblem
from butfor.identify.query import Query
from butfor.identify.strategies import (
    CONSISTENCY,
    OVERLAP,
    Adjustment,
    Instrument,
    Strategy,
    no_hidden_confounding,
)
from butfor.question import Design, Instrumented, Observational, Question, Randomized

LIMIT = 20


def identify(
    question: Question | Query,
    graph: CausalGraph | MarkedGraph | None = None,
    design: Design | None = None,
    *,
    covariates: Iterable[str] | None = None,
    observed: Iterable[str] | None = None,
    sources: Iterable[Experiment] = (OBSERVATION,),
    limit: int = LIMIT,
) -> Identification:
    """Every strategy that identifies the effect, the recommended one first.

    The design comes first where it has a strategy of its own; then covariates that the user declared, if they are
    valid; then the optimal adjustment set, the minimal ones, small sets before large ones; front-door sets;
    instruments; last the general expression.

    Args:
        question: treatment and outcome; or a `Query` about several treatments, outcomes or conditions.
        graph: what causes what; a class of graphs (CPDAG, MAG, PAG) admits adjustment that is valid in all of them.
        design: how the treatment came about.
        covariates: columns that the user wants to adjust for.
        observed: columns of the data; nodes of the graph that are not among them count as not measured.
        sources: what is at hand beside or instead of observations: experiments, other populations, a census.
        limit: most strategies of each kind that are listed.

    Raises:
        UnknownNode: when a node of the question is not in the graph, or not measured.

    >>> found = identify(Question("x", "y"), CausalGraph.from_any("x -> m -> y; x <-> y"))
    >>> found.status.value, [s.kind for s in found.strategies]
    ('identified', ['front_door', 'functional'])
    """
    design = design or Observational()
    declared = None if covariates is None else tuple(dict.fromkeys(covariates))
    query = Query.of(question)
    if graph is not None:
        graph = _measured(graph, query, observed)
    if isinstance(design, Randomized):
        return randomized(question, graph if isinstance(graph, CausalGraph) else None, design, declared)
    found = (
        _on_your_word(question, design, declared)
        if graph is None
        else by_marked_graph(question, graph, design, declared, limit)
        if isinstance(graph, MarkedGraph)
        else by_graph(question, graph, design, declared=declared, sources=tuple(sources), limit=limit)
    )
    strategy = by_design(query, design)
    if strategy is None:
        return found
    drawn = next((s for s in found.strategies if _same_way(s, strategy)), None)
    others = [s for s in found.strategies if s is not drawn]
    strategy = drawn or strategy
    status = (
        Status.IDENTIFIED if found.status is Status.NOT_IDENTIFIED and strategy.kind != "instrument" else found.status
    )
    explanation = f"By design: {strategy.describe()}"
    if found.strategies or graph is not None:
        explanation += f"{_contradiction(graph, query, design)} By the graph: {found.explanation}"
    bounds = found.bounds
    if not bounds and status is Status.NOT_IDENTIFIED and isinstance(strategy, Instrument) and query.is_plain:
        bounds = bounds_beside(query, (strategy,))
    return replace(found, strategies=(strategy, *others), status=status, explanation=explanation, bounds=bounds)


def _same_way(one: Strategy, other: Strategy) -> bool:
    return (one.kind, one.uses[:1], set(one.uses)) == (other.kind, other.uses[:1], set(other.uses))


def _contradiction(graph: CausalGraph | MarkedGraph | None, query: Query, design: Design) -> str:
    """What a graph holds against the instrument of a design."""
    if not (isinstance(graph, CausalGraph) and isinstance(design, Instrumented) and query.is_plain):
        return ""
    name, given = design.instrument, design.given
    problem = InstrumentProblem(graph, query.treatment, query.outcome)
    if {name, *given} <= set(graph.nodes) and problem.is_valid(name, given):
        return ""
    inside = f" given {', '.join(given)}" if given else ""
    return f" The graph does not have {name} as an instrument{inside}: one of the two is wrong."


def _measured(
    graph: CausalGraph | MarkedGraph, query: Query, observed: Iterable[str] | None
) -> CausalGraph | MarkedGraph:
    roles = (("treatment", query.treatments), ("outcome", query.outcomes), ("condition", query.given))
    for role, names in roles:
        for name in names:
            graph.check(name, role=role)
    if observed is not None:
        known = set(observed)
        graph = replace(graph, latent=graph.latent.union(n for n in graph.nodes if n not in known))
    for role, names in roles:
        for name in names:
            if name in graph.latent:
                raise UnknownNode(
                    f"The {role} {name!r} is not measured; an effect needs its {role} in the data.",
                    hint=f"choose a measured {role}, or a proxy for it",
                )
    return graph


def _on_your_word(question: Question | Query, design: Design, declared: tuple[str, ...] | None) -> Identification:
    if declared is None:
        explanation = "No graph, no randomisation and no list of covariates says why units got the treatment."
        return Identification(question, None, design, (), Status.NOT_IDENTIFIED, explanation)
    query = Query.of(question)
    strategy = Adjustment(
        adjust_for=declared,
        declared=True,
        estimand=adjustment_estimand(query, declared),
        assumptions=(
            no_hidden_confounding(query.treatment, query.outcome, declared, declared=True),
            OVERLAP,
            CONSISTENCY,
        ),
    )
    explanation = (
        "Identified if the named covariates are all that treatment and outcome have in common; no graph vouches for it."
    )
    return Identification(question, None, design, (strategy,), Status.IDENTIFIED, explanation)
