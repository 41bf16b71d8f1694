"""What the searches learn, against the class of the true graph."""

from __future__ import annotations

import random

import numpy as np
import pytest

import butfor as bf
from butfor.core.errors import CyclicGraph, GraphError, InvalidSetting, MethodMismatch
from butfor.discovery.causal_learn import from_causal_learn
from butfor.discovery.knowledge import Knowledge
from butfor.discovery.methods import FCI, GES, PC, DiscoveryMethod
from butfor.discovery.propose import propose_graph
from butfor.graph.marked_graph import MarkedEdge, MarkedGraph
from butfor.identify.generalised_adjustment import closed
from butfor.refute.graph.independence_tests import MutualInformation
from tests.discovery.worlds import Array, linear, statements, tables
from tests.identify.test_generalised_adjustment import classes, equivalent, universe


def learned(data: dict[str, Array], method: DiscoveryMethod, knowledge: Knowledge | None = None) -> MarkedGraph:
    return propose_graph(data, method, knowledge=knowledge, bootstrap=0).graph


def common(graphs: list[bf.CausalGraph]) -> MarkedGraph:
    """What acyclic graphs with the same neighbours agree on."""
    edges: list[MarkedEdge] = []
    for a, b in graphs[0].directed:
        forth = {(a, b) in g.directed for g in graphs}
        edges.append(
            (a, "tail", "tail", b)
            if len(forth) == 2
            else (a, "tail", "arrow", b)
            if forth == {True}
            else (b, "tail", "arrow", a)
        )
    return MarkedGraph(graphs[0].nodes, tuple(edges), "pdag")


def same(one: MarkedGraph, other: MarkedGraph) -> bool:
    def ends(graph: MarkedGraph) -> set[tuple[str, str, str | None]]:
        return {(a, b, graph.mark(a, b)) for a in graph.nodes for b in graph.nodes if a != b}

    return ends(one) == ends(other)


@pytest.mark.parametrize("method", [PC(alpha=0.001), GES()], ids=["PC", "GES"])
def test_every_second_class_of_four_nodes_is_found(method: DiscoveryMethod) -> None:
    source, rng = universe(hidden=False), np.random.default_rng(1)
    found = 0
    for members in classes("pdag")[::2]:
        data = next((d for _ in range(20) if (d := linear(source.graph(int(members[0])), rng))), None)
        if data is not None:
            assert same(learned(data, method), source.marked(members, "pdag"))
            found += 1
    assert found > 80


def test_classes_with_hidden_causes_are_found() -> None:
    source, rng = universe(hidden=True), np.random.default_rng(2)
    found = 0
    for members in random.Random(5).sample(classes("pag"), 40):
        data = next((d for i in members[:20] if (d := linear(source.graph(int(i)), rng))), None)
        if data is not None:
            assert same(learned(data, FCI(alpha=0.001)), source.marked(members, "pag"))
            found += 1
    assert found > 20


def test_classes_of_binary_columns_are_found() -> None:
    source, rng = universe(hidden=False), np.random.default_rng(3)
    checker, found = MutualInformation(), 0
    for members in classes("pdag")[::8]:
        graph = source.graph(int(members[0]))
        for data in (tables(graph, rng) for _ in range(4)):
            ps = ((checker.test(data, a, b, z).p_value, separated) for a, b, z, separated in statements(graph))
            if all(p > 0.5 if separated else p < 1e-4 for p, separated in ps):
                truth = source.marked(members, "pdag")
                assert same(learned(data, PC(alpha=0.001)), truth)
                assert same(learned(data, PC(alpha=0.001, test="chisq")), truth)
                found += 1
                break
    assert found > 8


def test_the_score_of_tables_finds_colliders_and_chains() -> None:
    rng = np.random.default_rng(4)
    collider = tables(bf.CausalGraph.from_any("a -> c; b -> c; c -> d"), rng)
    assert same(learned(collider, GES()), MarkedGraph.from_text("pdag { a -> c <- b; c -> d }"))
    chain = tables(bf.CausalGraph.from_any("a -> b; b -> c"), rng)
    assert same(learned(chain, GES()), MarkedGraph.from_text("pdag { a -- b -- c }"))


# --- knowledge -----------------------------------------------------------------------------------------------------


def test_order_in_time_leaves_the_graphs_that_keep_it() -> None:
    source, rng, chooser = universe(hidden=False), np.random.default_rng(5), random.Random(5)
    for members in chooser.sample(classes("pdag"), 40):
        graph = source.graph(int(members[0]))
        data = next((d for _ in range(20) if (d := linear(graph, rng))), None)
        if data is None:
            continue
        cut = chooser.randint(1, 3)
        order = graph.topological_order
        known = Knowledge(tiers=(tuple(order[:cut]), tuple(order[cut:])))
        kept = [g for g in map(source.graph, map(int, members)) if not any(known.forbids(*e) for e in g.directed)]
        # causal-learn does not close under Meek's fourth rule, which knowledge alone calls for.
        assert same(closed(learned(data, PC(alpha=0.001), known)), common(kept))


