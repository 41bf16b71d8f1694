"""What graphs imply: published cases, brute force by the definition, and covariances of random linear models."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from itertools import islice

import numpy as np
import pytest
from hypothesis import given, settings
from numpy.typing import NDArray

import butfor as bf
from butfor.core.errors import InvalidSetting, UnknownNode
from butfor.core.serial import from_json, to_json
from butfor.identify.implications import (
    Independence,
    InstrumentInequality,
    Tetrad,
    VermaConstraint,
    count_independences,
    independences,
    instrument_inequalities,
    minimal_separator,
    tetrads,
)
from tests.graph.strategies import graphs


def graph_of(text: str) -> bf.CausalGraph:
    return bf.CausalGraph.from_any(text)


def subsets(items: list[str]) -> Iterator[frozenset[str]]:
    for size in range(len(items) + 1):
        yield from map(frozenset, itertools.combinations(items, size))


# --- independences -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("z -> x; z -> i; x -> i; x -> y; i -> y", {"y ⊥ z | i, x"}),
        ("x -> m -> y", {"x ⊥ y | m"}),
        ("x -> c; y -> c", {"x ⊥ y"}),
        ("u [latent]; u -> x; u -> y", set()),
        ("u [latent]; u -> x; u -> y; z -> x", {"y ⊥ z"}),
        ("z -> x -> y; x <-> y", set()),  # the instrument is no neighbour of the outcome, yet nothing separates them
        ("a -> b -> c -> d; b <-> d", {"a ⊥ c | b"}),  # Verma's graph: a and d cannot be separated
        ("x -> y; x -> s; y -> s; s [selected]", set()),
        ("x; y; x -> s; y -> s; s [selected]", set()),
        ("x -> m -> y; m -> s; s [selected]", {"x ⊥ y | m, s"}),
    ],
)
def test_known_graphs(text: str, expected: set[str]) -> None:
    assert {str(statement) for statement in independences(graph_of(text))} == expected


def test_sachs() -> None:
    """A graph without hidden nodes denies one edge per pair that it does not join."""
    text = (
        "pkc -> jnk; pkc -> p38; pkc -> pka; pkc -> raf; pkc -> mek; pka -> jnk; pka -> p38; pka -> raf; pka -> mek;"
        "pka -> erk; pka -> akt; raf -> mek -> erk -> akt; plcg -> pip3; plcg -> pip2; pip3 -> pip2"
    )
    graph = graph_of(text)
    assert len(list(independences(graph))) == 11 * 10 // 2 - len(graph.directed)


@settings(max_examples=200, deadline=None)
@given(graphs(7, latent=True))
def test_counting_is_as_good_as_listing(graph: bf.CausalGraph) -> None:
    assert count_independences(graph) == len(list(independences(graph)))


def test_counts_end_and_take_no_time_without_hidden_causes() -> None:
    names = tuple(f"v{i}" for i in range(10_000))
    assert count_independences(bf.CausalGraph(names, tuple(itertools.pairwise(names)))) == 10_000 * 9_999 // 2 - 9_999
    assert count_independences(bf.CausalGraph(names[:200], (), tuple(itertools.pairwise(names[:200])))) is None
    assert count_independences(graph_of("x; y; s [selected]")) is None


@settings(max_examples=400, deadline=None)
@given(graphs(6, latent=True, selected=True))
def test_by_the_definition(graph: bf.CausalGraph) -> None:
    seen = sorted(n for n in graph.observed if n not in graph.selected)
    listed = {(s.first, s.second): frozenset(s.given) for s in independences(graph)}
    for first, second in itertools.combinations(seen, 2):
        others = [n for n in seen if n not in (first, second)]
        valid = {
            s | graph.selected for s in subsets(others) if graph.is_separated({first}, {second}, s | graph.selected)
        }
        assert ((first, second) in listed) is bool(valid)
        if valid:
            found = listed[first, second]
            assert found in valid
            assert not any(other < found for other in valid)


@settings(max_examples=50, deadline=None)
@given(graphs(7))
def test_without_hidden_nodes_every_missing_edge_is_listed(graph: bf.CausalGraph) -> None:
    graph = graph.replaced(bidirected=())
    missing = {frozenset(p) for p in itertools.combinations(graph.nodes, 2)} - {frozenset(e) for e in graph.directed}
    assert {frozenset((s.first, s.second)) for s in independences(graph)} == missing


def test_a_large_graph_answers_at_once() -> None:
    names = [f"v{i:04d}" for i in range(3000)]
    graph = bf.CausalGraph(tuple(names), tuple(itertools.pairwise(names)))
    found = list(islice(independences(graph), 5))
    assert [(s.first, s.second) for s in found] == [("v0000", f"v{i:04d}") for i in range(2, 7)]
    assert all(len(s.given) == 1 and s.first < s.given[0] < s.second for s in found)


def test_separator_of_unknown_nodes() -> None:
    with pytest.raises(UnknownNode, match="'z'"):
        minimal_separator(graph_of("x -> y"), "x", "z")


# --- tetrads -----------------------------------------------------------------------------------------------------


def covariance(graph: bf.CausalGraph, rng: np.random.Generator) -> NDArray[np.float64]:
    """Of a random linear model; a bidirected edge is a hidden cause of its own."""
    hidden = [f"hidden {i}" for i in range(len(graph.bidirected))]
    names = [*graph.nodes, *hidden]
    arrows = [*graph.directed, *((h, n) for h, e in zip(hidden, graph.bidirected, strict=True) for n in e)]
    weights = np.zeros((len(names), len(names)))
    for cause, effect in arrows:
        weights[names.index(effect), names.index(cause)] = rng.uniform(0.5, 1.5) * rng.choice([-1, 1])
    total = np.linalg.inv(np.eye(len(names)) - weights)
    return total @ np.diag(rng.uniform(0.5, 2.0, len(names))) @ total.T


def vanishing(graph: bf.CausalGraph) -> set[tuple[tuple[str, str], tuple[str, str]]]:
    """Tetrads that vanish in three random models although no covariance in them does."""
    models = [covariance(graph, np.random.default_rng(seed)) for seed in range(3)]
    place = {n: i for i, n in enumerate(graph.nodes)}
    found: set[tuple[tuple[str, str], tuple[str, str]]] = set()
    for a, b, c, d in itertools.combinations(sorted(graph.observed), 4):
        for first, second in (((a, b), (c, d)), ((a, c), (b, d)), ((a, d), (b, c))):
            blocks = [m[np.ix_([place[n] for n in first], [place[n] for n in second])] for m in models]
            moving = all(np.abs(block).min() > 1e-9 for block in blocks)
            if moving and all(abs(np.linalg.det(block)) < 1e-9 for block in blocks):
                found.add((first, second))
    return found


@settings(max_examples=100, deadline=None)
@given(graphs(7, latent=True))
def test_tetrads_are_those_that_vanish_in_linear_models(graph: bf.CausalGraph) -> None:
    assert {(t.first, t.second) for t in tetrads(graph)} == vanishing(graph)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("f [latent]; f -> a; f -> b; f -> c; f -> d", 3),  # Spearman 1904
        ("f [latent]; g [latent]; f -> a; f -> b; g -> c; g -> d; f -> g", 1),
        ("f [latent]; f -> a; f -> b; f -> c; f -> d; a <-> b", 1),
        ("f [latent]; g [latent]; f -> a; f -> b; f -> c; f -> d; g -> a; g -> b; g -> c; g -> d", 0),
    ],
)
def test_factor_models(text: str, count: int) -> None:
    found = list(tetrads(graph_of(text)))
    assert len(found) == count == len(vanishing(graph_of(text)))


def test_choke_point_names_the_trait_or_the_hidden_cause() -> None:
    trait = next(tetrads(graph_of("f [latent]; f -> a; f -> b; f -> c; f -> d")))
    assert trait == Tetrad(("a", "b"), ("c", "d"), "f")
    shared = next(tetrads(graph_of("m <-> n; m -> a; m -> b; n -> c; n -> d"), among=["a", "b", "c", "d"]))
    assert shared.choke_point in ("m", "n", "m <-> n")


def test_tetrads_are_bounded_and_need_all_rows() -> None:
    names = tuple(f"v{i}" for i in range(60))
    with pytest.raises(InvalidSetting, match="60 measured variables"):
        tetrads(bf.CausalGraph(names))
    text = "f [latent]; f -> a; f -> b; f -> c; f -> d; a -> s; s [selected]"
    assert not list(tetrads(graph_of(text)))


# --- instruments and values --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("z -> x -> y; x <-> y", True),
        ("z -> x -> y; x <-> y; z <-> x", True),
        ("z -> x -> y", False),  # an independence says more
        ("z -> x -> y; x <-> y; z -> y", False),
        ("z -> x -> y; x <-> y; z <-> y", False),
        ("x -> y; x <-> y; x -> z", False),  # an effect of the treatment is no instrument
        ("z -> x -> y; x <-> y; w -> z; w -> y", False),
        ("z -> x -> y; x <-> y; y -> s; s [selected]", False),
        ("z [latent]; z -> x -> y; x <-> y", False),
    ],
)
def test_instrument_inequalities(text: str, expected: bool) -> None:
    found = list(instrument_inequalities(graph_of(text), "x", "y", ["z"]))
    assert found == ([InstrumentInequality("z", "x", "y")] if expected else [])


def test_listed_inequalities_hold_in_random_models() -> None:
    """Exact distributions of random binary models with hidden binary causes."""
    rng = np.random.default_rng(0)
    pairs = list(itertools.combinations("zwxy", 2))
    checked = 0
    for _ in range(600):
        edges = [[p for p in pairs if rng.random() < share] for share in (0.5, 0.3)]
        graph = bf.CausalGraph(tuple("zwxy"), tuple(edges[0]), tuple(edges[1]))
        for inequality in instrument_inequalities(graph, "x", "y", ["z", "w"]):
            keep = "zwxy".index(inequality.instrument)
            table = binary_distribution(graph, rng).sum(axis=1 - keep)  # instrument × treatment × outcome
            table = table / table.sum(axis=(1, 2), keepdims=True)
            assert table.max(axis=0).sum(axis=1).max() <= 1 + 1e-12
            checked += 1
    assert checked > 50


def binary_distribution(graph: bf.CausalGraph, rng: np.random.Generator) -> NDArray[np.float64]:
    """P(nodes), one axis per node; each bidirected edge is a fair coin that both ends see."""
    names = [*graph.nodes, *(f"hidden {i}" for i in range(len(graph.bidirected)))]
    axis = {n: i for i, n in enumerate(names)}
    causes = {n: [axis[p] for p in graph.parents(n)] for n in graph.nodes}
    for i, edge in enumerate(graph.bidirected):
        for node in edge:
            causes[node].append(axis[f"hidden {i}"])
    joint = np.full((2,) * len(names), 0.5 ** len(graph.bidirected))
    for node in graph.nodes:
        shape = [2 if i in causes[node] else 1 for i in range(len(names))]
        chance = rng.beta(0.3, 0.3, shape)
        joint = joint * np.concatenate([1 - chance, chance], axis=axis[node])
    return joint.sum(axis=tuple(range(len(graph.nodes), len(names))))


def test_the_inequality_can_fail() -> None:
    """Where the outcome copies the instrument and the treatment never moves, the sum is 2."""
    table = np.zeros((2, 2, 2))
    table[0, 0, 0] = table[1, 0, 1] = 1.0
    assert table.max(axis=0).sum(axis=1).max() == 2.0


def test_values_come_back_from_json() -> None:
    values = (
        Independence("x", "y", ("z",)),
        Tetrad(("a", "b"), ("c", "d"), "f"),
        InstrumentInequality("z", "x", "y"),
        VermaConstraint("Σ_b P(d | a, b, c) P(b | a)", ("a",)),
    )
    assert from_json(to_json(values)) == values
