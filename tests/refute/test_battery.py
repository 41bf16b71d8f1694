"""The battery as a whole, and the sensitivity analysis beside it."""

from __future__ import annotations

import json

import numpy as np
import pytest

import butfor as bf
from butfor.core.errors import MethodMismatch, UnknownColumn
from butfor.inference.multiplicity import holm
from butfor.nuisance.cache import NuisanceCache
from butfor.refute.battery import refute, sensitivity
from butfor.refute.bootstrap import Bootstrap
from butfor.refute.data_subset import DataSubset
from butfor.refute.placebo_treatment import PlaceboTreatment
from butfor.refute.random_common_cause import RandomCommonCause
from tests.refute.worlds import Offset, confounded, fitted, linear_aipw


def test_the_default_battery_runs_everything_that_applies() -> None:
    frame = confounded()
    told: list[tuple[str, int, int]] = []
    results = refute(
        fitted(linear_aipw(), frame),
        negative_outcomes={"earlier": frame["earlier"]},
        rng=3,
        progress=lambda *step: told.append(step),
    )
    assert [r.check for r in results] == [
        "placebo treatment",
        "placebo outcome: earlier",
        "random common cause",
        "data subset",
        "bootstrap",
        "simulated confounder",
    ]
    assert results.failed == ()
    assert results.skipped == ()
    assert len({r.seed for r in results}) == 6
    tested = [r for r in results if r.p_value is not None]
    assert [r.adjusted_p_value for r in tested] == pytest.approx(list(holm([r.p_value or 0.0 for r in tested])))
    assert {name for name, _, _ in told} == {r.check.split(":")[0] for r in results}
    assert ("placebo treatment", 100, 100) in told
    json.dumps(results.records(), allow_nan=False)


def test_the_same_seed_gives_the_same_battery_and_each_check_can_be_repeated_alone() -> None:
    fit = fitted()
    chosen = [PlaceboTreatment(simulations=10), RandomCommonCause(simulations=10), DataSubset(), Bootstrap()]
    first, again = refute(fit, refuters=chosen, rng=8), refute(fit, refuters=chosen, rng=8, cache=NuisanceCache())
    assert first == again
    for refuter, result in zip(chosen, first, strict=True):
        assert refuter.refute(fit, rng=result.seed).refuted_estimate == result.refuted_estimate


def test_checks_that_say_nothing_are_skipped_by_default_and_refused_when_asked_for() -> None:
    fit = fitted(bf.DifferenceInMeans(), covariates=[])
    results = refute(fit)
    assert [r.check for r in results] == ["placebo treatment", "data subset", "bootstrap"]
    assert len(results.skipped) == 2
    with pytest.raises(MethodMismatch, match="random common cause"):
        refute(fit, refuters=[RandomCommonCause()])


def test_one_broken_check_is_enough() -> None:
    results = refute(fitted(Offset(offset=0.8)), refuters=[PlaceboTreatment(simulations=40), DataSubset(), Bootstrap()])
    assert [r.check for r in results.failed] == ["placebo treatment"]


@pytest.mark.parametrize("estimator", [bf.OLS(), bf.Lin(), linear_aipw()])
def test_sensitivity_has_bounds_benchmarks_and_an_e_value(estimator: bf.Estimator) -> None:
    found = sensitivity(fitted(estimator))
    bounds = found.omitted_variable
    assert bounds is not None
    assert bounds.benchmarks[0].covariate == "age"
    assert {b.covariate for b in bounds.benchmarks} == {"age", "income", "region"}
    assert 0.0 < bounds.robustness_value_significant < bounds.robustness_value < 1.0
    assert "hidden confounder" in found.words
    assert "'age'" in found.words
    assert [r["analysis"] for r in json.loads(json.dumps(found.records(), allow_nan=False))] == [
        "omitted_variable_bounds",
        "e_value",
    ]
    figure = found.figure
    assert figure is not None
    names = [p["name"] for p in figure.spec["layer"][2]["data"]["values"]]
    assert names[0] == "as estimated"
    assert "1× age" in names
    again = bf.from_json(bf.to_json(found))
    assert again.words == found.words


def test_benchmarks_of_refits_are_the_gains_of_the_covariate() -> None:
    # For partially linear models the gains are those of regressions: compare with least squares without cross-fitting.
    frame = confounded(n=4000)
    dml = bf.PartiallyLinear(outcome_model=bf.LinearModel(), treatment_model=bf.LinearModel())
    frame["treatment"] = frame["treatment"] + np.random.default_rng(0).normal(size=4000)
    ours = sensitivity(fitted(dml, frame), benchmarks=["age"]).omitted_variable
    theirs = sensitivity(fitted(frame=frame), benchmarks=["age"]).omitted_variable
    assert ours is not None
    assert theirs is not None
    assert ours.robustness_value == pytest.approx(theirs.robustness_value, rel=0.02)
    assert ours.benchmarks[0].treatment_strength == pytest.approx(theirs.benchmarks[0].treatment_strength, rel=0.05)


def test_benchmarks_must_be_covariates() -> None:
    with pytest.raises(UnknownColumn, match="agee"):
        sensitivity(fitted(), benchmarks=["agee"])


def test_estimates_without_residuals_have_an_e_value_only() -> None:
    found = sensitivity(fitted(bf.IPW()))
    assert found.omitted_variable is None
    assert found.figure is None
    assert [r["analysis"] for r in found.records()] == ["e_value"]


def test_impossible_benchmarks_are_named_and_left_out() -> None:
    frame = confounded()
    frame["age"] = frame["treatment"] * 3.0 + frame["age"]
    bounds = sensitivity(fitted(frame=frame)).omitted_variable
    assert bounds is not None
    assert any("'age'" in note for note in bounds.notes)
    assert all(b.treatment_strength < 1.0 and b.outcome_strength < 1.0 for b in bounds.benchmarks)
