"""Every format in and out without loss; text that is no graph is refused with its line."""

from __future__ import annotations

import dataclasses
import io
import json
import time
from enum import Enum
from pathlib import Path
from types import SimpleNamespace

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import butfor as bf
from butfor.core.errors import ButforError, CyclicGraph, GraphSyntax, UnknownNode
from butfor.graph.formats.graphml import NOT_IN_XML
from butfor.identify.identify import identify
from tests.graph.strategies import graphs

WRITERS = ("to_text", "to_dot", "to_dagitty", "to_gml", "to_json", "to_dict", "to_networkx")
MARKS = ("exposures", "outcomes", "adjusted")


@st.composite
def marked_graphs(draw: st.DrawFn, *, weird: bool = True) -> bf.CausalGraph:
    """A random graph with every kind of mark."""
    graph = draw(graphs(latent=True, selected=True, weird=weird))
    some = st.frozensets(st.sampled_from(graph.nodes), max_size=2)
    return dataclasses.replace(graph, **{marks: draw(some) for marks in MARKS})


@pytest.mark.parametrize("writer", WRITERS)
@given(graph=marked_graphs())
@settings(max_examples=50, deadline=None)
def test_round_trips_lose_nothing(graph: bf.CausalGraph, writer: str) -> None:
    found = bf.CausalGraph.from_any(getattr(graph, writer)())
    assert found == graph
    assert found.to_dict() == graph.to_dict()  # in the same order, too


@given(graph=marked_graphs())
@settings(max_examples=80, deadline=None)
def test_graphml_loses_nothing_and_refuses_letters_that_xml_lacks(graph: bf.CausalGraph) -> None:
    if any(NOT_IN_XML.search(name) for name in graph.nodes):
        with pytest.raises(GraphSyntax, match="letters that XML has"):
            graph.to_graphml()
    else:
        assert bf.CausalGraph.from_any(graph.to_graphml()) == graph


@given(graph=marked_graphs(weird=False))
@settings(max_examples=80, deadline=None)
def test_lavaan_keeps_the_structure_or_refuses(graph: bf.CausalGraph) -> None:
    joined = {n for edge in (*graph.directed, *graph.bidirected) for n in edge}
    without_effect = graph.latent - {cause for cause, _ in graph.directed}
    if set(graph.nodes) - joined or without_effect or graph.selected or any(getattr(graph, marks) for marks in MARKS):
        with pytest.raises(GraphSyntax, match="lavaan"):
            graph.to_lavaan()
    else:
        assert bf.CausalGraph.from_any(graph.to_lavaan()) == graph


