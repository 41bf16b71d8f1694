"""The checks on studies that no adjustment identifies: those that mean something run, the others say why not."""

from __future__ import annotations

import numpy as np
import pytest

import butfor as bf
from butfor.core.errors import MethodMismatch
from butfor.refute.battery import refute
from butfor.refute.placebo_treatment import PlaceboTreatment
from butfor.refute.random_common_cause import RandomCommonCause
from butfor.refute.simulated_confounder import SimulatedConfounder

LINEAR = bf.AugmentedPrimalWeighting(outcome_model=bf.LinearModel(), propensity_model=bf.LogisticModel(), folds=2)
FRONT_DOOR = "c -> x; c -> m; c -> y; x -> m -> y; x <-> y"
NAPKIN = "w -> z -> x -> y; w <-> x; w <-> y"


def front_door(n: int = 500) -> bf.Study:
    rng = np.random.default_rng(0)
    u, c = rng.normal(size=(2, n))
    x = (u + c + rng.logistic(size=n) > 0).astype(int)
    m = 0.8 * x + 0.5 * c + rng.normal(size=n)
    frame = {"c": c, "x": x, "m": m, "y": m + u + c + rng.normal(size=n), "earlier": u + c + rng.normal(size=n)}
    return bf.Study(frame, question=bf.Question("x", "y"), graph=FRONT_DOOR, negative_outcomes=["earlier"])


def napkin(n: int = 800) -> bf.Study:
    rng = np.random.default_rng(1)
    u, v = rng.normal(size=(2, n))
    w = u + v + rng.normal(size=n)
    z = (w + 2 * rng.logistic(size=n) > 0).astype(int)
    x = (1.5 * z - 0.75 + u + rng.logistic(size=n) > 0).astype(int)
    frame = {"w": w, "z": z, "x": x, "y": x + 2 * v + rng.normal(size=n)}
    return bf.Study(frame, question=bf.Question("x", "y"), graph=NAPKIN)


@pytest.mark.parametrize("study", [front_door(), napkin()], ids=["front door", "napkin"])
def test_a_sound_study_passes_every_check_that_applies(study: bf.Study) -> None:
    study.estimate(LINEAR)
    found = study.refute()
    assert {"placebo treatment", "random common cause", "data subset", "bootstrap"} <= {r.check for r in found}
    assert not found.failed
    assert [words for words in found.skipped if words.startswith("simulated confounder")]


def test_an_earlier_outcome_is_followed_through_the_same_mediator() -> None:
    study = front_door()
    study.estimate(LINEAR)
    placebo = next(r for r in study.refute() if r.check == "placebo outcome: earlier")
    naive = study.estimate().naive.result.value[0]
    assert placebo.p_value is not None
    assert placebo.p_value > 0.01
    assert abs(placebo.refuted_estimate) < 0.3 * abs(naive)


def test_a_counted_napkin_is_checked_too() -> None:
    study = napkin()
    study.estimate(bf.PlugIn())
    found = study.refute()
    assert {r.check for r in found} == {"placebo treatment", "data subset", "bootstrap"}
    # A sound check has a p-value below .001 once in a thousand times.
    assert all(r.p_value is not None and r.p_value > 0.001 for r in found)
    assert any("no others" in words for words in found.skipped)


def test_a_hidden_confounder_is_no_threat_to_a_strategy_that_allows_for_it() -> None:
    study = front_door(200)
    fit = study.estimate(LINEAR).primary
    with pytest.raises(MethodMismatch, match="allows for hidden causes"):
        SimulatedConfounder().refute(fit)
    assert study.sensitivity().omitted_variable is None
    assert study.sensitivity().evalue is None


def test_noise_joins_the_columns_before_the_treatment() -> None:
    for study in (front_door(200), napkin(200)):
        fit = study.estimate(LINEAR).primary
        found = RandomCommonCause(simulations=3).refute(fit)
        assert found.table is not None
        assert found.table.to_dicts()[0]["shift_sd"] > 0.0
        assert abs(found.refuted_estimate - found.estimate) < fit.result.std_error[0]


def test_placebo_treatments_find_nothing_in_a_chain_either() -> None:
    rng = np.random.default_rng(5)
    x = rng.integers(0, 2, 600)
    m = x + rng.normal(size=600)
    second = m + rng.normal(1.0 * x) + rng.normal(size=600)
    frame = {"x": x, "m": m, "l": second, "y": second + 0.5 * (m - x) + rng.normal(size=600)}
    graph = "x -> m -> l -> y; x <-> l; m <-> y"
    fit = bf.Study(frame, question=bf.Question("x", "y"), graph=graph).estimate(LINEAR).primary
    found = refute(fit, refuters=[PlaceboTreatment(simulations=40)])
    assert not found.failed
