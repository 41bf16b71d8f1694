"""Graphs with a mark at both ends of each edge: text in and out, what is refused, causes and effects, visible edges."""

from __future__ import annotations

import dataclasses
import itertools
import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from butfor.core.errors import CyclicGraph, GraphSyntax, UnknownNode
from butfor.core.serial import from_json, to_json
from butfor.graph.formats.marked import read, write
from butfor.graph.marked_graph import MARKS_OF, Kind, MarkedEdge, MarkedGraph
from tests.graph.strategies import NAMES


@st.composite
def marked_graphs(draw: st.DrawFn) -> MarkedGraph:
    """A random graph of any kind; arrowheads point to later nodes, so that there is no cycle."""
    kind: Kind = draw(st.sampled_from(sorted(MARKS_OF)))
    names = draw(st.lists(NAMES, min_size=2, max_size=5, unique=True))
    edges: list[MarkedEdge] = []
    for a, b in itertools.combinations(names, 2):
        ends = draw(st.none() | st.sampled_from(sorted(MARKS_OF[kind] - {("arrow", "arrow"), ("arrow", "tail")})))
        if ends is not None:
            edges.append((a, *ends, b))
    some = st.frozensets(st.sampled_from(names), max_size=2)
    return MarkedGraph(tuple(names), tuple(edges), kind, *(draw(some) for _ in range(4)))


@given(marked_graphs())
@settings(max_examples=150, deadline=None)
def test_round_trips_lose_nothing(graph: MarkedGraph) -> None:
    assert read(write(graph)) == graph
    assert MarkedGraph.from_text(graph.to_text()) == graph
    assert from_json(to_json(graph)) == graph


@given(marked_graphs(), st.randoms(use_true_random=False))
@settings(max_examples=150, deadline=None)
def test_the_order_in_which_a_graph_is_written_makes_no_other_graph(graph: MarkedGraph, chance: random.Random) -> None:
    turned = tuple((b, there, here, a) for a, here, there, b in chance.sample(graph.edges, len(graph.edges)))
    nodes = tuple(chance.sample(graph.nodes, len(graph.nodes)))
    other = dataclasses.replace(graph, nodes=nodes, edges=turned)
    assert other == graph
    assert len({other, graph, read(write(other)), from_json(to_json(other))}) == 1
    assert other.nodes == nodes


def test_kind_marks_and_roles_tell_graphs_apart() -> None:
    texts = ("pag { a <-> b }", "mag { a <-> b }", "pag { a o-> b }", "pag { a <-o b }", "pag { a <-> b c }")
    texts = (*texts, "pag { a [latent] a <-> b }", "pag { a [exposure] a <-> b }")
    assert len({read(text) for text in texts}) == len(texts)
    assert read("pag { a <-> b }") == read("pag { b <-> a }") != read("pag { a <-> b }").definite


@pytest.mark.parametrize(
    ("edge", "expected"),
    [
        ("x -> y", ("x", "tail", "arrow", "y")),
        ("x <- y", ("y", "tail", "arrow", "x")),
        ("x <-> y", ("x", "arrow", "arrow", "y")),
        ("x -- y", ("x", "tail", "tail", "y")),
        ("x @-> y", ("x", "circle", "arrow", "y")),
        ("x <-@ y", ("y", "circle", "arrow", "x")),
        ("x @-@ y", ("x", "circle", "circle", "y")),
        ("x @-- y", ("y", "tail", "circle", "x")),
        ("x --@ y", ("x", "tail", "circle", "y")),
        ("x o-> y", ("x", "circle", "arrow", "y")),
        ("x <-o y", ("y", "circle", "arrow", "x")),
        ("x o-o y", ("x", "circle", "circle", "y")),
        ("x o-- y", ("y", "tail", "circle", "x")),
        ("x --o y", ("x", "tail", "circle", "y")),
        ('"x"o-o"y"', ("x", "circle", "circle", "y")),
        ("o -> y", ("o", "tail", "arrow", "y")),
        ('x -> "o-o"', ("x", "tail", "arrow", "o-o")),
        ("x -> y /* x o-> z */", ("x", "tail", "arrow", "y")),
    ],
)
def test_every_edge_of_the_language(edge: str, expected: MarkedEdge) -> None:
    assert read(f"pag {{ {edge} }}").edges == (expected,)


def test_chains_groups_roles_and_layout() -> None:
    graph = read('pag { bb="0,0,1,1" X [exposure,pos="-1.2,0.5"] u [latent] X -> W @-> Y; {A B} o-> W; Y [outcome] }')
    assert graph.nodes == ("X", "u", "W", "Y", "A", "B")
    assert [f"{a} {b}" for a, _, _, b in graph.edges] == ["X W", "W Y", "A W", "B W"]
    assert (graph.exposures, graph.outcomes, graph.latent) == ({"X"}, {"Y"}, {"u"})
    assert graph.roles("X") == ("exposure",)
    # A group is what is in the braces, with the edges inside (dagitty's test suite: six edges).
    assert len(read("pag { a @-> { b --@ { c @-@ d } } }").edges) == 6
    assert read("pag G { a @->b<-@c }").nodes == ("a", "b", "c")
    assert str(read("cpdag { a -- b }")).startswith("pdag {")


