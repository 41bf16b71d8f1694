"""TMLE: R's and causallib's numbers with the same predictions, its defining equations, and refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given as drawn
from hypothesis import settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import butfor as bf
from butfor.core.errors import ButforError, InvalidSetting, MethodMismatch, NumericalFailure
from butfor.estimators.orthogonal.targeted import TMLE, targeted_outcomes
from tests.estimators.given_predictions import adjusted

LINEAR: dict[str, Any] = {"outcome_model": bf.LinearModel(), "propensity_model": bf.LogisticModel()}
ROLES: dict[str, Any] = {"treatment": "t", "covariates": ["x"]}


def given(outcome: str, estimand: bf.Estimand | None = None, **settings: Any) -> bf.Fit:
    frame, made = adjusted()
    predictions = made["outcome by treatment" if outcome == "y" else "yes by treatment"]
    tmle = TMLE(outcome_model=bf.OutOfFold(predictions), propensity_model=bf.OutOfFold(made["propensity"]), **settings)
    return tmle.fit(frame, outcome=outcome, estimand=estimand, **ROLES)


@pytest.mark.parametrize(
    ("outcome", "estimand", "effect", "error", "means"),
    [
        ("y", bf.ATE(), 1.13522977259867619, 0.11398921823068056, (0.14548514623101119, 1.28071491882968735)),
        ("y", bf.ATT(), 1.36415999233689123, 0.12595598925195106, None),
        ("yes", bf.ATE(), 0.23696344587051488, 0.04129779848932922, (0.39934135995090853, 0.63630480582142346)),
        ("yes", bf.ATT(), 0.23765080091315796, 0.04199460978399066, None),
    ],
)
def test_it_is_the_weighted_logit_with_an_offset(
    outcome: str, estimand: bf.Estimand, effect: float, error: float, means: tuple[float, float] | None
) -> None:
    # R 4.2.2: glm(scaled outcome ~ -1 + arms, offset = logit Q, weights = h/e, quasibinomial), then the plain average
    # of Q* over the population and its influence function. causallib 0.10.0, TMLE(importance_sampling=True), has the
    # same means of both arms for everyone.
    found = given(outcome, estimand)
    assert_allclose(found.result.value, [effect], rtol=1e-9)
    assert_allclose(found.result.std_error, [error], rtol=1e-9)
    if means:
        assert_allclose(found.potential_means().value, means, rtol=1e-9)


@pytest.mark.parametrize("estimand", [bf.ATE(), bf.ATT(), bf.ATC(), bf.ATO(), bf.ATE(trim=0.4)], ids=lambda e: e.label)
def test_the_plain_average_needs_no_correction(estimand: bf.Estimand) -> None:
    fit = bf.AIPW(**LINEAR).fit(adjusted()[0], outcome="y", estimand=estimand, **ROLES)
    moved = TMLE(**LINEAR).fit(adjusted()[0], outcome="y", estimand=estimand, **ROLES)
    assert moved.outcomes is not None
    bottom = fit.effect_scores.denominators[0]
    plain = bottom @ (moved.outcomes[:, 1] - moved.outcomes[:, 0]) / bottom.sum()
    assert_allclose(moved.result.value, [plain], rtol=1e-10)


def test_an_answer_about_a_probability_is_one() -> None:
    """A sliver of overlap and an arm that nearly always says yes: AIPW leaves the range, TMLE does not."""
    frame = adjusted()[0]
    treated = np.flatnonzero(frame["t"] == 1)[:9]
    frame = {k: np.r_[v[frame["t"] == 0], v[treated]] for k, v in frame.items()}
    frame["yes"] = np.r_[np.arange((frame["t"] == 0).sum()) % 2, 1, 1, 1, 1, 1, 1, 1, 1, 0].astype(int)
    n = len(frame["t"])
    models: dict[str, Any] = {
        "outcome_model": bf.OutOfFold(np.full((n, 2), 0.5)),
        "propensity_model": bf.OutOfFold(np.column_stack([np.full(n, 0.985), np.full(n, 0.015)])),
    }
    aipw = bf.AIPW(**models, folds=2).fit(frame, outcome="yes", **ROLES).potential_means()
    tmle = TMLE(**models, folds=2).fit(frame, outcome="yes", **ROLES).potential_means()
    assert aipw.value[1] > 1
    assert 0 < tmle.value[1] < 1


def test_it_agrees_with_aipw_up_to_second_order() -> None:
    for outcome in ("y", "yes"):
        made = adjusted()[1]
        aipw = bf.AIPW(
            outcome_model=bf.OutOfFold(made["outcome by treatment" if outcome == "y" else "yes by treatment"]),
            propensity_model=bf.OutOfFold(made["propensity"]),
        ).fit(adjusted()[0], outcome=outcome, **ROLES)
        gap = given(outcome).result.value - aipw.result.value
        assert abs(gap[0]) < 0.1 * aipw.result.std_error[0]


def test_several_arms_are_pairs_with_a_population_in_common() -> None:
    frame, made = adjusted()
    tmle = TMLE(
        outcome_model=bf.OutOfFold(made["outcome by arm"]), propensity_model=bf.OutOfFold(made["propensity of arms"])
    )
    roles: dict[str, Any] = {"treatment": "arm", "outcome": "w", "covariates": ["x"], "arms": True}
    both = tmle.fit(frame, **roles)
    assert both.outcomes is not None
    for arm in range(3):
        own = frame["arm"] == arm
        residual = (frame["w"] - both.outcomes[:, arm])[own] / made["propensity of arms"][own, arm]
        assert abs(residual.sum()) < 1e-8
    one = tmle.fit(frame, contrast=(2, 1), **roles).result.value
    assert_allclose(one, both.result.value[1] - both.result.value[0], rtol=1e-10)
    with pytest.raises(MethodMismatch, match="population"):
        tmle.fit(frame, estimand=bf.ATT(), **roles)
    assert len(tmle.fit(frame, estimand=bf.ATT(), contrast=(2, 0), **roles).result.labels) == 1


def test_wider_limits_move_the_answer_little() -> None:
    data, wide = given("y").result, given("y", least=-50.0, greatest=50.0).result
    assert abs(data.value[0] - wide.value[0]) < 0.05 * data.std_error[0]


@drawn(st.integers(0, 10_000), st.floats(0.01, 50.0), st.booleans())
@settings(max_examples=40, deadline=None)
def test_the_weighted_residuals_of_every_arm_vanish(seed: int, spread: float, binary: bool) -> None:
    rng = np.random.default_rng(seed)
    frame = adjusted()[0]
    fit = bf.AIPW(**LINEAR).fit(frame, outcome="yes" if binary else "y", **ROLES)
    outcomes = rng.normal(scale=spread, size=(500, 2))
    weights = rng.gamma(0.5, size=(500, 2)) * (rng.random((500, 2)) < 0.8)
    limits = (float(fit.sample.outcome.min()), float(fit.sample.outcome.max()))
    moved = targeted_outcomes(fit.sample, outcomes, weights, limits)
    assert np.all((limits[0] <= moved) & (moved <= limits[1]))
    for arm in range(2):
        own = frame["t"] == arm
        left = weights[own, arm] @ (fit.sample.outcome - moved[:, arm])[own]
        assert abs(left) < 1e-9 * weights[own, arm].sum() * (limits[1] - limits[0])


def test_repetitions_take_the_median() -> None:
    once = [TMLE(**LINEAR).fit(adjusted()[0], outcome="y", rng=5, **ROLES).result.value[0]]
    many = TMLE(**LINEAR, repetitions=3).fit(adjusted()[0], outcome="y", rng=5, **ROLES).result
    assert many.splitting is not None
    assert abs(many.value[0] - once[0]) < many.std_error[0]
    assert_array_equal(
        many.value, TMLE(**LINEAR, repetitions=3).fit(adjusted()[0], outcome="y", rng=5, **ROLES).result.value
    )


def all_the_same_in_one_arm() -> dict[str, np.ndarray]:
    frame = adjusted()[0]
    return frame | {"yes": np.where(frame["t"] == 1, 1, frame["yes"])}


CASES: list[tuple[Any, type[ButforError]]] = [
    (lambda: given("y", least=0.0), InvalidSetting),
    (lambda: given("yes", greatest=0.5), InvalidSetting),
    (lambda: given("yes", least=float("nan")), InvalidSetting),
    (lambda: given("y", least=-1e300, greatest=1e300), InvalidSetting),
    (lambda: TMLE(floor=0.0), InvalidSetting),
    (lambda: TMLE(folds=1), InvalidSetting),
    (lambda: TMLE(**LINEAR).fit(all_the_same_in_one_arm(), outcome="yes", **ROLES), NumericalFailure),
    (lambda: TMLE().fit(adjusted()[0], treatment="v", outcome="y", covariates=["x"]), MethodMismatch),
]


@pytest.mark.parametrize(("ask", "error"), CASES)
def test_every_refusal_has_its_error_and_a_hint(ask: Any, error: type[ButforError]) -> None:
    with pytest.raises(error) as caught:
        ask()
    assert caught.value.hint
