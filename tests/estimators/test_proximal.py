"""Proximal two-stage least squares against linearmodels, stacked moments and closed forms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from linearmodels.iv import IV2SLS
from numpy.testing import assert_allclose

import butfor as bf
from butfor.core.errors import (
    ButforError,
    Collinear,
    ConstantColumn,
    InvalidSetting,
    MethodMismatch,
    MissingValues,
    NumericalFailure,
    RoleConflict,
    TooFewRows,
    UnknownColumn,
)
from butfor.estimators.base import Fit
from butfor.estimators.proximal.two_stage import ProximalTwoStage
from butfor.graph.causal_graph import CausalGraph
from butfor.identify.proximal import declared_pair, proximal_pairs, proximal_slope
from tests.estimators.by_graph import fit_strategy

Frame = dict[str, np.ndarray]


def hidden(n: int = 500, seed: int = 0, **changed: np.ndarray) -> Frame:
    """Two hidden causes, each with traces on both sides, and a covariate."""
    rng = np.random.default_rng(seed)
    u, v, c = rng.normal(size=(3, n))
    z1, z2, z3 = u + rng.normal(size=n), v + 0.5 * c + rng.normal(size=n), u - v + rng.normal(size=n)
    w1, w2 = u + 0.3 * c + rng.normal(size=n), v + rng.normal(size=n)
    dose = u - v + c + 0.5 * z1 + rng.normal(size=n)
    t = (dose > 0).astype(int)
    y = 1.5 * dose + u + v + c + 0.5 * w1 + rng.normal(size=n) * (1 + 0.5 * np.abs(c))
    frame = {"dose": dose, "t": t, "z1": z1, "z2": z2, "z3": z3, "w1": w1, "w2": w2, "c": c, "y": y}
    arms = np.digitize(dose, [-1.0, 1.0])
    return frame | {"arm": arms, "village": np.arange(n) // 5, "weight": rng.uniform(0.5, 2.0, n)} | changed


PROXIES: dict[str, Any] = {"treatment_proxies": ["z1", "z2", "z3"], "outcome_proxies": ["w1", "w2"]}
ONE: dict[str, Any] = {"treatment_proxies": ["z1"], "outcome_proxies": ["w1"]}
COMMON = ProximalTwoStage(common_slope=True)


def fit(frame: Frame, estimator: ProximalTwoStage | None = None, **how: Any) -> Fit:
    settings: dict[str, Any] = {"treatment": "dose", "outcome": "y", "covariates": ["c"]} | PROXIES | how
    return (estimator or ProximalTwoStage()).fit(frame, **settings)


def rival(frame: Frame, exogenous: list[str], proxies: dict[str, Any], weights: str | None = None) -> Any:
    table = pd.DataFrame(frame).assign(one=1.0)
    return IV2SLS(
        table["y"],
        table[["one", *exogenous, "c"]],
        table[proxies["outcome_proxies"]],
        table[proxies["treatment_proxies"]],
        weights=None if weights is None else table[weights],
    )


@pytest.mark.parametrize("proxies", [ONE, PROXIES])
@pytest.mark.parametrize(("treatment", "exogenous"), [("dose", "dose"), ("t", "t")])
def test_a_common_slope_is_that_of_linearmodels(proxies: dict[str, Any], treatment: str, exogenous: str) -> None:
    frame = hidden()
    found = fit(frame, COMMON, treatment=treatment, **proxies).result
    for kind, how in (("HC0", {}), ("HC1", {"debiased": True})):
        expected = rival(frame, [exogenous], proxies).fit(cov_type="robust", **how)
        assert_allclose(found.value[0], expected.params[exogenous], rtol=1e-9)
        assert_allclose(found.with_inference(covariance=kind).std_error[0], expected.std_errors[exogenous], rtol=1e-9)


def test_clusters_and_weights_are_those_of_linearmodels() -> None:
    frame = hidden()
    plain, weighted = fit(frame, cluster="village").result, fit(frame, weights="weight").result
    expected = rival(frame, ["dose"], PROXIES).fit(
        cov_type="clustered", clusters=pd.Series(frame["village"]), debiased=True
    )
    assert_allclose(plain.std_error[0], expected.std_errors["dose"], rtol=1e-9)
    expected = rival(frame, ["dose"], PROXIES, "weight").fit(cov_type="robust")
    assert_allclose(weighted.value[0], expected.params["dose"], rtol=1e-9)
    assert_allclose(weighted.with_inference(covariance="HC0").std_error[0], expected.std_errors["dose"], rtol=1e-9)


def test_the_slope_is_that_of_the_covariance_matrix() -> None:
    frame = hidden()
    pair = declared_pair("dose", "y", ["z1", "z2"], ["w1", "w2"], ["c"])
    names = ["dose", "y", "z1", "z2", "w1", "w2", "c"]
    slope = proximal_slope(pair, np.cov([frame[n] for n in names]), names)
    found = fit(frame, treatment_proxies=["z1", "z2"]).result
    assert_allclose(found.value[0], slope, rtol=1e-9)
    assert_allclose(fit(frame, treatment_proxies=["z1", "z2"], contrast=(3, 1)).result.value[0], 2 * slope, rtol=1e-9)


def stacked(frame: Frame, arms: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means of h(W, a, C) over everyone by arm, and their covariance, from the moments of all that is estimated.

    θ holds the means of W and C, then the coefficients of each arm's bridge on (1, W, C), with instruments (1, Z, C).
    """
    n = len(arms)
    x = np.column_stack([frame[k] for k in ("w1", "w2", "c")])
    full = np.column_stack([np.ones(n), x])
    z = np.column_stack([np.ones(n), frame["z1"], frame["z2"], frame["z3"], frame["c"]])
    means, k = x.mean(axis=0), full.shape[1]
    levels = range(int(arms.max()) + 1)
    bridges, moments, slopes = [], [x - means], []
    for a in levels:
        inside = (arms == a)[:, None]
        first = np.linalg.lstsq(z * inside, full * inside, rcond=None)[0]
        fitted = z @ first * inside
        beta = np.linalg.solve(fitted.T @ full, fitted.T @ frame["y"])
        bridges.append(beta)
        moments.append(fitted * (frame["y"] - full @ beta)[:, None])
        slopes.append(fitted.T @ full / n)
    bread = np.zeros((3 + k * len(levels),) * 2)
    bread[:3, :3] = np.eye(3)
    for a, slope in enumerate(slopes):
        bread[3 + a * k : 3 + (a + 1) * k, 3 + a * k : 3 + (a + 1) * k] = slope
    influence = np.hstack(moments) @ np.linalg.inv(bread).T
    gradient = np.zeros((len(levels), len(bread)))
    for a, beta in enumerate(bridges):
        gradient[a, :3] = beta[1:]
        gradient[a, 3 + a * k : 3 + (a + 1) * k] = np.r_[1.0, means]
    own = influence @ gradient.T
    return np.array([np.r_[1.0, means] @ beta for beta in bridges]), own.T @ own / n**2


