"""Covariates of the mediation formula, against the definition on all subsets."""

from __future__ import annotations

import random
import time

import networkx as nx
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import butfor as bf
from butfor.identify.mediation import is_mediation_set, mediation_set
from tests.graph.strategies import graphs
from tests.identify.explicit import explicit_dag, smallest, subsets, without_edges_out_of


def _by_definition(graph: bf.CausalGraph, x: str, y: str, m: set[str]) -> list[frozenset[str]]:
    """Conditions (1) to (3) of Pearl, on the graph with explicit hidden causes."""
    dag = explicit_dag(graph)
    acted_on = {x, y, *m}.union(*(nx.descendants(dag, n) for n in (x, *m)))
    first, second = without_edges_out_of(dag, [x]), without_edges_out_of(dag, [x, *m])
    return [
        w
        for w in subsets(set(graph.observed) - acted_on)
        if nx.is_d_separator(first, {x}, m | {y}, set(w)) and nx.is_d_separator(second, m, {y}, set(w))
    ]


@given(graphs(nodes=6, latent=True), st.data())
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
def test_a_set_is_found_where_there_is_one_and_it_is_minimal(graph: bf.CausalGraph, data: st.DataObject) -> None:
    order = data.draw(st.permutations(graph.nodes))
    assume(len(order) > 2)
    x, y, rest = order[0], order[1], order[2:]
    m = set(data.draw(st.lists(st.sampled_from(rest), min_size=1, max_size=2)))
    graph = graph.replaced(latent=graph.latent - {x, y, *m})
    valid = _by_definition(graph, x, y, m)
    assert {w for w in subsets(set(graph.observed) - {x, y}) if is_mediation_set(graph, x, y, m, w)} == set(valid)
    found = mediation_set(graph, x, y, m)
    assert found is None if not valid else frozenset(found or ()) in smallest(valid)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x -> m -> y; x -> y", ()),
        ("c -> x -> m -> y; c -> m; c -> y; x -> y", ("c",)),
        ("a -> x; a -> c; c -> m; c -> y; x -> m -> y", ("c",)),  # near mediators and outcome
        ("x -> m -> y; x -> y; m <-> y", None),
        ("x -> m -> y; x -> y; x <-> m", None),
        ("x -> l; l -> m; l -> y; x -> m; m -> y; x -> y", None),  # the treatment acts on the confounder
        ("a -> m; a -> b; b -> y; x -> m -> y; x -> y", ("b",)),
        ("m -> x -> y; m -> y", None),  # a cause of the treatment carries nothing
    ],
)
def test_famous_graphs(text: str, expected: tuple[str, ...] | None) -> None:
    assert mediation_set(bf.CausalGraph.from_any(text), "x", "y", ["m"]) == expected


def test_several_mediators_may_be_confounded_with_each_other() -> None:
    graph = bf.CausalGraph.from_any("x -> m1 -> y; x -> m2 -> y; m1 <-> m2; c -> m1; c -> y")
    assert mediation_set(graph, "x", "y", ["m1", "m2"]) == ("c",)
    assert mediation_set(graph, "x", "y", ["m1"]) is None


def test_large_graphs_take_no_time() -> None:
    rng = random.Random(5)
    names = [f"v{i}" for i in range(10_000)]
    edges = {(names[rng.randrange(max(0, i - 40), i)], names[i]) for i in range(1, 10_000) for _ in range(3)}
    x, m, y = names[9_000], names[9_500], names[9_999]
    graph = bf.CausalGraph(tuple(names), tuple(sorted({*edges, (x, m), (m, y), (x, y)})))
    start = time.process_time()
    found = mediation_set(graph, x, y, [m])
    assert time.process_time() - start < 5
    assert found is None or is_mediation_set(graph, x, y, [m], found)
