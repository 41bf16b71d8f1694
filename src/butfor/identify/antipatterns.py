"""Mistakes in the choice of covariates, called by name."""

from __future__ import annotations

from collections.abc import Sequence

from butfor.core.diagnostic import Diagnostic, Severity
from butfor.graph.causal_graph import CausalGraph
from butfor.identify.adjustment import AdjustmentProblem
from butfor.question import Question


def check_adjustment(
    graph: CausalGraph | None, question: Question, covariates: Sequence[str]
) -> tuple[Diagnostic, ...]:
    """What is wrong with adjusting for these columns, by the graph."""
    if graph is None:
        message = (
            "There is no graph: whether the covariates are the right ones rests on your word. Draw what causes what."
        )
        return (Diagnostic("no-graph", Severity.CAUTION, message),)
    x, y = question.treatment, question.outcome
    known = [name for name in covariates if name in graph.nodes]
    found: list[Diagnostic] = []
    after = graph.descendants({x}) - {x}
    causal = after & graph.ancestors({y})
    for name in known:
        if name in causal - {y}:
            message = f"{name!r} lies on the way from {x!r} to {y!r}: adjusting for it removes part of the effect."
            found.append(Diagnostic("adjusts-for-mediator", Severity.DANGER, message))
        elif name in after:
            message = f"{name!r} is an effect of {x!r}: adjusting for it can create or hide an effect."
            found.append(Diagnostic("adjusts-for-descendant", Severity.DANGER, message))
        collider = _opened(graph, x, y, name, [c for c in known if c != name])
        if collider is not None:
            message = f"{name!r} is a collider: adjusting for it opens the path {collider}."
            found.append(Diagnostic("adjusts-for-collider", Severity.DANGER, message))
        if name not in after and _only_through_treatment(graph, x, y, name):
            message = (
                f"{name!r} influences {y!r} only through {x!r} (an instrument): adjusting for it costs precision and "
                "amplifies hidden confounding."
            )
            found.append(Diagnostic("instrument-as-covariate", Severity.CAUTION, message))
    return tuple(found)


def _opened(graph: CausalGraph, x: str, y: str, name: str, others: list[str]) -> str | None:
    """A non-causal path that is closed given the other covariates and open given this one as well."""
    rest = AdjustmentProblem.of(graph, {x}, {y}).backdoor
    for given in ([], others):
        if rest.is_separated({x}, {y}, given) and not rest.is_separated({x}, {y}, [*given, name]):
            return rest.open_path({x}, {y}, [*given, name])
    return None


def _only_through_treatment(graph: CausalGraph, x: str, y: str, name: str) -> bool:
    """A cause of the treatment without any other connection to the outcome."""
    return name in graph.ancestors({x}) and graph.without_edges_out_of({x}).is_separated({name}, {y})