@pytest.mark.parametrize(("treatment", "how"), [("t", {}), ("arm", {"arms": True})])
def test_a_bridge_per_arm_is_that_of_stacked_moments(treatment: str, how: dict[str, Any]) -> None:
    frame = hidden()
    found = fit(frame, treatment=treatment, **how).result.with_inference(covariance="HC0")
    means, covariance = stacked(frame, frame[treatment])
    contrast = np.hstack([-np.ones((len(means) - 1, 1)), np.eye(len(means) - 1)])
    assert_allclose(found.value, contrast @ means, rtol=1e-8)
    assert_allclose(found.covariance, contrast @ covariance @ contrast.T, rtol=1e-8, atol=1e-12)


def test_the_first_stage_is_that_of_linearmodels() -> None:
    frame = hidden()
    expected = rival(frame, ["dose"], ONE).fit(cov_type="robust").first_stage.diagnostics
    (note,) = [d for d in fit(frame, **ONE).result.diagnostics if d.name == "first-stage"]
    assert note.value is not None
    assert_allclose(note.value, expected["f.stat"].iloc[0], rtol=1e-8)


def test_proxies_that_cannot_tell_two_causes_apart_are_weak_though_each_is_strong() -> None:
    frame = hidden(2000)
    rng = np.random.default_rng(1)
    double = frame | {"w2": frame["w1"] + rng.normal(size=2000)}
    each = [fit(double, treatment_proxies=["z1", "z3"], outcome_proxies=[w]) for w in ("w1", "w2")]
    both = fit(double, treatment_proxies=["z1", "z3"], outcome_proxies=["w1", "w2"])
    assert [[d.name for d in f.result.diagnostics] for f in each] == [["first-stage"], ["first-stage"]]
    assert [d.name for d in both.result.diagnostics] == ["weak-proxies"]


