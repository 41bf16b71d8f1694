"""Effects on quantiles and on means above them: DoubleML by number, closed forms, refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

import butfor as bf
from butfor.core.errors import ButforError, InvalidSetting, MethodMismatch, NumericalFailure
from butfor.estimators.orthogonal.local_quantile_effect import LocalQuantileEffect
from butfor.estimators.orthogonal.quantile_effect import QuantileEffect
from butfor.estimators.orthogonal.quantiles import ArmFit, crossing, density
from butfor.estimators.orthogonal.tail_effect import TailEffect
from butfor.question import LQTE, QTE, CVaRE
from tests.estimators.given_predictions import SIZE, adjusted, instrumented

ROLES: dict[str, Any] = {"treatment": "t", "outcome": "y", "covariates": ["x"]}
LINEAR: dict[str, Any] = {"outcome_model": bf.LinearModel(), "propensity_model": bf.LogisticModel()}


def of_given(kind: type[QuantileEffect] | type[TailEffect], quantile: float) -> ArmFit:
    frame, predictions = adjusted()
    ramp = np.tanh(frame["x"])
    given = {
        QuantileEffect: np.column_stack([0.5 - 0.35 * ramp, 0.45 - 0.4 * ramp]),
        TailEffect: np.column_stack([2.2 + 0.8 * ramp, 4.2 + 1.5 * ramp]),
    }
    method = kind(
        quantiles=(quantile,),
        outcome_model=bf.OutOfFold(given[kind]),
        propensity_model=bf.OutOfFold(predictions["propensity"]),
    )
    fit = method.fit(frame, **ROLES)
    assert isinstance(fit, ArmFit)
    return fit


def arms_of(fit: bf.Fit) -> bf.Estimate:
    assert isinstance(fit, ArmFit)
    assert fit.arms is not None
    return fit.arms


# --- numbers of others ------------------------------------------------------------------------------------------


def test_potential_quantiles_are_those_of_doubleml() -> None:
    # DoubleML 0.11.4, DoubleMLPQ(quantile=0.5, normalize_ipw=False) for treatment 0 and 1 with these predictions.
    fit = of_given(QuantileEffect, 0.5)
    arms = arms_of(fit)
    assert_allclose(arms.value, [0.27710528761031084, 1.2045491492389222], rtol=1e-11)
    assert fit.result.value[0] == pytest.approx(arms.value[1] - arms.value[0], rel=1e-12)


def test_their_errors_are_those_of_doubleml_for_the_same_density() -> None:
    # E[ψ²] from the same run. Their root is found up to a jump of ψ and may lie on either side of it.
    frame, predictions = adjusted()
    ramp = np.tanh(frame["x"])
    below = np.column_stack([0.5 - 0.35 * ramp, 0.45 - 0.4 * ramp])
    arms = arms_of(of_given(QuantileEffect, 0.5))
    for arm, square in enumerate((0.44301239487678756, 0.3953421276357245)):
        own, theta, chance = frame["t"] == arm, float(arms.value[arm]), predictions["propensity"][:, arm]
        before, after = (
            own * (left - below[:, arm]) / chance + below[:, arm] - 0.5
            for left in (frame["y"] < theta, frame["y"] <= theta)
        )
        assert min(abs(np.mean(score**2) / square - 1) for score in (before, after)) < 1e-10
        height = density(frame["y"][own], 1 / chance[own], theta)
        assert arms.std_error[arm] == pytest.approx(np.std(after) / height / np.sqrt(SIZE), rel=1e-12)
    # The widths of the two kernels differ: theirs is that of all rows, and J is 0.26256 and 0.16235.
    assert_allclose(arms.std_error, [0.11337074522684361, 0.17320135436706147], rtol=0.12)


def test_means_above_a_quantile_have_the_score_of_doubleml() -> None:
    # DoubleML 0.11.4, DoubleMLCVAR(quantile=0.8)._score_elements with these predictions at the weighted quantiles.
    arms = arms_of(of_given(TailEffect, 0.8))
    assert_allclose(arms.value, [2.120679900980351, 4.542969108100671], rtol=1e-12)
    assert_allclose(arms.std_error, [0.13877199701877427, 0.18156052105917417], rtol=1e-12)


# --- closed forms -----------------------------------------------------------------------------------------------


def plain(kind: type[QuantileEffect] | type[TailEffect], quantile: float, outcome: np.ndarray) -> ArmFit:
    """An experiment without covariates, nuisances as they are in the data."""
    t = np.tile([0, 1], len(outcome) // 2)
    known = np.full((len(t), 2), 0.0)
    for arm in (0, 1):
        own = outcome[t == arm]
        cut = np.sort(own)[round(quantile * len(own)) - 1]
        beyond = cut + np.maximum(own - cut, 0) / (1 - quantile)
        known[:, arm] = np.mean(own <= cut) if kind is QuantileEffect else np.mean(beyond)
    method = kind(
        quantiles=(quantile,),
        outcome_model=bf.OutOfFold(known),
        propensity_model=bf.OutOfFold(np.full(len(t), 0.5)),
    )
    fit = method.fit({"t": t, "y": outcome}, treatment="t", outcome="y")
    assert isinstance(fit, ArmFit)
    return fit


@pytest.mark.parametrize("quantile", [0.1, 0.5, 0.95])
def test_in_an_experiment_they_are_the_quantiles_of_the_arms(quantile: float) -> None:
    outcome = np.random.default_rng(3).gamma(2.0, size=400)
    arms = arms_of(plain(QuantileEffect, quantile, outcome))
    for arm in (0, 1):
        own = np.sort(outcome[arm::2])
        assert arms.value[arm] == own[round(quantile * 200) - 1]
        # √(q(1 − q) / n) / f, the textbook's standard error.
        height = density(own, np.ones(200), float(arms.value[arm]))
        assert arms.std_error[arm] == pytest.approx(np.sqrt(quantile * (1 - quantile) / 200) / height, rel=1e-9)


def test_in_an_experiment_tail_means_are_those_of_the_arms() -> None:
    outcome = np.random.default_rng(4).gamma(2.0, size=400)
    arms = arms_of(plain(TailEffect, 0.9, outcome))
    for arm in (0, 1):
        own = np.sort(outcome[arm::2])
        # The 180th of 200 is the quantile; above it are the twenty largest.
        assert arms.value[arm] == pytest.approx(own[180:].mean(), rel=1e-12)


def test_a_crossing_is_a_quantile_by_its_definition() -> None:
    rng = np.random.default_rng(5)
    values, weights = rng.integers(0, 9, 60).astype(float), rng.uniform(0.1, 1, 60)
    for share in (0.01, 0.3, 0.5, 0.999):
        theta = crossing(values, weights, share * weights.sum())
        assert weights[values <= theta].sum() >= share * weights.sum() * (1 - 1e-9)
        assert weights[values < theta].sum() < share * weights.sum()
    assert crossing(values, weights, -1.0) == values.min()
    assert crossing(values, weights, 1e9) == values.max()


def test_the_density_is_that_of_scipy_for_the_same_width() -> None:
    values = np.random.default_rng(6).normal(size=300)
    weights = np.random.default_rng(7).uniform(1, 2, 300)
    share = weights / weights.sum()
    spread = np.sqrt(share @ (values - share @ values) ** 2)
    middle = crossing(values, share, 0.75) - crossing(values, share, 0.25)
    width = 0.9 * min(spread, middle / 1.349) * 300**-0.2
    theirs = stats.gaussian_kde(values, weights=weights)
    theirs.set_bandwidth(width / np.sqrt(np.cov(values, aweights=weights)))
    assert density(values, weights, 0.3) == pytest.approx(float(theirs(0.3)[0]), rel=1e-9)


# --- labels, several quantiles, several arms ------------------------------------------------------------------------


def test_several_quantiles_are_one_vector_with_its_covariance() -> None:
    frame, _ = adjusted()
    method = QuantileEffect(quantiles=(0.25, 0.5, 0.75), **LINEAR)
    result = method.fit(frame, **ROLES).result
    assert result.labels == tuple(f"t: 1 - 0, quantile {q}" for q in (0.25, 0.5, 0.75))
    assert result.estimand == QTE()
    assert result.bands().shape == (3, 2)
    alone = QuantileEffect(quantiles=0.5, **LINEAR).fit(frame, **ROLES).result  # type: ignore[arg-type]
    assert alone.value[0] == result.value[1]
    assert alone.std_error[0] == pytest.approx(result.std_error[1], rel=1e-12)
    assert result.covariance[0, 1] > 0
    tails = TailEffect(quantiles=(0.5, 0.9), **LINEAR).fit(frame, **ROLES).result
    assert tails.labels == ("t: 1 - 0, mean above quantile 0.5", "t: 1 - 0, mean above quantile 0.9")
    assert tails.estimand == CVaRE()


def test_three_arms_have_two_effects_for_each_quantile() -> None:
    frame, _ = adjusted()
    fit = QuantileEffect(quantiles=(0.2, 0.8), **LINEAR).fit(frame, **(ROLES | {"treatment": "arm"}), arms=True)
    arms = arms_of(fit)
    assert len(arms.labels) == 6
    assert_allclose(fit.result.value, [*(arms.value[1:3] - arms.value[0]), *(arms.value[4:6] - arms.value[3])])


def test_a_shift_moves_every_quantile_alike_and_the_mean_lies_between() -> None:
    rng = np.random.default_rng(8)
    x = rng.normal(size=1000)
    t = (x + rng.normal(size=1000) > 0).astype(int)
    frame = {"x": x, "t": t, "y": x + 2.0 * t + rng.normal(size=1000)}
    for method in (QuantileEffect(quantiles=(0.1, 0.5, 0.9)), TailEffect(quantiles=(0.5, 0.9))):
        result = method.fit(frame, **ROLES).result
        assert np.all(np.abs(result.value - 2.0) < 4 * result.std_error)


def test_a_study_reports_a_quantile_as_one(tmp_path: Any) -> None:
    frame, _ = adjusted()
    study = bf.Study(frame, question=bf.Question("t", "y", decision="Give t"), covariates=["x"])
    study.estimate(QuantileEffect(**LINEAR), bf.AIPW(**LINEAR))
    study.refute(bf.DataSubset(simulations=20))
    sensitivity = study.sensitivity()
    assert sensitivity.evalue is None
    assert sensitivity.omitted_variable is None
    with pytest.raises(MethodMismatch, match="difference between quantiles; a decision needs an average effect"):
        study.decide(value_per_unit=1.0)
    page = " ".join(study.report(tmp_path / "report.html").read_text(encoding="utf-8").split())
    assert "on average" not in page.split("</p>")[2]
    assert "(quantile 0.5)" in page
    assert "Estimand: QTE, the difference between quantiles for everyone." in page


# --- what has no answer ----------------------------------------------------------------------------------------------

FRAME, _ = adjusted()
HOSTILE: list[tuple[bf.Estimator, dict[str, Any], dict[str, Any], type[ButforError], str]] = [
    (QuantileEffect(**LINEAR), {"t": FRAME["x"]}, {"covariates": ["v"]}, MethodMismatch, "amount"),
    (QuantileEffect(**LINEAR), {}, {"estimand": bf.ATT()}, MethodMismatch, "the ATT"),
    (TailEffect(**LINEAR), {}, {"modifiers": ["yes"]}, MethodMismatch, "subgroups by 'yes'"),
    (QuantileEffect(**LINEAR), {"y": FRAME["t"] * 1.0}, {}, NumericalFailure, "do not vary"),
]


@pytest.mark.parametrize(("method", "columns", "roles", "error", "words"), HOSTILE)
def test_every_refusal_has_its_words(
    method: bf.Estimator, columns: dict[str, Any], roles: dict[str, Any], error: type[ButforError], words: str
) -> None:
    with pytest.raises(error, match=words) as caught:
        method.fit(FRAME | columns, **(ROLES | roles))
    assert caught.value.hint


@pytest.mark.parametrize("quantiles", [(), (0.0,), (0.5, 1.0), (float("nan"),)])
@pytest.mark.parametrize("kind", [QuantileEffect, TailEffect])
def test_quantiles_out_of_range(kind: Any, quantiles: tuple[float, ...]) -> None:
    with pytest.raises(InvalidSetting, match="between 0 and 1"):
        kind(quantiles=quantiles)


def test_a_counted_outcome_is_said_to_be_heaped() -> None:
    counted = FRAME | {"y": np.round(FRAME["y"])}
    names = {d.name for d in QuantileEffect(**LINEAR).fit(counted, **ROLES).result.diagnostics}
    assert "heaped-outcome" in names
    assert "heaped-outcome" not in {d.name for d in QuantileEffect(**LINEAR).fit(FRAME, **ROLES).result.diagnostics}


# --- those whom an instrument moves ----------------------------------------------------------------------------------

IV_ROLES: dict[str, Any] = ROLES | {"instrument": "z"}


def local_of_given(quantile: float = 0.5) -> ArmFit:
    frame, predictions = instrumented()
    ramp = np.tanh(frame["x"])
    first = np.column_stack([0.4 - 0.2 * ramp, 0.2 - 0.1 * ramp])
    second = np.column_stack([0.1 - 0.05 * ramp, 0.3 - 0.2 * ramp])
    method = LocalQuantileEffect(
        quantiles=(quantile,),
        outcome_model=bf.OutOfFold(np.stack([first, second], axis=2)),
        treatment_model=bf.OutOfFold(predictions["treatment by level"]),
        instrument_model=bf.OutOfFold(predictions["instrument"]),
    )
    fit = method.fit(frame, **IV_ROLES)
    assert isinstance(fit, ArmFit)
    return fit


def test_local_quantiles_are_those_of_doubleml() -> None:
    # DoubleML 0.11.4, DoubleMLLPQ(quantile=0.5, normalize_ipw=False) for treatment 0 and 1 with these predictions. Its
    # standard errors, .605 and .357, take the share of compliers as known; ours do not, and are .372 and .344.
    arms = arms_of(local_of_given())
    assert_allclose(arms.value, [-0.1152532549912324, 1.3096888495842085], rtol=1e-11)


def test_local_errors_are_those_of_the_ratio() -> None:
    frame, predictions = instrumented()
    ramp, theta = np.tanh(frame["x"]), float(arms_of(local_of_given()).value[1])
    y, t, z, chance = frame["y"], frame["t"], frame["z"], predictions["instrument"]
    given = np.column_stack([0.1 - 0.05 * ramp, 0.3 - 0.2 * ramp])
    taken = predictions["treatment by level"]

    def change(column: np.ndarray, means: np.ndarray) -> np.ndarray:
        up = means[:, 1] + z * (column - means[:, 1]) / chance
        return up - means[:, 0] - (1 - z) * (column - means[:, 0]) / (1 - chance)

    top, bottom = change(t * (y <= theta), given), change(t * 1.0, taken)
    mass = (t * (z / chance - (1 - z) / (1 - chance)))[t == 1]
    height = density(y[t == 1], mass, theta)
    # F(θ) = E[top] / E[bottom] by the delta method, and the density.
    expected = np.std(top - 0.5 * bottom) / (bottom.mean() * height * np.sqrt(SIZE))
    assert arms_of(local_of_given()).std_error[1] == pytest.approx(expected, rel=1e-9)


def test_when_everyone_follows_the_offer_local_quantiles_are_those_of_the_offer() -> None:
    rng = np.random.default_rng(12)
    x = rng.normal(size=600)
    z = (rng.random(600) < 1 / (1 + np.exp(-0.5 * x))).astype(int)
    frame = {"x": x, "z": z, "t": z, "y": x + z * (1 + 0.5 * x) + rng.normal(size=600)}
    local = LocalQuantileEffect(
        quantiles=(0.3, 0.5),
        outcome_model=bf.LinearModel(),
        treatment_model=bf.LinearModel(),
        instrument_model=bf.LogisticModel(),
    )
    one = local.fit(frame, **IV_ROLES).result
    two = QuantileEffect(quantiles=(0.3, 0.5), **LINEAR).fit(frame, **ROLES).result
    # Labels are 0 for the other arm: its model predicts nearly, not exactly, nothing.
    assert_allclose(one.value, two.value, atol=0.1 * two.std_error.min())
    assert_allclose(one.std_error, two.std_error, rtol=0.1)
    assert one.estimand == LQTE()


def test_turning_the_instrument_or_the_arms_round() -> None:
    frame, _ = instrumented()
    local = LocalQuantileEffect(
        outcome_model=bf.LinearModel(), treatment_model=bf.LinearModel(), instrument_model=bf.LogisticModel()
    )
    one, turned, swapped = (
        local.fit(f, **IV_ROLES).result for f in (frame, frame | {"z": 1 - frame["z"]}, frame | {"t": 1 - frame["t"]})
    )
    assert_allclose(turned.value, one.value, rtol=1e-9)
    assert_allclose(turned.std_error, one.std_error, rtol=1e-6)
    assert_allclose(swapped.value, -one.value, rtol=1e-9)
    (note,) = [d for d in one.diagnostics if d.name == "first-stage"]
    assert "first-stage F of 'z'" in note.message


@pytest.mark.parametrize(
    ("columns", "roles", "error", "words"),
    [
        ({"z": np.arange(SIZE) % 3}, {}, MethodMismatch, "more than two levels"),
        ({}, {"estimand": bf.ATT()}, MethodMismatch, "the ATT"),
        ({}, {"treatment": "dose"}, MethodMismatch, "amount"),
    ],
)
def test_local_refusals(columns: Any, roles: Any, error: type[ButforError], words: str) -> None:
    with pytest.raises(error, match=words):
        LocalQuantileEffect().fit(instrumented()[0] | columns, **(IV_ROLES | roles))
