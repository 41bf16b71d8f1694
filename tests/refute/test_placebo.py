"""Placebo treatment and placebo outcome."""

from __future__ import annotations

import numpy as np
import pytest

import butfor as bf
from butfor.core.errors import ConstantColumn, InvalidSetting, MethodMismatch, UnknownColumn
from butfor.identify.identify import identify
from butfor.nuisance.wrap import OutOfFold
from butfor.refute.battery import refute
from butfor.refute.placebo_outcome import PlaceboOutcome
from butfor.refute.placebo_treatment import PlaceboTreatment
from butfor.refute.refutation import Verdict
from butfor.refute.shuffle import Shuffle
from butfor.refute.spread import mean_p_value, permutation_p_value
from tests.refute.worlds import Offset, confounded, fitted, linear_aipw


@pytest.mark.parametrize("estimator", [bf.OLS(), bf.Lin(), bf.IPW(), linear_aipw()])
def test_a_sound_method_finds_nothing_in_a_made_up_treatment(estimator: bf.Estimator) -> None:
    result = PlaceboTreatment(simulations=40).refute(fitted(estimator), rng=1)
    assert result.verdict is Verdict.PASSED
    # The mean of 40 placebo effects, each with a standard error near 0.12.
    assert abs(result.refuted_estimate) < 4 * 0.12 / np.sqrt(40)
    assert result.estimate == pytest.approx(1.0, abs=0.5)
    assert result.table is not None
    # The real effect of about 8 standard errors is beyond every placebo effect: p = 1 / 41.
    assert result.table.column("permutation_p_value") == [pytest.approx(1 / 41)]


@pytest.mark.parametrize("simulations", [3, 60])
def test_a_method_that_makes_up_effects_is_found_out(simulations: int) -> None:
    result = PlaceboTreatment(simulations=simulations).refute(fitted(Offset(offset=0.6)), rng=1)
    assert result.verdict is Verdict.FAILED
    assert result.refuted_estimate == pytest.approx(0.6, abs=0.3)
    assert result.words.startswith("Failed: with a made-up treatment the method finds 0.")


def test_an_integer_seed_repeats_the_check_and_makes_all_simulations_differ() -> None:
    fit = fitted()
    first, again, other = (PlaceboTreatment(simulations=25).refute(fit, rng=seed) for seed in (5, 5, 6))
    assert first == again
    assert first.refuted_estimate != other.refuted_estimate
    assert first.table is not None
    assert first.table.column("placebo_sd")[0] == pytest.approx(0.12, rel=0.5)


def test_a_generator_leaves_a_seed_that_repeats_the_check() -> None:
    fit = fitted()
    result = PlaceboTreatment(simulations=5).refute(fit, rng=np.random.default_rng(9))
    assert PlaceboTreatment(simulations=5).refute(fit, rng=result.seed) == result


def test_whole_clusters_are_shuffled_where_clusters_were_treated() -> None:
    frame = confounded()
    frame["treatment"] = (frame["household"] % 2).astype(float)
    sample = fitted(frame=frame, cluster="household").sample
    placebo = Shuffle.of(sample, fitted().strategy).draw(np.random.default_rng(0))
    by_household = placebo.codes.reshape(-1, 4)
    assert (by_household == by_household[:, :1]).all()
    assert by_household[:, 0].sum() == sample.treatment.codes.reshape(-1, 4)[:, 0].sum()
    assert (placebo.codes != sample.treatment.codes).any()


def test_rows_are_shuffled_where_rows_were_treated() -> None:
    fit = fitted(cluster="household")
    placebo = Shuffle.of(fit.sample, fit.strategy).draw(np.random.default_rng(0))
    assert placebo.codes.sum() == fit.sample.treatment.codes.sum()
    by_household = placebo.codes.reshape(-1, 4)
    assert (by_household != by_household[:, :1]).any()