def test_a_graph_and_the_users_word_give_the_same_numbers() -> None:
    graph = CausalGraph.from_any(
        "u -> z1; u -> w1; u -> t; u -> y; z1 -> t; w1 -> y; t -> y; c -> z1; c -> w1; c -> t; c -> y"
    ).with_latent(["u"])
    (pair,) = [p for p in proximal_pairs(graph, "t", "y") if p.treatment_proxies == ("z1",)]
    frame = hidden()
    by_graph = fit_strategy(ProximalTwoStage(), frame, bf.Question("t", "y"), pair).result
    said = fit(frame, treatment="t", **ONE).result
    assert_allclose(by_graph.value, said.value, rtol=1e-12)
    assert [a.name for a in said.assumptions] == [
        "hidden causes closed",
        "proxies",
        "completeness",
        "overlap",
        "consistency",
        "linear bridge",
    ]
    assert "You say so" in said.assumptions[1].statement
    assert "arrows" in by_graph.assumptions[1].statement


def test_a_study_finds_the_proxies_in_its_graph() -> None:
    frame = hidden()
    graph = "u [latent]; u -> z1; u -> w1; u -> t; u -> y; z1 -> t; w1 -> y; t -> y; c -> z1; c -> w1; c -> t; c -> y"
    columns = {k: frame[k] for k in ("t", "y", "z1", "w1", "c")}
    study = bf.Study(columns, question=bf.Question("t", "y"), graph=graph)
    found = study.estimate(ProximalTwoStage()).primary
    assert_allclose(found.result.value, fit(frame, treatment="t", **ONE).result.value, rtol=1e-12)
    with pytest.raises(MethodMismatch, match="the proxies stand for what is hidden"):
        study.refute(bf.SimulatedConfounder())


def test_a_linear_bridge_without_noise_gives_the_effect_to_the_last_digit() -> None:
    frame = hidden()
    exact = frame | {"y": 2.0 + frame["t"] * (1.0 + 0.5 * (frame["c"] - frame["c"].mean())) + 3 * frame["w1"]}
    assert_allclose(fit(exact, treatment="t").result.value, [1.0], rtol=1e-9)


def test_subgroups_have_bridges_of_their_own() -> None:
    frame = hidden(800)
    frame |= {"g": np.where(np.arange(800) % 3 == 0, "f", "m")}
    found = fit(frame, treatment="t", modifiers=["g"]).result
    alone = fit({k: v[frame["g"] == "f"] for k, v in frame.items()}, treatment="t").result
    assert found.labels[1] == "t: 1 - 0 | g = f"
    assert_allclose(found.value[1], alone.value[0], rtol=1e-9)
    assert_allclose(found.std_error[1], alone.std_error[0], rtol=1e-9)


def test_a_proxy_with_one_value_in_a_subgroup_is_refused() -> None:
    frame = hidden()
    g = np.where(np.arange(500) % 3 == 0, "f", "m")
    with pytest.raises(NumericalFailure, match="do not tell the columns apart"):
        fit(frame | {"g": g, "w1": np.where(g == "f", 1.0, frame["w1"])}, treatment="t", modifiers=["g"], **ONE)


