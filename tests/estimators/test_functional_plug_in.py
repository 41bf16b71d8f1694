"""The plug-in: exact on exact distributions, its influence function the derivative of the expression."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import butfor as bf
from butfor.core.errors import ConstantColumn, InvalidSetting, MethodMismatch, MissingValues, NumericalFailure
from butfor.estimators.base import Fit
from butfor.estimators.functional.slopes import slopes
from butfor.graph.causal_graph import CausalGraph
from butfor.identify.expression import Factor, evaluate
from butfor.identify.general.effect import identify_effect
from butfor.identify.identify import identify
from butfor.identify.query import Query
from butfor.identify.strategies import Functional
from tests.estimators.by_graph import ByGraph, fit_strategy
from tests.estimators.saturated import random_graphs, whole_distribution
from tests.identify.exact import ExactModel

NAPKIN = "w -> z -> x -> y; w <-> x; w <-> y"
FRONT_DOOR = "x -> m -> y; x <-> y"
# Identified, and neither by a front door nor after dealing out what acts through the treatment alone.
NO_ORDER = "a -> b; a -> x; x -> d; x -> y; d -> y; e -> y; a <-> d; a <-> e; b <-> x; b <-> y; x <-> e"


def functional(graph: CausalGraph, treatment: str = "x", outcome: str = "y") -> Functional:
    question = bf.Question(treatment, outcome)
    return next(s for s in identify(question, graph).strategies if isinstance(s, Functional))


def fit(frame: dict[str, np.ndarray], graph: str = FRONT_DOOR, plug_in: bf.PlugIn | None = None, **how: Any) -> Fit:
    return ByGraph(plug_in or bf.PlugIn(), graph).fit(frame, treatment="x", outcome="y", **how)


# --- the number ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("levels", [2, 3])
@pytest.mark.parametrize("text", [FRONT_DOOR, NAPKIN, NO_ORDER, "z -> x -> m -> y; z -> m; z <-> m; x <-> y"])
def test_on_an_exact_distribution_it_gives_the_exact_effect(text: str, levels: int) -> None:
    if levels == 3 and text == NO_ORDER:
        levels = 2  # 3⁶ cells by hand are slow, and say no more
    graph = CausalGraph.from_any(text)
    model = ExactModel.random(graph, np.random.default_rng(levels), levels)
    means = model.effect(["x"], ["y"]).arranged(["x", "y"]) @ np.arange(levels)
    question = bf.Question("x", "y", arms=True)
    found = fit_strategy(
        bf.PlugIn(), whole_distribution(model, levels), question, functional(graph), weights="weight"
    ).result
    assert_allclose(found.value, means[1:] - means[0], atol=1e-12)


def test_on_random_graphs_it_gives_the_exact_effect() -> None:
    checked = 0
    for graph, rng in random_graphs(60, 4, seed=3):
        treatment, outcome = graph.nodes[int(rng.integers(3))], graph.nodes[3]
        if identify_effect(graph, [treatment], [outcome]).expression is None:
            continue
        model = ExactModel.random(graph, rng)
        means = model.effect([treatment], [outcome]).arranged([treatment, outcome])[:, 1]
        strategy, question = functional(graph, treatment, outcome), bf.Question(treatment, outcome)
        found = fit_strategy(bf.PlugIn(), whole_distribution(model), question, strategy, weights="weight").result
        assert_allclose(found.value, means[1] - means[0], atol=1e-12)
        checked += 1
    assert checked > 20


def test_the_front_door_formula_by_hand() -> None:
    # Pearl 2009, Causality, section 3.3.3: 800,000 people, smoking, tar, cancer (percentages 10, 90, 5, 85).
    counts = {(1, 1): (323, 57), (1, 0): (18, 2), (0, 1): (1, 19), (0, 0): (38, 342)}
    rows = [(x, m, y) for (x, m), pair in counts.items() for y, n in zip((1, 0), pair, strict=True) for _ in range(n)]
    x, m, y = (np.array(column) for column in zip(*rows, strict=True))
    found = fit({"x": x, "m": m, "y": y}).result
    # P(m=1|x=1) = .95, P(m=1|x=0) = .05; Σ_x P(y|x,m) P(x): m=1: (.85+.05)/2 = .45, m=0: (.90+.10)/2 = .50.
    assert found.value[0] == pytest.approx(0.9 * (0.45 - 0.50), abs=1e-12)


# --- its uncertainty -------------------------------------------------------------------------------------------------


def test_slopes_are_the_derivatives_of_any_identified_expression() -> None:
    checked = 0
    for graph, rng in random_graphs(40, 5, seed=1):
        treatment, outcome = graph.nodes[int(rng.integers(4))], graph.nodes[4]
        expression = identify_effect(graph, [treatment], [outcome]).expression
        if expression is None:
            continue
        cells = rng.dirichlet(np.full(32, 5.0)).reshape((2,) * 5)
        table = Factor.table(graph.nodes, cells)
        seed = rng.normal(size=evaluate(expression, table).values.shape)
        way, step = rng.normal(size=cells.shape) * cells, 1e-6
        ends = [evaluate(expression, Factor.table(graph.nodes, cells + s * step * way)).values for s in (1, -1)]
        expected = float((seed * (ends[0] - ends[1])).sum()) / (2 * step)
        assert float((slopes(expression, table, seed) * way).sum()) == pytest.approx(expected, rel=1e-6, abs=1e-8)
        checked += 1
    assert checked > 10


@pytest.mark.parametrize("text", [FRONT_DOOR, NAPKIN])
def test_the_influence_of_a_row_is_what_more_weight_for_it_does(text: str) -> None:
    frame = drawn(text, 60) | {"weight": np.ones(60)}
    found = fit(frame, text, weights="weight").result
    assert found.influence is not None
    for row in (0, 17, 59):
        ends = []
        for step in (1e-5, -1e-5):
            weight = np.ones(60)
            weight[row] += step
            ends.append(fit(frame | {"weight": weight}, text, weights="weight").result.value[0])
        assert found.influence[row, 0] / 60 == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-4, abs=1e-8)


def drawn(text: str, n: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Rows of a random model of the graph, with a continuous outcome."""
    graph, rng = CausalGraph.from_any(text), np.random.default_rng(seed)
    joint = ExactModel.random(graph, rng).table().arranged(graph.nodes)
    cell = np.unravel_index(rng.choice(joint.size, size=n, p=joint.reshape(-1)), joint.shape)
    frame = dict(zip(graph.nodes, cell, strict=True))
    return frame | {"y": frame["y"] + rng.normal(size=n)}


