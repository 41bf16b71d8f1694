"""Proximal identification: exact models with a hidden cause, and proxies that must be refused."""

from __future__ import annotations

import time
from itertools import combinations, islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from butfor.core.effort import Effort
from butfor.core.errors import InvalidSetting, NumericalFailure, UnknownNode
from butfor.core.serial import from_json, to_json
from butfor.graph.causal_graph import CausalGraph
from butfor.identify.expression import Factor
from butfor.identify.proximal import (
    ProximalPair,
    ProximalProblem,
    proximal_distribution,
    proximal_pairs,
    proximal_slope,
)
from tests.graph.strategies import graphs
from tests.identify.linear_models import LinearModel

# Miao, Geng and Tchetgen Tchetgen 2018, figure 1: what the proxies may act on and what may act on them.
MIAO = "u -> z -> x -> y; u -> w -> y; u -> x; u -> y"
# Kuroki and Pearl 2014, figure 1: two proxies that act on nothing.
KUROKI_PEARL = "u -> z; u -> w; u -> x; u -> y; x -> y"
COVARIATE = KUROKI_PEARL + "; c -> z; c -> w; c -> x; c -> y"
AFTER_TREATMENT = KUROKI_PEARL + "; x -> z"


def graph_of(text: str, *hidden: str) -> CausalGraph:
    return CausalGraph.from_any(text).with_latent(hidden or ("u",))


def pairs(graph: CausalGraph) -> list[ProximalPair]:
    return list(proximal_pairs(graph, "x", "y"))


def keys(graph: CausalGraph) -> list[tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...], tuple[str, ...]]]:
    return [(p.treatment_proxies, p.outcome_proxies, p.hidden, p.given) for p in pairs(graph)]


def table(
    graph: CausalGraph, levels: dict[str, int], rng: np.random.Generator, do: str = ""
) -> tuple[list[str], NDArray[np.float64]]:
    """The exact distribution of the measured nodes of a random model; of a node that is set, its axis is free."""
    number = {n: i for i, n in enumerate(graph.nodes)}
    operands: list[object] = []
    for n in graph.nodes:
        causes = graph.parents(n)
        size = levels.get(n, 2)
        weights = rng.dirichlet(np.full(size, 1.0), size=[levels.get(c, 2) for c in causes]) * 0.9 + 0.1 / size
        operands += [np.ones(size), [number[n]]] if n == do else [weights, [*(number[c] for c in causes), number[n]]]
    names = list(graph.observed)
    return names, np.asarray(np.einsum(*operands, [number[n] for n in names], optimize="greedy"))


def truth(graph: CausalGraph, levels: dict[str, int], seed: int) -> NDArray[np.float64]:
    """P(y | do(x)), by enumeration."""
    names, values = table(graph, levels, np.random.default_rng(seed), do="x")
    rest = tuple(i for i, n in enumerate(names) if n not in ("x", "y"))
    effect = values.sum(axis=rest)
    return effect if names.index("x") < names.index("y") else effect.T


def recovered(graph: CausalGraph, levels: dict[str, int], seed: int, pair: ProximalPair) -> NDArray[np.float64]:
    names, values = table(graph, levels, np.random.default_rng(seed))
    return proximal_distribution(pair, Factor.table(names, values))


@pytest.mark.parametrize("text", [MIAO, KUROKI_PEARL, COVARIATE, AFTER_TREATMENT])
@pytest.mark.parametrize("levels", [2, 3])
def test_the_effect_is_recovered_beside_a_hidden_cause(text: str, levels: int) -> None:
    graph, found = graph_of(text), pairs(graph_of(text))
    sizes = {"u": levels, "z": levels, "w": levels, "x": 2, "y": 3, "c": 2}
    assert found
    for seed in range(20):
        expected = truth(graph, sizes, seed)
        for pair in found:
            assert np.abs(recovered(graph, sizes, seed, pair) - expected).max() < 1e-9


def test_proxies_may_have_more_levels_than_the_hidden_cause() -> None:
    graph = graph_of(MIAO)
    sizes = {"u": 2, "z": 4, "w": 3, "x": 3, "y": 2}
    for seed in range(20):
        assert np.abs(recovered(graph, sizes, seed, pairs(graph)[0]) - truth(graph, sizes, seed)).max() < 1e-9


