"""Not identified: the reason, the proof, and what would help."""

from __future__ import annotations

from butfor.graph.causal_graph import CausalGraph
from butfor.identify.adjustment import AdjustmentProblem
from butfor.identify.identification import Identification, Status
from butfor.identify.query import Query
from butfor.question import Design, Question


def badly_chosen(
    question: Question | Query, graph: CausalGraph, design: Design, problem: AdjustmentProblem
) -> Identification:
    """The rows that are seen were chosen in a way that nothing undoes."""
    why, path = selection_reason(graph, Query.of(question), problem)
    return Identification(question, graph, design, (), Status.NOT_IDENTIFIED, why, (), path)


def selection_reason(graph: CausalGraph, query: Query, problem: AdjustmentProblem) -> tuple[str, str | None]:
    """What the choice of rows does to the effect, and the path along which it does it."""
    x, y = query.treatment, query.outcome
    names = ", ".join(sorted(graph.selected))
    path = problem.assigned.open_path(problem.outcomes, graph.selected, problem.treatments)
    if graph.selected & (problem.treatments | problem.outcomes):
        path, why = None, f"rows of every {x} and every {y} are needed"
    elif path is None:
        path = graph.without_edges_out_of(problem.treatments).open_path(problem.treatments, problem.outcomes)
        why = f"{x} acts on the choice and has causes in common with {y}"
    else:
        why = f"the choice depends on {y} even when {x} is set"
    along = f" ({path})" if path else ""
    return f"The data hold only rows that {names} chose; {why}{along}, and no adjustment undoes that.", path


def blocked_path(graph: CausalGraph, problem: AdjustmentProblem) -> str | None:
    """A path that is not causal and that no set of measured nodes closes."""
    return problem.backdoor.open_path(problem.treatments, problem.outcomes, problem.canonical | graph.selected)
