"""Strategies that rest on how the treatment came about."""

from __future__ import annotations

from dataclasses import replace

from butfor.core.diagnostic import Assumption
from butfor.graph.causal_graph import CausalGraph
from butfor.identify.adjustment import AdjustmentProblem
from butfor.identify.estimands import adjustment_estimand
from butfor.identify.expression import quoted_names
from butfor.identify.identification import Identification, Status
from butfor.identify.proof import ProofStep
from butfor.identify.query import Query
from butfor.identify.strategies import (
    CONSISTENCY,
    DECLARED_EXCLUSION,
    EXCLUSION,
    MONOTONE_INSTRUMENT,
    RELEVANCE,
    Discontinuity,
    Instrument,
    ParallelTrends,
    Randomization,
    Strategy,
)
from butfor.identify.unidentified import badly_chosen
from butfor.question import Cutoff, Design, Instrumented, Panel, Question, Randomized


def randomized(
    question: Question | Query, graph: CausalGraph | None, design: Randomized, declared: tuple[str, ...] | None
) -> Identification:
    """Chance assigned the treatment."""
    query = Query.of(question)
    precision = () if declared is None else declared
    if graph is not None:
        problem = AdjustmentProblem.of(graph, query.treatments, query.outcomes)
        if not design.within:  # nothing but chance acts on the treatment
            problem = AdjustmentProblem.of(problem.assigned, problem.treatments, problem.outcomes)
        if not problem.selection_is_ignorable:
            return badly_chosen(question, graph, design, problem)
        # What acts on the outcome only through the treatment explains nothing that chance has left open.
        before = graph.without_edges_out_of(query.treatments).ancestors(query.outcomes)
        before -= graph.descendants(query.treatments) | graph.latent
        precision = tuple(n for n in graph.nodes if n in before)
    precision = tuple(n for n in precision if n not in design.within)
    inside = f" within strata of {', '.join(design.within)}" if design.within else ""
    chance = Assumption(
        "randomisation",
        f"Chance decided {query.treatment}{inside}, and nobody could change what it decided.",
        "Compare the arms in columns known before; count the arms against the planned shares.",
    )
    strategy = Randomization(
        adjust_for=design.within,
        within=design.within,
        precision=precision,
        minimal=True,
        estimand=adjustment_estimand(query, design.within),
        assumptions=(chance, CONSISTENCY),
    )
    explanation = f"Identified by randomisation{inside}."
    step = ProofStep(strategy.describe(), "randomisation", f"{query} = {strategy.estimand}")
    return Identification(question, graph, design, (strategy,), Status.IDENTIFIED, explanation, (step,))


def by_design(query: Query, design: Design) -> Strategy | None:
    """The strategy that a design brings beside the graph."""
    x, y = map(quoted_names, (query.treatments, query.outcomes))
    if isinstance(design, Cutoff):
        running, at, column = design.running_variable, design.cutoff, quoted_names([design.running_variable])
        smooth = Assumption(
            "continuity",
            f"Without the cutoff, {query.outcome} would not jump at {running} = {at:g}, and nobody can choose the side "
            "to be on.",
            "Test for a jump in the density of the running variable and in columns known before.",
        )
        extra = (MONOTONE_INSTRUMENT, RELEVANCE) if design.fuzzy else ()
        jump, first = (f"[E({name} | {column} ↓ {at:g}) − E({name} | {column} ↑ {at:g})]" for name in (y, x))
        return Discontinuity(
            running_variable=running,
            cutoff=at,
            fuzzy=design.fuzzy,
            estimand=f"{jump} / {first}" if design.fuzzy else jump,
            assumptions=(smooth, *extra, CONSISTENCY),
        )
    if isinstance(design, Instrumented):
        declared = instrument_strategy(query, design.instrument, design.given)
        return replace(declared, assumptions=(DECLARED_EXCLUSION, *declared.assumptions[1:]))
    if isinstance(design, Panel):
        parallel = Assumption(
            "parallel trends",
            f"Without treatment, {query.outcome} of treated and untreated {design.unit} would have changed alike.",
            "Compare the trends before treatment; ask what else happened when it began.",
        )
        return ParallelTrends(
            unit=design.unit,
            time=design.time,
            estimand=f"E[Δ{y} | {x} = 1] − E[Δ{y} | {x} = 0]",
            assumptions=(parallel, CONSISTENCY),
        )
    return None


def instrument_strategy(
    query: Query, instrument: str, given: tuple[str, ...], *, minimal: bool = False, implications: tuple[str, ...] = ()
) -> Instrument:
    """The record of an instrument."""
    x, y, z = map(quoted_names, (query.treatments, query.outcomes, [instrument]))
    bar = f" | {quoted_names(given)}" if given else ""
    return Instrument(
        instrument=instrument,
        adjust_for=given,
        minimal=minimal,
        estimand=f"Cov({y}, {z}{bar}) / Cov({x}, {z}{bar})",
        assumptions=(EXCLUSION, RELEVANCE, MONOTONE_INSTRUMENT, CONSISTENCY),
        implications=implications,
    )
