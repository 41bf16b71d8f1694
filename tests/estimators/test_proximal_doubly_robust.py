"""Proximal doubly robust estimation: its moments solved by others, and one wrong bridge of two."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import root

import butfor as bf
from butfor.core.errors import ButforError, InvalidSetting, MethodMismatch, NumericalFailure, RoleConflict, TooFewRows
from butfor.estimators.base import Fit
from butfor.estimators.proximal.doubly_robust import ProximalDoublyRobust
from tests.estimators.by_graph import fit_strategy

Frame = dict[str, np.ndarray]


def hidden(n: int = 600, seed: int = 0, *, bent: bool = False, skewed: bool = False, **changed: np.ndarray) -> Frame:
    """A hidden cause u with a linear bridge of the outcome, unless bent, and a log-linear one of the treatment, unless
    skewed. The effect is 1 on average."""
    rng = np.random.default_rng(seed)
    u, c = rng.normal(size=(2, n))
    z, w = u + 0.5 * rng.normal(size=n), u + 0.3 * c + 0.5 * rng.normal(size=n)
    z2 = 0.5 * u + rng.normal(size=n)
    index = 0.3 + (np.abs(u) - 0.8 if skewed else 0.6 * u) + 0.4 * c
    t = (rng.random(n) < 1.0 / (1.0 + np.exp(-index))).astype(int)
    y = (
        t * (1 + 0.5 * u)
        + (u**2 - 1 if bent else 1.0) * (1 + 0.5 * t)
        + 2 * u
        - 0.5 * t * (not bent)
        + c
        + rng.normal(size=n)
    )
    return {"z": z, "z2": z2, "w": w, "c": c, "t": t, "y": y, "village": np.arange(n) // 5} | changed


def fit(frame: Frame, **how: Any) -> Fit:
    settings: dict[str, Any] = {"treatment": "t", "outcome": "y", "covariates": ["c"]}
    proxies: dict[str, Any] = {"treatment_proxies": ["z"], "outcome_proxies": ["w"]}
    return ProximalDoublyRobust().fit(frame, **(settings | proxies | how))


def by_hand(frame: Frame, arm: int, before: list[str], weights: np.ndarray) -> np.ndarray:
    """Γ of one arm by a general equation solver, on columns as they are."""
    inside, ones = frame["t"] == arm, np.ones(len(frame["t"]))
    v = np.column_stack([ones, frame["w"], frame["c"]])
    z = np.column_stack([ones, *(frame[k] for k in before), frame["c"]])
    if len(before) > 1:
        half = np.sqrt(weights[inside])[:, None]
        slopes = np.linalg.lstsq(z[inside] * half, frame["w"][inside] * half[:, 0], rcond=None)[0]
        z = np.column_stack([ones, z @ slopes, frame["c"]])

    def gap(gamma: np.ndarray) -> np.ndarray:
        q = 1.0 + np.exp(z @ gamma)
        return ((inside * q - 1.0) * weights) @ v / weights.sum()

    found = root(gap, np.zeros(3), tol=1e-13)
    assert found.success
    odds = np.exp(z @ found.x)
    moments = (z * (inside * odds * weights)[:, None]).T
    h = v @ np.linalg.solve(moments @ v, moments @ frame["y"])
    return h + inside * (1 + odds) * (frame["y"] - h)


@pytest.mark.parametrize("before", [["z"], ["z", "z2"]])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_moments_are_solved(before: list[str], weighted: bool) -> None:
    frame = hidden()
    w = np.random.default_rng(1).uniform(0.5, 2.0, 600) if weighted else np.ones(600)
    how = {"weights": "weight"} if weighted else {}
    found = fit(frame | {"weight": w}, treatment_proxies=before, **how).result
    gain = by_hand(frame, 1, before, w) - by_hand(frame, 0, before, w)
    value = w @ gain / w.sum()
    assert_allclose(found.value[0], value, rtol=1e-7)
    assert_allclose(found.std_error[0], np.sqrt(np.sum((w * (gain - value)) ** 2)) / w.sum(), rtol=1e-6)


WORLDS = {"both right": {}, "the outcome's wrong": {"bent": True}, "the treatment's wrong": {"skewed": True}}


@pytest.mark.parametrize("world", WORLDS)
def test_one_right_bridge_is_enough(world: str) -> None:
    found = fit(hidden(200_000, seed=3, **WORLDS[world])).result  # type: ignore[arg-type]
    assert abs(found.value[0] - 1.0) < 4 * found.std_error[0]
    assert found.std_error[0] < 0.03


def test_two_wrong_bridges_are_not() -> None:
    found = fit(hidden(200_000, seed=3, bent=True, skewed=True)).result
    assert abs(found.value[0] - 1.0) > 6 * found.std_error[0]


def test_several_arms_subgroups_and_clusters() -> None:
    frame = hidden(1500)
    frame |= {
        "t": np.where(np.random.default_rng(2).random(1500) < 0.3, 2, frame["t"]),
        "g": np.where(frame["c"] > 0, "f", "m"),
    }
    found = fit(frame, arms=True, covariates=["c", "g"], modifiers=["g"], cluster="village").result
    assert found.labels[:3] == ("t: 1 - 0", "t: 2 - 0", "t: 1 - 0 | g = f")
    assert found.cluster_names == ("village",)
    share = np.mean(frame["g"] == "f")
    assert_allclose(share * found.value[2:4] + (1 - share) * found.value[4:], found.value[:2], rtol=1e-9)


def test_assumptions_and_the_first_stage_are_told() -> None:
    found = fit(hidden()).result
    assert found.assumptions[-1].name == "either bridge"
    assert [d.name for d in found.diagnostics] == ["first-stage"]


SEPARATED = hidden()
REFUSED: tuple[tuple[Frame, dict[str, Any], type[ButforError], str], ...] = (
    (hidden(), {"outcome_proxies": []}, InvalidSetting, "no outcome proxies"),
    (hidden(), {"outcome_proxies": ["w", "z2"]}, InvalidSetting, "need to be as many"),
    (hidden(), {"outcome_proxies": ["z"]}, RoleConflict, "'z' has two roles"),
    (hidden(), {"estimand": bf.ATT()}, MethodMismatch, "answers for everyone"),
    (hidden(), {"modifiers": ["village"]}, MethodMismatch, "modifiers among the covariates"),
    (hidden(), {"treatment": "z2"}, MethodMismatch, "is an amount"),
    (SEPARATED | {"t": (SEPARATED["c"] > 0).astype(int)}, {}, NumericalFailure, "no log-linear solution"),
    (hidden(w=2 * hidden()["c"]), {}, NumericalFailure, "no log-linear solution"),
    (hidden(t=(np.arange(600) < 3).astype(int)), {}, TooFewRows, "Arm 0 of 't' has 597 of 600 rows"),
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
        fit_strategy(ProximalDoublyRobust(), hidden(), bf.Question("t", "y"), bf.Adjustment(adjust_for=("c",)))