def test_the_same_edge_twice_is_one_edge() -> None:
    assert read("pdag { a -> b ; b <- a }").edges == (("a", "tail", "arrow", "b"),)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "begins with 'text'"),
        ("dag { a -> b }", "begins with 'dag'"),
        ("pag", "{"),
        ("pag { a -> ", "a node"),
        ("pag { a -> b } c", "end of the graph"),
        ("pag { a -> a }", "to itself"),
        ("pag { a -> b ; a o-> b }", "two edges"),
        ("mag { a -> b ; a <-> b }", "two edges"),
        ("pdag { a <-> b }", "marks arrow and arrow"),
        ("mag { a @-> b }", "marks circle and arrow"),
        ("pag { s [selected] s -> a }", "selected"),
        (
            "pag { {"
            + " ".join(f"a{i}" for i in range(600))
            + "} -> {"
            + " ".join(f"b{i}" for i in range(600))
            + "} }",
            "250,000",
        ),
    ],
)
def test_text_that_is_no_marked_graph_is_refused(text: str, message: str) -> None:
    with pytest.raises(GraphSyntax, match=message):
        read(text)


def test_wrong_fields_are_refused() -> None:
    with pytest.raises(UnknownNode, match="edge needs a node"):
        MarkedGraph(("a",), (("a", "tail", "arrow", "b"),), "pag")
    with pytest.raises(UnknownNode, match="latent needs a node"):
        MarkedGraph(("a",), (), "pag", latent=frozenset({"b"}))
    with pytest.raises(GraphSyntax, match="kind is 'dag'"):
        MarkedGraph(("a",), (), "dag")  # type: ignore[arg-type]
    with pytest.raises(GraphSyntax, match="empty name"):
        MarkedGraph(("",), (), "pag")
    for edge in (("a", "b"), "abcd", ("a", "head", "tail", "b")):
        with pytest.raises(GraphSyntax, match="An edge is"):
            MarkedGraph(("a", "b"), (edge,), "pag")  # type: ignore[arg-type]
    with pytest.raises(UnknownNode):
        read("pag { a -> b }").mark("a", "c")


@pytest.mark.parametrize("kind", ["pdag", "mag", "pag"])
def test_cycles_are_refused(kind: Kind) -> None:
    with pytest.raises(CyclicGraph):
        read(f"{kind} {{ a -> b -> c -> a }}")


def test_marks_and_neighbours() -> None:
    graph = read("pag { a o-> b -> c ; b <-> d }")
    assert (graph.mark("a", "b"), graph.mark("b", "a"), graph.mark("a", "c")) == ("arrow", "circle", None)
    assert graph.neighbours("b") == ("a", "c", "d")
    assert graph.is_directed("b", "c")
    assert not graph.is_directed("c", "b")
    assert not graph.is_directed("a", "b")
    assert graph.is_adjacent("d", "b")
    assert not graph.is_adjacent("d", "a")
    assert graph.in_words(["c", "b", "d"]) == "c <- b <-> d"


def test_causes_and_effects() -> None:
    graph = read("pag { a o-> b -> c o-o d ; b <-> e }")
    assert graph.descendants({"b"}) == {"b", "c"}
    assert graph.ancestors({"c"}) == {"b", "c"}
    assert graph.possible_ancestors({"d"}) == {"a", "b", "c", "d"}
    assert graph.possible_descendants({"a"}) == {"a", "b", "c", "d"}
    assert graph.possible_descendants({"a"}, avoiding={"c"}) == {"a", "b"}
    assert graph.possible_descendants({"e"}) == {"e"}
    assert graph.possible_path("a", {"d", "c"}) == ("a", "b", "c")
    assert graph.possible_path("e", {"d"}) is None
    # A line of a MAG tells of selection: neither end causes the other.
    assert read("mag { a -- b }").possible_descendants({"a"}) == {"a"}
    # c -> a closes the way a -- b -- c: were it a -> b -> c, there would be a cycle.
    assert read("pdag { a -- b -- c -> a }").possible_descendants({"a"}) == {"a", "b"}


@pytest.mark.parametrize(
    ("text", "visible"),
    [
        ("mag { x -> y }", False),
        ("pdag { x -> y }", True),
        ("mag { z -> x -> y }", True),
        ("mag { z <-> x -> y }", True),
        ("pag { z o-> x -> y }", True),
        ("pag { z o-o x -> y }", False),
        ("mag { z -> x -> y ; z -> y }", False),
        # dagitty's test suite
        ("mag { z -- x -> y }", False),
        ("mag { c <-> a {a <-> b <-> x} -> y }", True),
        ("mag { c -> a {a <-> b <-> x} -> y }", True),
        ("mag { c -> {a b x} -> y }", True),
        # by colliders that cause y
        ("mag { w -> z <-> x -> y ; z -> y }", True),
        ("mag { w -> z -> x -> y ; z -> y }", False),
        ("mag { w <-> z <-> v <-> x -> y ; z -> y ; v -> y }", True),
        ("mag { w <-> z <-> v <-> x -> y ; z <-> y ; v -> y }", False),
    ],
)
def test_visible_edges(text: str, visible: bool) -> None:
    graph = read(text)
    assert graph.is_visible("x", "y") is visible
    assert not graph.is_visible("y", "x")


def test_thousands_of_edges_take_seconds() -> None:
    rng = random.Random(1)
    names = [f"n{i}" for i in range(1500)]
    lines = [
        f"{a} {rng.choice(['->', '@->'])} {b}"
        for i, b in enumerate(names[1:])
        for a in rng.sample(names[: i + 1], min(i + 1, 4))
    ]
    begun = time.process_time()
    graph = read("pag {\n" + "\n".join(lines) + "\n}")
    assert graph.possible_descendants({"n0"}) >= graph.descendants({"n0"})
    assert read(write(graph)) == graph
    assert time.process_time() - begun < 10