def test_the_standard_error_is_the_scatter_over_samples() -> None:
    found = np.array(
        [(r.value[0], r.std_error[0]) for r in (fit(_resampled(seed), NAPKIN).result for seed in range(150))]
    )
    # The standard deviation of 150 draws is off by 5.8 % (1/√300); four of these.
    assert found[:, 1].mean() == pytest.approx(found[:, 0].std(ddof=1), rel=0.23)


def _resampled(seed: int) -> dict[str, np.ndarray]:
    graph, rng = CausalGraph.from_any(NAPKIN), np.random.default_rng(1000 + seed)
    joint = ExactModel.random(graph, np.random.default_rng(2)).table().arranged(graph.nodes)
    cell = np.unravel_index(rng.choice(joint.size, size=400, p=joint.reshape(-1)), joint.shape)
    return dict(zip(graph.nodes, cell, strict=True))


# --- data ------------------------------------------------------------------------------------------------------------


def test_columns_are_cut_at_their_own_values_and_that_is_said() -> None:
    frame = drawn(FRONT_DOOR, 400)
    smooth = frame | {"m": frame["m"] + np.random.default_rng(0).normal(size=400)}
    found = fit(smooth).result
    assert [(d.name, d.value) for d in found.diagnostics] == [("cut-into-groups", 4.0)]
    assert_allclose(fit(smooth | {"m": 2 * smooth["m"] - 1}).result.value, found.value, rtol=1e-12)
    finer = fit(smooth, plug_in=bf.PlugIn(groups=8)).result
    assert finer.diagnostics[0].value == 8.0
    assert not fit(frame).result.diagnostics


def test_ties_never_leave_an_empty_group() -> None:
    frame = drawn(FRONT_DOOR, 400)
    heaped = np.where(np.arange(400) < 300, 0.0, np.arange(400) - 300.0)
    found = fit(frame | {"m": heaped}, plug_in=bf.PlugIn(groups=10)).result
    assert np.isfinite(found.std_error).all()


