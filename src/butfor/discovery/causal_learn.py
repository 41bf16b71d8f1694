"""The searches of causal-learn (Zheng and others 2024, jmlr.org/papers/v25/23-0970.html), quiet and bounded.

The package prints, shows progress bars, warns, and searches without an end in dense graphs: all of that stays in here.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Generator
from contextlib import contextmanager, redirect_stdout
from functools import cache
from typing import Any

import numpy as np

from butfor.core.effort import Effort
from butfor.core.errors import GraphError, InvalidSetting, NumericalFailure
from butfor.core.extras import require
from butfor.data.sample import FloatArray
from butfor.discovery.knowledge import Knowledge
from butfor.graph.formats.causal_learn import is_graph
from butfor.graph.marked_graph import Kind, Mark, MarkedEdge, MarkedGraph

PURPOSE = "Learning a graph"
EXTRA = "discovery"
# The classes behind the names of tests.
TESTS = {"fisherz": "FisherZ", "chisq": "Chisq_or_Gsq", "gsq": "Chisq_or_Gsq"}
# What the package raises on data that it does not foresee.
FAILURES = (ArithmeticError, AssertionError, LookupError, TypeError, ValueError, np.linalg.LinAlgError)
MARKS: dict[str, Mark] = {"TAIL": "tail", "ARROW": "arrow", "CIRCLE": "circle"}


def from_causal_learn(result: Any, *, kind: Kind | None = None) -> MarkedGraph:
    """The graph that a search of causal-learn found: a PDAG from PC and GES, a PAG from FCI.

    Args:
        result: what `pc`, `fci` or `ges` returned, or the graph in it.
        kind: default: a PAG where the graph has a circle or `<->`, or was marked as one; else a PDAG.

    Raises:
        GraphError: for what holds no such graph, or marks that the kind does not have.
        CyclicGraph: when directed edges form a cycle.
    """
    found = _graph_in(result)
    nodes = tuple(str(node.get_name()) for node in found.get_nodes())
    edges = _edges(found, nodes)
    wide = any("circle" in ends or ends == ("arrow", "arrow") for _, *marks, _ in edges for ends in (tuple(marks),))
    is_pag = getattr(found, "pag", False) is True
    return MarkedGraph(nodes, edges, kind or ("pag" if wide or is_pag else "pdag"))


def search_pc(
    matrix: FloatArray, names: tuple[str, ...], alpha: float, test: str, most_tests: int, knowledge: Knowledge
) -> tuple[MarkedEdge, ...]:
    """The edges that PC learns.

    Raises:
        InvalidSetting: when it needs more tests than `most_tests`.
    """
    pc = _load("causallearn.search.ConstraintBased.PC").pc
    found = _quietly(
        lambda: pc(
            matrix,
            alpha=float(alpha),
            indep_test=_bounded(test),
            node_names=_labels(len(names)),
            background_knowledge=_background(knowledge, names),
            show_progress=False,
            effort=Effort(most_tests),
        )
    )
    return _edges(found.G, names)


def search_fci(
    matrix: FloatArray, names: tuple[str, ...], alpha: float, test: str, most_tests: int, knowledge: Knowledge
) -> tuple[MarkedEdge, ...]:
    """The edges that FCI learns.

    Raises:
        InvalidSetting: when it needs more tests than `most_tests`.
    """
    fci = _load("causallearn.search.ConstraintBased.FCI").fci
    found, _ = _quietly(
        lambda: fci(
            matrix,
            independence_test_method=_bounded(test),
            alpha=float(alpha),
            node_names=_labels(len(names)),
            background_knowledge=_background(knowledge, names),
            show_progress=False,
            effort=Effort(most_tests),
        )
    )
    return _edges(found, names)


def search_ges(matrix: FloatArray, names: tuple[str, ...], score: str) -> tuple[MarkedEdge, ...]:
    """The edges that GES learns."""
    ges = _load("causallearn.search.ScoreBased.GES").ges
    parameters = {"lambda_value": 0.5} if score == "local_score_BIC" else None
    found = _quietly(lambda: ges(matrix, score_func=score, parameters=parameters, node_names=_labels(len(names))))
    return _edges(found["G"], names)


# --- graphs --------------------------------------------------------------------------------------------------------


def _graph_in(result: Any) -> Any:
    """The graph in what a search returned: `pc` an object, `fci` a pair, `ges` a mapping."""
    inside = (
        result.get("G") if isinstance(result, dict) else result[0] if isinstance(result, tuple) and result else result
    )
    if not is_graph(inside):
        raise GraphError(
            f"The result is a {type(result).__name__}; a proposal needs what pc, fci or ges of causal-learn return.",
            hint="from_causal_learn(pc(data))",
        )
    return getattr(inside, "G", inside)


def _edges(graph: Any, names: tuple[str, ...]) -> tuple[MarkedEdge, ...]:
    """The edges with the names of the columns, in the order of the columns."""
    at = {node.get_name(): i for i, node in enumerate(graph.get_nodes())}
    found: list[tuple[int, Mark, Mark, int]] = []
    for edge in graph.get_graph_edges():
        ends = [(at[edge.get_node1().get_name()], edge.get_endpoint1().name)]
        ends.append((at[edge.get_node2().get_name()], edge.get_endpoint2().name))
        (a, here), (b, there) = sorted(ends)
        if here not in MARKS or there not in MARKS:
            raise GraphError(
                f"The edge between {names[a]!r} and {names[b]!r} has the ends {here} and {there}; a learned graph "
                "needs one edge for each pair.",
                hint="learn the graph with PC(), FCI() or GES()",
            )
        found.append((a, MARKS[here], MARKS[there], b))
    return tuple((names[a], here, there, names[b]) for a, here, there, b in sorted(found))


# --- searches ------------------------------------------------------------------------------------------------------


@contextmanager
def _quiet() -> Generator[None]:
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield


def _quietly(search: Callable[[], Any]) -> Any:
    try:
        with _quiet():
            return search()
    except FAILURES as error:
        raise NumericalFailure(
            f"causal-learn stopped with {type(error).__name__}: {error}; learning needs data that it can work with.",
            hint="fewer columns, merged rare levels, or another method",
        ) from error


def _load(module: str) -> Any:
    with _quiet():
        return require(module, extra=EXTRA, purpose=PURPOSE)


def version() -> str:
    """The version of causal-learn.

    Raises:
        MissingExtra: when it is not installed.
    """
    from importlib.metadata import version as installed

    _load("causallearn")
    return installed("causal-learn")


def _labels(count: int) -> list[str]:
    """Names of nodes that cannot be mistaken for patterns."""
    return [f"X{i + 1}" for i in range(count)]


@cache
def _bounded(test: str) -> str:
    """The name of a test of causal-learn that counts its calls and stops a search that is too long.

    The register of tests is causal-learn's own way to bring one's own; the name keeps it apart from others.
    """
    tests = _load("causallearn.utils.cit")
    base = getattr(tests, TESTS[test])
    named = {"method_name": test} if TESTS[test] == "Chisq_or_Gsq" else {}

    def start(self: Any, data: FloatArray, effort: Effort) -> None:
        self.effort = effort
        base.__init__(self, data, **named)

    def call(self: Any, first: int, second: int, given: Any = None) -> float:
        if not self.effort.spend():
            raise InvalidSetting(
                "The search is longer than most_tests allows; learning this graph needs more tests of independence.",
                hint="fewer columns, a smaller alpha, or a larger most_tests",
            )
        return float(base.__call__(self, first, second, given))

    name = f"butfor {test}"
    tests.register_ci_test(name, type("BoundedTest", (base,), {"__init__": start, "__call__": call}))
    return name


def _background(knowledge: Knowledge, names: tuple[str, ...]) -> Any:
    """The knowledge in causal-learn's terms; None when there is none."""
    if not knowledge.names:
        return None
    node = _load("causallearn.graph.GraphNode").GraphNode
    nodes = {name: node(label) for name, label in zip(names, _labels(len(names)), strict=True)}
    found = _load("causallearn.utils.PCUtils.BackgroundKnowledge").BackgroundKnowledge()
    for i, tier in enumerate(knowledge.tiers):
        for name in tier:
            found.add_node_to_tier(nodes[name], i)
    for cause, effect in knowledge.forbidden:
        found.add_forbidden_by_node(nodes[cause], nodes[effect])
    for cause, effect in knowledge.required:
        found.add_required_by_node(nodes[cause], nodes[effect])
    return found
