"""Find every valid way from the data to the effect."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import islice

from butfor.core.diagnostic import Assumption
from butfor.core.errors import UnknownNode
from butfor.graph.causal_graph import CausalGraph
from butfor.identify.adjustment import AdjustmentProblem, minimal_adjustment_sets, optimal_adjustment_set
from butfor.identify.identification import Identification, Status
from butfor.identify.strategies import (
    CONSISTENCY,
    OVERLAP,
    Adjustment,
    Randomization,
    adjustment_estimand,
    no_hidden_confounding,
)
from butfor.question import Design, Observational, Question, Randomized

MOST_IMPLICATIONS = 20


def identify(
    question: Question,
    graph: CausalGraph | None = None,
    design: Design | None = None,
    *,
    covariates: Iterable[str] | None = None,
    observed: Iterable[str] | None = None,
    limit: int = 20,
) -> Identification:
    """Every strategy that identifies the effect, the recommended one first.

    Randomisation comes first where the design has it; then covariates that the user declared, if they are valid; then
    the optimal set, then the minimal ones, small sets before large ones.

    Args:
        question: treatment and outcome.
        graph: what causes what.
        design: how the treatment came about.
        covariates: columns that the user wants to adjust for.
        observed: columns of the data; nodes of the graph that are not among them count as not measured.
        limit: most minimal sets listed.

    Raises:
        UnknownNode: when treatment or outcome is not in the graph, or not measured.
    """
    design = design or Observational()
    declared = None if covariates is None else tuple(dict.fromkeys(covariates))
    if graph is not None:
        graph = _measured(graph, question, observed)
    if isinstance(design, Randomized):
        return _randomized(question, graph, design, declared)
    if graph is None:
        return _on_your_word(question, design, declared)
    return _by_graph(question, graph, design, declared, limit)


def _measured(graph: CausalGraph, question: Question, observed: Iterable[str] | None) -> CausalGraph:
    for role, name in (("treatment", question.treatment), ("outcome", question.outcome)):
        graph.check(name, role=role)
    if observed is not None:
        known = set(observed)
        graph = graph.with_latent(n for n in graph.nodes if n not in known)
    for role, name in (("treatment", question.treatment), ("outcome", question.outcome)):
        if name in graph.latent:
            raise UnknownNode(
                f"The {role} {name!r} is not measured; an effect needs both treatment and outcome in the data.",
                hint=f"choose a measured {role}, or a proxy for it",
            )
    return graph


def _randomized(
    question: Question, graph: CausalGraph | None, design: Randomized, declared: tuple[str, ...] | None
) -> Identification:
    precision = () if declared is None else declared
    if graph is not None:
        problem = AdjustmentProblem.of(graph, {question.treatment}, {question.outcome})
        if not design.within:  # nothing but chance acts on the treatment
            problem = AdjustmentProblem.of(problem.assigned, problem.treatments, problem.outcomes)
        if not problem.selection_is_ignorable:
            return _not_identified(question, graph, design, problem)
        # What acts on the outcome only through the treatment explains nothing that chance has left open.
        before = graph.without_edges_out_of({question.treatment}).ancestors({question.outcome})
        before -= graph.descendants({question.treatment}) | graph.latent
        precision = tuple(n for n in graph.nodes if n in before)
    precision = tuple(n for n in precision if n not in design.within)
    inside = f" within strata of {', '.join(design.within)}" if design.within else ""
    chance = Assumption(
        "randomisation",
        f"Chance decided {question.treatment}{inside}, and nobody could change what it decided.",
        "Compare the arms in columns known before; count the arms against the planned shares.",
    )
    strategy = Randomization(
        adjust_for=design.within,
        within=design.within,
        precision=precision,
        minimal=True,
        estimand=adjustment_estimand(question.treatment, question.outcome, design.within),
        assumptions=(chance, CONSISTENCY),
    )
    explanation = f"Identified by randomisation{inside}."
    return Identification(question, graph, design, (strategy,), Status.IDENTIFIED, explanation, (strategy.describe(),))


def _on_your_word(question: Question, design: Design, declared: tuple[str, ...] | None) -> Identification:
    if declared is None:
        explanation = "No graph, no randomisation and no list of covariates says why units got the treatment."
        return Identification(question, None, design, (), Status.NOT_IDENTIFIED, explanation)
    strategy = _adjustment(question, declared, declared=True)
    explanation = (
        "Identified if the named covariates are all that treatment and outcome have in common; no graph vouches for it."
    )
    return Identification(question, None, design, (strategy,), Status.IDENTIFIED, explanation, (strategy.describe(),))


def _by_graph(
    question: Question, graph: CausalGraph, design: Design, declared: tuple[str, ...] | None, limit: int
) -> Identification:
    problem = AdjustmentProblem.of(graph, {question.treatment}, {question.outcome})
    zero = question.outcome not in graph.descendants({question.treatment})
    if not problem.is_valid(problem.canonical):
        found = _not_identified(question, graph, design, problem)
        return replace(found, status=Status.ZERO_EFFECT, explanation=_zero(question)) if zero else found
    found = list(islice(minimal_adjustment_sets(problem), limit + 1))
    minimal = sorted(found[:limit], key=len)
    optimal = optimal_adjustment_set(problem)
    implications = local_independences(graph)
    chosen: dict[tuple[str, ...], Adjustment] = {}
    if declared is not None and set(declared) <= set(graph.nodes) and problem.is_valid(declared):
        chosen[tuple(sorted(declared))] = _adjustment(
            question, declared, minimal=_among(declared, minimal), implications=implications
        )
    for names in ([] if optimal is None else [optimal]) + minimal:
        if tuple(sorted(names)) not in chosen:
            chosen[tuple(sorted(names))] = _adjustment(
                question, names, minimal=_among(names, minimal), optimal=names == optimal, implications=implications
            )
    status = Status.ZERO_EFFECT if zero else Status.IDENTIFIED
    strategies = tuple(chosen.values())
    explanation = _zero(question) if zero else f"Identified by adjustment. {strategies[0].describe()}"
    proof = _proof(question, problem, strategies[0])
    return Identification(question, graph, design, strategies, status, explanation, proof, None, len(found) <= limit)


def _zero(question: Question) -> str:
    return (
        f"By the graph {question.treatment} does not cause {question.outcome}: the effect is zero. An estimate that is "
        "not contradicts the graph."
    )


def _among(names: tuple[str, ...], minimal: list[tuple[str, ...]]) -> bool:
    return set(names) in [set(m) for m in minimal]


def _adjustment(
    question: Question,
    names: tuple[str, ...],
    *,
    minimal: bool = False,
    optimal: bool = False,
    declared: bool = False,
    implications: tuple[str, ...] = (),
) -> Adjustment:
    unconfounded = no_hidden_confounding(question.treatment, question.outcome, names, declared=declared)
    return Adjustment(
        adjust_for=names,
        minimal=minimal,
        optimal=optimal,
        declared=declared,
        estimand=adjustment_estimand(question.treatment, question.outcome, names),
        assumptions=(unconfounded, OVERLAP, CONSISTENCY),
        implications=implications,
    )


def _not_identified(
    question: Question, graph: CausalGraph, design: Design, problem: AdjustmentProblem
) -> Identification:
    if not problem.selection_is_ignorable:
        return _badly_chosen(question, graph, design, problem)
    path = problem.backdoor.open_path(problem.treatments, problem.outcomes, problem.canonical | graph.selected)
    explanation = f"No set of measured nodes closes every path that is not causal; this one stays open: {path}."
    return Identification(question, graph, design, (), Status.NOT_IDENTIFIED, explanation, (), path)


def _badly_chosen(question: Question, graph: CausalGraph, design: Design, problem: AdjustmentProblem) -> Identification:
    names = ", ".join(sorted(graph.selected))
    path = problem.assigned.open_path(problem.outcomes, graph.selected, problem.treatments)
    if graph.selected & (problem.treatments | problem.outcomes):
        path, why = None, f"rows of every {question.treatment} and every {question.outcome} are needed"
    elif path is None:
        path = graph.without_edges_out_of(problem.treatments).open_path(problem.treatments, problem.outcomes)
        why = f"{question.treatment} acts on the choice and has causes in common with {question.outcome}"
    else:
        why = f"the choice depends on {question.outcome} even when {question.treatment} is set"
    along = f" ({path})" if path else ""
    explanation = f"The data hold only rows that {names} chose; {why}{along}, and adjustment does not undo that."
    return Identification(question, graph, design, (), Status.NOT_IDENTIFIED, explanation, (), path)


def _proof(question: Question, problem: AdjustmentProblem, strategy: Adjustment) -> tuple[str, ...]:
    x, y, z = question.treatment, question.outcome, strategy.adjust_for
    steps: list[str] = []
    if problem.causal - problem.outcomes:
        between = ", ".join(n for n in problem.graph.nodes if n in problem.causal - problem.outcomes)
        steps.append(
            f"The effect runs through {between}; these and what they cause must not be adjusted for, and are not."
        )
    path = problem.backdoor.open_path(problem.treatments, problem.outcomes, ())
    if path is None:
        steps.append(f"No other path connects {x} and {y}, so nothing has to be blocked.")
    else:
        steps.append(f"{x} and {y} are also connected without causation, for instance by {path}.")
        if z:
            steps.append(
                f"Given {', '.join(z)}, every such path is blocked (m-separation in the proper back-door graph)."
            )
    if problem.graph.selected:
        chosen = ", ".join(sorted(problem.graph.selected))
        steps.append(f"Once {x} is set, {y} does not depend on {chosen}, so the selected rows speak for all.")
    steps.append(f"Hence P({y} | do({x})) = {strategy.estimand}.")
    return tuple(steps)


def local_independences(graph: CausalGraph) -> tuple[str, ...]:
    """Independences of each node from earlier ones given its causes, where all of those were measured."""
    found: list[str] = []
    for node in graph.topological_order:
        parents = graph.parents(node)
        if node in graph.latent | graph.selected or graph.spouses(node) or any(p in graph.latent for p in parents):
            continue
        after = graph.descendants({node})
        others = [n for n in graph.observed if n not in after and n not in parents and n not in graph.selected]
        if graph.selected:  # what is seen is seen given the selection, which may tie what the graph keeps apart
            given_all = {*parents, *graph.selected}
            others = [n for n in others if graph.is_separated({node}, {n}, given_all)]
        if others:
            given = f" | {', '.join(parents)}" if parents else ""
            found.append(f"{node} ⊥ {', '.join(others)}{given}")
        if len(found) == MOST_IMPLICATIONS:
            break
    return tuple(found)