def test_the_shuffle_stays_within_strata_of_a_randomised_design() -> None:
    fit = fitted(covariates=["region"])
    strategy = identify(fit.question, design=bf.Randomized(within=("region",))).require()
    placebo = Shuffle.of(fit.sample, strategy).draw(np.random.default_rng(0))
    region = confounded()["region"]
    for name in np.unique(region):
        rows = region == name
        assert placebo.codes[rows].sum() == fit.sample.treatment.codes[rows].sum()
    assert (placebo.codes != fit.sample.treatment.codes).any()


def test_an_amount_is_shuffled_as_an_amount() -> None:
    frame = confounded()
    frame["treatment"] = frame["treatment"] + np.linspace(0.0, 1.0, len(frame["outcome"]))
    fit = fitted(frame=frame)
    placebo = Shuffle.of(fit.sample, fit.strategy).draw(np.random.default_rng(0))
    assert np.array_equal(np.sort(placebo.values), np.sort(fit.sample.treatment.values))


def test_nothing_of_the_callers_is_touched() -> None:
    frame = confounded()
    before = {name: column.copy() for name, column in frame.items()}
    fit = fitted(frame=frame)
    value, codes = fit.result.value.copy(), fit.sample.treatment.codes.copy()
    refute(fit, negative_outcomes={"earlier": frame["earlier"]}, rng=2)
    assert all(np.array_equal(frame[name], before[name]) for name in frame)
    assert np.array_equal(fit.result.value, value)
    assert np.array_equal(fit.sample.treatment.codes, codes)
    assert fit.sample.extra == {}


def test_given_predictions_cannot_be_checked_by_refits() -> None:
    predictions = OutOfFold(np.full(400, 0.5))
    fit = fitted()
    given = bf.AIPW(outcome_model=bf.LinearModel(), propensity_model=predictions)
    assert "stale" in str(
        PlaceboTreatment().applies(type(fit)(given, fit.sample, fit.question, fit.strategy, fit.result))
    )


def test_too_few_simulations_are_refused() -> None:
    with pytest.raises(InvalidSetting, match="at least 2"):
        PlaceboTreatment(simulations=1)


def test_a_confounder_left_out_shows_in_a_negative_outcome() -> None:
    frame = confounded()
    for covariates, expected in ((["income", "region"], Verdict.FAILED), (["age", "income", "region"], Verdict.PASSED)):
        fit = fitted(frame=frame, covariates=covariates)
        results = refute(
            fit, refuters=[PlaceboOutcome(outcome="earlier")], negative_outcomes={"earlier": frame["earlier"]}
        )
        (result,) = results
        assert result.verdict is expected
        assert result.check == "placebo outcome: earlier"
        expected_fit = bf.OLS().fit(frame, treatment="treatment", outcome="earlier", covariates=covariates)
        assert result.refuted_estimate == pytest.approx(float(expected_fit.result.value[0]), rel=1e-12)
        assert result.p_value == pytest.approx(float(expected_fit.result.p_value[0]), rel=1e-9)


def test_negative_outcomes_that_cannot_be_used_are_refused() -> None:
    fit = fitted()
    with pytest.raises(UnknownColumn, match="earlier"):
        PlaceboOutcome(outcome="earlier").refute(fit)
    with pytest.raises(MethodMismatch, match="adjusted for"):
        PlaceboOutcome(outcome="age").refute(fit)
    with pytest.raises(InvalidSetting, match="400 rows"):
        refute(fit, negative_outcomes={"earlier": np.zeros(3)})
    with pytest.raises(ConstantColumn, match="one value"):
        refute(fit, refuters=[PlaceboOutcome(outcome="flat")], negative_outcomes={"flat": np.ones(400)})


def test_p_values_of_simulated_means() -> None:
    draws = np.array([[1.0], [2.0], [3.0]])
    # Own errors: mean 2 with error √3/3; with enough draws the t statistic of the mean decides.
    assert mean_p_value(draws, np.ones((3, 1))) == pytest.approx(0.000532, abs=1e-6)
    assert mean_p_value(np.tile([[-1.0], [1.0]], (20, 1))) == pytest.approx(1.0)
    assert mean_p_value(np.zeros((20, 1))) == pytest.approx(1.0)
    assert permutation_p_value(np.array([2.5]), draws) == pytest.approx(0.5)
