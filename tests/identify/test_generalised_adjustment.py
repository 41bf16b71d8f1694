"""Adjustment in equivalence classes: published answers, and brute force over every graph of a class.

The oracle knows nothing of visible edges or amenability: it lists all acyclic graphs with hidden causes over four
nodes, sorts them by the independences that they imply, and calls a set valid in a class when it is valid in every graph
of the class. The marks of a class are what its graphs have in common.
"""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

import butfor as bf
from butfor.core.errors import CyclicGraph, GraphError, RoleConflict, UnknownNode
from butfor.graph.marked_graph import Kind, MarkedEdge, MarkedGraph
from butfor.identify.adjustment import AdjustmentProblem
from butfor.identify.generalised_adjustment import GeneralisedAdjustment, closed, member

NODES = ("a", "b", "c", "d")
PAIRS = list(itertools.combinations(range(4), 2))
Booleans = NDArray[np.bool_]


def task(text: str, x: Iterable[str] = "x", y: Iterable[str] = "y") -> GeneralisedAdjustment:
    return GeneralisedAdjustment.of(MarkedGraph.from_text(text), x, y)


def minimal(text: str, x: Iterable[str] = "x", y: Iterable[str] = "y") -> set[tuple[str, ...]]:
    return set(task(text, x, y).minimal_sets())


# --- known answers -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "x", "y", "expected"),
    [
        # dagitty's test suite
        ("pdag { X -> W -> Y ; F -> W -- Z ; X <- F -> Z }", ["X"], ["Y"], {("F",)}),
        ("mag { X -> Y }", ["X"], ["Y"], set()),
        ("mag { I -> X -> Y }", ["X"], ["Y"], {()}),
        ("pag { i <-@ x -> y }", ["x"], ["y"], set()),
        ("pag { 1 @-@ 2 @-@ 3 @-@ 4 2 @-@ 4 }", ["2"], ["4"], set()),
        ("pag { u @-@ {x @-@ y} }", ["x"], ["y"], set()),
        # one edge: without a direction, with circles, made visible by a node that points to the treatment alone
        ("pdag { x -- y }", ["x"], ["y"], set()),
        ("pag { x @-@ y }", ["x"], ["y"], set()),
        ("pag { v @-> x -> y }", ["x"], ["y"], {()}),
        # acyclic graphs: a fork, an effect that causes its treatment, a long back door, two treatments
        ("pdag { x -> y ; z -> x ; z -> y }", ["x"], ["y"], {("z",)}),
        ("pdag { y -> x }", ["x"], ["y"], set()),
        ("pdag { x -> m -> y ; z -> x ; z -> w -> y }", ["x"], ["y"], {("z",), ("w",)}),
        ("pdag { a -> b -> y ; a -> y ; z -> b ; z -> y }", ["a", "b"], ["y"], {("z",)}),
    ],
)
def test_known_answers(text: str, x: list[str], y: list[str], expected: set[tuple[str, ...]]) -> None:
    assert minimal(text, x, y) == expected


# --- the oracle ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Universe:
    """Every acyclic graph over four nodes, with or without hidden causes.

    Attributes:
        directed, bidirected, causes: [graph, a, b]: a -> b, a <-> b, a is an ancestor of b (or b itself).
        joined: [graph, a, b]: no set separates a and b.
        model: [graph, …]: which pairs each set separates.
    """

    directed: Booleans
    bidirected: Booleans
    causes: Booleans
    joined: Booleans
    model: Booleans

    def graph(self, i: int) -> bf.CausalGraph:
        arrows, arcs = (
            tuple((NODES[a], NODES[b]) for a, b in np.argwhere(edges))
            for edges in (self.directed[i], self.bidirected[i])
        )
        return bf.CausalGraph(NODES, arrows, arcs)

    def marked(self, members: NDArray[np.int64], kind: Kind) -> MarkedGraph:
        """What the graphs have in common."""
        tails, first = self.causes[members], int(members[0])
        edges: list[MarkedEdge] = []
        for a, b in PAIRS:
            if self.joined[first, a, b]:
                here, there = (
                    "tail" if tails[:, p, q].all() else "circle" if tails[:, p, q].any() else "arrow"
                    for p, q in ((a, b), (b, a))
                )
                if kind == "pdag" and here == there == "circle":
                    here = there = "tail"
                edges.append((NODES[a], here, there, NODES[b]))
        return MarkedGraph(NODES, tuple(edges), kind)


