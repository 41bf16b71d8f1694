"""The graph: neighbours, cycles, separation."""

from __future__ import annotations

import dataclasses
import itertools
from random import Random

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import butfor as bf
from butfor.core.errors import CyclicGraph, GraphSyntax, UnknownNode
from butfor.graph.layout import layered_layout
from tests.graph.strategies import graphs


def test_neighbours() -> None:
    graph = bf.CausalGraph.from_any("z -> x -> m -> y; z -> y; x <-> y")
    assert set(graph.parents("y")) == {"m", "z"}
    assert graph.children("z") == ("x", "y")
    assert graph.spouses("x") == ("y",)
    assert graph.ancestors({"m"}) == {"z", "x", "m"}
    assert graph.descendants({"m"}) == {"m", "y"}


def test_a_cycle_is_printed() -> None:
    with pytest.raises(CyclicGraph, match="b -> c -> d -> b") as caught:
        bf.CausalGraph.from_any("a -> b -> c -> d -> b")
    assert caught.value.code == "BF122"


def test_a_long_cycle_is_found_in_time_and_shown_in_part() -> None:
    with pytest.raises(CyclicGraph, match=r"more\) …") as caught:
        bf.CausalGraph.from_any("\n".join(f"n{i} -> n{(i + 1) % 50_000}" for i in range(50_000)))
    assert len(str(caught.value)) < 1000


def test_self_loops_and_unknown_latents_are_refused() -> None:
    with pytest.raises(GraphSyntax, match="itself"):
        bf.CausalGraph.from_any("a -> a")
    with pytest.raises(GraphSyntax, match="pair"):
        bf.CausalGraph(("a", "b", "c"), (("a", "b", "c"),))  # type: ignore[arg-type]
    with pytest.raises(UnknownNode, match="'ag'"):
        bf.CausalGraph(("age",), latent=frozenset({"ag"}))
    with pytest.raises(UnknownNode) as caught:
        bf.CausalGraph.from_any("age -> dose").parents("aeg")
    assert "did you mean 'age'?" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "given", "separated"),
    [
        ("x -> m -> y", [], False),
        ("x -> m -> y", ["m"], True),
        ("x <- c -> y", ["c"], True),
        ("x -> c <- y", [], True),
        ("x -> c <- y", ["c"], False),
        ("x -> c <- y; c -> d", ["d"], False),
        ("x <-> y", [], False),
        ("x <-> c <-> y", [], True),
        ("x <-> c <-> y", ["c"], False),
        ("u [latent]; x <- u -> y", [], False),
    ],
)
def test_separation_by_the_book(text: str, given: list[str], separated: bool) -> None:
    graph = bf.CausalGraph.from_any(text)
    assert graph.is_separated({"x"}, {"y"}, given) is separated
    assert (graph.open_path({"x"}, {"y"}, given) is None) is separated


@given(graphs(nodes=6), st.data())
@settings(max_examples=150, deadline=None)
def test_separation_agrees_with_networkx_on_the_canonical_dag(graph: bf.CausalGraph, data: st.DataObject) -> None:
    """A bidirected edge is a hidden common cause: networkx decides on that DAG."""
    dag = nx.DiGraph(graph.directed)
    dag.add_nodes_from(graph.nodes)
    for k, (a, b) in enumerate(graph.bidirected):
        dag.add_edges_from([(f"hidden {k}", a), (f"hidden {k}", b)])
    x, y = data.draw(st.permutations(graph.nodes))[:2]
    rest = [n for n in graph.nodes if n not in (x, y)]
    z = data.draw(st.lists(st.sampled_from(rest), unique=True) if rest else st.just([]))
    assert graph.is_separated({x}, {y}, z) == nx.is_d_separator(dag, {x}, {y}, set(z))


def test_backdoor_sets() -> None:
    graph = bf.CausalGraph.from_any("z -> x; z -> y; x -> m -> y; u [latent]; u -> x; u -> w -> y")
    assert graph.is_backdoor_set("x", "y", ["z", "w"])
    assert not graph.is_backdoor_set("x", "y", ["z"])
    assert not graph.is_backdoor_set("x", "y", ["z", "w", "m"])
    assert not graph.is_backdoor_set("x", "y", ["z", "u"])


def test_layout_puts_causes_left_of_effects() -> None:
    graph = bf.CausalGraph.from_any("a -> b -> c; a -> c; d -> c; e")
    place = layered_layout(graph)
    assert set(place) == set(graph.nodes)
    assert all(place[a][0] < place[b][0] for a, b in graph.directed)
    assert len(set(place.values())) == len(place)


def test_equal_graphs_are_equal_and_hash_alike() -> None:
    one, two = (bf.CausalGraph.from_any("a -> b; a <-> b") for _ in range(2))
    assert one == two
    assert hash(one) == hash(two)
    assert bf.from_json(bf.to_json(one)).to_dict() == one.to_dict()


@given(graphs(latent=True, selected=True, weird=True), st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_the_order_in_which_a_graph_is_written_makes_no_other_graph(graph: bf.CausalGraph, chance: Random) -> None:
    nodes, directed, bidirected = (
        chance.sample(part, len(part)) for part in (graph.nodes, graph.directed, graph.bidirected)
    )
    turned = tuple((b, a) for a, b in bidirected)
    other = bf.CausalGraph(tuple(nodes), tuple(directed), turned, graph.latent, graph.selected)
    assert other == graph
    assert len({other, graph, bf.from_json(bf.to_json(other)), bf.CausalGraph.from_any(other.to_text())}) == 1
    assert other.nodes == tuple(nodes)


@given(graphs(latent=True), st.data())
@settings(max_examples=100, deadline=None)
def test_whatever_a_graph_says_tells_it_apart(graph: bf.CausalGraph, data: st.DataObject) -> None:
    assert hash(graph) == hash(graph.replaced())
    others = [
        *(graph.replaced(directed=tuple(e for e in graph.directed if e != gone)) for gone in graph.directed),
        *(graph.replaced(bidirected=tuple(e for e in graph.bidirected if e != gone)) for gone in graph.bidirected),
        *(graph.replaced(latent=graph.latent ^ {node}) for node in graph.nodes),
        dataclasses.replace(graph, selected=frozenset({data.draw(st.sampled_from(graph.nodes))})),
        dataclasses.replace(graph, nodes=(*graph.nodes, "one more")),
    ]
    assert graph not in others
    assert len(set(others)) == len(others)
    assert graph != graph.to_text()


def test_large_graphs_are_read_in_time() -> None:
    edges = [f"n{i} -> n{j}" for i, j in itertools.combinations(range(200), 2)]
    assert len(bf.CausalGraph.from_any("\n".join(edges)).directed) == 19_900
