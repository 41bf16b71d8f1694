"""Augmented primal weighting: exact on exact distributions, doubly robust, AIPW where nothing lies in between."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import butfor as bf
from butfor.core.errors import ConstantColumn, InvalidSetting, MethodMismatch, MissingValues, SeparatedPropensity
from butfor.estimators.base import Fit
from butfor.graph.causal_graph import CausalGraph
from butfor.identify.identify import identify
from butfor.identify.primal import primal_structure
from butfor.identify.strategies import Adjustment, FrontDoor, Functional
from tests.estimators.by_graph import ByGraph, fit_strategy
from tests.estimators.saturated import (
    CellMeans,
    CellShares,
    learn_from_the_twin,
    random_graphs,
    whole_distribution,
)
from tests.estimators.test_functional_orders import NESTED
from tests.identify.exact import ExactModel

EXACT = bf.AugmentedPrimalWeighting(outcome_model=CellMeans(), propensity_model=CellShares(), folds=2, floor=1e-6)
LINEAR = bf.AugmentedPrimalWeighting(outcome_model=bf.LinearModel(), propensity_model=bf.LogisticModel())

# A tied variable between two others, so that both kinds of density ratio are multiplied.
CHAIN = "c -> x; c -> y; x -> m -> l -> k -> y; x <-> l; c -> l"
FRONT_DOOR = "c -> x; c -> m; c -> y; x -> m -> y; x <-> y"


def exact_effect(model: ExactModel, treatment: str, outcome: str) -> np.ndarray:
    """E[outcome | do(treatment)] for each value of the treatment, the outcome's values being 0, 1, 2, …"""
    table = model.effect([treatment], [outcome]).arranged([treatment, outcome])
    return table @ np.arange(table.shape[1])


def fit_exactly(
    model: ExactModel, treatment: str, outcome: str, estimator: bf.Estimator = EXACT, levels: int = 2
) -> Fit:
    frame = whole_distribution(model, levels)
    question = bf.Question(treatment, outcome, arms=True)
    strategy = next(s for s in identify(question, model.graph).strategies if isinstance(s, Functional))
    return fit_strategy(estimator, frame, question, strategy, weights="weight")


def graphs_with_an_order(count: int, nodes: int, seed: int) -> list[tuple[CausalGraph, str, str, np.random.Generator]]:
    found = []
    for graph, rng in random_graphs(count, nodes, seed):
        treatment, outcome = graph.nodes[int(rng.integers(nodes - 1))], graph.nodes[-1]
        if primal_structure(graph, treatment, outcome) is not None:
            found.append((graph, treatment, outcome, rng))
    return found


