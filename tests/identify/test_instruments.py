"""Instruments: by the definition, and by what they are for: the slope of a linear model."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest

import butfor as bf
from butfor.core.effort import Effort
from butfor.identify.adjustment import AdjustmentProblem
from butfor.identify.instruments import InstrumentProblem, instruments
from tests.identify.explicit import explicit_dag, smallest, subsets
from tests.identify.test_general_random import random_graph

Pair = tuple[str, frozenset[str]]


def conditional_instruments(graph: bf.CausalGraph, x: str, y: str) -> tuple[set[Pair], set[Pair]]:
    """All pairs (instrument, given) by the definition, and those of them that are separators, whatever they move."""
    dag = explicit_dag(graph)
    after = {x, y} | nx.descendants(dag, x) | nx.descendants(dag, y)
    pool = set(graph.observed) - after
    backdoor = dag.copy()
    backdoor.remove_edges_from([(x, c) for c in list(dag.successors(x)) if c == y or y in nx.descendants(dag, c)])
    separating = {(z, w) for z in pool for w in subsets(pool - {z}) if nx.is_d_separator(backdoor, {z}, {y}, set(w))}
    valid = {(z, w) for z, w in separating if not nx.is_d_separator(dag, {z}, {x}, set(w))}
    return valid, separating


@pytest.mark.parametrize("latent", [False, True], ids=["bidirected", "latent nodes"])
def test_by_the_definition(latent: bool) -> None:
    """Each listed set is a smallest separator; every set of ancestors that is found by hand has its node listed.

    Van der Zander, Textor and Liśkiewicz 2015: whether a given node is a conditional instrument is hard to decide, but
    if there is any, there is one with ancestors of itself and of the outcome.
    """
    rng = np.random.default_rng(80 + latent)
    some = 0
    for _ in range(1_200):
        graph = random_graph(rng, 7, latent=latent)
        order = [n for n in graph.topological_order if n not in graph.latent]
        if len(order) < 3:
            continue
        x, y = (str(n) for n in rng.choice(order, 2, replace=False))
        task = InstrumentProblem(graph, x, y)
        valid, separating = conditional_instruments(graph, x, y)
        found = [(z, frozenset(w)) for z, w in instruments(task)]
        assert len(found) == len(set(found))
        smallest_of = {z: smallest([w for other, w in separating if other == z]) for z, _ in separating}
        assert set(found) == {(z, w) for z, w in valid if w in smallest_of[z]}, (graph.to_text(), x, y)
        for z, w in separating:
            assert task.is_valid(z, w) is ((z, w) in valid)
        ancestral = {z for z, w in valid if w <= task.backdoor.ancestors({z, y})}
        assert ancestral == {z for z, _ in found}
        assert bool(valid) is bool(found)
        some += bool(found)
    assert some > 60


def test_they_give_the_slope_of_linear_models() -> None:
    """cov(z, y | w) / cov(z, x | w) is the total effect, exactly."""
    rng = np.random.default_rng(90)
    checked = 0
    while checked < 200:
        graph = random_graph(rng, 7)
        order = list(graph.topological_order)
        x, y = order[len(order) // 2], order[-1]
        index = {n: i for i, n in enumerate(order)}
        slopes = np.zeros((len(order), len(order)))
        for a, b in graph.directed:
            slopes[index[b], index[a]] = rng.uniform(0.5, 1.5) * rng.choice([-1, 1])
        noise = np.diag(rng.uniform(0.5, 1.5, len(order)))
        for a, b in graph.bidirected:
            load = np.zeros(len(order))
            load[[index[a], index[b]]] = rng.uniform(0.5, 1.5, 2)
            noise += np.outer(load, load)
        whole = np.linalg.inv(np.eye(len(order)) - slopes)
        covariance = whole @ noise @ whole.T
        for z, w in instruments(InstrumentProblem(graph, x, y)):
            ends, given = [index[n] for n in (z, x, y)], [index[n] for n in w]
            left = covariance[np.ix_(ends, ends)]
            if given:
                across = covariance[np.ix_(ends, given)]
                left = left - across @ np.linalg.solve(covariance[np.ix_(given, given)], across.T)
            if abs(left[0, 1]) > 1e-3:
                assert left[0, 2] / left[0, 1] == pytest.approx(whole[index[y], index[x]], abs=1e-6)
                checked += 1


def test_sets_that_no_instrument_is_left_with_are_not_searched() -> None:
    """A ladder has exponentially many separators, none of which leaves a node above it connected with the treatment."""
    rungs = [("t", "a0"), ("t", "b0")] + [(f"a{i}", f"a{i + 1}") for i in range(40)]
    rungs += [(f"b{i}", f"b{i + 1}") for i in range(40)] + [("a40", "x"), ("b40", "x"), ("a40", "y"), ("b40", "y")]
    graph = bf.CausalGraph((), (*rungs, ("x", "y")), (("x", "y"),))
    effort = Effort(100_000)
    found = list(instruments(InstrumentProblem(graph, "x", "y"), effort=effort))
    assert not effort.exhausted
    assert found == []


def test_the_search_ends_with_its_effort() -> None:
    edges = [e for i in range(30) for e in (("z", f"a{i}"), (f"a{i}", f"b{i}"), (f"b{i}", "y"))]
    graph = bf.CausalGraph((), (*edges, ("z", "x"), ("x", "y")), (("x", "y"),))
    effort = Effort(20_000)
    found = list(instruments(InstrumentProblem(graph, "x", "y"), effort=effort))
    assert effort.exhausted
    assert len(found) == len(set(found)) > 10
    assert AdjustmentProblem.of(graph, {"x"}, {"y"}).candidates >= {"z"}