def connected(directed: Booleans, bidirected: Booleans, causes: Booleans, given: tuple[int, ...]) -> Booleans:
    """[graph, a, b]: does an open walk join a and b, given nodes? A walk is at (node, came by arrowhead)."""
    into, out = directed | bidirected, np.swapaxes(directed, 1, 2)
    inside = np.isin(np.arange(4), given)
    opened = causes[:, :, list(given)].any(axis=2)
    # From a state onward by an edge with a tail here (->) or an arrowhead here (<- keeps a tail there, <-> a head).
    steps = np.zeros((len(directed), 8, 8), dtype=bool)
    for came in (False, True):
        rows = slice(4 * came, 4 * came + 4)
        through = np.broadcast_to(~inside, opened.shape)
        collider = opened if came else through
        steps[:, rows, 4:] = (directed & through[:, :, None]) | (bidirected & collider[:, :, None])
        steps[:, rows, :4] = out & collider[:, :, None]
    start = np.concatenate([out, into], axis=2)
    reached = start.astype(np.float32)
    for _ in range(8):
        reached = np.minimum(reached + reached @ steps, 1)
    return (reached[:, :, :4] + reached[:, :, 4:]) > 0


@cache
def universe(*, hidden: bool) -> Universe:
    cells = [(a, b) for a in range(4) for b in range(4) if a != b]
    arrows = np.zeros((2 ** len(cells), 4, 4), dtype=bool)
    for bit, (a, b) in enumerate(cells):
        arrows[:, a, b] = np.arange(len(arrows)) >> bit & 1
    causes = np.linalg.matrix_power((arrows | np.eye(4, dtype=bool)).astype(np.float32), 4) > 0
    acyclic = ~(causes & np.swapaxes(causes, 1, 2) & ~np.eye(4, dtype=bool)).any(axis=(1, 2))
    arcs = np.zeros((2 ** len(PAIRS) if hidden else 1, 4, 4), dtype=bool)
    for bit, (a, b) in enumerate(PAIRS):
        arcs[:, a, b] = arcs[:, b, a] = np.arange(len(arcs)) >> bit & 1
    directed = np.repeat(arrows[acyclic], len(arcs), axis=0)
    bidirected, causes = np.tile(arcs, (acyclic.sum(), 1, 1)), np.repeat(causes[acyclic], len(arcs), axis=0)
    open_pairs = []
    for a, b in PAIRS:
        others = [n for n in range(4) if n not in (a, b)]
        open_pairs.append([z for k in range(3) for z in itertools.combinations(others, k)])
    found = {z: connected(directed, bidirected, causes, z) for z in {z for sets in open_pairs for z in sets}}
    model = np.stack([found[z][:, a, b] for (a, b), sets in zip(PAIRS, open_pairs, strict=True) for z in sets], axis=1)
    joined = np.zeros_like(directed)
    for column, (a, b) in enumerate(PAIRS):
        joined[:, a, b] = joined[:, b, a] = model[:, 4 * column : 4 * column + 4].all(axis=1)
    return Universe(directed, bidirected, causes, joined, model)


@cache
def classes(kind: Kind) -> list[NDArray[np.int64]]:
    """The graphs that a PDAG (CPDAG), MAG or PAG stands for; the MAG also knows who causes whom."""
    all_graphs = universe(hidden=kind != "pdag")
    traits = all_graphs.model
    if kind == "mag":
        traits = np.concatenate([traits, all_graphs.causes.reshape(len(traits), -1)], axis=1)
    _, group = np.unique(np.packbits(traits, axis=1), axis=0, return_inverse=True)
    order = np.argsort(group.ravel(), kind="stable")
    return np.split(order, np.flatnonzero(np.diff(group.ravel()[order])) + 1)


