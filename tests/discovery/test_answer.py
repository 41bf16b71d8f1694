"""From a proposal to an adjustment set, and to all that its class allows."""

from __future__ import annotations

import itertools
import random

import pytest

import butfor as bf
from butfor.core.effort import Effort
from butfor.core.errors import GraphError, MethodMismatch, NotIdentified, RoleConflict, UnknownNode
from butfor.discovery.classes import graphs_of, possible_parents
from butfor.discovery.proposal import GraphProposal, ResampledGraph
from butfor.graph.marked_graph import MarkedEdge, MarkedGraph
from tests.identify.test_generalised_adjustment import equivalent


def proposal(text: str, *resampled: tuple[str, int]) -> GraphProposal:
    graphs = tuple(ResampledGraph(MarkedGraph.from_text(other).edges, count) for other, count in resampled)
    return GraphProposal(graph=MarkedGraph.from_text(text), method="by hand", resampled=graphs)


def random_pdag(seed: int, *, known: float) -> tuple[MarkedGraph, list[bf.CausalGraph]]:
    """A CPDAG of five nodes, with some directions known besides, and every graph that it stands for by brute force."""
    rng = random.Random(seed)
    nodes = tuple("abcde")
    arrows = rng.sample(list(itertools.combinations(rng.sample(nodes, 5), 2)), rng.choice([4, 5, 6, 7, 8]))
    everything = equivalent(nodes, arrows)
    forced = set[tuple[str, str]].intersection(*(set(g.directed) for g in everything))
    certain = {e for e in arrows if e in forced or rng.random() < known}
    edges: list[MarkedEdge] = [(a, "tail", "arrow" if (a, b) in certain else "tail", b) for a, b in arrows]
    return MarkedGraph(nodes, tuple(edges), "pdag"), [g for g in everything if certain <= set(g.directed)]


@pytest.mark.parametrize("known", [0.0, 0.3])
@pytest.mark.parametrize("seed", range(25))
def test_graphs_and_parents_of_a_class_are_those_of_brute_force(seed: int, known: float) -> None:
    graph, members = random_pdag(seed, known=known)
    listed = [frozenset(g.directed) for g in graphs_of(graph)]
    assert len(listed) == len(set(listed))
    assert set(listed) == {frozenset(g.directed) for g in members}
    for node in graph.nodes:
        sets = list(possible_parents(graph, node))
        assert len(sets) == len(set(sets))
        assert set(map(frozenset, sets)) == {frozenset(g.parents(node)) for g in members}


def test_lists_end_with_the_effort() -> None:
    star = MarkedGraph.from_text("pdag { " + " ".join(f"hub -- leaf{i};" for i in range(40)) + " }")
    effort = Effort(10)
    assert len(list(possible_parents(star, "hub", effort))) <= 10
    assert effort.exhausted
    effort = Effort(10)
    assert len(list(graphs_of(star, effort))) <= 10
    assert effort.exhausted
    assert len(list(possible_parents(star, "hub"))) == 41  # none, or one of the leaves: two would be a collider


@pytest.mark.parametrize("kind", ["mag", "pag"])
def test_lists_need_a_class_without_hidden_causes(kind: str) -> None:
    graph = MarkedGraph.from_text(f"{kind} {{ a -> b }}")
    with pytest.raises(MethodMismatch):
        list(graphs_of(graph))
    with pytest.raises(MethodMismatch):
        list(possible_parents(graph, "a"))


def test_a_class_without_members_is_refused() -> None:
    square = MarkedGraph.from_text("pdag { a -- b -- c -- d -- a }")
    with pytest.raises(GraphError):
        list(graphs_of(square))
    with pytest.raises(GraphError):
        proposal("pdag { a -- b -- c -- d -- a }").adjustment("a", "c")


def test_an_amenable_effect_comes_with_its_smallest_set() -> None:
    found = proposal("pdag { i -> x -> y; j -> x; z -> x; z -> y; z -> w -> y }").adjustment("x", "y")
    assert (found.amenable, found.valid, found.adjust_for) == (True, True, ("z",))
    assert found.require() == ("z",)
    assert "Adjusting for" in str(found)


def test_an_effect_that_is_not_amenable_says_why_and_what_remains() -> None:
    found = proposal("pdag { x -- y; x -- z }").adjustment("x", "y")
    assert not found.amenable
    assert found.adjust_for is None
    assert "its first edge does not say whether x causes y" in str(found)
    assert "y  (then the effect is zero)" in str(found)
    assert found.possible == ((), ("y",), ("z",))
    assert found.complete
    with pytest.raises(NotIdentified, match="x -- y"):
        found.require()
    with pytest.raises(NotIdentified):
        proposal("pdag { x -- y }").covariates("x", "y")


def test_shares_of_the_answer_count_resamples() -> None:
    task = proposal(
        "pdag { z -> x; z -> y; i -> x -> y }",
        ("pdag { z -> x; z -> y; i -> x -> y }", 5),  # z is valid
        ("pdag { z; i -> x -> y <- w -> x }", 2),  # amenable, but by w
        ("pdag { z -- x -- y; i }", 1),  # not amenable
        ("pdag { z -> y; i -> x; w }", 1),  # x does not cause y
        ("pdag { z -- x -- y -- i -- z }", 1),  # stands for no graph
    )
    # The resampled graphs may only have the nodes of the proposal.
    nodes = ("z", "x", "y", "i", "w")
    task = GraphProposal(graph=MarkedGraph(nodes, task.graph.edges, "pdag"), method="by hand", resampled=task.resampled)
    found = task.adjustment("x", "y")
    assert found.adjust_for == ("z",)
    assert found.share_valid == pytest.approx(0.6)  # the first, and where x causes nothing z does no harm
    assert found.share_amenable == pytest.approx(0.8)
    assert found.share_without_effect == pytest.approx(0.1)
    assert found.share_contradictory == pytest.approx(0.1)
    for words in ("80%", "60%", "10%"):
        assert words in str(found)
    other = task.adjustment("x", "y", adjust_for=["w"])
    assert not other.valid
    assert other.share_valid == pytest.approx(0.3)
    with pytest.raises(NotIdentified, match="Adjusting for w"):
        other.require()


def test_edges_of_a_resample_that_form_a_cycle_say_nothing() -> None:
    circle = (("a", "tail", "arrow", "b"), ("b", "tail", "arrow", "c"), ("c", "tail", "arrow", "a"))
    task = GraphProposal(
        graph=MarkedGraph.from_text("pdag { a -> b <- c }"),
        method="by hand",
        resampled=(ResampledGraph(circle, 1),),  # type: ignore[arg-type]
    )
    assert task.adjustment("a", "b").share_contradictory == 1.0


def test_graphs_with_hidden_causes_answer_too() -> None:
    found = proposal("pag { a o-> x -> y; b o-> z -> y; x <-> z }").adjustment("x", "y")
    assert (found.amenable, found.adjust_for, found.possible) == (True, ("z",), ())
    found = proposal("pag { x o-o y }").adjustment("x", "y")
    assert not found.amenable


def test_a_treatment_without_effect_is_said_to_have_none() -> None:
    found = proposal("pdag { y -> x <- z }").adjustment("x", "y")
    assert not found.may_cause
    assert "x does not cause y" in str(found)


def test_wrong_nodes_are_refused() -> None:
    task = proposal("pdag { x -> y <- z }")
    with pytest.raises(UnknownNode):
        task.adjustment("x", "q")
    with pytest.raises(RoleConflict):
        task.adjustment("x", "x")
    with pytest.raises(UnknownNode):
        task.adjustment("x", "y", adjust_for=["q"])