def test_two_binary_proxies_stand_for_a_cause_with_three_levels() -> None:
    # One hidden node with three levels and pairs of binary proxies: four levels of each kind.
    graph = graph_of("u -> z1; u -> z2; u -> w1; u -> w2; u -> x; u -> y; x -> y")
    pair = ProximalPair(
        treatment="x", outcome="y", treatment_proxies=("z1", "z2"), outcome_proxies=("w1", "w2"), hidden=("u",)
    )
    assert ProximalProblem.of(graph, "x", "y").is_valid(pair.treatment_proxies, pair.outcome_proxies, ("u",))
    for seed in range(20):
        assert np.abs(recovered(graph, {"u": 3}, seed, pair) - truth(graph, {"u": 3}, seed)).max() < 1e-9


def test_proxies_with_too_few_levels_are_refused_or_wrong_where_no_data_can_tell() -> None:
    graph = graph_of(MIAO)
    pair = pairs(graph)[0]
    # A treatment proxy with more levels than the outcome proxy: the bridge equation has no solution.
    with pytest.raises(NumericalFailure, match="bridge equation"):
        recovered(graph, {"u": 3, "z": 3, "w": 2}, 0, pair)
    # Two levels each: a solution exists and is wrong. Completeness is an assumption.
    assert np.abs(recovered(graph, {"u": 3}, 0, pair) - truth(graph, {"u": 3}, 0)).max() > 1e-4


def test_a_proxy_that_does_not_move_is_refused() -> None:
    pair = ProximalPair(treatment="x", outcome="y", treatment_proxies=("z",), outcome_proxies=("w",), hidden=("u",))
    apart = graph_of("u -> w; u -> x; u -> y; x -> y; z")
    assert not ProximalProblem.of(apart, "x", "y").is_valid(["z"], ["w"], ["u"])
    with pytest.raises(NumericalFailure):
        recovered(apart, {}, 0, pair)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (KUROKI_PEARL + "; z -> y", "z -> y"),  # the treatment proxy is a cause of the outcome
        (KUROKI_PEARL + "; x -> w", "w <- x"),  # the treatment causes the outcome proxy
        (KUROKI_PEARL + "; z -> w", "w <- z"),  # the proxies act on each other
        (KUROKI_PEARL + "; z <-> w", "common cause of z and w"),
        (KUROKI_PEARL + "; z <-> y", "common cause of z and y"),
        (KUROKI_PEARL + "; w <-> x", "common cause of w and x"),
        (KUROKI_PEARL + "; x <-> y", "does not close every path"),  # something else is hidden
        ("z; u -> w; u -> x; u -> y; x -> y", "z cannot vary in as many ways as u"),
        ("w; u -> z; u -> x; u -> y; x -> y", "w cannot vary in as many ways as u"),
    ],
)
def test_counterexamples_are_refused_with_the_reason(text: str, why: str) -> None:
    graph = graph_of(text)
    reasons = ProximalProblem.of(graph, "x", "y").reasons_against(["z"], ["w"], ["u"])
    assert any(why in reason for reason in reasons)
    assert (("z",), ("w",), ("u",), ()) not in keys(graph)


def test_refused_proxies_give_a_wrong_number() -> None:
    for extra in ("z -> y", "x -> w"):
        graph = graph_of(f"{KUROKI_PEARL}; {extra}")
        pair = ProximalPair(treatment="x", outcome="y", treatment_proxies=("z",), outcome_proxies=("w",))
        assert np.abs(recovered(graph, {}, 1, pair) - truth(graph, {}, 1)).max() > 1e-3


def test_the_roles_of_symmetric_proxies_can_be_swapped() -> None:
    assert keys(graph_of(KUROKI_PEARL)) == [(("w",), ("z",), ("u",), ()), (("z",), ("w",), ("u",), ())]
    assert keys(graph_of(MIAO)) == [(("z",), ("w",), ("u",), ())]


