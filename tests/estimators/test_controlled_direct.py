"""Controlled direct effects: the effect of setting treatment and mediators, by AIPW with joint arms."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

import butfor as bf
from butfor.core.errors import (
    ButforError,
    ConstantColumn,
    EmptyArm,
    InvalidSetting,
    MethodMismatch,
    RoleConflict,
)
from butfor.data.sample import Sample
from butfor.estimators.base import Fit
from butfor.estimators.mediation import controlled
from butfor.estimators.mediation.controlled import ControlledDirect
from butfor.graph.causal_graph import CausalGraph
from butfor.identify.direct_effects import identify_controlled_direct_effect
from butfor.identify.mediation import identify_natural_effects, mediation_strategy
from butfor.nuisance.folds import Folds
from tests.estimators.by_graph import fit_strategy
from tests.estimators.saturated import CellMeans, CellShares
from tests.estimators.test_mediation import rows_of
from tests.identify.functional_models import FunctionalModel

# One of the two models knows nothing, or neither does.
MODELS = [
    {"outcome_model": CellMeans(blind=a), "propensity_model": CellShares(blind=b)}
    for a, b in ((False, False), (True, False), (False, True), (True, True))
]
LINEAR: dict[str, Any] = {"outcome_model": bf.LinearModel(), "propensity_model": bf.LogisticModel()}
SIMPLE = ControlledDirect(**LINEAR)

# Hidden causes of treatment and mediator do no harm here; they would rule natural effects out.
GRAPH = "c -> x; c -> m; c -> y; x -> m -> y; x -> y; x <-> m"


@pytest.fixture
def halves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each half of the rows is predicted by models of the other half, which is the same distribution."""

    def fold(sample: Sample, *_: object) -> Folds:
        return Folds((np.arange(sample.n) >= sample.n // 2).astype(np.int32), 2)

    monkeypatch.setattr(controlled, "sample_folds", fold)


@pytest.mark.usefixtures("halves")
@pytest.mark.parametrize("models", MODELS)
@pytest.mark.parametrize("seed", range(3))
def test_either_right_model_gives_the_effect_of_setting_both(models: dict[str, Any], seed: int) -> None:
    graph = CausalGraph.from_any(GRAPH)
    model = FunctionalModel.random(graph, np.random.default_rng(seed))
    found = identify_controlled_direct_effect(graph, "x", "y", "m")
    strategy = mediation_strategy(found)
    assert strategy is not None
    estimator = ControlledDirect(**models, folds=2, floor=1e-6)
    frame = rows_of(model.table(), list(graph.observed))
    fit = fit_strategy(estimator, frame, bf.Question("x", "y"), strategy, weights="weight")
    truth = [
        model.mean(model.world({"x": 1, "m": m})["y"]) - model.mean(model.world({"x": 0, "m": m})["y"]) for m in (0, 1)
    ]
    assert fit.result.labels == ("x: 1 - 0, m = 0", "x: 1 - 0, m = 1")
    if models["propensity_model"].blind and models["outcome_model"].blind:
        assert np.abs(fit.result.value - truth).max() > 1e-3
    else:
        assert_allclose(fit.result.value, truth, atol=1e-10)


def frame_of(n: int = 600, seed: int = 0, **changed: np.ndarray) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    c = rng.normal(size=n)
    x = (0.5 * c + rng.logistic(size=n) > 0).astype(int)
    m = rng.binomial(2, 0.3 + 0.3 * x)
    y = 0.5 * x + m + c + 0.4 * x * m + rng.normal(size=n)
    return {"x": x, "m": m, "y": y, "c": c, "id": np.arange(n) // 4} | changed


def fit(frame: dict[str, np.ndarray], estimator: ControlledDirect = SIMPLE, **how: Any) -> Fit:
    settings: dict[str, Any] = {"treatment": "x", "outcome": "y", "mediators": ["m"], "covariates": ["c"]} | how
    return estimator.fit(frame, **settings)


def test_it_is_aipw_with_combinations_as_arms() -> None:
    frame = frame_of()
    found = fit(frame)
    assert found.result.estimand == controlled.CDE()
    joint = np.array([f"{x}{m}" for x, m in zip(frame["x"], frame["m"], strict=True)])
    bare = found.sample.with_covariates(found.sample.covariates.without("m"))
    for k, label in enumerate(found.result.labels):
        assert label == f"x: 1 - 0, m = {k}"
        question = bf.Question("joint", "y", contrast=(f"1{k}", f"0{k}"))
        drawn = bf.DifferenceInMeans().fit(
            frame | {"joint": joint}, treatment="joint", outcome="y", contrast=question.contrast
        )
        # The same rows and folds, with the combinations as text.
        sample = bare.with_treatment(drawn.sample.treatment)
        other = bf.AIPW(**LINEAR).fit_sample(sample, question, bf.Adjustment(adjust_for=("c",)), rng=0).result
        assert_allclose(found.result.value[k], other.value[0], rtol=1e-8)
        assert_allclose(found.result.std_error[k], other.std_error[0], rtol=1e-8)


def test_categories_are_named_by_their_levels_and_held_at_them() -> None:
    frame = frame_of()
    frame |= {"y": (0.5 + 0.4 * frame["m"]) * frame["x"] + frame["m"] + frame["c"]}
    found = fit(frame | {"m": np.array(["a", "b", "c"])[frame["m"]]}).result
    assert found.labels == ("x: 1 - 0, m other than b or c", "x: 1 - 0, m = b", "x: 1 - 0, m = c")
    assert_allclose(found.value, [0.5, 0.9, 1.3], rtol=1e-8)


def test_two_mediators_are_held_together() -> None:
    frame = frame_of() | {"k": np.random.default_rng(2).integers(0, 2, 600)}
    frame |= {"m": (frame["m"] > 0).astype(int)}
    frame |= {"y": frame["x"] * (1.0 + frame["m"] + 2.0 * frame["k"]) + frame["c"]}
    found = fit(frame, mediators=["m", "k"]).result
    names = ["m = 0, k = 0", "m = 0, k = 1", "m = 1, k = 0", "m = 1, k = 1"]
    assert found.labels == tuple(f"x: 1 - 0, {name}" for name in names)
    assert_allclose(found.value, [1.0, 3.0, 2.0, 4.0], rtol=1e-8)


def test_several_arms_clusters_and_subgroups() -> None:
    frame = frame_of(x=np.random.default_rng(1).integers(0, 3, 600))
    frame |= {"g": np.where(frame["c"] > 0.3, "old", "young")}
    found = fit(frame, covariates=["c", "g"], modifiers=["g"], arms=True, cluster="id").result
    assert found.labels[3] == "x: 2 - 0, m = 0"
    assert found.cluster_names == ("id",)
    share = np.mean(frame["g"] == "old")
    assert_allclose(share * found.value[6:12] + (1 - share) * found.value[12:], found.value[:6], rtol=1e-9)


REFUSED: tuple[tuple[dict[str, np.ndarray], dict[str, Any], type[ButforError], str], ...] = (
    (frame_of(), {"mediators": []}, InvalidSetting, "no mediators"),
    (frame_of(), {"mediators": ["c"]}, RoleConflict, "mediator and covariate"),
    (frame_of(m=frame_of()["c"]), {"covariates": []}, InvalidSetting, "600 combinations"),
    (frame_of(m=frame_of()["m"] * frame_of()["x"]), {}, EmptyArm, "Arm 0 of 'x' has no rows with m = 1"),
    (frame_of(m=np.full(600, 2.0)), {}, ConstantColumn, "'m' has one value"),
    (frame_of(), {"estimand": bf.ATO()}, MethodMismatch, "answers for everyone"),
    (frame_of(), {"modifiers": ["id"]}, MethodMismatch, "modifiers among the covariates"),
    (frame_of(x=frame_of()["c"], c=frame_of()["id"]), {}, MethodMismatch, "is an amount"),
)


@pytest.mark.parametrize(("frame", "how", "error", "words"), REFUSED)
def test_every_refusal_has_its_error_and_a_hint(
    frame: dict[str, np.ndarray], how: dict[str, Any], error: type[ButforError], words: str
) -> None:
    with pytest.raises(error, match=words) as caught:
        fit(frame, **how)
    assert caught.value.hint


def test_strategies_of_other_effects_are_refused() -> None:
    graph = CausalGraph.from_any("c -> x; c -> m; c -> y; x -> m -> y; x -> y")
    natural = mediation_strategy(identify_natural_effects(graph, "x", "y", "m"))
    between = mediation_strategy(
        identify_controlled_direct_effect(
            CausalGraph.from_any("x -> l -> m -> y; x -> m; x -> y; l -> y"), "x", "y", "m"
        )
    )
    assert natural is not None
    assert between is not None
    assert not SIMPLE.accepts(natural)
    assert not SIMPLE.accepts(between)
    for strategy, words in ((natural, "natural effects by a formula"), (between, "controlled effects by the general")):
        with pytest.raises(MethodMismatch, match=words):
            fit_strategy(SIMPLE, frame_of(), bf.Question("x", "y"), strategy)


def test_no_weighting_of_covariates_is_a_controlled_direct_effect() -> None:
    with pytest.raises(MethodMismatch, match="needs mediators"):
        bf.AIPW(**LINEAR).fit(frame_of(), treatment="x", outcome="y", covariates=["c"], estimand=controlled.CDE())


@pytest.mark.parametrize("settings", [{"floor": 0.0}, {"folds": 1}, {"most_values": 0}])
def test_settings_out_of_range(settings: dict[str, Any]) -> None:
    with pytest.raises(InvalidSetting):
        ControlledDirect(**settings)