def effects() -> Iterator[tuple[frozenset[str], frozenset[str]]]:
    """Every choice of treatments and outcomes that leaves something to adjust for."""
    for sizes in ((1, 1), (2, 1), (1, 2)):
        for x in itertools.combinations(NODES, sizes[0]):
            for y in itertools.combinations([n for n in NODES if n not in x], sizes[1]):
                yield frozenset(x), frozenset(y)


def subsets(nodes: Iterable[str]) -> list[frozenset[str]]:
    listed = sorted(nodes)
    return [frozenset(z) for k in range(len(listed) + 1) for z in itertools.combinations(listed, k)]


def check(graph: MarkedGraph, graphs: list[bf.CausalGraph], x: frozenset[str], y: frozenset[str]) -> None:
    """The sets that are valid in every graph are those that the criterion names; likewise minimal and canonical."""
    found = GeneralisedAdjustment.of(graph, x, y)
    problems = [AdjustmentProblem.of(g, x, y) for g in graphs]
    sets = subsets(set(graph.nodes) - x - y)
    valid = {z for z in sets if all(p.is_valid(z) for p in problems)}
    shown = (graph.to_text(), x, y)
    assert {z for z in sets if found.is_valid(z)} == valid, shown
    listed = [frozenset(z) for z in found.minimal_sets()]
    assert len(listed) == len(set(listed)), shown
    assert set(listed) == {z for z in valid if not any(other < z for other in valid)}, shown
    assert found.is_valid(found.canonical) or not valid, shown
    assert found.amenable == (not found.why), shown


@pytest.mark.parametrize("kind", ["pdag", "mag", "pag"])
def test_every_class_agrees_with_all_its_graphs(kind: Kind) -> None:
    source = universe(hidden=kind != "pdag")
    rng = random.Random(3)
    for members in rng.sample(classes(kind), 60):
        graph = source.marked(members, kind)
        # The denser graphs are the hardest to adjust in, so they come first; the order changes no verdict.
        graphs = [source.graph(int(i)) for i in members[::-1][:400]]
        for x, y in rng.sample(list(effects()), 4):
            check(graph, graphs, x, y)


def test_number_of_classes_of_four_nodes() -> None:
    # Gillispie and Perlman 2001 (arXiv:1301.2272): 185 classes of the 543 acyclic graphs of four nodes.
    assert len(classes("pdag")) == 185
    assert len(universe(hidden=False).directed) == 543


# --- directions known besides --------------------------------------------------------------------------------------


def colliders(arrows: Iterable[tuple[str, str]], adjacent: set[frozenset[str]]) -> set[tuple[frozenset[str], str]]:
    listed = list(arrows)
    return {
        (frozenset((a, c)), b) for a, b in listed for c, d in listed if b == d and a != c and {a, c} not in adjacent
    }


def equivalent(nodes: tuple[str, ...], arrows: list[tuple[str, str]]) -> list[bf.CausalGraph]:
    """Every acyclic graph with the same neighbours and the same unshielded colliders (Verma and Pearl 1990)."""
    adjacent = {frozenset(e) for e in arrows}
    found: list[bf.CausalGraph] = []
    for turned in itertools.product((False, True), repeat=len(arrows)):
        other = [(b, a) if flip else (a, b) for (a, b), flip in zip(arrows, turned, strict=True)]
        if colliders(other, adjacent) != colliders(arrows, adjacent):
            continue
        try:
            found.append(bf.CausalGraph(nodes, tuple(other)))
        except CyclicGraph:
            continue
    return found


