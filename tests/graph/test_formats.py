"""Every format in and out without loss; text that is no graph is refused with its line."""

from __future__ import annotations

from pathlib import Path

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import butfor as bf
from butfor.core.errors import ButforError, CyclicGraph, GraphSyntax
from tests.graph.strategies import graphs

WRITERS = ("to_text", "to_dot", "to_dagitty", "to_gml", "to_dict", "to_networkx")


@pytest.mark.parametrize("writer", WRITERS)
@given(graph=graphs(latent=True, selected=True, weird=True))
@settings(max_examples=60, deadline=None)
def test_round_trips_lose_nothing(graph: bf.CausalGraph, writer: str) -> None:
    assert bf.CausalGraph.from_any(getattr(graph, writer)()) == graph


@pytest.mark.parametrize(
    ("text", "directed", "bidirected", "latent"),
    [
        ("a -> b\nb <- c # why\n", {("a", "b"), ("c", "b")}, set(), set()),
        ('"blood pressure" -> "say ""x"; "blood pressure" -> y', None, None, None),
        ("a -> {b c}; latent u; u -> a", {("a", "b"), ("a", "c"), ("u", "a")}, set(), {"u"}),
        ("a <-> b; u [latent]", set(), {("a", "b")}, {"u"}),
        ("a ->\n b", {("a", "b")}, set(), set()),
        ("digraph { rankdir=LR; a -> b -> c [label=\"x\"]; }", {("a", "b"), ("b", "c")}, set(), set()),
        ('digraph G { "a b" -> c; u [style=dashed]; a -> c [dir=both] }', {("a b", "c")}, {("a", "c")}, {"u"}),
        ("digraph { U [observed=no]; U -> {x y} }", {("U", "x"), ("U", "y")}, set(), {"U"}),
        ('dag { bb="0,0,1,1"\nx [exposure,pos="0,1"]\ny [outcome]\nu [latent]\nx -> y\nu -> {x y}\nx <-> z }',
         {("x", "y"), ("u", "x"), ("u", "y")}, {("x", "z")}, {"u"}),
        ('graph [ directed 1 node [ id 0 label "a b" ] node [ id 1 label "c" ] edge [ source 0 target 1 ] ]',
         {("a b", "c")}, set(), set()),
        ("digraph { edge [dir=both]; a -> b }", set(), {("a", "b")}, set()),
        ("digraph { x -> y; { node [style=dashed] u } u -> {x y}; z -> x }",
         {("x", "y"), ("u", "x"), ("u", "y"), ("z", "x")}, set(), {"u"}),
        ("digraph { node [style=dashed]; u; x [style=solid]; u -> x }", {("u", "x")}, set(), {"u"}),
        ("digraph { a:n -> b:s:x [weight=-0.3] }", {("a", "b")}, set(), set()),
        ("dag named { x [pos=-1.2,3]; x -> y [beta=-.3] }", {("x", "y")}, set(), set()),
        ("digraph -> graph", {("digraph", "graph")}, set(), set()),
        ("a\u00a0-> b", {("a", "b")}, set(), set()),
    ],
)  # fmt: skip
def test_what_users_write(
    text: str, directed: set[tuple[str, str]] | None, bidirected: set[tuple[str, str]], latent: set[str]
) -> None:
    if directed is None:
        with pytest.raises(GraphSyntax, match=r"[Ll]ine 1"):
            bf.CausalGraph.from_any(text)
        return
    graph = bf.CausalGraph.from_any(text)
    assert set(graph.directed) == directed
    assert set(graph.bidirected) == bidirected
    assert graph.latent == latent


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a ->",
        "a - > b",
        "a -> b -> ",
        "{a",
        "a => b",
        "digraph { a -> }",
        "dag { x ->",
        "pag { x @-> y }",
        "graph [ node [",
        "a b c",
        'a -> "b',
        '"" -> b',
        "a -> {b {c}}",
        "digraph { a -> b [dir=none] }",
        "digraph { a -> b } c -> d",
        'digraph { "a" + "b" -> c }',
        "graph [ directed 0 node [ id 0 ] ]",
        "graph [ node 5 ]",
        "graph [ node [ id 0 ] node [ id 0 ] ]",
        "graph [ node [ id 0 ] ] ]",
        "graph [ node [ id 0 ] edge [ source 0 target 1 ] ]",
    ],
)
def test_text_that_is_no_graph_is_refused(text: str) -> None:
    with pytest.raises(GraphSyntax) as caught:
        bf.CausalGraph.from_any(text)
    assert "hint: " in str(caught.value)


def test_errors_name_the_line() -> None:
    for text in (
        "a -> b\nb -> c\nc - d",
        "digraph {\na -> b\nb -- c }",
        "dag {\n\na @-> b }",
        "graph [\ndirected 1\nnode [",
    ):
        with pytest.raises(GraphSyntax, match=r"[Ll]ine 3"):
            bf.CausalGraph.from_any(text)


@given(st.text(max_size=60))
@settings(max_examples=300, deadline=None)
def test_any_text_is_a_graph_or_an_error_of_ours(text: str) -> None:
    try:
        found: object = bf.CausalGraph.from_any(text)
    except ButforError as error:
        found = error
    assert isinstance(found, bf.CausalGraph | GraphSyntax | CyclicGraph)


def test_files_and_wrong_things(tmp_path: Path) -> None:
    graph = bf.CausalGraph.from_any("a -> b; a <-> b")
    graph.save(tmp_path / "graph.txt")
    assert bf.CausalGraph.from_any(tmp_path / "graph.txt") == graph
    with pytest.raises(GraphSyntax, match="cannot be read"):
        bf.CausalGraph.from_any("missing.dot")
    with pytest.raises(GraphSyntax, match="int"):
        bf.CausalGraph.from_any(3)
    with pytest.raises(GraphSyntax, match="'edges'"):
        bf.CausalGraph.from_any({"edges": []})
    with pytest.raises(GraphSyntax, match="'latent'"):
        bf.CausalGraph.from_any({"nodes": ["a"], "latent": "a"})
    with pytest.raises(GraphSyntax, match="alike"):
        bf.CausalGraph.from_any(nx.DiGraph([(1, "a"), ("1", "b")]))
    assert bf.CausalGraph.from_any("n" * 300).nodes == ("n" * 300,)  # longer than a file name may be


@pytest.mark.parametrize(
    "text",
    [
        "a -> " + "{" * 50_000,
        "digraph { a -> " + "{" * 50_000,
        "graph " + "[ a " * 50_000,
        'a -> "' + "\\" * 100_001,
        "a" + "-" * 100_000,
        " ".join(["{", *(f"a{i}" for i in range(4000)), "} -> {", *(f"b{i}" for i in range(4000)), "}"]),
    ],
    ids=["braces", "subgraphs", "lists", "escapes", "dashes", "pairs"],
)
def test_hostile_text_is_refused_at_once(text: str) -> None:
    with pytest.raises(GraphSyntax):
        bf.CausalGraph.from_any(text)


def test_a_hundred_thousand_edges_are_read() -> None:
    edges = [f"n{i // 2} -> n{i}" for i in range(1, 100_001)]
    assert len(bf.CausalGraph.from_any("\n".join(edges)).directed) == 100_000
