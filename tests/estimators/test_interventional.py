"""Means under interventions: exact on exact distributions for joint and conditional queries, by every method."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

import butfor as bf
from butfor.core.errors import EmptyArm, InvalidSetting, MethodMismatch, NotIdentified, UnknownColumn
from butfor.estimators.functional import learned_plug_in
from butfor.estimators.orthogonal import aipw
from butfor.graph.causal_graph import CausalGraph
from butfor.identify.identify import identify
from tests.estimators.saturated import CellMeans, CellShares, learn_from_the_twin, whole_distribution
from tests.estimators.test_functional_learned import EXACT
from tests.identify.exact import ExactModel
from tests.identify.test_general_random import random_graph, random_query

WEIGHED = bf.Reading(weights="weight")
LINEAR = {"outcome_model": bf.LinearModel(), "propensity_model": bf.LogisticModel()}


def exact_means(model: ExactModel, query: bf.Query) -> np.ndarray:
    """E[outcome | do(treatments), given] at every combination of levels."""
    parts = [model.effect(query.treatments, [y], query.given) for y in query.outcomes]
    names = (*query.treatments, *query.given)
    tables = [p.arranged([*names, y])[..., 1] for p, y in zip(parts, query.outcomes, strict=True)]
    return np.concatenate([t.reshape(-1) for t in tables])


JOINT = (
    ("c -> a; c -> b; c -> y; a -> y; b -> y", bf.Query(("a", "b"), "y")),
    ("a -> m -> y; b -> y; a <-> y; m <-> b", bf.Query(("a", "b"), "y")),
    ("x -> m -> y; x <-> y", bf.Query("x", ("m", "y"))),
    ("x -> m -> y; x <-> y; z -> y", bf.Query("x", "y", given="z")),
    ("x -> y -> z; c -> x; c -> y", bf.Query("x", "y", given="z")),
    ("w -> z -> x -> y; w <-> x; w <-> y; y -> v", bf.Query("x", ("y", "v"))),
)


@pytest.mark.parametrize(("text", "query"), JOINT)
@pytest.mark.parametrize("method", [bf.PlugIn(), EXACT], ids=["counted", "learned"])
def test_joint_and_conditional_means_are_exact_on_an_exact_distribution(
    text: str, query: bf.Query, method: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    learn_from_the_twin(monkeypatch)
    model = ExactModel.random(CausalGraph.from_any(text), np.random.default_rng(0))
    found = bf.interventional_means(whole_distribution(model), query, text, method=method, reading=WEIGHED)
    assert_allclose(found.value, exact_means(model, query), atol=1e-10)
    assert np.isfinite(found.std_error).all()


def test_every_query_of_random_graphs_is_exact() -> None:
    rng = np.random.default_rng(11)
    seen = 0
    for _ in range(120):
        graph = random_graph(rng, 5)
        x, y, z = random_query(rng, graph, conditional=bool(rng.random() < 0.5))
        if not y:
            continue
        query = bf.Query(tuple(x), tuple(y), tuple(z))
        try:
            for outcome in y:
                identify(bf.Query(tuple(x), outcome, tuple(z)), graph).require()
        except NotIdentified:
            continue
        model = ExactModel.random(graph, rng)
        found = bf.interventional_means(whole_distribution(model), query, graph, method=bf.PlugIn(), reading=WEIGHED)
        assert_allclose(found.value, exact_means(model, query), atol=1e-10)
        seen += 1
    assert seen > 40


def test_adjustment_for_joint_treatments_is_exact_by_arms(monkeypatch: pytest.MonkeyPatch) -> None:
    learn_from_the_twin(monkeypatch)
    monkeypatch.setattr(aipw, "sample_folds", learned_plug_in.sample_folds)
    text, query = JOINT[0]
    model = ExactModel.random(CausalGraph.from_any(text), np.random.default_rng(2))
    method = bf.AIPW(outcome_model=CellMeans(), propensity_model=CellShares(), folds=2, floor=1e-6)
    found = bf.interventional_means(whole_distribution(model), query, text, method=method, reading=WEIGHED)
    assert found.labels[1] == "E[y | do(a = 0, b = 1)]"
    assert_allclose(found.value, exact_means(model, query), atol=1e-10)


def test_one_treatment_by_adjustment_is_aipw() -> None:
    rng = np.random.default_rng(1)
    c = rng.normal(size=500)
    x = (c + rng.logistic(size=500) > 0).astype(int)
    frame = {"c": c, "x": x, "y": x + c + rng.normal(size=500)}
    means = bf.interventional_means(frame, bf.Query("x", "y"), "c -> x; c -> y; x -> y", method=bf.AIPW(**LINEAR))
    effect = bf.AIPW(**LINEAR).fit(frame, treatment="x", outcome="y", covariates=["c"]).estimate()
    contrast = means.contrast([-1, 1], ["effect"])
    assert_allclose(contrast.value, effect.value, rtol=1e-12)
    assert_allclose(contrast.std_error, effect.std_error, rtol=1e-12)


def two_treatments(n: int = 600, seed: int = 0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    c = rng.normal(size=n)
    a, b = ((c + rng.logistic(size=n) > 0).astype(int) for _ in range(2))
    y = a + 2 * b + 0.5 * a * b + c + rng.normal(size=n)
    return {"c": c, "a": a, "b": b, "y": y, "kind": rng.choice(["new", "old"], n), "id": np.arange(n) // 2}


GRAPH = "c -> a; c -> b; c -> y; a -> y; b -> y; kind -> y"
BOTH = bf.Query(("a", "b"), "y")


@pytest.mark.slow
def test_arms_are_adjusted_where_that_is_enough() -> None:
    assert bf.interventional_means(two_treatments(300), BOTH, GRAPH).estimator == "aipw"


def test_columns_with_few_values_are_counted() -> None:
    frame = two_treatments(300)
    counted = frame | {"c": (frame["c"] > 0).astype(int)}
    inside = bf.Query(("a", "b"), "y", given="kind")
    assert bf.interventional_means(counted, inside, GRAPH).estimator == "plug_in"


def test_conditions_may_stand_beside_numbers() -> None:
    inside = bf.Query("a", "y", given="kind")
    method = bf.LearnedPlugIn(**LINEAR, resamples=20)
    found = bf.interventional_means(two_treatments(1500), inside, GRAPH, method=method)
    assert found.labels[0] == "E[y | do(a = 0), kind = new]"
    effect = found.contrast([[-1, 0, 1, 0]], ["among the new"])
    # a + 0.5 ab with b = 1 for half of all.
    assert abs(effect.value[0] - 1.25) < 4 * effect.std_error[0]


def test_settings_may_name_a_few_means() -> None:
    frame = two_treatments(300)
    everything = bf.interventional_means(frame, BOTH, GRAPH, method=bf.AIPW(**LINEAR))
    few = bf.interventional_means(frame, BOTH, GRAPH, at=[{"a": 1, "b": 0}, {"a": 0, "b": 0}], method=bf.AIPW(**LINEAR))
    assert few.labels == ("E[y | do(a = 1, b = 0)]", "E[y | do(a = 0, b = 0)]")
    assert_allclose(few.value, everything.select(*few.labels).value, rtol=1e-12)
    assert len(bf.interventional_means(frame, BOTH, GRAPH, at=[{"a": 1}], method=bf.AIPW(**LINEAR)).labels) == 2


def test_several_outcomes_have_a_joint_covariance() -> None:
    frame = two_treatments(300)
    twice = frame | {"half": frame["y"] / 2}
    graph = GRAPH + "; c -> half; a -> half; b -> half; y <-> half; kind -> half"
    found = bf.interventional_means(twice, bf.Query(("a", "b"), ("y", "half")), graph, method=bf.AIPW(**LINEAR))
    difference = found.contrast([[1, 0, 0, 0, -2, 0, 0, 0]], ["nothing"])
    assert_allclose(difference.value, 0.0, atol=1e-10)
    assert_allclose(difference.std_error, 0.0, atol=1e-10)


def test_clusters_and_weights_are_read() -> None:
    frame = two_treatments(300) | {"w": np.where(np.arange(300) < 20, 0.0, 1.0)}
    alone = bf.interventional_means(frame, BOTH, GRAPH, method=bf.AIPW(**LINEAR))
    read = bf.interventional_means(
        frame, BOTH, GRAPH, method=bf.AIPW(**LINEAR), reading=bf.Reading(weights="w", cluster="id")
    )
    assert read.n == 280
    assert read.cluster_names == ("id",)
    assert alone.n == 300


def test_the_words_are_those_of_a_mean() -> None:
    words = bf.interventional_means(two_treatments(300), BOTH, GRAPH, method=bf.AIPW(**LINEAR)).explain()
    assert "aipw estimates the E[Y(t)]: the mean outcome for everyone" in words


def three(frame: dict[str, Any]) -> dict[str, Any]:
    return frame | {"a": np.where((frame["a"] == 1) & (frame["b"] == 1), 0, frame["a"])}


REFUSED = (
    (two_treatments(), BOTH, GRAPH, {"at": [{"d": 1}]}, UnknownColumn, "'d'"),
    (two_treatments(), BOTH, GRAPH, {"at": [{"a": 7}]}, InvalidSetting, "needs one of its own levels"),
    (three(two_treatments()), BOTH, GRAPH, {"method": bf.AIPW(**LINEAR)}, EmptyArm, "No row has the combination"),
    (two_treatments(), BOTH, GRAPH + "; a <-> y", {}, NotIdentified, "not identified"),
    (two_treatments(), bf.Query("a", "y", given="kind"), GRAPH, {"method": bf.AIPW()}, MethodMismatch, "no strategy"),
    (two_treatments(), bf.Query("a", "y", given="c"), GRAPH, {}, InvalidSetting, "levels"),
)


@pytest.mark.parametrize(("frame", "query", "graph", "how", "error", "words"), REFUSED)
def test_every_refusal_has_its_error_and_a_hint(
    frame: dict[str, Any], query: bf.Query, graph: str, how: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words) as caught:
        bf.interventional_means(frame, query, graph, **how)
    assert caught.value.hint  # type: ignore[attr-defined]


def test_a_table_of_too_many_means_is_refused() -> None:
    rng = np.random.default_rng(0)
    frame = {n: rng.integers(0, 4, 400) for n in "abcd"} | {"y": rng.normal(size=400)}
    graph = "; ".join(f"{n} -> y" for n in "abcd")
    with pytest.raises(InvalidSetting, match="256 combinations"):
        bf.interventional_means(frame, bf.Query(tuple("abcd"), "y"), graph)
    assert len(list(product(range(4), repeat=4))) == 256
