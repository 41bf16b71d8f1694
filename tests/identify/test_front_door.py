"""Front-door sets: by the definition, and by the effect itself."""

from __future__ import annotations

import time
from collections.abc import Iterable
from itertools import pairwise

import networkx as nx
import numpy as np
import pytest

import butfor as bf
from butfor.core.effort import Effort
from butfor.identify.expression import Probability, Variable, product, total
from butfor.identify.expression.expression import substituted
from butfor.identify.front_door import FrontDoorProblem, minimal_front_door_sets, needed_covariates
from tests.identify.exact import ExactModel
from tests.identify.explicit import explicit_dag, smallest, subsets, without_edges_out_of
from tests.identify.test_general_random import random_graph
from tests.identify.truth import error


def is_front_door(graph: bf.CausalGraph, x: set[str], y: set[str], m: Iterable[str], given: Iterable[str]) -> bool:
    """Pearl 1995, word by word: paths walked one by one, separation by networkx with explicit causes."""
    dag, mediators, w = explicit_dag(graph), set(m), set(given)
    paths = [p for a in x for b in y for p in nx.all_simple_paths(dag, a, b)]
    if not paths or any(not mediators & set(p[1:-1]) for p in paths):
        return False
    if not nx.is_d_separator(without_edges_out_of(dag, x), x, mediators, w):
        return False
    return nx.is_d_separator(without_edges_out_of(dag, mediators), mediators, y, x | w)


def problem(text: str, given: Iterable[str] = ()) -> FrontDoorProblem:
    return FrontDoorProblem(bf.CausalGraph.from_any(text), frozenset("x"), frozenset("y"), frozenset(given))


@pytest.mark.parametrize("latent", [False, True], ids=["bidirected", "latent nodes"])
def test_all_minimal_sets_and_no_others(latent: bool) -> None:
    rng = np.random.default_rng(50 + latent)
    some = 0
    for _ in range(1_500):
        graph = random_graph(rng, 7, latent=latent)
        order = [n for n in graph.topological_order if n not in graph.latent]
        if len(order) < 3:
            continue
        many = rng.random() < 0.3
        x, y = set(order[: 1 + many]), set(order[-1:])
        if x & y:
            continue
        before = set(order) - graph.descendants(x) - y
        given = {n for n in before if rng.random() < 0.3}
        task = FrontDoorProblem(graph, frozenset(x), frozenset(y), frozenset(given))
        valid = [s for s in subsets(set(order) - x - y - given) if is_front_door(graph, x, y, s, given)]
        for s in subsets(set(order) - x - y - given):
            assert task.is_valid(s) is (s in valid), (graph.to_text(), x, y, given, s)
        found = [frozenset(m) for m in minimal_front_door_sets(task)]
        assert len(found) == len(set(found))
        assert set(found) == smallest(valid), (graph.to_text(), x, y, given)
        some += bool(found)
    assert some > 30


def test_the_front_door_formula_gives_the_effect() -> None:
    """Σ_{m,w} P(m | x, w) P(w) Σ_{x'} P(y | x', m, w) P(x' | w) on exact distributions."""
    rng = np.random.default_rng(60)
    checked = 0
    while checked < 60:
        graph = random_graph(rng, 6)
        x, y = graph.topological_order[0], graph.topological_order[-1]
        given = {n for n in graph.nodes if n not in graph.descendants({x}) and n != y and rng.random() < 0.5}
        task = FrontDoorProblem(graph, frozenset({x}), frozenset({y}), frozenset(given))
        for mediators in minimal_front_door_sets(task):
            w = tuple(sorted(given))
            strata = [Probability.of_names(*w)] if w else []
            treated = Probability.of_names(x, given=w)
            seen = product([Probability.of_names(y, given=(x, *mediators, *w)), treated])
            inner = total([Variable(x).primed()], substituted(seen, {Variable(x): Variable(x).primed()}))
            moved = Probability.of_names(*mediators, given=(x, *w))
            formula = total(map(Variable, (*mediators, *w)), product([moved, *strata, inner]))
            assert error(formula, ExactModel.random(graph, rng), ([x], [y], [])) < 1e-9
            checked += 1


def test_covariates_that_are_needed() -> None:
    rng = np.random.default_rng(70)
    for _ in range(200):
        graph = random_graph(rng, 7)
        x, y = graph.topological_order[0], graph.topological_order[-1]
        given = frozenset(graph.nodes) - graph.descendants({x}) - {y}
        task = FrontDoorProblem(graph, frozenset({x}), frozenset({y}), given)
        for mediators in minimal_front_door_sets(task):
            kept = set(needed_covariates(task, mediators))
            assert is_front_door(graph, {x}, {y}, mediators, kept)
            assert not any(is_front_door(graph, {x}, {y}, mediators, kept - {n}) for n in kept)


def test_the_search_ends_with_its_effort() -> None:
    chain = " -> ".join(["x", *(f"m{i}" for i in range(40)), "y"])
    effort = Effort(5_000)
    found = list(minimal_front_door_sets(problem(f"{chain}; x <-> y"), effort=effort))
    assert effort.exhausted
    assert 0 < len(found) < 40
    assert len(list(minimal_front_door_sets(problem(f"{chain}; x <-> y")))) == 40


def test_many_branches_take_little_memory_and_time() -> None:
    start = time.process_time()
    levels = [[f"a{i}", f"b{i}"] for i in range(300)]
    edges = [("x", n) for n in levels[0]] + [(n, "y") for n in levels[-1]]
    edges += [(a, b) for above, below in pairwise(levels) for a in above for b in below]
    graph = bf.CausalGraph((), tuple(edges), (("x", "y"),))
    effort = Effort(2_000_000)
    found = list(minimal_front_door_sets(FrontDoorProblem(graph, frozenset("x"), frozenset("y")), effort=effort))
    assert all(len(m) == 2 for m in found)
    assert len(found) > 5
    assert time.process_time() - start < 20


def test_one_node_of_each_chain() -> None:
    """Two chains beside each other: one node of each."""
    found = {frozenset(m) for m in minimal_front_door_sets(problem("x -> a -> b -> y; x -> c -> d -> y; x <-> y"))}
    assert found == {frozenset(s) for s in ("ac", "ad", "bc", "bd")}
