"""Recovery from selection bias: the number for everyone, computed from rows that were chosen."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import butfor as bf
from butfor.identify.adjustment import AdjustmentProblem
from butfor.identify.expression import Factor, evaluate
from butfor.identify.general.sources import OBSERVATION, Experiment, Mosaic, identify_from
from tests.graph.strategies import graphs
from tests.identify.exact import ExactModel


def from_chosen(graph: bf.CausalGraph, x: list[str], y: list[str], z: list[str]) -> Mosaic:
    return identify_from(graph, [OBSERVATION], x, y, z)


def seen(model: ExactModel) -> Factor:
    """P(measured | every selected node is 1): all that chosen rows show."""
    table = model.table()
    names = [v.name for v in table.variables]
    kept = [n for n in names if n not in model.graph.selected]
    values = table.arranged(names)[tuple(1 if n in model.graph.selected else slice(None) for n in names)]
    return Factor.table(kept, values / values.sum())


def largest_error(graph: bf.CausalGraph, x: list[str], y: list[str], z: list[str], seeds: range) -> float:
    found = from_chosen(graph, x, y, z)
    assert found.expression is not None
    errors = []
    for seed in seeds:
        model = ExactModel.random(graph, np.random.default_rng(seed))
        truth = model.effect(x, y, z).arranged([*x, *y, *z])
        value = evaluate(found.expression, seen(model))
        assert not value.undefined.any()
        wanted = [n for n in (*x, *y, *z) if n in {v.name for v in value.variables}]
        got = value.arranged(wanted)
        lost = tuple(i for i, n in enumerate((*x, *y, *z)) if n not in wanted)
        errors.append(np.abs(np.expand_dims(got, lost) - truth).max())
    return max(errors)


# Bareinboim and Tian 2015 (doi:10.1609/aaai.v29i1.9679), causaleffect man/recover.Rd, Correa and others 2018 and 2019.
RECOVERABLE = [
    ("w1 -> x; w2 -> x -> y; w2 -> s; w1 <-> w2; w1 <-> y; selected s", "x", "y"),
    ("z -> x; z -> y; x -> y; z -> w; s <- w2; w2 -> w; selected s", "x", "y"),
    ("x -> m -> y; x <-> y; c -> s; selected s", "x", "y"),
    ("s -> x; z -> x; z -> y; x -> y; selected s", "x", "y"),
    ("x -> z -> y; x -> s; selected s", "x", "y"),
    ("c -> w -> z -> x -> y; w <-> x; w <-> y; c -> s; selected s", "x", "y"),
]
BIASED = [
    ("x -> y -> s; selected s", "x", "y"),
    ("x -> y; x -> s; z -> x; z -> y; selected s", "x", "y"),
    ("x -> y; u -> y; u -> s; u [latent]; selected s", "x", "y"),
    ("x -> y; s <-> y; selected s", "x", "y"),
    ("x -> m -> y; x <-> y; m -> s; selected s", "x", "y"),
]


@pytest.mark.parametrize(("text", "x", "y"), RECOVERABLE)
def test_effects_for_everyone_from_chosen_rows_are_exact(text: str, x: str, y: str) -> None:
    graph = bf.CausalGraph.from_any(text)
    assert largest_error(graph, [x], [y], [], range(20)) < 1e-9


@pytest.mark.parametrize(("text", "x", "y"), BIASED)
def test_what_the_choice_hides_is_not_claimed(text: str, x: str, y: str) -> None:
    graph = bf.CausalGraph.from_any(text)
    found = from_chosen(graph, [x], [y], [])
    assert not found.identified
    assert found.expression is None
    assert found.missing


@settings(max_examples=150, deadline=None)
@given(graphs(6), st.data())
def test_whatever_is_recovered_is_the_truth(graph: bf.CausalGraph, data: st.DataObject) -> None:
    names = list(graph.nodes)
    s = data.draw(st.sampled_from(names))
    others = [n for n in names if n != s]
    if len(others) < 2:
        return
    x, y = data.draw(st.permutations(others))[:2]
    chosen = bf.CausalGraph(graph.nodes, graph.directed, graph.bidirected, selected=frozenset({s}))
    found = from_chosen(chosen, [x], [y], [])
    if found.identified:
        assert largest_error(chosen, [x], [y], [], range(3)) < 1e-9


@settings(max_examples=150, deadline=None)
@given(graphs(6), st.data())
def test_what_adjustment_recovers_the_general_algorithm_recovers(graph: bf.CausalGraph, data: st.DataObject) -> None:
    names = list(graph.nodes)
    s = data.draw(st.sampled_from(names))
    chosen = bf.CausalGraph(graph.nodes, graph.directed, graph.bidirected, selected=frozenset({s}))
    for x, y in itertools.permutations([n for n in names if n != s], 2):
        problem = AdjustmentProblem.of(chosen, {x}, {y})
        if problem.causal and problem.is_valid(problem.canonical):
            assert from_chosen(chosen, [x], [y], []).identified


def test_a_census_mends_what_the_choice_has_done_to_a_cause() -> None:
    """Correa, Tian and Bareinboim 2018 (doi:10.1609/aaai.v32i1.12125): covariates known for all, the rest for some."""
    graph = bf.CausalGraph.from_any("z -> x; z -> y; x -> y; z -> s; selected s")
    census = Experiment(population="census", measured=("z",))
    assert not from_chosen(graph, ["x"], ["y"], []).identified
    found = identify_from(graph, [OBSERVATION, census], ["x"], ["y"])
    assert str(found.expression) == "sum_{z} P(y | x, z) P[census](z)"
    for seed in range(20):
        model = ExactModel.random(graph, np.random.default_rng(seed))
        tables = {("", frozenset[str]()): seen(model), ("census", frozenset[str]()): model.table(keep=["z"])}
        value = evaluate(found.expression, tables).arranged(["x", "y"])
        assert np.abs(value - model.effect(["x"], ["y"]).arranged(["x", "y"])).max() < 1e-9