def test_few_rows_per_combination_are_a_caution() -> None:
    frame = {k: v[:40] for k, v in drawn(FRONT_DOOR, 400).items()}
    frame |= {"x": np.arange(40) % 2, "m": np.arange(40) // 2 % 5 + (np.arange(40) >= 30)}
    assert "thin-cells" in {d.name for d in fit(frame).result.diagnostics}


def test_one_row_per_combination_still_counts() -> None:
    x, m = (a.reshape(-1) for a in np.meshgrid([0, 1], [0, 1]))
    found = fit({"x": x, "m": m, "y": np.array([1.0, 2.0, 3.0, 5.0])}).result
    assert found.value[0] == pytest.approx(0.0, abs=1e-12)
    assert "thin-cells" in {d.name for d in found.diagnostics}


def test_only_the_compared_arms_need_every_combination() -> None:
    frame = drawn(NAPKIN, 600)
    third = (frame["z"] == 1) & (np.arange(600) % 3 == 0)  # an arm that never goes with z = 0
    frame["x"] = np.where(third, 2, frame["x"])
    with pytest.raises(NumericalFailure, match="no value at x = 'c'"):
        ByGraph(bf.PlugIn(), NAPKIN).fit(_named(frame), treatment="x", outcome="y")
    found = ByGraph(bf.PlugIn(), NAPKIN).fit(_named(frame), treatment="x", outcome="y", contrast=("b", "a")).result
    assert np.isfinite(found.value).all()


def _named(frame: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return frame | {"x": np.array(["a", "b", "c"])[frame["x"]]}


BASE = drawn(FRONT_DOOR, 200)
REFUSED = (
    (BASE | {"m": np.ones(200)}, {}, ConstantColumn, "'m' has one value"),
    (BASE | {"m": BASE["x"]}, {}, NumericalFailure, "no row has"),
    (BASE | {"m": np.where(np.arange(200) == 3, np.nan, BASE["m"])}, {}, MissingValues, "'m'"),
    (BASE | {"x": np.random.default_rng(0).normal(size=200)}, {}, MethodMismatch, "is an amount"),
    (BASE, {"estimand": bf.ATT()}, MethodMismatch, "ATT"),
    (BASE, {"modifiers": ["m"]}, MethodMismatch, "by subgroup"),
    (BASE, {"plug_in": bf.PlugIn(most_cells=4)}, InvalidSetting, "larger than 4 cells"),
)


@pytest.mark.parametrize(("frame", "how", "error", "words"), REFUSED)
def test_every_refusal_has_its_error_and_a_hint(
    frame: dict[str, np.ndarray], how: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words) as caught:
        fit(frame, **how)
    assert caught.value.hint  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "query", [Query(("x", "m"), ("y",)), Query(("x",), ("y",), ("c",)), Query(("x",), ("m", "y"))], ids=str
)
def test_an_expression_of_more_than_treatment_and_outcome_is_refused(query: Query) -> None:
    graph = CausalGraph.from_any("x -> m -> y; x -> y; c -> x; c -> y; c -> m")
    strategy = next(s for s in identify(query, graph).strategies if isinstance(s, Functional))
    frame = BASE | {"c": np.arange(200) % 2}
    with pytest.raises(MethodMismatch, match="depends on"):
        fit_strategy(bf.PlugIn(), frame, bf.Question("x", "y"), strategy)


def test_another_outcome_takes_the_place_of_the_outcome() -> None:
    frame = drawn(FRONT_DOOR, 300) | {"earlier": np.random.default_rng(1).normal(size=300)}
    base = fit(frame)
    sample = base.sample.with_outcome("earlier", frame["earlier"])
    swapped = bf.PlugIn().fit_sample(sample, base.question, base.strategy).result
    direct = fit(frame | {"y": frame["earlier"]}).result
    assert_array_equal(swapped.value, direct.value)


def test_other_strategies_are_told_what_suits_them() -> None:
    with pytest.raises(MethodMismatch, match="needs an expression"):
        bf.PlugIn().fit(BASE, treatment="x", outcome="y", covariates=["m"])


@pytest.mark.parametrize("settings", [{"groups": 1}, {"most_values": 1}, {"most_cells": 3}])
def test_settings_out_of_range(settings: dict[str, int]) -> None:
    with pytest.raises(InvalidSetting):
        replace(bf.PlugIn(), **settings)