def test_forbidden_and_required_edges_are_kept() -> None:
    chain = linear(bf.CausalGraph.from_any("a -> b; b -> c; c -> d"), np.random.default_rng(6))
    assert chain is not None
    known = Knowledge(required=(("b", "c"),))
    assert same(learned(chain, PC(), known), MarkedGraph.from_text("pdag { a -- b -> c -> d }"))
    known = Knowledge(forbidden=(("c", "b"), ("b", "a")))
    assert same(learned(chain, PC(), known), MarkedGraph.from_text("pdag { a -> b -> c -> d }"))
    both = Knowledge(forbidden=(("c", "b"), ("b", "c")))
    for method in (PC(), FCI()):
        assert not learned(chain, method, both).is_adjacent("b", "c")


def test_a_required_edge_that_the_data_deny_is_named() -> None:
    noise = np.random.default_rng(7).normal(size=(3, 2_000))
    proposal = propose_graph(
        dict(zip("abc", noise, strict=True)), knowledge=Knowledge(required=(("a", "c"),)), bootstrap=0
    )
    assert [d.name for d in proposal.diagnostics if "required" in d.name] == ["required-edge-missing"]
    assert "a -> c is required" in proposal.to_text()


@pytest.mark.parametrize(
    ("method", "knowledge"),
    [
        (FCI(), Knowledge(tiers=(("a",), ("b",)))),
        (FCI(), Knowledge(required=(("a", "b"),))),
        (FCI(), Knowledge(forbidden=(("a", "b"),))),
        (GES(), Knowledge(forbidden=(("a", "b"), ("b", "a")))),
    ],
)
def test_knowledge_that_a_search_would_misread_is_refused(method: DiscoveryMethod, knowledge: Knowledge) -> None:
    noise = np.random.default_rng(8).normal(size=(3, 100))
    with pytest.raises(MethodMismatch):
        learned(dict(zip("abc", noise, strict=True)), method, knowledge)


@pytest.mark.parametrize(
    "wrong",
    [
        {"tiers": "ab"},
        {"tiers": ("ab",)},
        {"tiers": (("a", "b"), ("a",))},
        {"forbidden": (("a", "a"),)},
        {"required": (("a", "b", "c"),)},
        {"required": (("a", "b"),), "forbidden": (("a", "b"),)},
        {"required": (("b", "a"),), "tiers": (("a",), ("b",))},
    ],
)
def test_knowledge_that_contradicts_itself_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(InvalidSetting):
        Knowledge(**wrong)


def test_required_causes_in_a_circle_are_refused() -> None:
    with pytest.raises(CyclicGraph, match="cycle"):
        Knowledge(required=(("a", "b"), ("b", "a")))


# --- results of causal-learn itself --------------------------------------------------------------------------------


def test_results_of_causal_learn_become_marked_graphs(capsys: pytest.CaptureFixture[str]) -> None:
    from causallearn.search.ConstraintBased.FCI import fci
    from causallearn.search.ConstraintBased.PC import pc
    from causallearn.search.ScoreBased.GES import ges

    data = linear(bf.CausalGraph.from_any("a -> c; b -> c; c -> d"), np.random.default_rng(9))
    assert data is not None
    matrix, names = np.column_stack(list(data.values())), list(data)
    directed = MarkedGraph.from_text("pdag { a -> c <- b; c -> d }")
    found = pc(matrix, 0.001, show_progress=False, node_names=names)
    assert same(from_causal_learn(found), directed)
    assert same(from_causal_learn(found.G), directed)
    assert same(from_causal_learn(ges(matrix, node_names=names)), directed)
    pag = from_causal_learn(fci(matrix, alpha=0.001, show_progress=False, node_names=names))
    assert pag.kind == "pag"
    assert same(pag, MarkedGraph.from_text("pag { a o-> c <-o b; c -> d }"))
    capsys.readouterr()


@pytest.mark.parametrize("wrong", [None, {}, (), [1], {"G": 3}, "pdag { a -- b }"])
def test_what_is_no_result_is_refused(wrong: object) -> None:
    with pytest.raises(GraphError):
        from_causal_learn(wrong)


def test_equivalent_graphs_are_what_the_oracle_says() -> None:
    assert same(
        common(equivalent(("a", "b", "c"), [("a", "b"), ("c", "b")])), MarkedGraph.from_text("pdag { a -> b <- c }")
    )
