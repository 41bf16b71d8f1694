"""Every format in and out without loss; text that is no graph is refused with its line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import butfor as bf
from butfor.core.errors import ButforError, CyclicGraph, GraphSyntax
from tests.graph.strategies import graphs

WRITERS = ("to_text", "to_dot", "to_dagitty", "to_gml", "to_dict", "to_networkx")


@pytest.mark.parametrize("writer", WRITERS)
@given(graph=graphs(latent=True, weird=True))
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
    ],
)
def test_text_that_is_no_graph_is_refused(text: str) -> None:
    with pytest.raises(GraphSyntax) as caught:
        bf.CausalGraph.from_any(text)
    assert "hint: " in str(caught.value)


def test_errors_name_the_line() -> None:
    with pytest.raises(GraphSyntax, match=r"[Ll]ine 3"):
        bf.CausalGraph.from_any("a -> b\nb -> c\nc - d")


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