@pytest.mark.parametrize("seed", range(60))
def test_pdag_with_known_directions_agrees_with_all_its_graphs(seed: int) -> None:
    rng = random.Random(seed)
    nodes = tuple("abcde")
    arrows = rng.sample(list(itertools.combinations(rng.sample(nodes, 5), 2)), rng.choice([5, 6, 7, 8]))
    everything = equivalent(nodes, arrows)
    forced = set[tuple[str, str]].intersection(*(set(g.directed) for g in everything))
    known = {e for e in arrows if e in forced or rng.random() < 0.3}
    edges: list[MarkedEdge] = [(a, "tail", "arrow" if (a, b) in known else "tail", b) for a, b in arrows]
    graph = MarkedGraph(nodes, tuple(edges), "pdag")
    graphs = [g for g in everything if known <= set(g.directed)]
    follows = set[tuple[str, str]].intersection(*(set(g.directed) for g in graphs))
    assert set(closed(graph).definite.directed) == follows
    assert set(member(graph).directed) in [set(g.directed) for g in graphs]
    for n in nodes:
        assert closed(graph).possible_descendants({n}) == frozenset[str]().union(*(g.descendants({n}) for g in graphs))
        assert closed(graph).possible_ancestors({n}) == frozenset[str]().union(*(g.ancestors({n}) for g in graphs))
    for _ in range(4):
        chosen = rng.sample(nodes, rng.choice([2, 3]))
        cut = rng.choice([1, len(chosen) - 1])
        check(graph, graphs, frozenset(chosen[:cut]), frozenset(chosen[cut:]))


# --- one by one ----------------------------------------------------------------------------------------------------


def test_why_names_the_path() -> None:
    assert (
        task("mag { x -> m -> y }").why
        == "the path x -> m -> y may be causal, but its first edge may hide a common cause"
    )
    assert "x -- m -> y" in task("pdag { x -- m -> y ; w -> y }").why
    assert "whether x causes y" in task("pag { x @-@ y }").why
    assert task("pag { x @-@ y }").forbidden >= {"x", "y"}
    assert list(task("pag { x @-@ y }").minimal_sets()) == []
    assert not task("pag { x @-@ y }").is_valid([])


def test_without_a_causal_path_the_empty_set_may_do() -> None:
    assert minimal("pag { x @-> c <-@ y }") == {()}
    assert minimal("pdag { x ; y }") == {()}


def test_latent_nodes_are_never_adjusted_for() -> None:
    assert minimal("pdag { u [latent] u -> x ; u -> y ; x -> y }") == set()
    assert minimal("pdag { u [latent] u -> x ; u -> w -> y ; x -> y ; v -> x }") == {("w",)}


def test_wrong_questions_are_refused() -> None:
    with pytest.raises(UnknownNode, match="treatment"):
        task("pdag { x -> y }", ["q"])
    with pytest.raises(UnknownNode):
        task("pdag { x -> y }").is_valid(["q"])
    with pytest.raises(RoleConflict):
        task("pdag { x -> y }", ["x"], ["x", "y"])
    with pytest.raises(GraphError, match="selected rows"):
        task("mag { x -> y ; a -- b }")
    for text in ("pdag { x -- a -- y -- b -- x }", "pag { x o-o a o-o y o-o b o-o x }"):
        with pytest.raises(GraphError, match="new collider"):
            task(text)


def test_learned_graphs_that_contradict_themselves_are_read_with_care() -> None:
    # No MAG has x <-> q and v -> q while x may cause v; the way by v and q counts as possibly causal all the same.
    assert not task("pag { p o-> x o-> v -> q -> y ; q <-> x }").amenable


def large_pag(nodes: int, rng: random.Random) -> MarkedGraph:
    """A PAG of visible edges: every node of an ordered graph has two causes of its own that nothing else touches."""
    edges: list[MarkedEdge] = []
    for i in range(nodes // 3):
        edges += [(f"{own}{i}", "circle", "arrow", f"v{i}") for own in ("p", "q")]
        edges += [(f"v{j}", "tail", "arrow", f"v{i}") for j in rng.sample(range(max(0, i - 12), i), min(i, 3))]
    names = [f"{kind}{i}" for i in range(nodes // 3) for kind in ("v", "p", "q")]
    return MarkedGraph(tuple(names), tuple(edges), "pag")


def test_four_hundred_nodes_take_seconds() -> None:
    graph = large_pag(400, random.Random(5))
    begun = time.perf_counter()
    found = GeneralisedAdjustment.of(graph, {"v60"}, {"v90"})
    assert found.amenable
    assert found.is_valid(found.canonical)
    listed = list(itertools.islice(found.minimal_sets(), 200))
    assert len(set(listed)) == 200
    assert time.perf_counter() - begun < 10
    for one in listed[:20]:
        assert found.is_valid(one)
        assert not any(found.is_valid(set(one) - {n}) for n in one)
