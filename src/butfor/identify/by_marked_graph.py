"""Strategies where the graph is known only up to its equivalence class: adjustment that is valid in all of it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from butfor.core.errors import InvalidSetting
from butfor.graph.marked_graph import MarkedGraph
from butfor.identify.estimands import adjustment_estimand
from butfor.identify.expression import quoted_names
from butfor.identify.generalised_adjustment import GeneralisedAdjustment
from butfor.identify.identification import Identification, Status
from butfor.identify.implications import first_independences
from butfor.identify.proof import ProofStep, listed, separation
from butfor.identify.query import Query
from butfor.identify.remedies import Remedy
from butfor.identify.strategies import (
    CONSISTENCY,
    LEARNED,
    OVERLAP,
    Adjustment,
    no_hidden_confounding,
)
from butfor.question import Design, Question


def by_marked_graph(
    question: Question | Query, graph: MarkedGraph, design: Design, declared: tuple[str, ...] | None, limit: int
) -> Identification:
    """Every adjustment set that is valid in all graphs of the class.

    Raises:
        InvalidSetting: for a question about units with given properties.
    """
    query = Query.of(question)
    if query.given:
        raise InvalidSetting(
            f"The query is {query}; effects among units with given properties need one causal graph, not a class.",
            hint="draw the graph that you believe in, or ask about everyone",
        )
    task = GeneralisedAdjustment.of(graph, query.treatments, query.outcomes)
    first, left_out = first_independences(task.member, limit)
    implied = tuple(map(str, first))
    found = list(islice(task.minimal_sets(), limit + 1))
    sets = sorted(found[:limit], key=len)
    if declared is not None and set(declared) <= set(graph.nodes) and task.is_valid(declared):
        sets = [declared, *(s for s in sets if set(s) != set(declared))]
    strategies = tuple(_adjustment(query, names, implied, minimal=names in found) for names in sets)
    zero = not task.graph.possible_descendants(query.treatments) & set(query.outcomes)
    status = Status.ZERO_EFFECT if zero else Status.IDENTIFIED if strategies else Status.NOT_IDENTIFIED
    return Identification(
        question,
        graph,
        design,
        strategies,
        status,
        _explanation(query, task, status, strategies),
        (_nowhere(query),) if zero else _proof(query, strategies),
        None if strategies else _open_path(task),
        len(found) <= limit,
        remedies=() if strategies or zero else tuple(_remedies(task)),
        implications=implied,
        left_out=left_out,
    )


def _adjustment(query: Query, names: tuple[str, ...], implied: tuple[str, ...], *, minimal: bool) -> Adjustment:
    x, y = query.treatment, query.outcome
    return Adjustment(
        adjust_for=names,
        minimal=minimal,
        estimand=adjustment_estimand(query, names),
        assumptions=(LEARNED, no_hidden_confounding(x, y, names, declared=False), OVERLAP, CONSISTENCY),
        implications=implied,
    )


def _explanation(query: Query, task: GeneralisedAdjustment, status: Status, strategies: tuple[Adjustment, ...]) -> str:
    x, y, kind = query.treatment, query.outcome, task.graph.kind.upper()
    if status is Status.ZERO_EFFECT:
        return f"{x} causes {y} in no graph that the {kind} stands for: the effect is zero."
    if strategies:
        return f"Identified by adjustment in every graph that the {kind} stands for. {strategies[0].describe()}"
    if not task.amenable:
        return f"The graphs that the {kind} stands for do not agree on the effect: {task.why}."
    return f"In no graph that the {kind} stands for do measured nodes close every path that is not causal."


def _nowhere(query: Query) -> ProofStep:
    x, y = query.treatment, query.outcome
    words = f"No path leads from {x} to {y} along which {x} may cause {y}, in any graph of the class."
    return ProofStep(words, "rule 3 of do-calculus", f"{query} = P({quoted_names(query.outcomes)})")


def _proof(query: Query, strategies: tuple[Adjustment, ...]) -> tuple[ProofStep, ...]:
    if not strategies:
        return ()
    x, y, names = query.treatment, query.outcome, strategies[0].adjust_for
    given = f" given {listed(names)}" if names else ""
    return (
        ProofStep(
            f"Every path along which {x} may cause {y} starts with an edge that surely points away from {x} and hides "
            "no common cause.",
            "amenability",
        ),
        ProofStep(
            f"None of {listed(names)} may be an effect of what lies on those paths."
            if names
            else "Nothing is adjusted for.",
            "generalised adjustment criterion (forbidden set)",
        ),
        ProofStep(
            f"Every other path between {x} and {y} is blocked{given}, in one graph of the class and hence in all.",
            "generalised adjustment criterion (blocking)",
            f"({separation(query.outcomes, query.treatments, names)}) in the proper back-door graph",
        ),
        ProofStep(f"Hence {query} = {strategies[0].estimand}.", "adjustment formula"),
    )


def _open_path(task: GeneralisedAdjustment) -> str | None:
    return task.backdoor.open_path(task.treatments, task.outcomes, task.canonical) if task.amenable else None


def _remedies(task: GeneralisedAdjustment) -> Iterator[Remedy]:
    if task.unclear is not None:
        known = task.graph.is_directed(*task.unclear)
        yield Remedy("rule out a common cause" if known else "orient", task.unclear)
    yield Remedy("randomise", tuple(n for n in task.graph.nodes if n in task.treatments))