@given(graph=marked_graphs())
@settings(max_examples=40, deadline=None)
def test_public_json_and_altered_graphs_keep_the_marks(graph: bf.CausalGraph) -> None:
    assert bf.from_json(bf.to_json(graph)) == graph
    assert bf.CausalGraph.from_any(bf.to_json(graph)) == graph
    for other in (graph.with_latent(graph.nodes[:1]), graph.without_edges_out_of(graph.nodes), graph.replaced()):
        assert [getattr(other, marks) for marks in MARKS] == [getattr(graph, marks) for marks in MARKS]


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
        # As igraph writes it, and as networkx does with the edges of our GraphML.
        ('Creator "igraph"\nVersion 1\ngraph\n[\n directed 1\n node\n [\n id 0\n name "a"\n ]\n node\n [\n id 1'
         '\n name "c"\n ]\n edge\n [\n source 0\n target 1\n ]\n]\n', {("a", "c")}, set(), set()),
        ('graph [ directed 1 multigraph 1 node [ id 0 label "a" ] node [ id 1 label "c" latent 1 ] '
         'edge [ source 0 target 1 key 0 kind "bidirected" ] ]', set(), {("a", "c")}, {"c"}),
        ("digraph { edge [dir=both]; a -> b }", set(), {("a", "b")}, set()),
        ("digraph { x -> y; { node [style=dashed] u } u -> {x y}; z -> x }",
         {("x", "y"), ("u", "x"), ("u", "y"), ("z", "x")}, set(), {"u"}),
        ("digraph { node [style=dashed]; u; x [style=solid]; u -> x }", {("u", "x")}, set(), {"u"}),
        ("digraph { a:n -> b:s:x [weight=-0.3] }", {("a", "b")}, set(), set()),
        ("dag named { x [pos=-1.2,3]; x -> y [beta=-.3] }", {("x", "y")}, set(), set()),
        ("digraph -> graph", {("digraph", "graph")}, set(), set()),
        ("z → x→y; x ↔ y ← w", {("z", "x"), ("x", "y"), ("w", "y")}, {("x", "y")}, set()),
        ('"a→b" -> c', {("a→b", "c")}, set(), set()),
        ("latent U\n\nU -> x\nU -> y", {("U", "x"), ("U", "y")}, set(), {"U"}),
        ("a~b -> c", {("a~b", "c")}, set(), set()),
        ("# why\n/* and\nhow */ dag { a -> b }", {("a", "b")}, set(), set()),
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
        "dag { x -- y }",
        "pdag { x -- y }",
        "x [instrument] -> y",
        "x /* -> y",
        "\x00\x01\x02",
        "\ufffd\ufffd -> b",
        "x" * 1001,
        "X E @0,1\nY O @1,1\n\nX W",
        "X E @0,1\nY -> X",
        "y ~",
        "~ x",
        "y ~ x\nfree text",
        "y ~ 1x",
        "y ~ x; y <- z",
        "=~ x",
        "<graphml><graph><node id='a'/><edge source='a' target='b'/></graph></graphml>",
        "<graphml><graph><node id='a'/><node id='a'/></graph></graphml>",
        "<graphml><graph edgedefault='undirected'><node id='a'/><node id='b'/><edge source='a' target='b'/></graph>"
        "</graphml>",
        "<graphml><graph/></graphml>",
        "<graphml><graph>",
        "<svg/>",
        "<!DOCTYPE graphml [<!ENTITY a 'b'>]><graphml><graph><node id='&a;'/></graph></graphml>",
        "{}x",
        '{"edges": [["a", "b"]',
        '{"edges": [["a", "b", "c"]]}',
        '{"edges": ["ab"]}',
        '{"edges": 5}',
        '{"arrows": []}',
        '{"directed": false, "nodes": [{"id": "a"}], "links": []}',
        '{"directed": true, "nodes": ["a"], "links": []}',
        '{"nodes": [{"id": "a"}], "links": [{"source": "a"}]}',
        '{"nodes": [{"id": "a"}], "links": [], "graph": {"bidirected": [1]}}',
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


def test_a_hundred_thousand_edges_are_read_in_time() -> None:
    text = "\n".join(f"n{i // 2} -> n{i}" for i in range(1, 100_001))
    start = time.process_time()
    assert len(bf.CausalGraph.from_any(text).directed) == 100_000
    assert time.process_time() - start < 5  # it takes one to two seconds


# --- dagitty -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["dag", "graph", "digraph", "DAG"])
def test_dagitty_marks_long_and_short(kind: str) -> None:
    """The graph of the dagitty manual, with the words of its grammar."""
    long = """{ bb="0,0,1,1" X [exposure,pos="-1.2,0.5"] Y [outcome,pos="1,1"] Z [adjusted] U [unobserved] S [selected]
        U -> {X Y} X -> Y [beta=0.3] Z -> Y Y -> S [pos="0.5,0.5"] }"""
    short = "{ X [e] Y [o] Z [a] U [u] S [s]; U -> {X Y} X -> Y Z -> Y Y -> S }"
    graph = bf.CausalGraph.from_any(kind + long)
    assert graph == bf.CausalGraph.from_any(kind + short)
    marked = (graph.exposures, graph.outcomes, graph.adjusted, graph.latent, graph.selected)
    assert marked == tuple(map(frozenset, ("X", "Y", "Z", "U", "S")))
    assert bf.CausalGraph.from_any(kind + short.replace("[u]", "[latent]")) == graph
    assert graph.directed == (("U", "X"), ("U", "Y"), ("X", "Y"), ("Z", "Y"), ("Y", "S"))


@pytest.mark.parametrize("text", ["pdag { x -- y }", "mag { x <-> y }", "pag { x @-> y }"])
def test_graphs_that_stand_for_many_name_their_reader(text: str) -> None:
    with pytest.raises(GraphSyntax, match="MarkedGraph") as caught:
        bf.CausalGraph.from_any(text)
    assert "butfor.graph.formats.marked.read" in str(caught.value)


def test_an_edge_without_direction_is_named_with_its_line() -> None:
    with pytest.raises(GraphSyntax, match=r"Line 2 .*--"):
        bf.CausalGraph.from_any("dag {\nx -- y }")


def test_marks_need_nodes_that_exist() -> None:
    for marks, role in zip(MARKS, ("exposure", "outcome", "adjusted"), strict=True):
        with pytest.raises(UnknownNode, match=role):
            bf.CausalGraph(("a",), **{marks: frozenset("b")})  # type: ignore[arg-type]


