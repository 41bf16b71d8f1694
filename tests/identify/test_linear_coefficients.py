"""Coefficients of linear models: published graphs, exact covariances, an independent half-trek criterion."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from itertools import combinations

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import butfor as bf
from butfor.core.effort import Effort
from butfor.core.errors import GraphError, InvalidSetting, NumericalFailure, UnknownColumn, UnknownNode
from butfor.core.serial import from_json, to_json
from butfor.graph.causal_graph import CausalGraph
from butfor.identify.linear import LinearCoefficients, coefficient_values, linear_coefficients
from tests.graph.strategies import graphs
from tests.identify.linear_models import LinearModel

# dagitty, test/test/tree-id.js: graph, rule of each arrow's end, how many solutions (True: a missing cycle is needed).
TREES = {
    "instrument": ("Z -> X; X -> Y; X <-> Y", {"X": 1, "Y": 1}, False),
    "instrument and propagation": ("A -> E; A <-> D; E -> D; E -> v1", {"E": 1, "v1": 1, "D": 1}, False),
    "Weihs and others": (
        "0 -> 1; 0 -> 2; 0 -> 3; 0 <-> 1; 0 <-> 2; 0 <-> 3; 0 <-> 4; 3 -> 4",
        {"1": 1, "2": 1, "3": 1, "4": 1},
        True,
    ),
    "Weihs and others (4680, 403)": (
        "3 -> 4; 1 -> 2; 0 -> 1; 2 -> 3; 3 <-> 1; 3 <-> 0; 1 <-> 0; 0 <-> 2; 0 <-> 4",
        {"1": 1, "2": 1, "3": 1, "4": 1},
        True,
    ),
    "not identifiable": ("A -> E; A <-> D; A <-> E; A <-> v1; D <-> v1; E -> D; E -> v1", {}, False),
    "two solutions": (
        "0 -> 1; 0 <-> 1; 0 <-> 2; 0 <-> 3; 0 <-> 4; 1 -> 2; 1 <-> 3; 2 -> 3; 2 <-> 4; 3 -> 4",
        {"1": 2, "2": 2, "3": 2, "4": 2},
        True,
    ),
}
# Acyclic examples of Foygel, Draisma and Drton 2012 as in SEMID, tests/testthat/graphExamples.R: arrows, bidirected
# edges, generically identifiable (1), not (0: infinitely many solutions, or for 5a and 5b finitely many).
HALF_TREK = {
    "3a": ("12 23 34 45", "13 14 24 25", 1),
    "3b": ("12 15 23 24 35", "13 14 15", 1),
    "3c": ("12 13 14 45", "12 13 14 15", 1),
    "4a": ("12 13 14 15 23 24 34 35", "23 25", 0),
    "4b": ("12 13 14 15 23 45", "12 13 14 15", 0),
    "5a": ("12 13 14 15 25 35 45", "12 13 14", 0),
    "5b": ("12 14 15 23 25 34", "12 13 15 24", 0),
    "7a": ("12 13 23 24 25 34 45", "14 23 25", 1),
    "ancestral decomposition": ("12 13 16 23 24 25 26 34 45", "16 14 23 25 26", 1),
    "bow": ("12", "12", 0),
    "instrument": ("12 23", "23", 1),
}


def drawn(arrows: str, bidirected: str) -> CausalGraph:
    return CausalGraph((), tuple(tuple(e) for e in arrows.split()), tuple(tuple(e) for e in bidirected.split()))  # type: ignore[arg-type]


def checked(graph: CausalGraph, draws: int = 20) -> LinearCoefficients:
    """The coefficients, every one of them compared with the truth of several models."""
    found = linear_coefficients(graph)
    for seed in range(draws):
        model = LinearModel.random(graph, np.random.default_rng(seed))
        values = coefficient_values(found.coefficients, model.covariance, graph.observed)
        for (cause, effect), solutions in values.items():
            assert min(abs(v - model.direct(cause, effect)) for v in solutions) < 1e-8
    return found


@pytest.mark.parametrize("case", TREES.values(), ids=TREES)
def test_trees_of_dagitty(case: tuple[str, dict[str, int], bool]) -> None:
    text, solutions, by_cycle = case
    found = checked(CausalGraph.from_any(text))
    assert {c.effect: c.solutions for c in found.coefficients} == solutions
    assert any(c.rule == "missing cycle" for c in found.coefficients) is by_cycle
    assert found.complete


def test_instruments_and_propagation_are_named() -> None:
    found = linear_coefficients(CausalGraph.from_any(TREES["instrument and propagation"][0]))
    rules = {c.effect: (c.rule, [m.node for m in c.moments]) for c in found.coefficients}
    assert rules == {"E": ("instrument", ["A"]), "v1": ("instrument", ["A"]), "D": ("propagation", ["E"])}
    assert str(found.get("E", "D")) == "λ(E→D) = Cov(D, E − λ(A→E) A) / Cov(E, E − λ(A→E) A)"


def test_both_solutions_fit_the_covariances_and_leave_the_missing_edges_missing() -> None:
    graph = CausalGraph.from_any(TREES["two solutions"][0])
    found = linear_coefficients(graph).coefficients
    model = LinearModel.random(graph, np.random.default_rng(5))
    values = coefficient_values(found, model.covariance, graph.observed)
    for k in (0, 1):
        weights = np.array([[values.get((a, b), (0.0, 0.0))[k] for a in graph.nodes] for b in graph.nodes])
        errors = (np.eye(5) - weights) @ model.covariance @ (np.eye(5) - weights).T
        for (i, a), (j, b) in combinations(enumerate(graph.nodes), 2):
            assert b in graph.spouses(a) or abs(errors[i, j]) < 1e-10
        assert np.linalg.eigvalsh(errors)[0] > 0
    assert all(abs(a - b) > 1e-3 for a, b in values.values())


@pytest.mark.parametrize("case", HALF_TREK.values(), ids=HALF_TREK)
def test_graphs_of_the_half_trek_paper(case: tuple[str, str, int]) -> None:
    arrows, bidirected, identifiable = case
    found = checked(drawn(arrows, bidirected))
    unique = not found.undecided and all(c.solutions == 1 for c in found.coefficients)
    assert unique is bool(identifiable)


def test_the_half_trek_paper_s_two_to_one_graph_has_two_solutions() -> None:
    found = linear_coefficients(drawn(*HALF_TREK["5a"][:2]))
    assert max(c.solutions for c in found.coefficients) == 2


def half_trek_nodes(graph: CausalGraph) -> set[str]:
    """The nodes that the half-trek criterion solves, by maximal flows (Foygel, Draisma and Drton 2012, section 6)."""
    solved: set[str] = set()
    while True:
        new = {n for n in graph.nodes if n not in solved and _satisfies(graph, n, solved)}
        if not new:
            return solved
        solved |= new


def _satisfies(graph: CausalGraph, node: str, solved: set[str]) -> bool:
    tied = {node, *graph.spouses(node)}
    reached = graph.descendants(tied)
    allowed = [n for n in graph.nodes if n not in tied and (n in solved or n not in reached)]
    flow = nx.DiGraph()
    flow.add_nodes_from(["source", "sink"])
    for n in graph.nodes:  # left copies are where half-treks start, right copies where they go on
        flow.add_edge(("left", n, "in"), ("left", n, "out"), capacity=1)
        flow.add_edge(("right", n, "in"), ("right", n, "out"), capacity=1)
        for other in (n, *graph.spouses(n)):
            flow.add_edge(("left", n, "out"), ("right", other, "in"), capacity=1)
        for child in graph.children(n):
            flow.add_edge(("right", n, "out"), ("right", child, "in"), capacity=1)
    for n in allowed:
        flow.add_edge("source", ("left", n, "in"), capacity=1)
    for p in graph.parents(node):
        flow.add_edge(("right", p, "out"), "sink", capacity=1)
    return nx.maximum_flow_value(flow, "source", "sink") == len(graph.parents(node))


@settings(max_examples=150, deadline=None)
@given(graph=graphs(6))
def test_every_coefficient_is_the_truth(graph: CausalGraph) -> None:
    found = linear_coefficients(graph)
    assert found.complete
    assert {c.edge for c in found.coefficients} | set(found.undecided) == set(graph.directed)
    for seed in range(3):
        model = LinearModel.random(graph, np.random.default_rng(seed))
        values = coefficient_values(found.coefficients, model.covariance, graph.observed)
        for edge, solutions in values.items():
            assert min(abs(v - model.coefficients[edge]) for v in solutions) < 1e-7


@settings(max_examples=150, deadline=None)
@given(graph=graphs(6))
def test_what_the_half_trek_criterion_solves_is_found(graph: CausalGraph) -> None:
    known = {c.edge for c in linear_coefficients(graph).coefficients}
    for node in half_trek_nodes(graph):
        assert {(p, node) for p in graph.parents(node)} <= known


@settings(max_examples=150, deadline=None)
@given(graph=graphs(6), data=st.data())
def test_hidden_nodes_are_no_instruments_and_the_projected_coefficients_are_the_truth(
    graph: CausalGraph, data: st.DataObject
) -> None:
    hidden = data.draw(st.sets(st.sampled_from(graph.nodes), max_size=3))
    graph = graph.with_latent(hidden)
    found = linear_coefficients(graph)
    named = {n for c in found.coefficients for m in c.moments for n in (m.node, *m.less, *m.given)}
    assert not named & hidden
    model = LinearModel.random(graph, np.random.default_rng(1))
    for (cause, effect), solutions in coefficient_values(found.coefficients, model.covariance, graph.observed).items():
        assert min(abs(v - model.direct(cause, effect)) for v in solutions) < 1e-7


def test_one_hidden_cause_of_all_does_not_count_twice() -> None:
    # With a tie for each pair, z1 and z2 would be instruments of x1 and x2; one common cause moves both in one way.
    ties = CausalGraph.from_any("x1 -> y; x2 -> y; z1 <-> x1; z2 <-> x2; x1 <-> y; x2 <-> y")
    assert ties.directed[0] in {c.edge for c in checked(ties).coefficients}
    one = CausalGraph.from_any("u -> z1; u -> z2; u -> x1; u -> x2; x1 -> y; x2 -> y; x1 <-> y; x2 <-> y")
    assert not linear_coefficients(one.with_latent(["u"])).coefficients


def test_an_instrument_for_a_set_of_which_one_coefficient_follows() -> None:
    # Two equations for three causes: the one of v3 follows all the same.
    text = (
        "v0; v1; v2; v3; v4; v0 -> v1; v0 -> v3; v0 -> v4; v1 -> v2; v1 -> v3; v1 -> v4; v2 -> v3; v3 -> v4; v0 <-> v1"
    )
    found = checked(CausalGraph.from_any(text)).get("v3", "v4")
    assert found is not None
    assert len(found.moments) < len(found.together)


def test_text_and_json() -> None:
    for text, _, _ in TREES.values():
        found = linear_coefficients(CausalGraph.from_any(text))
        assert from_json(to_json(found)) == found
        assert all(str(c).startswith(f"λ({c.cause}→{c.effect})") for c in found.coefficients)


def test_units_do_not_matter() -> None:
    graph = CausalGraph.from_any(HALF_TREK_TEXT)
    model = LinearModel.random(graph, np.random.default_rng(2))
    scale = np.array([1e-6, 1.0, 1e5, 1e3, 1e-3])
    found = linear_coefficients(graph).coefficients
    plain = coefficient_values(found, model.covariance, graph.observed)
    scaled = coefficient_values(found, model.covariance * np.outer(scale, scale), graph.observed)
    for (a, b), (value,) in plain.items():
        factor = scale[graph.nodes.index(b)] / scale[graph.nodes.index(a)]
        assert scaled[a, b][0] == pytest.approx(value * factor, rel=1e-7)


HALF_TREK_TEXT = "1 -> 2; 2 -> 3; 3 -> 4; 4 -> 5; 1 <-> 3; 1 <-> 4; 2 <-> 4; 2 <-> 5"
IV = "z -> x -> y; x <-> y"
ONES = np.eye(3)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda f: coefficient_values(f, ONES[:2], ["z", "x"]), InvalidSetting),
        (lambda f: coefficient_values(f, ONES, ["z", "x"]), InvalidSetting),
        (lambda f: coefficient_values(f, ONES, ["z", "x", "x"]), InvalidSetting),
        (lambda f: coefficient_values(f, ONES * np.nan, ["z", "x", "y"]), InvalidSetting),
        (lambda f: coefficient_values(f, np.tri(3), ["z", "x", "y"]), InvalidSetting),
        (lambda f: coefficient_values(f, ONES, ["z", "x", "w"]), UnknownColumn),
        (lambda f: coefficient_values(f, ONES, ["z", "x", "y"]), NumericalFailure),
    ],
)
def test_bad_covariances_are_refused(call: Callable[..., object], error: type[Exception]) -> None:
    with pytest.raises(error):
        call(linear_coefficients(CausalGraph.from_any(IV)).coefficients)


def test_an_equation_without_real_root_is_refused() -> None:
    graph = CausalGraph.from_any(TREES["two solutions"][0])
    found = linear_coefficients(graph).coefficients
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(30):
        noise = rng.normal(size=(5, 8))
        try:
            coefficient_values(found, noise @ noise.T, graph.observed)
        except NumericalFailure as error:
            refused += "no real root" in error.message
    assert refused


def test_selected_rows_and_unknown_nodes_are_refused() -> None:
    graph = CausalGraph.from_any(IV)
    with pytest.raises(GraphError, match="selected"):
        linear_coefficients(bf.CausalGraph(("x",), selected=frozenset({"x"})))
    with pytest.raises(UnknownNode):
        linear_coefficients(graph, first=["q"])


def random_graph(nodes: int, arrows: float, ties: float, seed: int) -> CausalGraph:
    rng = np.random.default_rng(seed)
    names = tuple(f"v{i}" for i in range(nodes))
    pairs = list(combinations(names, 2))
    directed = tuple(p for p, u in zip(pairs, rng.random(len(pairs)), strict=True) if u < arrows)
    return CausalGraph(
        names, directed, tuple(p for p, u in zip(pairs, rng.random(len(pairs)), strict=True) if u < ties)
    )


@pytest.mark.parametrize(("arrows", "ties"), [(0.04, 0.02), (0.1, 0.1), (0.5, 0.5), (0.9, 0.03)])
def test_a_hundred_nodes_take_a_second_of_work(arrows: float, ties: float) -> None:
    graph = random_graph(100, arrows, ties, 1)
    effort = Effort(200_000)
    start = time.process_time()
    found = linear_coefficients(graph, effort=effort)
    assert time.process_time() - start < 5.0  # a second where the machine has nothing else to do
    assert found.complete is not effort.exhausted
    assert len(found.coefficients) + len(found.undecided) == len(graph.directed)


def test_a_search_that_stops_says_so() -> None:
    graph = CausalGraph.from_any(HALF_TREK_TEXT)
    found = linear_coefficients(graph, effort=Effort(0))
    assert not found.complete
    assert found.undecided == graph.directed
    for steps in range(0, 60, 3):
        some = linear_coefficients(graph, effort=Effort(steps))
        assert {c.edge for c in some.coefficients} | set(some.undecided) == set(graph.directed)


def test_large_graphs_are_searched_around_the_target() -> None:
    graph = random_graph(1500, 0.004, 0.001, 3)
    last = graph.nodes[1000]
    found = linear_coefficients(graph, first=[last])
    assert not found.complete
    assert {(p, last) for p in graph.parents(last)} <= {c.edge for c in found.coefficients}
    assert {n for c in found.coefficients for n in c.edge} <= graph.ancestors([last])


def test_the_same_graph_gets_the_same_answer() -> None:
    graph = random_graph(12, 0.4, 0.3, 4)
    assert json.loads(to_json(linear_coefficients(graph))) == json.loads(to_json(linear_coefficients(graph)))
