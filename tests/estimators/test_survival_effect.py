"""Effects on times: numbers of others, what they come down to, and what is wrong without them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

import butfor as bf
from butfor.core.errors import ButforError, ConstantColumn, InvalidSetting, MethodMismatch, NonNumeric, RoleConflict
from butfor.estimators.orthogonal.survival_effect import SurvivalFit
from butfor.nuisance.censored import Quantity, complete
from butfor.nuisance.hazards import Hazards
from butfor.nuisance.spells import Clock
from tests.simulation.survival import CURVE, GAPS, MEAN_GAP, RIDGE, SURVIVAL, TIMES, restricted_mean

ROLES: dict[str, Any] = {"treatment": "treatment", "outcome": "outcome", "event": "seen"}
ADJUSTED: dict[str, Any] = ROLES | {"covariates": ["x1"]}
# A learner that sees nothing: no covariate and no time.
BLIND = bf.LogisticModel(penalty=1e9)


def drawn(n: int, seed: int = 1) -> dict[str, np.ndarray]:
    return TIMES.draw(np.random.default_rng(seed), n)


def fitted(estimator: bf.SurvivalEffect, frame: Any, **roles: Any) -> SurvivalFit:
    fit = estimator.fit(frame, **roles)
    assert isinstance(fit, SurvivalFit)
    return fit


# --- numbers of others -----------------------------------------------------------------------------------------------

# Lifetimes of fruit flies, `waltons` of lifelines 0.30.3 (MIT): days, deaths, losses of sight.
CONTROL = """7 1 1, 17 1 0, 32 1 0, 33 1 0, 38 2 0, 41 7 0, 45 9 1, 48 8 0, 51 3 0, 53 7 0, 54 2 0, 56 18 0, 58 4 0,
60 15 1, 61 9 2, 63 9 0, 66 3 0, 68 9 1, 69 12 1, 75 1 0"""
TREATED = "6 1 0, 9 3 0, 13 3 0, 15 2 0, 19 3 0, 22 4 0, 26 5 0, 29 5 0, 33 2 0, 36 2 0, 43 1 0, 47 1 0, 62 2 0"


def flies() -> dict[str, list[Any]]:
    rows = [
        (group, int(day), seen)
        for group, table in (("control", CONTROL), ("miR-137", TREATED))
        for day, deaths, lost in (line.split() for line in table.split(","))
        for seen in [1] * int(deaths) + [0] * int(lost)
    ]
    return {name: [row[k] for row in rows] for k, name in enumerate(("group", "days", "died"))}


def test_without_covariates_curves_are_those_of_kaplan_and_meier_with_errors_of_greenwood() -> None:
    # KaplanMeierFitter of lifelines 0.30.3; Greenwood's sum over its event table.
    fit = fitted(
        bf.SurvivalEffect(times=(20, 40), horizon=60), flies(), treatment="group", outcome="days", event="died"
    )
    found = {row["term"]: row for row in fit.curves().tidy().to_dicts()}
    expected = {
        "group = control, survival to 20": (0.98443508514924, 0.010920318653171527),
        "group = control, survival to 40": (0.9531831776841849, 0.018660677646685275),
        "group = miR-137, survival to 20": (0.6470588235294118, 0.08195653482579247),
        "group = miR-137, survival to 40": (0.11764705882352941, 0.055255084507513194),
    }
    for term, (value, error) in expected.items():
        assert found[term]["estimate"] == pytest.approx(value, rel=1e-12)
        assert found[term]["std_error"] == pytest.approx(error, rel=1e-12)
    gap = fit.result.select("group: miR-137 - control, survival to 20")
    assert gap.value[0] == pytest.approx(0.6470588235294118 - 0.98443508514924, rel=1e-12)
    assert gap.std_error[0] == pytest.approx(np.hypot(0.010920318653171527, 0.08195653482579247), rel=1e-12)


def test_restricted_means_are_areas_with_their_textbook_errors() -> None:
    # `restricted_mean_survival_time` of lifelines 0.30.3, and the variance of R's survRM2,
    # Σ (area to the right)² d / (r (r − d)), written out on lifelines' event table.
    fit = fitted(bf.SurvivalEffect(horizon=60), flies(), treatment="group", outcome="days", event="died")
    curves = fit.curves()
    assert curves.labels == ("group = control, mean to 60", "group = miR-137, mean to 60")
    assert_allclose(curves.value, [54.303556822839006, 25.58823529411764], rtol=1e-12)
    assert_allclose(curves.std_error, [0.7673589470446269, 2.202199925184449], rtol=1e-12)
    assert fit.result.std_error[0] == pytest.approx(np.hypot(0.7673589470446269, 2.202199925184449), rel=1e-12)


# --- what it comes down to -------------------------------------------------------------------------------------------


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(2, 30), points=st.integers(1, 12))
@settings(max_examples=60, deadline=None)
def test_without_losses_a_completed_outcome_is_the_outcome_whatever_the_model(seed: int, n: int, points: int) -> None:
    rng = np.random.default_rng(seed)
    times = rng.integers(1, points + 1, n).astype(float)
    horizon = float(rng.integers(1, points + 1))
    clock = Clock.of(times, np.ones(n), (horizon,), np.ones(n), None)
    size = len(clock.points)
    model = Hazards(rng.uniform(0.0, 0.9, (n, size)), np.ones(size), np.arange(size))
    sure = Hazards(np.zeros((1, size)), np.ones(size), np.arange(size))
    asked = (Quantity.restricted_mean(clock, horizon, ""), Quantity.survival(clock, horizon, ""))
    found = complete(clock, np.zeros(n, dtype=np.int32), (model,), (sure,), asked, 0.01)
    assert_allclose(found.values, np.column_stack([np.minimum(times, horizon), times > horizon]), atol=1e-9)


def test_without_losses_it_is_aipw() -> None:
    frame = drawn(300)
    full = frame | {"seen": np.ones(300, dtype=int)}
    ours = fitted(replace(SURVIVAL, horizon=5.0), full, **ADJUSTED)
    models = {"outcome_model": bf.OutOfFold(ours.outcomes), "propensity_model": bf.OutOfFold(ours.propensity)}
    cut = {**full, "outcome": np.minimum(full["outcome"], 5.0)}
    theirs = bf.AIPW(**models).fit(cut, treatment="treatment", outcome="outcome", covariates=["x1"])
    assert ours.result.value[0] == pytest.approx(theirs.result.value[0], rel=1e-9)
    assert_allclose(ours.result.influence, theirs.result.influence, atol=1e-8)


def test_the_mean_is_the_sum_of_the_curve() -> None:
    # Σ over days of P(T > day), for times in whole days.
    frame = drawn(500)
    days = frame | {"outcome": np.ceil(frame["outcome"])}
    method = replace(SURVIVAL, horizon=6.0, times=(1, 2, 3, 4, 5))
    result = fitted(method, days, **ADJUSTED).result
    assert result.value[0] == pytest.approx(result.value[1:].sum(), abs=1e-10)
    whole = result.contrast([[0, 1, 1, 1, 1, 1], [1, 0, 0, 0, 0, 0]])
    assert whole.std_error[0] == pytest.approx(whole.std_error[1], rel=1e-10)


def test_hazards_spread_over_points_add_up_to_those_of_their_interval() -> None:
    hazards = Hazards(np.array([[0.3, 0.2]]), np.array([0.25, 0.75, 1.0]), np.array([0, 0, 1]))
    assert_allclose(np.cumprod(1.0 - hazards.at(slice(None)))[[1, 2]], [0.7, 0.7 * 0.8], rtol=1e-12)


# --- consistency -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"survival_model": BLIND},
        {"censoring_model": BLIND, "propensity_model": BLIND},
    ],
    ids=["all right", "hazards wrong", "both chances wrong"],
)
def test_either_the_hazards_or_both_chances_may_be_wrong(wrong: dict[str, Any]) -> None:
    frame = drawn(12_000, seed=3)
    mean = fitted(replace(SURVIVAL, **wrong), frame, **ADJUSTED).result
    assert abs(mean.value[0] - MEAN_GAP) < 4 * mean.std_error[0]
    if not wrong:
        curve = fitted(CURVE, frame, **ADJUSTED).result
        assert np.all(np.abs(curve.value - GAPS) < 4 * curve.std_error)


def test_all_wrong_is_wrong() -> None:
    # What the test above would miss if it had no power.
    blind = replace(SURVIVAL, survival_model=BLIND, censoring_model=BLIND, propensity_model=BLIND)
    result = fitted(blind, drawn(12_000, seed=3), **ADJUSTED).result
    assert abs(result.value[0] - MEAN_GAP) > 6 * result.std_error[0]


def test_curves_are_right_with_losses_and_wrong_where_these_are_taken_for_events() -> None:
    frame, truth = drawn(12_000, seed=3), [restricted_mean(10.0, arm) for arm in (0, 1)]
    right = fitted(SURVIVAL, frame, **ADJUSTED).curves()
    assert np.all(np.abs(right.value - truth) < 4 * right.std_error)
    wrong = fitted(SURVIVAL, frame | {"seen": np.ones(12_000, dtype=int)}, **ADJUSTED).curves()
    assert np.all(np.abs(wrong.value - truth) > 6 * wrong.std_error)


# --- the role --------------------------------------------------------------------------------------------------------

FRAME = drawn(200)
HOSTILE: list[tuple[dict[str, Any], dict[str, Any], type[ButforError], str]] = [
    ({"seen": FRAME["seen"] + 1}, {}, InvalidSetting, "Event 'seen' is 2"),
    ({"seen": np.where(FRAME["seen"] == 1, "yes", "no")}, {}, NonNumeric, "Event 'seen' holds text"),
    ({"seen": np.zeros(200)}, {}, ConstantColumn, "0 in every row"),
    ({"outcome": FRAME["outcome"] - 1.0}, {}, InvalidSetting, "0 or more"),
    ({}, {"covariates": ["seen", "x1"]}, RoleConflict, "both covariate and event"),
    ({}, {"event": "outcome"}, RoleConflict, "also treatment or outcome"),
    ({}, {"modifiers": ["seen"]}, RoleConflict, "Modifier 'seen'"),
    ({}, {"event": None}, MethodMismatch, "names no event"),
    ({"treatment": FRAME["x1"]}, {}, MethodMismatch, "an amount"),
]


@pytest.mark.parametrize(("columns", "roles", "error", "words"), HOSTILE)
def test_every_misuse_has_its_words(
    columns: dict[str, Any], roles: dict[str, Any], error: type[ButforError], words: str
) -> None:
    with pytest.raises(error, match=words) as caught:
        SURVIVAL.fit(FRAME | columns, **(ADJUSTED | roles))
    assert caught.value.hint


@pytest.mark.parametrize(
    "method", [bf.AIPW(), bf.OLS(), bf.DifferenceInMeans(), bf.CausalForest(), bf.DRLearner(), bf.NaturalBounds()]
)
def test_methods_that_know_no_loss_of_sight_name_one_that_does(method: bf.Estimator) -> None:
    with pytest.raises(MethodMismatch, match="a time") as caught:
        method.fit(FRAME, **ADJUSTED)
    assert "SurvivalEffect()" in str(caught.value.hint)


def test_times_that_nobody_reached_are_refused() -> None:
    with pytest.raises(InvalidSetting, match="in sight after"):
        replace(SURVIVAL, horizon=99.0).fit(FRAME, **ADJUSTED)
    for settings_ in ({"times": (0.0,)}, {"horizon": -1.0}, {"times": (float("nan"),)}, {"intervals": 0}):
        with pytest.raises(InvalidSetting):
            bf.SurvivalEffect(**settings_)  # type: ignore[arg-type]


def test_flags_may_be_booleans_and_rows_keep_time_and_event_together() -> None:
    flags = FRAME | {"seen": FRAME["seen"] == 1}
    one, two = (SURVIVAL.fit(frame, **ADJUSTED) for frame in (FRAME, flags))
    assert_allclose(two.result.value, one.result.value, rtol=1e-12)
    rows = np.random.default_rng(0).integers(0, 200, 50)
    taken = one.sample.take(rows)
    assert taken.event is not None
    assert_allclose(taken.event, FRAME["seen"][rows])
    assert_allclose(taken.outcome, FRAME["outcome"][rows])


def test_a_study_compares_times_by_default_and_checks_what_can_be_checked(tmp_path: Any) -> None:
    frame = drawn(300) | {"before": np.random.default_rng(5).normal(size=300)}
    study = bf.Study(
        frame,
        question=bf.Question("treatment", "outcome", event="seen", decision="Treat"),
        covariates=["x1"],
        negative_outcomes=["before"],
    )
    ridge = {"survival_model": RIDGE, "censoring_model": RIDGE, "propensity_model": bf.LogisticModel()}
    study.estimate(bf.SurvivalEffect(**ridge))
    checks = study.refute(*(r for r in study.standard_refuters(20) if r.name != "placebo treatment"))
    assert {"random common cause", "data subset", "bootstrap"} <= {r.check for r in checks}
    assert "placebo outcome" not in {r.check for r in checks}
    assert study.sensitivity().evalue is None
    assert study.decide(value_per_unit=1.0, cost_per_treated=0.1) is not None
    names = [a.name for a in study.estimate().primary.result.assumptions]
    assert "independent-censoring" in names
    assert "mean to" in study.report(tmp_path / "report.html").read_text(encoding="utf-8")


def test_a_study_without_estimators_chooses_it() -> None:
    frame = {name: column for name, column in drawn(150).items() if name != "x1"}
    study = bf.Study(frame, question=bf.Question("treatment", "outcome", event="seen"), design=bf.Randomized())
    assert [fit.estimator.name for fit in study.estimate().all] == ["survival_effect", "survival_effect"]


def test_few_chances_to_be_in_sight_are_told() -> None:
    frame = drawn(400)
    found = fitted(replace(SURVIVAL, floor=0.4), frame, **ADJUSTED).result.diagnostics
    assert "censoring-floor" in {d.name for d in found}


def test_many_times_of_events_share_points() -> None:
    rng = np.random.default_rng(0)
    times, seen = rng.exponential(size=5000), (rng.random(5000) < 0.7).astype(float)
    clock = Clock.of(times, seen, (1.0,), np.ones(5000), 50)
    assert len(clock.points) == 51
    counts = np.bincount(clock.event.length[clock.event.ends] - 1, minlength=51)
    assert counts.max() <= 1.1 * counts[:-1].mean() + 1