def test_marks_never_change_identification() -> None:
    question = bf.Question("x", "y")
    plain, marked = (
        bf.CausalGraph.from_any(text)
        for text in ("z -> x -> y; z -> y", "z -> x -> y; z -> y; exposure z; outcome x; adjusted y")
    )
    assert str(identify(question, plain)) == str(identify(question, marked))


def test_the_older_dagitty_text() -> None:
    text = "Bone%20density O @1.2,0.3\nX E @0,1\nZ A @0,0\nU U @2,2\nW 1 @3,3\n\n"
    text += "X Bone%20density @0.5,0.5\nZ X Bone%20density\nU X\n"
    graph = bf.CausalGraph.from_any(text)
    assert graph.nodes == ("Bone density", "X", "Z", "U", "W")
    assert set(graph.directed) == {("X", "Bone density"), ("Z", "X"), ("Z", "Bone density"), ("U", "X")}
    marked = (graph.exposures, graph.outcomes, graph.adjusted, graph.latent)
    assert marked == (frozenset("X"), frozenset({"Bone density"}), frozenset("Z"), frozenset("U"))
    assert bf.CausalGraph.from_any("a 1\nb 1\n\na b").directed == (("a", "b"),)
    assert bf.CausalGraph.from_any(text.replace("\n", "\r\n")) == graph


# --- lavaan --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "directed", "bidirected", "latent"),
    [
        ("y ~ x1 + x2", {("x1", "y"), ("x2", "y")}, set(), set()),
        ("x ~~ y", set(), {("x", "y")}, set()),
        ("f =~ i1 + i2", {("f", "i1"), ("f", "i2")}, set(), {"f"}),
        ("y ~ b*x + c(1, a + b)*m; m ~ start(.5)*x ! why\ny ~ 1; b := 2*c; b == 1; x ~~ x; y ~~ 0*m",
         {("x", "y"), ("m", "y"), ("x", "m")}, {("y", "m")}, set()),
        # The political democracy example of lavaan.ugent.be/tutorial/sem.html.
        ("""
           # measurement model
             ind60 =~ x1 + x2 + x3
             dem60 =~ y1 + y2
             dem65 =~ y5 +
                      y6
           # regressions
             dem60 ~ ind60
             dem65 ~ ind60 + dem60
           # residual correlations
             y1 ~~ y5
             y2 ~~ y4
                 + y6
         """,
         {("ind60", "x1"), ("ind60", "x2"), ("ind60", "x3"), ("dem60", "y1"), ("dem60", "y2"), ("dem65", "y5"),
          ("dem65", "y6"), ("ind60", "dem60"), ("ind60", "dem65"), ("dem60", "dem65")},
         {("y1", "y5"), ("y2", "y4"), ("y2", "y6")}, {"ind60", "dem60", "dem65"}),
        ('f =~ a + equal("f=~a")*b', {("f", "a"), ("f", "b")}, set(), {"f"}),
        ("y1 + y2 ~ x", {("x", "y1"), ("x", "y2")}, set(), set()),
        ("f <~ a + b; y ~ f", {("a", "f"), ("b", "f"), ("f", "y")}, set(), {"f"}),
    ],
)  # fmt: skip
def test_lavaan_models(
    text: str, directed: set[tuple[str, str]], bidirected: set[tuple[str, str]], latent: set[str]
) -> None:
    graph = bf.CausalGraph.from_any(text)
    assert (set(graph.directed), set(graph.bidirected), graph.latent) == (directed, bidirected, latent)


def test_lavaan_is_written_as_people_write_it() -> None:
    graph = bf.CausalGraph.from_any("f [latent]; f -> i1; f -> i2; x -> f; x -> y; m -> y; x <-> m")
    assert graph.to_lavaan().split("\n") == ["f =~ i1 + i2", "f ~ x", "y ~ x + m", "x ~~ m"]
    with pytest.raises(GraphSyntax, match="name"):
        bf.CausalGraph.from_any('"blood pressure" -> y').to_lavaan()


# --- GraphML, JSON, networkx, causal-learn ---------------------------------------------------------------------------


def _networkx_graph() -> nx.MultiDiGraph:
    graph = nx.MultiDiGraph([("x", "y"), ("u", "x"), ("u", "y")])
    graph.add_edge("x", "z", kind="bidirected")
    graph.add_edge("z", "y", bidirected=True)
    graph.nodes["u"]["latent"] = True
    graph.nodes["x"]["exposure"] = True
    graph.nodes["y"]["outcome"] = True
    graph.nodes["z"].update(adjusted=True, selected=False)
    return graph