def test_covariates_are_found_and_needed() -> None:
    graph = graph_of(COVARIATE)
    assert {k[3] for k in keys(graph)} == {("c",)}
    assert not ProximalProblem.of(graph, "x", "y").is_valid(["z"], ["w"], ["u"])


def test_a_covariate_that_only_the_proxies_need() -> None:
    graph = graph_of(KUROKI_PEARL + "; c -> z; c -> w")
    assert (("z",), ("w",), ("u",), ("c",)) in keys(graph)


def test_hidden_common_causes_of_edges_have_names() -> None:
    graph = CausalGraph.from_any("z -> x -> y; w -> y; x <-> y; z <-> w; u -> w; u -> x; u -> y; u -> z").with_latent(
        ["u"]
    )
    problem = ProximalProblem.of(graph, "x", "y")
    assert "common cause of x and y" in problem.graph.latent
    assert not problem.is_valid(["z"], ["w"], ["u"])
    edges = CausalGraph.from_any("x -> y; h -> x; h -> y; z <-> x; w <-> y; h -> z; h -> w").with_latent(["h"])
    assert (("z",), ("w",), ("h",), ()) in keys(edges)


def test_two_hidden_causes_take_two_proxies_of_each_kind() -> None:
    names = [f"{u} -> {n}" for u in ("u1", "u2") for n in ("z1", "z2", "w1", "w2", "x", "y")]
    graph = graph_of("; ".join([*names, "x -> y"]), "u1", "u2")
    found = pairs(graph)
    assert all(len(p.treatment_proxies) == len(p.outcome_proxies) == len(p.hidden) == 2 for p in found)
    assert len(found) == 6
    problem = ProximalProblem.of(graph, "x", "y")
    assert "vary in as many ways" in problem.reasons_against(["z1"], ["w1"], ["u1", "u2"])[0]


def test_another_hidden_cause_of_the_proxies_is_taken_along() -> None:
    names = [f"{u} -> {n}" for u in ("u", "v") for n in ("z1", "z2", "w1", "w2")]
    graph = graph_of("; ".join([*names, "u -> x; u -> y; x -> y"]), "u", "v")
    assert (("z1", "z2"), ("w1", "w2"), ("u", "v"), ()) in keys(graph)


@pytest.mark.parametrize("text", [MIAO, KUROKI_PEARL, COVARIATE, AFTER_TREATMENT])
def test_linear_bridges_recover_the_effect(text: str) -> None:
    graph = graph_of(text)
    for seed in range(20):
        model = LinearModel.random(graph, np.random.default_rng(seed))
        for pair in pairs(graph):
            slope = proximal_slope(pair, model.covariance, graph.observed)
            assert slope == pytest.approx(model.total("x", "y"), abs=1e-8)


@settings(max_examples=150, deadline=None)
@given(graph=graphs(6), data=st.data())
def test_every_pair_of_a_random_graph_gives_the_effect(graph: CausalGraph, data: st.DataObject) -> None:
    hidden = data.draw(st.sets(st.sampled_from(graph.nodes), min_size=1, max_size=2))
    graph = graph.with_latent(hidden)
    treatment, outcome = data.draw(st.permutations(graph.nodes).map(lambda p: p[:2]))
    problem = ProximalProblem.of(graph, treatment, outcome)
    for pair in islice(proximal_pairs(graph, treatment, outcome), 6):
        assert not set(pair.uses) & problem.graph.latent
        assert problem.is_valid(pair.treatment_proxies, pair.outcome_proxies, pair.hidden, pair.given)
        for seed in range(2):
            model = LinearModel.random(graph, np.random.default_rng(seed))
            slope = proximal_slope(pair, model.covariance, graph.observed)
            assert slope == pytest.approx(model.total(treatment, outcome), abs=1e-6)


@settings(max_examples=60, deadline=None)
@given(graph=graphs(6), data=st.data())
def test_every_single_pair_without_covariates_is_found(graph: CausalGraph, data: st.DataObject) -> None:
    hidden = data.draw(st.sampled_from(graph.nodes))
    graph = CausalGraph(graph.nodes, graph.directed, latent=frozenset({hidden}))
    treatment, outcome = data.draw(st.permutations(graph.nodes).map(lambda p: p[:2]))
    problem = ProximalProblem.of(graph, treatment, outcome)
    found = {(p.treatment_proxies, p.outcome_proxies) for p in proximal_pairs(graph, treatment, outcome)}
    if not problem.adjustment.is_valid([]) and outcome in graph.descendants({treatment}):
        for z, w in combinations(graph.observed, 2):
            for first, second in ((z, w), (w, z)):
                assert not problem.is_valid([first], [second], [hidden]) or ((first,), (second,)) in found


