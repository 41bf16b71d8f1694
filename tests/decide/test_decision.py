"""Decisions: closed forms against Monte Carlo, and the rule."""

from __future__ import annotations

import numpy as np
import pytest

import butfor as bf
from butfor.core.errors import InvalidSetting
from butfor.decide.decision import Decision, decide


def estimate(value: float, std_error: float) -> bf.Estimate:
    return bf.Estimate(labels=("t",), value=np.array([value]), vcov=np.array([[std_error**2]]), n=100, estimator="test")


def test_figures_against_monte_carlo() -> None:
    found = decide(estimate(3.0, 2.0), value_per_unit=2.0, cost_per_treated=5.0, units=1000)
    draws = 2.0 * np.random.default_rng(0).normal(3.0, 2.0, 1_000_000) - 5.0
    assert found.net_value == pytest.approx(1.0)
    assert found.net_std_error == pytest.approx(4.0)
    assert found.break_even_effect == pytest.approx(2.5)
    # Monte Carlo standard errors: 5e-4 for a probability, 4e-3 for the mean of a normal with sd 4.
    assert found.probability_positive == pytest.approx((draws > 0).mean(), abs=3e-3)
    assert found.value_of_perfect_information == pytest.approx(np.maximum(draws, 0).mean() - draws.mean(), abs=2e-2)
    assert found.total_value_of_information == pytest.approx(1000 * found.value_of_perfect_information)
    assert found.net_high - found.net_low == pytest.approx(2 * 1.959964 * 4.0, rel=1e-5)


@pytest.mark.parametrize(
    ("value", "settings", "expected"),
    [
        (10.0, {}, "treat_all"),
        (-10.0, {}, "treat_none"),
        (1.0, {}, "experiment_first"),
        (1.0, {"units": 10, "experiment_cost": 1000.0}, "treat_all"),
        (1.0, {"units": 10_000, "experiment_cost": 1000.0}, "experiment_first"),
        (10.0, {"doubts": ("placebo treatment: failed",)}, "experiment_first"),
    ],
)
def test_the_rule(value: float, settings: dict[str, object], expected: str) -> None:
    found = decide(estimate(value, 2.0), value_per_unit=1.0, **settings)  # type: ignore[arg-type]
    assert found.recommendation == expected
    assert found.reasons
    assert expected != "experiment_first" or "experiment" in found.words.lower()


def test_a_bad_outcome_has_a_negative_value() -> None:
    found = decide(estimate(-4.0, 0.5), value_per_unit=-10.0, cost_per_treated=5.0)
    assert found.recommendation == "treat_all"
    assert found.net_value == pytest.approx(35.0)
    assert found.break_even_effect == pytest.approx(-0.5)


def test_no_uncertainty_leaves_nothing_to_learn() -> None:
    found = decide(estimate(1.0, 0.0), value_per_unit=1.0)
    assert (found.probability_positive, found.value_of_perfect_information, found.figure) == (1.0, 0.0, None)


@pytest.mark.parametrize(
    "settings",
    [{"value_per_unit": 0.0}, {"value_per_unit": float("nan")}, {"value_per_unit": 1.0, "units": 0},
     {"value_per_unit": 1.0, "cost_per_treated": float("inf")}, {"value_per_unit": 1.0, "experiment_cost": -1.0}],
)  # fmt: skip
def test_senseless_figures_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(InvalidSetting):
        decide(estimate(1.0, 1.0), **settings)  # type: ignore[arg-type]


def test_decisions_survive_json() -> None:
    found = decide(estimate(3.0, 2.0), value_per_unit=2.0, units=10)
    back = bf.from_json(bf.to_json(found))
    assert isinstance(back, Decision)
    assert back.to_dict() == found.to_dict()
