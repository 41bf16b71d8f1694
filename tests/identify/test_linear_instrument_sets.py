"""Instrumental sets: published graphs, the effect itself on exact covariances."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from butfor.core.effort import Effort
from butfor.core.errors import NumericalFailure, UnknownNode
from butfor.core.serial import from_json, to_json
from butfor.graph.causal_graph import CausalGraph
from butfor.identify.linear import InstrumentSet, direct_instrument_set, instrument_sets
from tests.graph.strategies import graphs
from tests.identify.linear_models import LinearModel

# Two instruments for two causes (Brito and Pearl 2002, figure 1): neither is an instrument alone.
PAIR = "z1 -> x1; z1 -> x2; z2 -> x1; z2 -> x2; x1 -> y; x2 -> y; x1 <-> y; x2 <-> y"
# The same with one covariate that spoils both (a simple conditional instrumental set, van der Zander and Liśkiewicz
# 2016): given w both serve.
CONDITIONAL = PAIR + "; w <-> z1; w <-> z2; w <-> y; a -> z1; a <-> y; b -> z2; b <-> y"


def measured(graph: CausalGraph, seed: int) -> tuple[LinearModel, np.ndarray, tuple[str, ...]]:
    model = LinearModel.random(graph, np.random.default_rng(seed))
    return model, model.covariance, graph.observed


def exact(text: str, treatment: str, outcome: str, hidden: tuple[str, ...] = ()) -> list[InstrumentSet]:
    """The strategies, each compared with the truth of several models."""
    graph = CausalGraph.from_any(text).with_latent(hidden)
    found = list(instrument_sets(graph, treatment, outcome))
    for seed in range(20):
        model, covariance, names = measured(graph, seed)
        for strategy in found:
            assert strategy.effect(covariance, names) == pytest.approx(model.total(treatment, outcome), abs=1e-8)
    return found


def test_two_instruments_for_two_causes() -> None:
    (found,) = exact(PAIR, "x1", "y")
    assert (set(found.instruments), found.treatments) == ({"z1", "z2"}, ("x1", "x2"))
    assert found.given == ()
    assert found.kind == "instrument_set"
    assert set(found.uses) == {"z1", "z2", "x2"}


def test_one_instrument_for_two_causes_is_not_enough() -> None:
    assert not exact("z1 -> x1; z1 -> x2; x1 -> y; x2 -> y; x1 <-> y; x2 <-> y", "x1", "y")


def test_two_instruments_that_move_both_causes_through_one_are_not_enough() -> None:
    text = "z1 -> m; z2 -> m; m -> x1; m -> x2; x1 -> y; x2 -> y; x1 <-> y; x2 <-> y; x1 <-> x2"
    assert not exact(text, "x1", "y")


def test_a_conditional_instrument() -> None:
    # v2 cannot be cleaned: what v1 does to it is not identified. Given v0 it serves all the same.
    text = "v0 -> v1; v0 -> v2; v0 -> v3; v1 -> v2; v1 -> v3; v2 -> v3; v0 <-> v3; v1 <-> v2"
    found = exact(text, "v2", "v3")[0]
    assert found.given == ("v0",)
    assert found.treatments == ("v1", "v2")
    assert "v2 | v0" in found.estimand


def test_a_conditional_instrumental_set() -> None:
    graph = CausalGraph.from_any(CONDITIONAL)
    (found,) = exact(CONDITIONAL, "x1", "y")
    assert set(found.treatments) == {"x1", "x2"}
    assert set(found.instruments) >= {"z1", "z2"}
    assert not set(found.uses) & graph.descendants({"y"})


def test_an_instrument_that_is_cleaned_of_a_known_effect() -> None:
    # w spoils z and cannot be held fixed: it is tied to the outcome, and w and z share a cause. Its effect on z is
    # known by its own instrument (auxiliary variables, Chen, Pearl and Bareinboim 2016).
    (found,) = exact("v -> w; w -> z; w <-> z; w <-> y; z -> x; x -> y; x <-> y; x <-> z", "x", "y")
    assert found.treatments == ("x",)
    assert any(m.less or m.given or m.node == "v" for c in found.coefficients for m in c.moments)


def test_effects_along_several_paths() -> None:
    found = exact("z -> x -> m -> y; x -> y; x <-> m; x <-> y", "x", "y")
    assert found[0].route == (("x", "y"),)
    assert found[0].estimand == "λ(x→y) = Cov(y, z) / Cov(x, z)"
    both = exact("x -> m -> y; x -> y; c -> x; c -> y", "x", "y")
    assert both[1].route == (("x", "m"), ("x", "y"), ("m", "y"))
    assert both[1].estimand.startswith("(λ(x→y) + λ(x→m) λ(m→y)); ")


def test_the_front_door_is_a_product_of_two_regressions() -> None:
    found = exact("x -> m -> y; u -> x; u -> y", "x", "y", ("u",))
    assert [s.route for s in found] == [(("x", "m"), ("m", "y"))]


def test_the_coefficient_of_one_arrow() -> None:
    graph = CausalGraph.from_any("z -> x; x -> m -> y; x -> y; x <-> m")
    for edge in (("x", "m"), ("m", "y"), ("x", "y")):
        found = direct_instrument_set(graph, *edge)
        assert found is not None
        for seed in range(20):
            model, covariance, names = measured(graph, seed)
            assert found.effect(covariance, names) == pytest.approx(model.coefficients[edge], abs=1e-8)
    assert direct_instrument_set(graph, "z", "y") is None  # no arrow
    assert direct_instrument_set(CausalGraph.from_any("x -> y; x <-> y"), "x", "y") is None


def test_two_solutions_are_no_strategy() -> None:
    text = "0 -> 1; 0 <-> 1; 0 <-> 2; 0 <-> 3; 0 <-> 4; 1 -> 2; 1 <-> 3; 2 -> 3; 2 <-> 4; 3 -> 4"
    assert not exact(text, "1", "2")


def test_an_effect_by_a_missing_cycle() -> None:
    (found,) = exact("0 -> 1; 0 -> 2; 0 -> 3; 0 <-> 1; 0 <-> 2; 0 <-> 3; 0 <-> 4; 3 -> 4", "0", "1")
    assert found.instruments == ()
    assert "uncorrelated errors" in found.estimand
    assert set(found.uses) == {"2", "3", "4"}


def test_hidden_nodes_are_never_used() -> None:
    for found in exact("u -> z; u -> x; z -> x -> y; x <-> y; h -> z", "x", "y", ("u", "h")):
        assert not set(found.uses) & {"u", "h"}
    assert not exact("z -> x -> y; x <-> y", "x", "y", ("z",))


@settings(max_examples=100, deadline=None)
@given(graph=graphs(6, latent=True), data=st.data())
def test_every_strategy_is_the_total_effect(graph: CausalGraph, data: st.DataObject) -> None:
    treatment, outcome = data.draw(st.permutations(graph.nodes).map(lambda p: p[:2]))
    for found in instrument_sets(graph, treatment, outcome):
        assert not set(found.uses) & graph.latent
        for seed in range(3):
            model, covariance, names = measured(graph, seed)
            assert found.effect(covariance, names) == pytest.approx(model.total(treatment, outcome), abs=1e-7)


def test_records() -> None:
    (found,) = instrument_sets(CausalGraph.from_any(PAIR), "x1", "y")
    record = found.to_dict()
    assert record["kind"] == "instrument_set"
    assert record["instruments"] == list(found.instruments)
    assert record["treatments"] == ["x1", "x2"]
    assert all(a["probe"] for a in record["assumptions"])
    assert {a.name for a in found.assumptions} == {"graph", "linearity", "joint relevance", "consistency"}
    assert from_json(to_json(found)) == found
    assert (
        found.describe()
        == "Use z1, z2 as instruments for x1, x2 together in a linear model: the effect of one unit, the same for all."
    )


def test_nothing_comes_out_where_nothing_can() -> None:
    none = [
        ("x -> y; x <-> y", "x", "y"),
        ("y -> x", "x", "y"),
        ("x; y", "x", "y"),
    ]
    for text, treatment, outcome in none:
        assert not list(instrument_sets(CausalGraph.from_any(text), treatment, outcome))
    chosen = CausalGraph(("z", "x", "y"), (("z", "x"), ("x", "y")), selected=frozenset({"y"}))
    assert not list(instrument_sets(chosen, "x", "y"))
    assert direct_instrument_set(chosen, "x", "y") is None
    with pytest.raises(UnknownNode):
        list(instrument_sets(chosen, "x", "q"))
    with pytest.raises(UnknownNode):
        direct_instrument_set(chosen, "q", "y")


def test_instruments_that_move_nothing_are_refused() -> None:
    (found,) = instrument_sets(CausalGraph.from_any("z -> x -> y; x <-> y"), "x", "y")
    with pytest.raises(NumericalFailure):
        found.effect(np.eye(3), ["z", "x", "y"])


def test_the_search_ends_with_the_effort() -> None:
    effort = Effort(1)
    assert not list(instrument_sets(CausalGraph.from_any(PAIR), "x1", "y", effort=effort))
    assert effort.exhausted