def test_records() -> None:
    (found,) = pairs(graph_of(MIAO))
    assert found.estimand == "E(y | do(x)) = E[h(w, x)], where E(y | z, x) = E[h(w, x) | z, x]"
    record = found.to_dict()
    assert record["kind"] == "proximal"
    assert (record["treatment_proxies"], record["outcome_proxies"], record["hidden"]) == (["z"], ["w"], ["u"])
    assert [a["name"] for a in record["assumptions"]] == [
        "hidden causes closed",
        "proxies",
        "completeness",
        "overlap",
        "consistency",
    ]
    assert all(a["probe"] for a in record["assumptions"])
    assert from_json(to_json(found)) == found
    assert found.uses == ("z", "w")
    assert found.describe() == "Use z (on the side of the treatment) and w (on that of the outcome) as proxies of u."


def test_nothing_comes_out_where_nothing_can() -> None:
    assert not pairs(CausalGraph.from_any("z -> x -> y; w -> y; x <-> y"))
    assert not pairs(graph_of("u -> z; u -> w; u -> x; u -> y; y -> x"))
    chosen = CausalGraph.from_any(KUROKI_PEARL)
    chosen = CausalGraph(chosen.nodes, chosen.directed, latent=frozenset({"u"}), selected=frozenset({"w"}))
    assert not pairs(chosen)
    assert ProximalProblem.of(chosen, "x", "y").reasons_against(["z"], ["w"], ["u"]) == (
        "The rows were selected by w.",
    )
    with pytest.raises(UnknownNode):
        list(proximal_pairs(chosen, "x", "q"))


def test_nodes_in_two_roles_and_hidden_proxies_are_refused() -> None:
    problem = ProximalProblem.of(graph_of(KUROKI_PEARL), "x", "y")
    assert problem.reasons_against(["z"], ["z"], ["u"]) == ("A node has two roles.",)
    hidden = ProximalProblem.of(graph_of(KUROKI_PEARL, "u", "z"), "x", "y")
    assert "z was not measured." in hidden.reasons_against(["z"], ["w"], ["u"])


def test_bad_input_is_refused() -> None:
    (pair,) = pairs(graph_of(MIAO))
    with pytest.raises(InvalidSetting, match="no column"):
        proximal_distribution(pair, Factor.table(["x", "y"], np.full((2, 2), 0.25)))
    with pytest.raises(NumericalFailure):
        proximal_slope(pair, np.eye(4), ["x", "y", "z", "w"])
    uneven = ProximalPair(treatment="x", outcome="y", treatment_proxies=("z", "v"), outcome_proxies=("w",))
    with pytest.raises(InvalidSetting, match="as many of each"):
        proximal_slope(uneven, np.eye(5), ["x", "y", "z", "v", "w"])


def test_the_search_ends_with_the_effort() -> None:
    for steps in (0, 1, 10):
        effort = Effort(steps)
        assert not list(proximal_pairs(graph_of(MIAO), "x", "y", effort=effort))
        assert effort.exhausted


def test_a_hundred_nodes_take_a_second_of_work() -> None:
    rng = np.random.default_rng(0)
    names = [f"v{i}" for i in range(100)]
    arrows = [p for p in combinations(names, 2) if rng.random() < 0.05]
    core = [("u", n) for n in ("z", "w", "x", "y", *names[:40])] + [("x", "y"), ("v99", "y"), ("v0", "x")]
    graph = CausalGraph(("u", "z", "w", "x", "y", *names), (*core, *arrows), latent=frozenset({"u", *names[40:60]}))
    start = time.process_time()
    found = list(islice(proximal_pairs(graph, "x", "y"), 100))
    assert found
    assert time.process_time() - start < 5.0  # a second where the machine has nothing else to do