def test_units_of_proxies_change_nothing_however_small_or_large() -> None:
    frame = hidden()
    tiny = frame | {"z1": frame["z1"] * 1e-200, "w1": frame["w1"] * 1e150}
    assert_allclose(
        fit(tiny, treatment="t", **ONE).result.value, fit(frame, treatment="t", **ONE).result.value, rtol=1e-8
    )


def test_categories_as_proxies_are_their_indicators() -> None:
    frame = hidden()
    z, w = (np.digitize(frame[k], [-0.5, 0.5]) for k in ("z1", "w1"))
    text = fit(frame | {"z1": np.array(["a", "b", "c"])[z], "w1": np.array(["a", "b", "c"])[w]}, **ONE).result
    numbers = frame | {f"{n}{k}": (v == k).astype(int) for n, v in (("z", z), ("w", w)) for k in (1, 2)}
    same = fit(numbers, treatment_proxies=["z1", "z2"], outcome_proxies=["w1", "w2"]).result
    assert_allclose(text.value, same.value, rtol=1e-8)


def changed(**columns: Callable[[Frame], np.ndarray]) -> Frame:
    frame = hidden()
    return frame | {name: make(frame) for name, make in columns.items()}


REFUSED: tuple[tuple[Frame, dict[str, Any], type[ButforError], str], ...] = (
    (hidden(), {"treatment_proxies": []}, InvalidSetting, "no treatment proxies"),
    (hidden(), {"outcome_proxies": []}, InvalidSetting, "no outcome proxies"),
    (hidden(), {"treatment_proxies": ["z1"]}, InvalidSetting, "need to be as many"),
    (hidden(), {"treatment_proxies": ["z1", "w1"]}, RoleConflict, "'w1' has two roles"),
    (hidden(), {"treatment_proxies": ["z1", "c"]}, RoleConflict, "'c' has two roles"),
    (hidden(), {"treatment_proxies": ["z1", "zz"]}, UnknownColumn, "'zz'"),
    (hidden(), {"mediators": ["z1"]}, MethodMismatch, "has no use"),
    (hidden(), {"estimand": bf.ATT(), "treatment": "t"}, MethodMismatch, "answers for everyone"),
    (hidden(w1=np.full(500, 2.0)), {}, ConstantColumn, "'w1' has one value"),
    (changed(w2=lambda f: 2.0 * f["w1"] + 1.0), {}, NumericalFailure, "do not tell the columns apart"),
    (changed(z1=lambda f: np.r_[np.nan, f["z1"][1:]]), {}, MissingValues, "'z1'"),
    (changed(dose=lambda f: 2.0 * f["c"]), {}, Collinear, "linear function of the covariates"),
    ({k: v[:6] for k, v in hidden().items()}, {}, TooFewRows, "more"),
    (hidden(t=(np.arange(500) < 3).astype(int)), {"treatment": "t"}, TooFewRows, "Arm 1 of 't' has 3 rows"),
)


@pytest.mark.parametrize(("frame", "how", "error", "words"), REFUSED)
def test_every_refusal_has_its_error_and_a_hint(
    frame: Frame, how: dict[str, Any], error: type[ButforError], words: str
) -> None:
    with pytest.raises(error, match=words) as caught:
        fit(frame, **how)
    assert caught.value.hint


def test_other_strategies_are_refused() -> None:
    with pytest.raises(MethodMismatch, match="two kinds of proxies"):
        fit_strategy(ProximalTwoStage(), hidden(), bf.Question("t", "y"), bf.Adjustment(adjust_for=("c",)))
    with pytest.raises(MethodMismatch, match="has no use for them"):
        bf.OLS().fit(hidden(), treatment="dose", outcome="y", covariates=["c"], treatment_proxies=["z1"])


def test_settings_of_the_covariance_are_those_of_the_fit() -> None:
    frame = hidden()
    found = fit(frame, replace(COMMON, covariance="HC0")).result  # type: ignore[arg-type]
    assert_allclose(found.std_error, fit(frame).result.with_inference(covariance="HC0").std_error, rtol=1e-12)
