"""Effects by an instrument: DoubleML and R by number, closed forms, weak instruments, data without an answer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from linearmodels.datasets import card
from linearmodels.iv import IV2SLS
from numpy.testing import assert_allclose

import butfor as bf
from butfor.core.diagnostic import Severity
from butfor.core.errors import (
    ButforError,
    Collinear,
    ConstantColumn,
    EmptyArm,
    InvalidSetting,
    MethodMismatch,
    NumericalFailure,
    RoleConflict,
    SeparatedPropensity,
    TooFewRows,
)
from butfor.estimators.orthogonal.interactive_iv import InteractiveIV
from butfor.estimators.orthogonal.partially_linear_iv import PartiallyLinearIV
from butfor.estimators.orthogonal.wald import WaldFit, set_words
from butfor.question import LATE
from tests.estimators.by_graph import ByGraph
from tests.estimators.given_predictions import SIZE, Frame, instrumented

LINEAR, LOGIT = bf.LinearModel(), bf.LogisticModel()
INTERACTIVE = InteractiveIV(outcome_model=LINEAR, treatment_model=LINEAR, instrument_model=LOGIT)
PARTIAL = PartiallyLinearIV(outcome_model=LINEAR, treatment_model=LOGIT, instrument_model=LOGIT)
DOSES = PartiallyLinearIV(outcome_model=LINEAR, treatment_model=LINEAR, instrument_model=LINEAR)
ROLES: dict[str, Any] = {"treatment": "t", "outcome": "y", "instrument": "z", "covariates": ["x"]}


def given(names: str) -> list[bf.OutOfFold]:
    _, predictions = instrumented()
    return [bf.OutOfFold(predictions[name]) for name in names.split(", ")]


def partial_of_given() -> WaldFit:
    outcome, treatment, instrument = given("outcome, dose, instrument")
    method = PartiallyLinearIV(outcome_model=outcome, treatment_model=treatment, instrument_model=instrument)
    fit = method.fit(instrumented()[0], **(ROLES | {"treatment": "dose"}))
    assert isinstance(fit, WaldFit)
    return fit


def interactive_of_given(**settings: Any) -> WaldFit:
    outcome, treatment, instrument = given("outcome by level, treatment by level, instrument")
    method = InteractiveIV(outcome_model=outcome, treatment_model=treatment, instrument_model=instrument)
    fit = method.fit(instrumented()[0], **(ROLES | settings))
    assert isinstance(fit, WaldFit)
    return fit


# --- numbers of others ------------------------------------------------------------------------------------------


def test_partially_linear_iv_is_that_of_doubleml() -> None:
    # DoubleML 0.11.4, DoubleMLPLIV(score="partialling out") with these external predictions.
    result = partial_of_given().result
    assert result.value[0] == pytest.approx(1.126832618279165, rel=1e-12)
    assert result.std_error[0] == pytest.approx(0.25069928427508376, rel=1e-12)


def test_interactive_iv_is_that_of_doubleml() -> None:
    # DoubleML 0.11.4, DoubleMLIIVM(normalize_ipw=False) with these external predictions.
    result = interactive_of_given().result
    assert result.value[0] == pytest.approx(2.1174899518993486, rel=1e-12)
    assert result.std_error[0] == pytest.approx(0.651041157067804, rel=1e-12)
    assert result.estimand == LATE()


def test_the_robust_interval_is_that_of_doubleml_up_to_its_variance() -> None:
    # DoubleML 0.11.4, robust_confset(0.95). Its variance of the score is E[ψ²], here E[ψ²] − E[ψ]²: T = n E[ψ]² / E[ψ²]
    # is below c² where ours is below c² / (1 − c² / n).
    from scipy import stats

    cut = stats.norm.ppf(0.975)
    level = 2 * stats.norm.cdf(cut / np.sqrt(1 - cut**2 / SIZE)) - 1
    ((low, high),) = interactive_of_given().robust_interval(level)[0]
    assert_allclose([low, high], [0.5587519106558778, 3.265820134916646], rtol=1e-9)


def test_with_linear_projections_it_is_two_stage_least_squares() -> None:
    # linearmodels 7.1: IV2SLS with the robust covariance, on wages and schooling of Card 1995 (distance as a number).
    frame = card.load()[["lwage", "educ", "nearc4", "age", "expersq", "black", "south", "smsa", "IQ", "KWW"]].dropna()
    frame["near"] = frame["nearc4"] + frame["age"] / 50 + frame["KWW"] / 100
    names = ["expersq", "black", "south", "smsa", "IQ"]
    controls = frame[names].assign(one=1.0)
    design = controls.to_numpy(float)
    fitted = [design @ np.linalg.lstsq(design, frame[c].to_numpy(float))[0] for c in ("lwage", "educ", "near")]
    outcome, treatment, instrument = map(bf.OutOfFold, fitted)
    method = PartiallyLinearIV(outcome_model=outcome, treatment_model=treatment, instrument_model=instrument)
    result = method.fit(frame, treatment="educ", outcome="lwage", instrument="near", covariates=names).result
    theirs = IV2SLS(frame["lwage"], controls, frame[["educ"]], frame[["near"]]).fit(cov_type="robust")
    assert result.value[0] == pytest.approx(theirs.params["educ"], rel=1e-8)
    assert result.std_error[0] == pytest.approx(theirs.std_errors["educ"], rel=1e-8)


# --- closed forms -----------------------------------------------------------------------------------------------


def test_without_covariates_it_is_the_ratio_of_two_differences() -> None:
    frame, _ = instrumented()
    z, n = frame["z"], SIZE
    means = {name: [float(frame[name][z == level].mean()) for level in (0, 1)] for name in ("y", "t")}
    own = {k: bf.OutOfFold(np.tile(v, (n, 1))) for k, v in means.items()}
    method = InteractiveIV(
        outcome_model=own["y"], treatment_model=own["t"], instrument_model=bf.OutOfFold(np.full(n, z.mean()))
    )
    result = method.fit(frame, **(ROLES | {"covariates": []})).result
    effect = (means["y"][1] - means["y"][0]) / (means["t"][1] - means["t"][0])
    assert result.value[0] == pytest.approx(effect, rel=1e-12)
    # The delta method, by hand.
    gap = (frame["y"] - np.take(means["y"], z)) - effect * (frame["t"] - np.take(means["t"], z))
    variance = sum(float(np.mean(gap[z == v] ** 2)) / float(np.sum(z == v)) for v in (0, 1))
    assert result.std_error[0] == pytest.approx(np.sqrt(variance) / (means["t"][1] - means["t"][0]), rel=1e-12)


def test_several_levels_of_the_instrument_are_combined_as_two_stages_do() -> None:
    frame, predictions = instrumented()
    level = np.random.default_rng(3).integers(0, 3, SIZE)
    dose = frame["dose"] + np.array([0.0, 1.0, 1.5])[level]
    shares = np.tile([0.3, 0.4, 0.3], (SIZE, 1))
    method = PartiallyLinearIV(
        outcome_model=bf.OutOfFold(predictions["outcome"]),
        treatment_model=bf.OutOfFold(predictions["dose"]),
        instrument_model=bf.OutOfFold(shares),
    )
    data = frame | {"z": np.array(["a", "b", "c"])[level], "dose": dose}
    fit = method.fit(data, **(ROLES | {"treatment": "dose"}))
    z = np.eye(3)[level][:, 1:] - shares[:, 1:]
    t, y = dose - predictions["dose"], frame["y"] - predictions["outcome"]
    hat = z @ np.linalg.solve(z.T @ z, z.T @ t)
    effect = float(hat @ y / (hat @ t))
    assert fit.result.value[0] == pytest.approx(effect, rel=1e-10)
    robust = float(np.sqrt(np.sum((hat * (y - t * effect)) ** 2))) / float(hat @ t)
    assert fit.result.std_error[0] == pytest.approx(robust, rel=1e-10)
    with pytest.raises(MethodMismatch, match="2 columns"):
        fit.robust_interval()  # type: ignore[attr-defined]


def test_the_first_stage_f_is_the_robust_square_of_t() -> None:
    frame, predictions = instrumented()
    z, t = frame["z"] - predictions["instrument"], frame["dose"] - predictions["dose"]
    slope = float(z @ t / (z @ z))
    error = float(np.sqrt(np.sum((z * (t - slope * z)) ** 2))) / float(z @ z)
    fit = partial_of_given()
    assert fit.strength is not None
    assert fit.strength[0] == pytest.approx((slope / error) ** 2, rel=1e-10)


def test_a_robust_interval_solves_its_equation() -> None:
    fit = interactive_of_given()
    assert fit.parts is not None
    ((low, high),) = fit.robust_interval(0.9)[0]
    for theta in (low, high):
        gap = fit.parts.contrast([1.0, -theta])
        assert abs(gap.statistic[0]) == pytest.approx(1.6448536269514722, rel=1e-9)
    assert low < fit.result.value[0] < high


def test_an_instrument_that_moves_nothing_leaves_the_whole_line_or_two_rays() -> None:
    frame, _ = instrumented()
    shapes = set()
    for seed in range(30):
        z = np.random.default_rng(seed).integers(0, 2, SIZE)
        fit = INTERACTIVE.fit(frame | {"z": z}, **ROLES)
        assert isinstance(fit, WaldFit)
        assert {d.name for d in fit.result.diagnostics if d.severity is Severity.DANGER} >= {"weak-instrument"}
        (intervals,) = fit.robust_interval()
        shapes.add(len(intervals) if np.isinf(intervals[0][0]) else 0)
        assert sum(low <= fit.result.value[0] <= high for low, high in intervals) == 1
    assert {1, 2} & shapes


def test_the_diagnostic_of_a_weak_instrument_has_the_set_that_holds() -> None:
    frame, _ = instrumented()
    z = np.random.default_rng(0).integers(0, 2, SIZE)
    for repetitions in (1, 3):
        fit = replace(INTERACTIVE, repetitions=repetitions).fit(frame | {"z": z}, **ROLES)
        assert isinstance(fit, WaldFit)
        (note,) = [d for d in fit.result.diagnostics if d.name == "weak-instrument"]
        assert f"The Anderson–Rubin set, {set_words(fit.robust_interval()[0])}, holds" in note.message
        assert fit.strength is not None
        assert note.value == pytest.approx(float(fit.strength[0]))


def test_a_weak_instrument_of_several_levels_has_an_effective_f_and_no_set() -> None:
    frame, _ = instrumented()
    z = np.array(["a", "b", "c"])[np.random.default_rng(0).integers(0, 3, SIZE)]
    (note,) = [d for d in PARTIAL.fit(frame | {"z": z}, **ROLES).result.diagnostics if d.name == "weak-instrument"]
    assert note.message.startswith("The effective first-stage F of 'z'")
    assert "Anderson" not in note.message


# --- what it covers ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("slope", [0.0, 0.1, 1.0])
def test_the_robust_interval_covers_however_weak_the_instrument(slope: float) -> None:
    draws, held = 400, 0
    for rng in np.random.default_rng(5).spawn(draws):
        x, z, hidden = rng.normal(size=(3, 150))
        dose = slope * z + x + hidden
        frame = {"x": x, "z": z + x, "t": dose, "y": 0.5 * dose + x + hidden + 0.3 * rng.normal(size=150)}
        fit = DOSES.fit(frame, **ROLES)
        assert isinstance(fit, WaldFit)
        held += any(low <= 0.5 <= high for low, high in fit.robust_interval()[0])
    # Four Monte Carlo standard errors, and a point for the small sample.
    assert abs(held / draws - 0.95) < 4 * np.sqrt(0.95 * 0.05 / draws) + 0.01


# --- roles and labels -------------------------------------------------------------------------------------------


def test_the_label_says_whose_effect_it_is() -> None:
    frame, _ = instrumented()
    assert INTERACTIVE.fit(frame, **ROLES).result.estimand.label == "LATE"
    assert PARTIAL.fit(frame, **ROLES).result.estimand.label == "CWE"
    assert PARTIAL.fit(frame, **(ROLES | {"covariates": []})).result.estimand.label == "LATE"
    with pytest.raises(MethodMismatch, match="needs an instrument"):
        bf.AIPW(outcome_model=LINEAR, propensity_model=LOGIT).fit(
            frame, treatment="t", outcome="y", covariates=["x"], estimand=LATE()
        )


def test_the_contrast_turns_the_sign_and_the_step_scales() -> None:
    frame, _ = instrumented()
    for method in (INTERACTIVE, PARTIAL):
        one, two = (method.fit(frame, contrast=c, **ROLES).result for c in ((1, 0), (0, 1)))
        assert_allclose(two.value, -one.value, rtol=1e-9)
        assert_allclose(two.std_error, one.std_error, rtol=1e-9)
    roles, by_dose = ROLES | {"treatment": "dose"}, replace(DOSES, instrument_model=LOGIT)
    one, three = (by_dose.fit(frame, contrast=c, **roles).result for c in ((1, 0), (3, 0)))
    assert_allclose(three.value, 3 * one.value, rtol=1e-12)
    assert three.labels == ("dose: +3",)


def test_turning_the_instrument_round_changes_nothing() -> None:
    frame, _ = instrumented()
    for method in (INTERACTIVE, PARTIAL):
        one, two = (method.fit(f, **ROLES).result for f in (frame, frame | {"z": 1 - frame["z"]}))
        assert_allclose(two.value, one.value, rtol=1e-7)
        assert_allclose(two.std_error, one.std_error, rtol=1e-7)


def test_a_study_follows_the_instrument_when_asked_to() -> None:
    frame, _ = instrumented()
    study = bf.Study(
        frame, question=bf.Question("t", "y"), graph="x -> z; x -> t; x -> y; z -> t -> y; t <-> y", seed=4
    )
    primary = study.estimate(INTERACTIVE, PARTIAL).primary
    assert primary.result.estimand.label == "LATE"
    assert primary.sample.covariates.columns == ("x",)
    assert primary.sample.instrument is not None
    assert primary.sample.instrument.name == "z"
    alone = INTERACTIVE.fit(frame, rng=4, **ROLES)
    assert_allclose(primary.result.value, alone.result.value, rtol=1e-12)
    found = study.refute()
    assert {r.check for r in found.results} == {"random common cause", "data subset", "bootstrap"}
    assert any("instrument" in reason for reason in found.skipped)
    assert study.sensitivity().omitted_variable is None


def test_nobody_who_does_not_ask_is_given_an_instrument() -> None:
    frame, _ = instrumented()
    graph = "x -> t; x -> y; z -> t -> y"
    study = bf.Study(frame, question=bf.Question("t", "y"), graph=graph)
    fits = study.estimate(bf.AIPW(outcome_model=LINEAR, propensity_model=LOGIT)).fits
    assert {fit.strategy.kind for fit in fits} == {"adjustment"}


def test_folds_and_content_know_the_instrument() -> None:
    frame, _ = instrumented()
    one, two = (INTERACTIVE.fit(f, **ROLES).sample for f in (frame, frame | {"z": 1 - frame["z"]}))
    assert one.fingerprint != two.fingerprint
    assert np.array_equal(one.row_key, two.row_key)
    some = one.take(np.arange(10))
    assert some.instrument is not None
    assert len(some.instrument.codes) == 10


# --- data on which there is no answer ---------------------------------------------------------------------------

WORLD, _ = instrumented()
DECIDED = {"z": (WORLD["x"] > 0).astype(int)}
HOSTILE: list[tuple[Any, Frame, dict[str, Any], type[ButforError], str]] = [
    (INTERACTIVE, {}, {"instrument": None}, MethodMismatch, "needs instrument"),
    (INTERACTIVE, {}, {"treatment": "dose"}, MethodMismatch, "amount"),
    (INTERACTIVE, {"z": np.arange(SIZE) % 3}, {}, MethodMismatch, "more than two levels"),
    (PARTIAL, {"t": np.array(["a", "b", "c"])[np.arange(SIZE) % 3]}, {}, MethodMismatch, "several arms"),
    (INTERACTIVE, {"z": np.ones(SIZE)}, {}, ConstantColumn, "Instrument 'z'"),
    (PARTIAL, {"z": np.eye(SIZE)[0]}, {}, EmptyArm, "1 row"),
    (PARTIAL, {}, {"covariates": ["x", "z"]}, RoleConflict, "instrument and covariate"),
    (PARTIAL, {}, {"instrument": "y"}, RoleConflict, "instrument and outcome"),
    (PARTIAL, {}, {"instrument": "t"}, RoleConflict, "instrument and treatment"),
    (InteractiveIV(), DECIDED, {}, SeparatedPropensity, "decide instrument"),
    (INTERACTIVE, DECIDED, {}, SeparatedPropensity, "'x'"),
    (DOSES, {"z": 2 * WORLD["x"]}, {"treatment": "dose"}, Collinear, "'z'"),
    (DOSES, {"dose": 2 * WORLD["x"], "z": WORLD["dose"]}, {"treatment": "dose"}, Collinear, "'dose'"),
    (INTERACTIVE, {"z": np.repeat([0, 1], SIZE // 2), "t": np.tile([0, 1], SIZE // 2)}, {}, NumericalFailure, "first"),
    (INTERACTIVE, {k: v[:6] for k, v in WORLD.items()}, {}, TooFewRows, "rows"),
    (bf.AIPW(), {}, {}, MethodMismatch, "The strategy is instrument"),
]


@pytest.mark.parametrize(("method", "columns", "roles", "error", "words"), HOSTILE)
def test_every_refusal_has_its_words(
    method: Any, columns: Frame, roles: dict[str, Any], error: type[ButforError], words: str
) -> None:
    if error is NumericalFailure:
        # Shares of the treatment equal in both levels, predicted exactly: the first stage is zero.
        half = bf.OutOfFold(np.full((SIZE, 2), 0.5))
        method = InteractiveIV(
            outcome_model=half, treatment_model=half, instrument_model=bf.OutOfFold(np.full(SIZE, 0.5))
        )
    with pytest.raises(error, match=words) as caught:
        method.fit(WORLD | columns, **(ROLES | roles))
    assert caught.value.hint


def test_settings_out_of_range() -> None:
    for make in (
        lambda: InteractiveIV(folds=1),
        lambda: InteractiveIV(floor=0.0),
        lambda: PartiallyLinearIV(folds=0),
        lambda: PartiallyLinearIV(repetitions=0),
    ):
        with pytest.raises(InvalidSetting):
            make()


def test_one_sided_compliance_with_the_default_models() -> None:
    rng = np.random.default_rng(0)
    x, hidden = rng.normal(size=(2, 600))
    z = (x + rng.normal(size=600) > 0).astype(int)
    t = ((hidden > -0.3) & (z == 1)).astype(int)
    frame = {"x": x, "z": z, "t": t, "y": 2.0 * t + x + hidden}
    result = InteractiveIV().fit(frame, **ROLES).result
    assert abs(result.value[0] - 2.0) < 4 * result.std_error[0]


def test_a_perfect_first_stage_is_said_to_be_infinite() -> None:
    frame, _ = instrumented()
    fit = PARTIAL.fit(frame | {"t": frame["z"]}, **ROLES)
    assert isinstance(fit, WaldFit)
    assert fit.strength is not None
    assert fit.strength[0] > 1e12
    assert bf.from_json(fit.result.to_json()).diagnostics == fit.result.diagnostics


def test_by_graph_and_by_word_agree() -> None:
    frame, _ = instrumented()
    drawn = ByGraph(INTERACTIVE, "x -> z; x -> t; x -> y; z -> t -> y; t <-> y")
    one = drawn.fit(frame, treatment="t", outcome="y").result
    assert_allclose(one.value, INTERACTIVE.fit(frame, **ROLES).result.value, rtol=1e-12)
