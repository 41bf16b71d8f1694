"""Every hedge proves what it claims: two models that agree on all that is observed and differ in the effect.

Shpitser and Pearl 2006 (AAAI-06, theorem 4). Hidden causes are fair coins. In the first model every node of the outer
forest is the parity of its causes there; in the second the nodes of the inner forest ignore the others. Each coin is
counted twice among the last nodes of the forest, so both models give them an even parity; when the treatment is set,
the first counts some coin once. The parity goes on to the outcomes in a second bit of every node, because the way may
lead through the outer forest again. Noise makes every probability positive.
"""

from __future__ import annotations

import itertools

import networkx as nx
import numpy as np
import pytest

import butfor as bf
from butfor.graph.districts import latent_projection
from butfor.identify.general import Hedge, identify_effect, is_hedge
from tests.identify.exact import ExactModel
from tests.identify.test_general import CASES, graph_of, query_of
from tests.identify.test_general_random import random_graph, random_query

NOISE = 0.1


def _forest(graph: bf.CausalGraph, roots: set[str], inside: set[str]) -> dict[str, str]:
    """The one child that each node keeps, on a shortest way to the roots."""
    child: dict[str, str] = {}
    queue = sorted(roots)
    for node in queue:
        for parent in graph.parents(node):
            if parent in inside and parent not in child and parent not in roots:
                child[parent] = node
                queue.append(parent)
    return child


def _coins(graph: bf.CausalGraph, inner: set[str], outer: set[str]) -> list[tuple[str, str]]:
    """Edges of a tree over the outer set, of which a part is a tree over the inner one."""
    tree: nx.Graph[str] = nx.Graph()
    for inside in (inner, outer):
        for a, b in graph.bidirected:
            known = a in tree and b in tree and nx.has_path(tree, a, b)
            if {a, b} <= inside and not known:
                tree.add_edge(a, b)
    return [edge for edge in graph.bidirected if tree.has_edge(*edge)]


def two_models(graph: bf.CausalGraph, hedge: Hedge, treatments: set[str], outcomes: set[str]) -> list[ExactModel]:
    """The two models of a hedge, over a graph without latent nodes."""
    outer, inner = set(hedge.outer), set(hedge.inner)
    roots = {n for n in inner if not set(graph.children(n)) & inner}
    child = {**_forest(graph, roots, outer), **_forest(graph, roots, inner)}
    # Below the forest the parity goes down to the outcomes, past the treatments.
    ways = _forest(graph, outcomes, set(graph.nodes) - treatments)
    way: dict[str, str] = {}
    for root in sorted(roots):
        node = root
        while node not in outcomes:
            way[node] = ways[node]
            node = ways[node]
    coins = _coins(graph, inner, outer)
    models: list[ExactModel] = []
    for ignorant in (False, True):
        tables: dict[str, tuple[tuple[str, ...], np.ndarray]] = {}
        for n in graph.nodes:
            ignored = outer - inner if ignorant and n in inner else set[str]()
            heard = [p for p in graph.parents(n) if child.get(p) == n and p not in ignored]
            tossed = [(a, b) for a, b in coins if n in (a, b) and not {a, b} & ignored]
            above = [p for p in graph.parents(n) if way.get(p) == n]
            causes = tuple(dict.fromkeys((*heard, *above)))
            names = (*causes, *(f"{a}~{b}" for a, b in tossed))
            noise = (0.5 if n not in outer else NOISE if n in roots else 0.0, NOISE if above else 0.5)
            table = np.empty((4,) * len(causes) + (2,) * len(tossed) + (4,))
            for values in itertools.product(*map(range, table.shape[:-1])):
                told = dict(zip(names, values, strict=True))
                parity = sum(told[p] // 2 for p in heard) + sum(values[len(causes) :])
                passed = sum((p in roots) * (told[p] // 2) + (p in way.values()) * (told[p] % 2) for p in above)
                table[values] = np.outer(_noisy(parity, noise[0]), _noisy(passed, noise[1])).ravel()
            tables[n] = (names, table)
        models.append(ExactModel(graph, tables, {f"{a}~{b}": np.array([0.5, 0.5]) for a, b in graph.bidirected}))
    return models


def _noisy(number: int, noise: float) -> tuple[float, float]:
    return (noise, 1 - noise) if number % 2 else (1 - noise, noise)


def assert_proved(graph: bf.CausalGraph, hedge: Hedge, treatments: list[str], outcomes: list[str]) -> None:
    projected = latent_projection(graph)
    assert is_hedge(graph, hedge, treatments, outcomes)
    one, other = two_models(projected, hedge, set(treatments), set(outcomes))
    observed = one.table().values
    assert observed.min() > 0
    assert np.abs(observed - other.table().values).max() < 1e-12
    effects = [m.effect(treatments, outcomes).values for m in (one, other)]
    assert np.abs(effects[0] - effects[1]).max() > 1e-4, (graph.to_text(), hedge, treatments, outcomes)


UNIDENTIFIED = [c for c in CASES if c["hedge"]]


@pytest.mark.parametrize("case", UNIDENTIFIED, ids=[c["name"] for c in UNIDENTIFIED])
def test_two_models_for_published_graphs(case: dict[str, list[str]]) -> None:
    graph = graph_of(case)
    x, y, _ = query_of(case)
    assert_proved(graph, Hedge(tuple(case["hedge"][0]), tuple(case["hedge"][1])), x, y)
    found = identify_effect(graph, x, y).hedge
    assert found is not None
    assert_proved(graph, found, x, y)


@pytest.mark.parametrize("latent", [False, True], ids=["bidirected", "latent nodes"])
def test_two_models_for_random_graphs(latent: bool) -> None:
    rng = np.random.default_rng(40 + latent)
    proved = 0
    for _ in range(500):
        graph = random_graph(rng, 8 if latent else 7, latent=latent)
        if len(graph.observed) < 2:
            continue
        x, y, _ = random_query(rng, graph, conditional=False)
        hedge = identify_effect(graph, x, y).hedge
        if hedge is not None:
            assert_proved(graph, hedge, x, y)
            proved += 1
    assert proved > 30


@pytest.mark.parametrize(
    ("outer", "inner"),
    [
        ("y", ""),  # nothing inside
        ("xy", "xy"),  # not smaller
        ("xy", "x"),  # the treatment inside
        ("xz", "z"),  # no hidden cause ties them
        ("xya", "y"),  # a acts on nothing in there
        ("xy9", "y"),  # no such node
        ("bxy", "b"),  # b does not act on the outcome
    ],
)
def test_pairs_that_prove_nothing(outer: str, inner: str) -> None:
    graph = bf.CausalGraph.from_any("x -> y; x <-> y; x -> z -> y; y <-> a; x -> b; b <-> y")
    assert is_hedge(graph, Hedge(("x", "y"), ("y",)), ["x"], ["y"])
    assert not is_hedge(graph, Hedge(tuple(outer), tuple(inner)), ["x"], ["y"])