# --- the estimator is the functional ---------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [FRONT_DOOR, CHAIN, "x -> m -> n -> y; m <-> n; x <-> y", *(t for t, _, _ in NESTED)])
def test_on_an_exact_distribution_it_gives_the_exact_effect(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    learn_from_the_twin(monkeypatch)
    for seed in range(2):
        model = ExactModel.random(CausalGraph.from_any(text), np.random.default_rng(seed))
        means = exact_effect(model, "x", "y")
        found = fit_exactly(model, "x", "y").result
        assert_allclose(found.value, means[1] - means[0], atol=1e-10)


def test_on_random_graphs_it_gives_the_exact_effect(monkeypatch: pytest.MonkeyPatch) -> None:
    learn_from_the_twin(monkeypatch)
    cases = graphs_with_an_order(60, 4, seed=8)
    assert len(cases) > 20
    for graph, treatment, outcome, rng in cases:
        model = ExactModel.random(graph, rng)
        means = exact_effect(model, treatment, outcome)
        assert_allclose(fit_exactly(model, treatment, outcome).result.value, means[1] - means[0], atol=1e-10)


@pytest.mark.parametrize("text", ["x -> m -> y; x <-> y", "x -> m -> l -> y; x <-> l", NESTED[0][0]])
def test_three_arms_and_an_outcome_with_three_values(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    learn_from_the_twin(monkeypatch)
    model = ExactModel.random(CausalGraph.from_any(text), np.random.default_rng(3), levels=3)
    means = exact_effect(model, "x", "y")
    found = fit_exactly(model, "x", "y", levels=3).result
    assert found.labels == ("x: 1 - 0", "x: 2 - 0")
    assert_allclose(found.value, means[1:] - means[0], atol=1e-10)


# --- robust twice ----------------------------------------------------------------------------------------------------

UNTIED = (FRONT_DOOR, CHAIN, "x -> m -> l -> y; x <-> l; c -> x; c -> l", "c -> x; c -> y; x -> y")


@pytest.mark.parametrize("text", UNTIED)
@pytest.mark.parametrize("wrong", ["outcome_model", "propensity_model"])
def test_one_kind_of_model_may_be_entirely_wrong(text: str, wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    learn_from_the_twin(monkeypatch)
    model = ExactModel.random(CausalGraph.from_any(text), np.random.default_rng(5))
    means = exact_effect(model, "x", "y")
    blind = {"outcome_model": CellMeans(blind=True), "propensity_model": CellShares(blind=True)}
    found = fit_exactly(model, "x", "y", replace(EXACT, **{wrong: blind[wrong]})).result
    assert_allclose(found.value, means[1] - means[0], atol=1e-10)
    neither = fit_exactly(model, "x", "y", replace(EXACT, **blind)).result
    assert abs(neither.value[0] - (means[1] - means[0])) > 1e-3


@pytest.mark.parametrize("text", [t for t, _, _ in NESTED])
def test_with_columns_dealt_out_the_expectations_may_be_wrong(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    learn_from_the_twin(monkeypatch)
    model = ExactModel.random(CausalGraph.from_any(text), np.random.default_rng(5))
    means = exact_effect(model, "x", "y")
    found = fit_exactly(model, "x", "y", replace(EXACT, outcome_model=CellMeans(blind=True))).result
    assert_allclose(found.value, means[1] - means[0], atol=1e-10)


# --- the influence function ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["x -> m -> y; x <-> y", FRONT_DOOR])
def test_in_a_saturated_model_there_is_one_influence_function(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Front doors restrict no distribution of x, m, y (and c): the plug-in's is the efficient one, and the only one.
    learn_from_the_twin(monkeypatch)
    rng = np.random.default_rng(0)
    names = CausalGraph.from_any(text).nodes
    cells = np.indices((2,) * len(names)).reshape(len(names), -1)
    chances = rng.dirichlet(np.full(cells.shape[1], 3.0))
    frame = {n: np.tile(cells[i], 2) for i, n in enumerate(names)} | {"weight": np.tile(chances, 2) * len(chances)}
    question = bf.Question("x", "y")
    strategy = next(s for s in identify(question, CausalGraph.from_any(text)).strategies if isinstance(s, Functional))
    scored = fit_strategy(EXACT, frame, question, strategy, weights="weight").result
    counted = fit_strategy(bf.PlugIn(), frame, question, strategy, weights="weight").result
    assert_allclose(scored.value, counted.value, atol=1e-12)
    assert_allclose(scored.influence, counted.influence, atol=1e-10)


@pytest.mark.parametrize("text", [FRONT_DOOR, CHAIN, NESTED[0][0], NESTED[4][0]])
def test_the_influence_function_is_the_slope_of_the_effect_along_models_of_the_graph(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # d/dε ψ(P_ε) = E_P[φ · score] for every path P_ε inside the model (central differences, error of order ε²).
    learn_from_the_twin(monkeypatch)
    graph = CausalGraph.from_any(text)
    model, step = ExactModel.random(graph, np.random.default_rng(2)), 1e-4
    fit = fit_exactly(model, "x", "y").result
    assert fit.influence is not None
    for seed in (1, 2, 3):
        other = ExactModel.random(graph, np.random.default_rng(seed))
        up, down = (_between(model, other, sign * step) for sign in (1, -1))
        moved = [np.diff(exact_effect(m, "x", "y"))[0] for m in (up, down)]
        tables = [m.table().arranged(graph.nodes).reshape(-1) for m in (up, down)]
        slope = np.tile((tables[0] - tables[1]) / (2 * step), 2) / 2
        weight = whole_distribution(model)["weight"]
        per_row = fit.influence[:, 0] / weight  # the influence of a row carries its weight
        assert_allclose(per_row @ slope, (moved[0] - moved[1]) / (2 * step), rtol=1e-5, atol=1e-7)


def _between(one: ExactModel, other: ExactModel, step: float) -> ExactModel:
    nodes = {n: (causes, (1 - step) * table + step * other.nodes[n][1]) for n, (causes, table) in one.nodes.items()}
    hidden = {n: (1 - step) * table + step * other.hidden[n] for n, table in one.hidden.items()}
    return ExactModel(one.graph, nodes, hidden)


def test_with_nothing_in_between_it_is_aipw() -> None:
    rng = np.random.default_rng(4)
    c = rng.normal(size=300)
    x = (c + rng.logistic(size=300) > 0).astype(int)
    frame = {"c": c, "x": x, "y": x + c + rng.normal(size=300)}
    question = bf.Question("x", "y")
    found = identify(question, CausalGraph.from_any("c -> x; c -> y; x -> y")).strategies
    functional = next(s for s in found if isinstance(s, Functional))
    adjustment = next(s for s in found if isinstance(s, Adjustment))
    primal = fit_strategy(LINEAR, frame, question, functional).result
    aipw = bf.AIPW(outcome_model=bf.LinearModel(), propensity_model=bf.LogisticModel())
    plain = fit_strategy(aipw, frame, question, adjustment).result
    assert_allclose(primal.value, plain.value, rtol=1e-12)
    assert_allclose(primal.influence, plain.influence, rtol=1e-9, atol=1e-12)


# --- data ------------------------------------------------------------------------------------------------------------


def front_door(n: int = 300, seed: int = 0, **changes: np.ndarray) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    u, c = rng.normal(size=(2, n))
    x = (u + c + rng.logistic(size=n) > 0).astype(int)
    m = 0.8 * x + 0.5 * c + rng.normal(size=n)
    return {"c": c, "x": x, "m": m, "y": m + u + c + rng.normal(size=n), "id": np.arange(n) // 3} | changes


def fit(frame: dict[str, np.ndarray], estimator: bf.Estimator = LINEAR, graph: str = FRONT_DOOR, **how: Any) -> Fit:
    return ByGraph(estimator, graph).fit(frame, treatment="x", outcome="y", **how)


def test_a_study_of_a_front_door_chooses_it() -> None:
    frame = front_door(200)
    study = bf.Study(frame, question=bf.Question("x", "y"), graph=FRONT_DOOR, cluster="id")
    primary = study.estimate(LINEAR).primary
    assert isinstance(primary.strategy, FrontDoor)
    assert primary.result.cluster_names == ("id",)
    assert primary.nuisance_summary[0].startswith("x given c: ")
    assert primary.nuisance_summary[1].startswith("x given c, m: ")


@pytest.mark.slow
def test_the_learned_default_and_the_simple_models_agree() -> None:
    frame = front_door(250)
    learned, simple = fit(frame, bf.AugmentedPrimalWeighting(folds=2)).result, fit(frame).result
    gap = learned.difference(simple)
    assert abs(gap.value[0]) < 4 * gap.std_error[0] + 0.1 * simple.std_error[0]


def test_a_column_to_deal_out_with_many_values_is_cut_and_that_is_said() -> None:
    rng = np.random.default_rng(0)
    u, v = rng.normal(size=(2, 600))
    w = u + v + rng.normal(size=600)
    z = 0.5 * w + rng.normal(size=600)
    x = (z + u + rng.logistic(size=600) > 0).astype(int)
    frame = {"w": w, "z": z, "x": x, "y": x + v + rng.normal(size=600)}
    found = fit(frame, graph=NESTED[0][0]).result
    assert [d.name for d in found.diagnostics if d.name == "cut-into-groups"] == ["cut-into-groups"]
    whole = fit(frame | {"z": (z > 0).astype(int)}, graph=NESTED[0][0]).result
    assert "cut-into-groups" not in {d.name for d in whole.diagnostics}


def test_subgroups_by_a_column_before_the_treatment() -> None:
    rng = np.random.default_rng(1)
    frame = front_door(400, g=rng.choice(["f", "m"], 400))
    frame |= {"l": frame["m"] + rng.normal(size=400), "y": frame["m"] + rng.normal(size=400)}
    # A hidden cause of m and y rules the front door out; x and l share one as well.
    graph = "c -> x; c -> m; g -> x; g -> l; g -> y; x -> m -> l -> y; x <-> l; m <-> y"
    found = fit(frame, graph=graph, modifiers=["g"]).result
    assert found.labels == ("x: 1 - 0", "x: 1 - 0 | g = f", "x: 1 - 0 | g = m")
    share = np.mean(frame["g"] == "f")
    assert_allclose(share * found.value[1] + (1 - share) * found.value[2], found.value[0], rtol=1e-10)


REFUSED = (
    (front_door(m=np.full(300, 2.0)), FRONT_DOOR, {}, ConstantColumn, "'m' has one value"),
    (front_door(m=front_door()["x"] * 2.0), FRONT_DOOR, {}, SeparatedPropensity, "m"),
    (front_door(m=np.where(np.arange(300) == 7, np.nan, 1.0 * np.arange(300))), FRONT_DOOR, {}, MissingValues, "'m'"),
    (front_door(), FRONT_DOOR, {"estimand": bf.ATT()}, MethodMismatch, "answers the ATE"),
    (front_door(), FRONT_DOOR, {"modifiers": ["m"]}, MethodMismatch, "before the treatment"),
    (front_door(x=front_door()["c"]), FRONT_DOOR, {}, MethodMismatch, "is an amount"),
    (front_door(z=np.ones(300)), "c -> z -> x -> y; c <-> x; c <-> y", {}, ConstantColumn, "'z' has one value"),
)


@pytest.mark.parametrize(("frame", "graph", "how", "error", "words"), REFUSED)
def test_every_refusal_has_its_error_and_a_hint(
    frame: dict[str, np.ndarray], graph: str, how: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words) as caught:
        fit(frame, graph=graph, **how)
    assert caught.value.hint  # type: ignore[attr-defined]


def test_the_hint_for_an_amount_names_no_method_that_cannot_follow_the_strategy() -> None:
    study = bf.Study(front_door(x=front_door()["c"]), question=bf.Question("x", "y"), graph="x -> m -> y; x <-> y")
    with pytest.raises(MethodMismatch, match="group the values of 'x'"):
        study.estimate()


def test_frames_without_a_graph_are_told_what_is_missing() -> None:
    with pytest.raises(MethodMismatch, match="needs a front door"):
        LINEAR.fit(front_door(), treatment="x", outcome="y", covariates=["c", "m"])


@pytest.mark.parametrize("settings", [{"floor": 0.0}, {"floor": 0.5}, {"folds": 1}, {"groups": 1}, {"most_values": 1}])
def test_settings_out_of_range(settings: dict[str, Any]) -> None:
    with pytest.raises(InvalidSetting):
        bf.AugmentedPrimalWeighting(**settings)


def test_the_same_seed_gives_the_same_bits() -> None:
    one, two = (fit(front_door(), rng=7).result for _ in range(2))
    assert_array_equal(one.value, two.value)
    assert_array_equal(one.influence, two.influence)
