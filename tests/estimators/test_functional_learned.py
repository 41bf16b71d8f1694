"""The learned plug-in: exact on exact distributions, bootstrap intervals, numbers dealt out by their density."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import norm

import butfor as bf
from butfor.core.errors import ConstantColumn, InvalidSetting, MethodMismatch, MissingValues
from butfor.estimators.base import Fit
from butfor.estimators.functional.density import Shape, density_ratio
from butfor.estimators.functional.learned_plug_in import LearnedPlugIn
from butfor.graph.causal_graph import CausalGraph
from butfor.identify.identify import identify
from butfor.identify.strategies import Functional
from butfor.nuisance.overlap import effective_sample_size
from tests.estimators.by_graph import ByGraph, fit_strategy
from tests.estimators.saturated import CellMeans, CellShares, learn_from_the_twin, random_graphs, whole_distribution
from tests.estimators.test_functional_primal import exact_effect, front_door
from tests.identify.exact import ExactModel

EXACT = LearnedPlugIn(outcome_model=CellMeans(), propensity_model=CellShares(), folds=2, floor=1e-6, resamples=20)
LINEAR = LearnedPlugIn(outcome_model=bf.LinearModel(), propensity_model=bf.LogisticModel(), resamples=20)
FRONT_DOOR = "x -> m -> y; x <-> y"
NAPKIN = "w -> z -> x -> y; w <-> x; w <-> y"


def fit_exactly(model: ExactModel, treatment: str, outcome: str, levels: int = 2) -> Fit:
    frame = whole_distribution(model, levels)
    question = bf.Question(treatment, outcome, arms=True)
    strategy = next(s for s in identify(question, model.graph).strategies if isinstance(s, Functional))
    return fit_strategy(EXACT, frame, question, strategy, weights="weight")


def fit(frame: dict[str, np.ndarray], estimator: bf.Estimator = LINEAR, graph: str = FRONT_DOOR, **how: Any) -> Fit:
    return ByGraph(estimator, graph).fit(frame, treatment="x", outcome="y", **how)


# --- the estimator is the functional ---------------------------------------------------------------------------------


@pytest.mark.parametrize("levels", [2, 3])
@pytest.mark.parametrize("text", [FRONT_DOOR, NAPKIN, "x -> m -> l -> y; x <-> l; m <-> y", "c -> x -> y; c -> y"])
def test_on_an_exact_distribution_it_gives_the_exact_effect(
    text: str, levels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    learn_from_the_twin(monkeypatch)
    model = ExactModel.random(CausalGraph.from_any(text), np.random.default_rng(1), levels=levels)
    means = exact_effect(model, "x", "y")
    assert_allclose(fit_exactly(model, "x", "y", levels).result.value, means[1:] - means[0], atol=1e-10)


def test_on_random_graphs_it_gives_the_exact_effect(monkeypatch: pytest.MonkeyPatch) -> None:
    learn_from_the_twin(monkeypatch)
    seen = 0
    for graph, rng in random_graphs(50, 4, seed=9):
        treatment, outcome = graph.nodes[int(rng.integers(3))], graph.nodes[-1]
        found = identify(bf.Question(treatment, outcome), graph).strategies
        if outcome not in graph.descendants([treatment]) or not any(EXACT.accepts(s) for s in found):
            continue
        model = ExactModel.random(graph, rng)
        means = exact_effect(model, treatment, outcome)
        assert_allclose(fit_exactly(model, treatment, outcome).result.value, means[1] - means[0], atol=1e-10)
        seen += 1
    assert seen > 20


# --- densities -------------------------------------------------------------------------------------------------------


def test_the_ratio_of_normal_densities_is_found() -> None:
    rng = np.random.default_rng(0)
    given = rng.normal(size=20_000)
    number = given + rng.normal(size=20_000)
    found, cut = density_ratio(number, given, np.full(20_000, 0.8), np.ones(20_000), most=100.0)
    exact = norm.pdf(number, scale=np.sqrt(2.0)) / norm.pdf(number, loc=given)
    middle = (np.abs(number - given) < 1.5) & (np.abs(number) < 3.0)
    # At 1.5 deviations √(R(K) / (n h f)) is 3 % with h = .12, and the bias h² f″ / 2f is 1 %; three of the first.
    assert_allclose(np.log(found[middle]), np.log(exact[middle]), atol=0.1)
    assert cut < 0.01


def test_weights_by_the_ratio_make_the_number_independent_of_what_came_before() -> None:
    rng = np.random.default_rng(1)
    given = rng.normal(size=20_000)
    number = 0.7 * given + rng.normal(size=20_000)
    ratio, _ = density_ratio(number, 0.7 * given, np.full(20_000, 0.8), np.ones(20_000), most=100.0)
    centred = [column - np.average(column, weights=ratio) for column in (number, given)]
    correlation = np.average(centred[0] * centred[1], weights=ratio)
    scatter = np.sqrt(np.var(number) * np.var(given) / effective_sample_size(ratio))
    # A bandwidth of h = .12 blurs the density given the rest: h² of the dependence stays.
    left = 0.12**2 * 0.7 * np.var(number)
    assert abs(correlation) < 4 * scatter + left
    assert np.cov(number, given)[0, 1] > 10 * scatter


def test_a_shape_is_a_density() -> None:
    sample = np.random.default_rng(2).exponential(size=3000)
    shape = Shape.of(sample, np.ones(3000))
    places = np.linspace(-5.0, 30.0, 40_001)
    assert_allclose(np.trapezoid(shape(places), places), 1.0, atol=1e-3)


def test_repeated_rows_are_rows_with_a_weight_for_a_shape() -> None:
    sample = np.random.default_rng(3).normal(size=500)
    counts = np.random.default_rng(4).integers(1, 4, size=500)
    weighted, repeated = Shape.of(sample, counts.astype(float)), Shape.of(sample, counts.astype(float) * 7.0)
    places = np.linspace(-2.0, 2.0, 9)
    assert_allclose(weighted(places), repeated(places), rtol=1e-12)


# --- data ------------------------------------------------------------------------------------------------------------


def napkin(n: int, seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    u, v = rng.normal(size=(2, n))
    w = u + v + rng.normal(size=n)
    z = 0.5 * w + rng.normal(size=n)
    x = (z + u + rng.logistic(size=n) > 0).astype(int)
    return {"w": w, "z": z, "x": x, "y": 1.5 * x + v + rng.normal(size=n)}


def test_a_number_is_dealt_out_as_it_is() -> None:
    found = fit(napkin(800, 0), graph=NAPKIN).result
    assert "cut-into-groups" not in {d.name for d in found.diagnostics}
    assert abs(found.value[0] - 1.5) < 4 * found.std_error[0]


def test_the_words_name_what_was_learned() -> None:
    words = fit(napkin(300, 0), graph=NAPKIN).nuisance_summary
    assert words[0].startswith("average of y: LinearModel")
    assert words[1] == "z given w: density of one shape around its mean"


def test_it_agrees_with_the_doubly_robust_estimator_where_there_is_one() -> None:
    frame = front_door(800)
    graph = "c -> x; c -> m; c -> y; x -> m -> y; x <-> y"
    robust = bf.AugmentedPrimalWeighting(outcome_model=bf.LinearModel(), propensity_model=bf.LogisticModel())
    one, two = fit(frame, graph=graph).result, fit(frame, robust, graph=graph).result
    assert abs(one.value[0] - two.value[0]) < 0.5 * two.std_error[0]
    # Twenty resamples know a standard deviation to 1/√38, one in six.
    assert 0.5 < one.std_error[0] / two.std_error[0] < 1.7


def test_resamples_take_whole_clusters() -> None:
    frame = front_door(150)
    doubled = {name: np.repeat(column, 4) for name, column in frame.items()} | {"id": np.repeat(np.arange(150), 4)}
    estimator = replace(LINEAR, resamples=100)
    alone = fit(frame, estimator).result.std_error[0]
    together = fit(doubled, estimator, cluster="id").result.std_error[0]
    ignored = fit(doubled, estimator).result.std_error[0]
    # Copies of a row tell nothing new: half the error is what ignoring them would claim. 1/√198 is .07.
    assert 0.7 < together / alone < 1.4
    assert ignored / alone < 0.7


def test_an_answer_reads_as_a_bootstrap() -> None:
    found = fit(front_door(200)).result
    assert "bootstrap (20 resamples) standard errors" in found.explain()
    doubled = found.contrast([2.0], ["twice"])
    assert_allclose(doubled.std_error, 2.0 * found.std_error, rtol=1e-12)
    assert_allclose(bf.from_json(found.to_json()).std_error, found.std_error, rtol=1e-12)


def test_the_same_seed_gives_the_same_bits() -> None:
    one, two = (fit(front_door(), rng=7).result for _ in range(2))
    assert_array_equal(one.value, two.value)
    assert_array_equal(one.std_error, two.std_error)


REFUSED = (
    (front_door(m=np.full(300, 2.0)), {}, ConstantColumn, "'m' has one value"),
    (front_door(m=np.where(np.arange(300) == 7, np.nan, 1.0 * np.arange(300))), {}, MissingValues, "'m'"),
    (front_door(), {"estimand": bf.ATT()}, MethodMismatch, "answers the ATE"),
    (front_door(), {"modifiers": ["c"]}, MethodMismatch, "by subgroup"),
    (front_door(x=front_door()["c"]), {}, MethodMismatch, "is an amount"),
)


@pytest.mark.parametrize(("frame", "how", "error", "words"), REFUSED)
def test_every_refusal_has_its_error_and_a_hint(
    frame: dict[str, np.ndarray], how: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words) as caught:
        fit(frame, **how)
    assert caught.value.hint  # type: ignore[attr-defined]


def test_a_zero_effect_is_not_learned() -> None:
    frame = {"x": front_door()["x"], "y": front_door()["y"]}
    question = bf.Question("x", "y")
    strategy = next(
        s for s in identify(question, CausalGraph.from_any("y -> x; x <-> y")).strategies if isinstance(s, Functional)
    )
    with pytest.raises(MethodMismatch, match="is zero"):
        fit_strategy(LINEAR, frame, question, strategy)


@pytest.mark.parametrize(
    "settings", [{"floor": 0.0}, {"floor": 0.5}, {"folds": 1}, {"resamples": 3}, {"most_values": 1}]
)
def test_settings_out_of_range(settings: dict[str, Any]) -> None:
    with pytest.raises(InvalidSetting):
        LearnedPlugIn(**settings)