NETWORKX_TEXT = "x [exposure]; y [outcome]; u [latent]; z [adjusted]; x -> y; u -> x; u -> y; x <-> z; z <-> y"


def test_graphml_and_node_link_data_of_networkx() -> None:
    expected = bf.CausalGraph.from_any(NETWORKX_TEXT)
    source = _networkx_graph()
    file = io.BytesIO()
    nx.write_graphml_xml(source, file)
    sources = [source, file.getvalue().decode(), json.dumps(nx.node_link_data(source, edges="edges"))]
    sources += [nx.node_link_data(source, edges="links"), {"nodes": [{"id": "x"}], "edges": []}][:1]
    for found in map(bf.CausalGraph.from_any, sources):
        assert {**found.to_dict(), "directed": None} == {**expected.to_dict(), "directed": None}
        assert set(found.directed) == set(expected.directed)


@given(graph=graphs(latent=True))
@settings(max_examples=20, deadline=None)
def test_networkx_reads_our_graphml(graph: bf.CausalGraph) -> None:
    found = nx.read_graphml(io.BytesIO(graph.to_graphml().encode()), force_multigraph=True)
    assert set(found.nodes) == set(graph.nodes)
    assert {n for n, latent in found.nodes(data="latent") if latent} == graph.latent
    for kind in ("directed", "bidirected"):
        assert {(a, b) for a, b, k in found.edges(data="kind") if k == kind} == set(getattr(graph, kind))


def test_graphml_of_other_programs() -> None:
    """igraph writes names as data, yEd as labels of what it draws; defaults belong to every node without data."""
    igraph = """<?xml version="1.0" encoding="UTF-8"?>
    <graphml xmlns="http://graphml.graphdrawing.org/xmlns">
      <key id="v_name" for="node" attr.name="name" attr.type="string"/>
      <key id="v_latent" for="node" attr.name="latent" attr.type="boolean"><default>true</default></key>
      <graph id="G" edgedefault="directed">
        <node id="n0"><data key="v_name">age</data><data key="v_latent">false</data></node>
        <node id="n1"><data key="v_name">dose</data></node>
        <edge source="n0" target="n1"/>
      </graph>
    </graphml>"""
    graph = bf.CausalGraph.from_any(igraph)
    assert (graph.directed, graph.latent) == ((("age", "dose"),), frozenset({"dose"}))
    yed = """<graphml xmlns="http://graphml.graphdrawing.org/xmlns" xmlns:y="http://www.yworks.com/xml/graphml">
      <key for="node" id="d6" yfiles.type="nodegraphics"/>
      <graph edgedefault="directed">
        <node id="n0"><data key="d6"><y:ShapeNode><y:NodeLabel>age</y:NodeLabel></y:ShapeNode></data></node>
        <node id="n1"><data key="d6"><y:ShapeNode><y:NodeLabel>dose</y:NodeLabel></y:ShapeNode></data></node>
        <edge id="e0" source="n0" target="n1"/>
      </graph>
    </graphml>"""
    assert bf.CausalGraph.from_any(yed).directed == (("age", "dose"),)


