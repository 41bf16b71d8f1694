"""Direct effects: the coefficient of an arrow on random linear models, controlled direct effects, published sets."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import butfor as bf
from butfor.core.errors import InvalidSetting, RoleConflict
from butfor.identify.direct_effects import (
    ArrowProblem,
    controlled_direct_effect_sets,
    identify_controlled_direct_effect,
    single_door_sets,
)
from tests.graph.strategies import graphs
from tests.identify.explicit import explicit_dag, smallest, subsets

MEDIATOR = "Z -> X; Z -> I; X -> I; X -> Y; I -> Y"


def test_the_small_mediator_graph_of_dagitty() -> None:
    """dagitty test/test/adjustment-dags.js, "mediat", effect = direct: {I}."""
    graph = bf.CausalGraph.from_any(MEDIATOR)
    assert list(single_door_sets(graph, "X", "Y")) == [("I",)]
    assert list(controlled_direct_effect_sets(graph, "X", "Y", "I")) == [()]


@pytest.mark.parametrize(
    ("text", "coefficient", "controlled"),
    [
        ("x -> m -> y; x -> y; m <-> y", set(), set()),
        ("x -> m -> y; x -> y; x <-> m", {("m",)}, {()}),
        ("x -> m -> y; x -> y; c -> m; c -> y", {("m", "c")}, {("c",)}),
        ("x -> l -> m -> y; x -> m; l -> y; x -> y", {("l", "m")}, set()),  # no adjustment, but identified
        ("x -> y; y -> d; x -> d", {()}, None),
    ],
)
def test_two_questions_and_their_sets(
    text: str, coefficient: set[tuple[str, ...]], controlled: set[tuple[str, ...]] | None
) -> None:
    graph = bf.CausalGraph.from_any(text)
    assert {frozenset(s) for s in single_door_sets(graph, "x", "y")} == {frozenset(s) for s in coefficient}
    if controlled is not None:
        found = {frozenset(s) for s in controlled_direct_effect_sets(graph, "x", "y", "m")}
        assert found == {frozenset(s) for s in controlled}


def test_a_confounder_that_the_treatment_acts_on_leaves_the_controlled_effect_identified() -> None:
    graph = bf.CausalGraph.from_any("x -> l -> m -> y; x -> m; x -> y; l -> y")
    found = identify_controlled_direct_effect(graph, "x", "y", "m")
    assert found.identified
    assert found.adjust_for is None
    assert str(found) == "P(y | do(x, m)) = Σ_{l} P(y | x, l, m) P(l | x)"
    assert found.proof[-1].words.startswith("Hence P(y | do(x, m))")


def test_what_is_not_identified_says_why() -> None:
    found = identify_controlled_direct_effect(bf.CausalGraph.from_any("x -> m -> y; m <-> y"), "x", "y", "m")
    assert not found.identified
    assert found.hedge is not None
    assert set(found.hedge.outer) == {"m", "y"}
    assert str(found) == "P(y | do(x, m)): not identified"
    assert "Hidden common causes hold m and y together" in found.proof[-1].words


def _model(graph: bf.CausalGraph, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Slopes and covariance of a random linear model: bidirected edges are correlated noise."""
    rng = np.random.default_rng(seed)
    index = {v: i for i, v in enumerate(graph.nodes)}
    slopes = np.zeros((len(index), len(index)))
    noise = np.eye(len(index))
    for a, b in graph.directed:
        slopes[index[b], index[a]] = rng.uniform(0.4, 1.2) * rng.choice([-1, 1])
    for a, b in graph.bidirected:
        load = np.zeros((len(index), 1))
        load[index[a]], load[index[b]] = rng.uniform(0.5, 1.2, 2)
        noise += load @ load.T
    total = np.linalg.inv(np.eye(len(index)) - slopes)
    return slopes, total @ noise @ total.T


@given(graphs(nodes=6, latent=True), st.integers(0, 10**6))
@settings(max_examples=150, deadline=None)
def test_a_set_is_valid_exactly_where_the_regression_has_the_coefficient_of_the_arrow(
    graph: bf.CausalGraph, seed: int
) -> None:
    x, y = graph.nodes[0], graph.nodes[-1]
    graph = graph.replaced(latent=graph.latent - {x, y}, directed=tuple(dict.fromkeys([*graph.directed, (x, y)])))
    problem = ArrowProblem(graph, x, y)
    slopes, covariance = _model(graph, seed)
    by_number: list[frozenset[str]] = []
    for s in subsets(set(graph.observed) - {x, y}):
        columns = [0, *(graph.nodes.index(n) for n in s)]
        coefficients = np.linalg.solve(covariance[np.ix_(columns, columns)], covariance[columns, -1])
        if abs(coefficients[0] - slopes[-1, 0]) < 1e-9:
            by_number.append(s)
    assert {s for s in subsets(set(graph.observed) - {x, y}) if problem.is_valid(s)} == set(by_number)
    found = [frozenset(s) for s in single_door_sets(graph, x, y)]
    assert len(found) == len(set(found))
    assert set(found) == smallest(by_number)


@given(graphs(nodes=6, latent=True), st.data())
@settings(max_examples=150, deadline=None)
def test_sets_hold_what_they_must_and_nothing_that_they_must_not(graph: bf.CausalGraph, data: st.DataObject) -> None:
    x, y = data.draw(st.permutations(graph.nodes))[:2]
    graph = graph.replaced(latent=graph.latent - {x, y})
    rest = [n for n in graph.nodes if n not in (x, y)]
    forced = set(data.draw(st.lists(st.sampled_from(rest), max_size=1))) if rest else set[str]()
    never = set(data.draw(st.lists(st.sampled_from(rest), max_size=1))) - forced if rest else set[str]()
    dag = explicit_dag(graph.replaced(directed=tuple(e for e in graph.directed if e != (x, y))))
    pool = set(graph.observed) - {x, y} - nx.descendants(explicit_dag(graph), y)
    valid = [s for s in subsets(pool) if forced <= s and not never & s and nx.is_d_separator(dag, {x}, {y}, set(s))]
    found = [frozenset(s) for s in single_door_sets(graph, x, y, must_include=forced, never=never)]
    assert len(found) == len(set(found))
    assert set(found) == smallest(valid)


def test_slips_are_refused() -> None:
    graph = bf.CausalGraph.from_any("x -> m -> y; u [latent]; u -> y")
    with pytest.raises(InvalidSetting, match="'u' is latent"):
        ArrowProblem(graph, "u", "y")
    with pytest.raises(RoleConflict):
        ArrowProblem(graph, "x", "x")
    with pytest.raises(InvalidSetting, match="'u' is latent"):
        next(controlled_direct_effect_sets(graph, "x", "y", "u"))
    with pytest.raises(RoleConflict):
        identify_controlled_direct_effect(graph, "x", "y", "y")
    with pytest.raises(RoleConflict, match="'x' is treatment and mediator"):
        identify_controlled_direct_effect(graph, "x", "y", "x")
