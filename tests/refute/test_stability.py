"""Random common cause, data subset and bootstrap."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import butfor as bf
from butfor.core.errors import InvalidSetting, MethodMismatch
from butfor.inference.covariance import Robust
from butfor.refute.bootstrap import Bootstrap
from butfor.refute.contributions import Contributions
from butfor.refute.data_subset import DataSubset
from butfor.refute.random_common_cause import RandomCommonCause
from butfor.refute.refutation import Verdict
from tests.refute.worlds import Drifting, confounded, fitted, linear_aipw


@pytest.mark.parametrize("estimator", [bf.OLS(), bf.IPW(), linear_aipw()])
def test_noise_does_not_move_a_sound_method(estimator: bf.Estimator) -> None:
    result = RandomCommonCause(simulations=25).refute(fitted(estimator), rng=1)
    assert result.verdict is Verdict.PASSED
    assert result.refuted_estimate == pytest.approx(result.estimate, abs=0.02)
    assert result.table is not None
    assert float(result.table.column("shift_sd")[0] or 0.0) > 0.0


@pytest.mark.parametrize(("step", "expected"), [(0.005, Verdict.PASSED), (0.1, Verdict.FAILED)])
def test_a_shift_fails_only_when_it_matters(step: float, expected: Verdict) -> None:
    # The standard error is about 0.12: a shift of 0.005 is certain but less than a tenth of it.
    result = RandomCommonCause(simulations=25).refute(fitted(Drifting(step=step)), rng=1)
    assert result.p_value == pytest.approx(0.0, abs=1e-9)
    assert result.refuted_estimate - result.estimate == pytest.approx(step, abs=1e-5)
    assert result.verdict is expected


def test_a_difference_in_means_has_no_use_for_noise() -> None:
    with pytest.raises(MethodMismatch, match="no covariates"):
        RandomCommonCause().refute(fitted(bf.DifferenceInMeans(), covariates=[]))


@pytest.mark.parametrize("covariance", [Robust.HC0, Robust.HC2, Robust.HC3])
def test_contributions_add_up_to_the_reported_covariance(covariance: Robust) -> None:
    fit = fitted(bf.OLS(covariance=covariance))
    unit = Contributions.of(fit).unit
    assert unit.T @ unit == pytest.approx(fit.result.covariance, rel=1e-12)
    clustered = fitted(bf.OLS(covariance=covariance), cluster="household")
    unit = Contributions.of(clustered).unit
    assert len(unit) == 100
    assert unit.T @ unit == pytest.approx(clustered.result.covariance, rel=1e-12)


def test_leaving_rows_out_agrees_with_genuine_refits_to_first_order() -> None:
    frame = confounded(n=2000)
    fit = fitted(frame=frame)
    units = Contributions.of(replace(fit, result=fit.result.with_inference(covariance="HC0")))
    rng = np.random.default_rng(0)
    gone = np.random.default_rng(0).choice(2000, size=400, replace=False, shuffle=False)
    keep = np.setdiff1d(np.arange(2000), gone)
    truth = fitted(frame={name: column[keep] for name, column in frame.items()}).result.value - fit.result.value
    # The remainder is of second order: a tenth of the standard error of the subset at most.
    assert units.left_out(400, rng) == pytest.approx(truth, abs=0.1 * float(fit.result.std_error[0]) * 0.5)


def test_subsets_move_as_far_as_chance_says() -> None:
    fit = fitted()
    result = DataSubset(fraction=0.8, simulations=400).refute(fit, rng=1)
    assert result.verdict is Verdict.PASSED
    assert result.table is not None
    row = result.table.to_dicts()[0]
    # (1 − f) / f = 1/4: half the standard error; a standard deviation of 400 draws is known to 3.5 %.
    assert row["expected_sd"] == pytest.approx(0.5 * float(fit.result.std_error[0]), rel=1e-12)
    assert row["subset_sd"] == pytest.approx(row["expected_sd"], rel=0.14)


def test_the_bootstrap_agrees_with_the_standard_error() -> None:
    fit = fitted()
    result = Bootstrap(simulations=600).refute(fit, rng=1)
    assert result.verdict is Verdict.PASSED
    assert result.table is not None
    # A standard deviation of 600 draws is known to 2.9 %.
    assert result.table.column("bootstrap_sd")[0] == pytest.approx(float(fit.result.std_error[0]), rel=0.12)


@pytest.mark.parametrize("refuter", [DataSubset(), Bootstrap()])
def test_a_standard_error_that_ignores_clusters_is_found_out(refuter: DataSubset | Bootstrap) -> None:
    frame = confounded()
    rng = np.random.default_rng(0)
    frame["treatment"] = np.repeat(rng.permutation(np.arange(100) % 2), 4).astype(float)
    frame["outcome"] = frame["outcome"] + 3.0 * np.repeat(rng.normal(size=100), 4)
    fit = fitted(frame=frame, cluster="household")
    assert refuter.refute(fit, rng=1).verdict is Verdict.PASSED
    blind = replace(fit, result=fit.result.with_inference(covariance="HC2"))
    result = refuter.refute(blind, rng=1)
    assert result.verdict is Verdict.FAILED
    assert result.p_value is not None
    assert result.p_value < 1e-3


@pytest.mark.parametrize("refuter", [DataSubset(simulations=30), Bootstrap(simulations=30)])
def test_an_integer_seed_does_not_repeat_one_draw(refuter: DataSubset | Bootstrap) -> None:
    result = refuter.refute(fitted(), rng=4)
    assert result == refuter.refute(fitted(), rng=4)
    assert result.table is not None
    spread = "subset_sd" if isinstance(refuter, DataSubset) else "bootstrap_sd"
    assert float(result.table.column(spread)[0] or 0.0) > 0.02


def test_false_alarms_are_as_rare_as_the_level_says() -> None:
    fits = [fitted(frame=confounded(n=150, seed=seed)) for seed in range(60)]
    for refuter in (DataSubset(simulations=60), Bootstrap(simulations=60)):
        p_values = [refuter.refute(fit, rng=seed).p_value or 0.0 for seed, fit in enumerate(fits)]
        # Binomial(60, 0.05): more than 9 has a probability of 0.1 %.
        assert sum(p < 0.05 for p in p_values) <= 9


def test_effects_without_influence_functions_cannot_be_resampled() -> None:
    fit = fitted()
    bare = replace(fit, result=fit.result.without_rows())
    for refuter in (DataSubset(), Bootstrap()):
        assert "influence" in str(refuter.applies(bare))


def test_settings_outside_their_range_are_refused() -> None:
    with pytest.raises(InvalidSetting, match="fraction"):
        DataSubset(fraction=1.0)
    with pytest.raises(InvalidSetting, match="at least 20"):
        Bootstrap(simulations=5)