def test_graphml_opens_nothing_outside(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    outside = f'<!DOCTYPE graphml SYSTEM "{secret.as_uri()}"><graphml><graph><node id="a"/></graph></graphml>'
    assert bf.CausalGraph.from_any(outside).nodes == ("a",)
    entity = f'<!DOCTYPE graphml [<!ENTITY x SYSTEM "{secret.as_uri()}">]>'
    with pytest.raises(GraphSyntax, match="entities"):
        bf.CausalGraph.from_any(entity + '<graphml><graph><node id="a"/></graph></graphml>')


def test_json_of_a_list_of_edges() -> None:
    graph = bf.CausalGraph.from_any('{"nodes": ["c"], "edges": [["a", "b"]]}')
    assert (graph.nodes, graph.directed) == (("c", "a", "b"), (("a", "b"),))
    assert bf.CausalGraph.from_any('{"a" b} -> c').directed == (("a", "c"), ("b", "c"))  # braces of arrow text


Endpoint = Enum("Endpoint", {"TAIL": -1, "ARROW": 1, "CIRCLE": 2})
NodeType = Enum("NodeType", {"MEASURED": 1, "LATENT": 2})


def _causal_learn_graph(edges: list[tuple[str, Endpoint, Endpoint, str]], latent: str) -> SimpleNamespace:
    """What a GeneralGraph of causal-learn 0.1.4 answers to the questions that are asked of it."""
    names = dict.fromkeys(name for a, _, _, b in edges for name in (a, b))
    nodes = {
        n: SimpleNamespace(
            get_name=lambda n=n: n, get_node_type=lambda n=n: NodeType.LATENT if n == latent else NodeType.MEASURED
        )
        for n in names
    }
    listed = [
        SimpleNamespace(
            get_node1=lambda a=a: nodes[a],
            get_node2=lambda b=b: nodes[b],
            get_endpoint1=lambda first=first: first,
            get_endpoint2=lambda second=second: second,
        )
        for a, first, second, b in edges
    ]
    return SimpleNamespace(get_nodes=lambda: list(nodes.values()), get_graph_edges=lambda: listed)


def test_graphs_of_causal_learn() -> None:
    tail, arrow, circle = Endpoint.TAIL, Endpoint.ARROW, Endpoint.CIRCLE
    found = _causal_learn_graph([("a", tail, arrow, "b"), ("b", arrow, tail, "u"), ("a", arrow, arrow, "c")], "u")
    expected = bf.CausalGraph.from_any("a; b; u [latent]; c; a -> b; b <- u; a <-> c")
    assert bf.CausalGraph.from_any(found) == expected
    assert bf.CausalGraph.from_any(SimpleNamespace(G=found)) == expected
    for ends in ((tail, tail), (circle, arrow), (circle, circle)):
        with pytest.raises(GraphSyntax, match="MarkedGraph"):
            bf.CausalGraph.from_any(_causal_learn_graph([("a", *ends, "b")], ""))


# --- files, size and garbage -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".txt", ".dot", ".gv", ".gml", ".dagitty", ".dag", ".graphml", ".json", ".lav"])
def test_files_are_written_and_read_by_their_ending(tmp_path: Path, suffix: str) -> None:
    graph = bf.CausalGraph.from_any("u [latent]; x -> y; u -> x; u -> y; z <-> y")
    path = tmp_path / f"graph{suffix}"
    graph.save(path)
    assert bf.CausalGraph.from_any(str(path)) == graph
    path.write_text("\ufeff" + path.read_text(encoding="utf-8"), encoding="utf-8")  # as some editors save it
    assert bf.CausalGraph.from_any(path) == graph
    path.write_bytes(b"\x89PNG\xff\xfe\x00")
    with pytest.raises(GraphSyntax, match="cannot be read"):
        bf.CausalGraph.from_any(path)


MEGABYTE = 1_000_000


@pytest.mark.parametrize(
    "text",
    [
        "/* " * (MEGABYTE // 3),
        "a /* " * (MEGABYTE // 5),
        "-" + "1" * MEGABYTE + "x",
        "x" * MEGABYTE,
        "a b " * (MEGABYTE // 4),
        "dag {" + "a " * (MEGABYTE // 2),
        "dag { x [" + "a " * (MEGABYTE // 2),
        "digraph " + "/*" * (MEGABYTE // 2),
        "digraph " + " " * MEGABYTE + "x",
        '{"' + "\\" * MEGABYTE,
        '{"a": ' + "[" * MEGABYTE,
        "<a>" * (MEGABYTE // 3),
        "<graphml>" + "<a>" * 100_000 + "</a>" * 100_000 + "</graphml>",
        "y ~ " + "(" * MEGABYTE,
        "y ~ " + '"' * (MEGABYTE + 1),
        "y " + " " * MEGABYTE + "x ~",
        "X E @0,1\n" + "a " * (MEGABYTE // 2),
        "Creator x\n" * (MEGABYTE // 10),
        "".join(map(chr, range(1, 256))) * (MEGABYTE // 255),
    ],
    ids=lambda text: ascii(text[:12]),
)
def test_a_megabyte_of_garbage_is_refused_within_seconds(text: str) -> None:
    start = time.process_time()
    with pytest.raises(GraphSyntax) as caught:
        bf.CausalGraph.from_any(text)
    assert time.process_time() - start < 5  # it takes one or two; quadratic time would be minutes
    assert len(str(caught.value)) < 1000


def test_large_graphs_are_built_and_altered_in_time() -> None:
    names = tuple(f"n{i}" for i in range(10_000))
    edges = tuple((names[i // step], names[i]) for step in (2, 3) for i in range(step, 7_500 + step))
    times: list[float] = []
    for _ in range(5):
        start = time.process_time()
        graph = bf.CausalGraph(names, edges)
        middle = time.process_time()
        graph.replaced(directed=edges[::2])
        times.append(max(middle - start, time.process_time() - middle))
    assert min(times) < 0.1
