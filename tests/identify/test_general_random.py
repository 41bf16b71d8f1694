"""General identification on random graphs: against an independent algorithm, and against the effect itself."""

from __future__ import annotations

from itertools import combinations

import networkx as nx
import numpy as np
import pytest

import butfor as bf
from butfor.graph.districts import latent_projection
from butfor.identify.expression import parse_expression
from butfor.identify.general import identify_effect, is_hedge
from tests.identify.exact import ExactModel
from tests.identify.explicit import explicit_dag, subsets
from tests.identify.shpitser import HedgeFound, Recursion
from tests.identify.truth import distance, error

Query = tuple[list[str], list[str], list[str]]


def random_graph(rng: np.random.Generator, most: int, *, latent: bool = False) -> bf.CausalGraph:
    """Nodes in an order that is not that of their names; arrows and hidden causes of any density."""
    count = int(rng.integers(3, most + 1))
    names = [f"v{i}" for i in rng.permutation(count)]
    arrows, ties = rng.uniform(0.2, 0.8), 0.0 if latent else rng.uniform(0.0, 0.5)
    pairs = list(combinations(names, 2))
    directed = tuple(p for p in pairs if rng.random() < arrows)
    bidirected = tuple(p for p in pairs if rng.random() < ties)
    nodes = tuple(sorted(names)) if rng.random() < 0.5 else tuple(names)
    hidden = frozenset(n for n in names if latent and rng.random() < 0.4)
    return bf.CausalGraph(nodes, directed, bidirected, hidden)


def random_query(rng: np.random.Generator, graph: bf.CausalGraph, *, conditional: bool) -> Query:
    order = [str(n) for n in rng.permutation(graph.observed)]
    few = max(len(order) - 1, 1)
    x = int(rng.integers(1, min(2, few) + 1))
    y = int(rng.integers(1, min(2, len(order) - x) + 1)) if len(order) > x else 0
    z = int(rng.integers(1, 3)) if conditional else 0
    return order[:x], order[x : x + y], order[x + y : x + y + z]


@pytest.mark.parametrize("conditional", [False, True], ids=["ID", "IDC"])
def test_two_algorithms_agree_and_both_give_the_effect(conditional: bool) -> None:
    rng = np.random.default_rng(20 + conditional)
    verdicts: list[bool] = []
    for _ in range(400):
        graph = random_graph(rng, 7 if conditional else 8)
        query = random_query(rng, graph, conditional=conditional)
        if not query[1]:
            continue
        model = ExactModel.random(graph, rng)
        found = identify_effect(graph, *query)
        try:
            other = Recursion(graph, model.table().arranged(graph.nodes)).effect(*query)
        except HedgeFound:
            other = None
        assert found.identified is (other is not None), (graph.to_text(), query)
        verdicts.append(found.identified)
        if other is None:
            assert found.expression is None
            assert found.hedge is not None
            # The hedge is one of the joint effect on outcomes and conditions that are left.
            assert is_hedge(graph, found.hedge, found.treatments, found.outcomes | found.given)
        else:
            assert found.expression is not None
            assert error(found.expression, model, query) < 1e-9, (graph.to_text(), query)
            assert distance(other, model.effect(*query)) < 1e-9
            assert parse_expression(str(found.expression)) == found.expression
    assert 60 < sum(verdicts) < len(verdicts) - 60


def test_functionals_use_what_is_measured_when_hidden_causes_are_nodes() -> None:
    rng = np.random.default_rng(5)
    identified = 0
    for _ in range(300):
        graph = random_graph(rng, 8, latent=True)
        if len(graph.observed) < 2:
            continue
        query = random_query(rng, graph, conditional=False)
        found = identify_effect(graph, *query)
        projected = identify_effect(latent_projection(graph), *query)
        assert (found.identified, found.hedge) == (projected.identified, projected.hedge)
        if found.expression is not None:
            assert {v.name for v in found.expression.free} <= {*query[0], *query[1]}
            identified += 1
            assert error(found.expression, ExactModel.random(graph, rng), query) < 1e-9
    assert identified > 60


def test_the_latent_projection_separates_what_the_graph_separates() -> None:
    """Verma 1993; Evans 2016 (doi:10.1111/sjos.12194): the same m-separations and the same ancestors."""
    rng = np.random.default_rng(6)
    for _ in range(60):
        graph = random_graph(rng, 7, latent=True)
        seen = latent_projection(graph)
        assert set(seen.nodes) == set(graph.observed)
        whole, projected = explicit_dag(graph), explicit_dag(seen)
        for a, b in combinations(graph.observed, 2):
            assert (b in nx.descendants(whole, a)) is (b in seen.descendants({a}))
            for given in subsets(set(graph.observed) - {a, b}):
                apart = nx.is_d_separator(whole, {a}, {b}, set(given))
                assert seen.is_separated({a}, {b}, given) is apart
                assert graph.is_separated({a}, {b}, given) is apart
                assert nx.is_d_separator(projected, {a}, {b}, set(given)) is apart


def test_separation_in_graphs_without_some_edges() -> None:
    """The surgeries of do-calculus, on graphs that are really cut."""
    rng = np.random.default_rng(7)
    for _ in range(150):
        graph = random_graph(rng, 7)
        parts = rng.integers(0, 6, len(graph.nodes))
        a, b, given, into, out_of = (
            frozenset(n for n, k in zip(graph.nodes, parts, strict=True) if k == part) for part in range(5)
        )
        into, out_of = (s | frozenset(n for n in graph.nodes if rng.random() < 0.2) for s in (into, out_of))
        dag = explicit_dag(graph)
        dag.remove_edges_from([*dag.in_edges(list(into)), *dag.out_edges(list(out_of))])
        if a and b:
            apart = nx.is_d_separator(dag, set(a), set(b), set(given))
            assert graph.is_separated(a, b, given, no_edges_into=into, no_edges_out_of=out_of) is apart
