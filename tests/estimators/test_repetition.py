"""Repeated cross-fitting: the median over splits, its variance, and what it is good for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import butfor as bf
from butfor.core.errors import InvalidSetting
from butfor.estimators.base import Estimator, Reading, read_rows, take_samples
from butfor.estimators.orthogonal.interactive_iv import InteractiveIV
from butfor.estimators.orthogonal.partially_linear_iv import PartiallyLinearIV
from butfor.estimators.orthogonal.repetition import median_estimate, over_repetitions
from butfor.identify.strategies import Adjustment
from butfor.nuisance.cache import NuisanceCache
from tests.estimators.given_predictions import instrumented

LINEAR, LOGIT = bf.LinearModel(), bf.LogisticModel()
ROLES: dict[str, Any] = {"treatment": "t", "outcome": "y", "covariates": ["x"]}
ALL: list[tuple[Estimator, dict[str, Any]]] = [
    (bf.AIPW(outcome_model=LINEAR, propensity_model=LOGIT), ROLES),
    (bf.PartiallyLinear(outcome_model=LINEAR, treatment_model=LOGIT), ROLES),
    (
        InteractiveIV(outcome_model=LINEAR, treatment_model=LINEAR, instrument_model=LOGIT),
        ROLES | {"instrument": "z"},
    ),
    (
        PartiallyLinearIV(outcome_model=LINEAR, treatment_model=LOGIT, instrument_model=LOGIT),
        ROLES | {"instrument": "z"},
    ),
]
every_estimator = pytest.mark.parametrize(("estimator", "roles"), ALL, ids=lambda e: getattr(e, "name", ""))


def splits(estimator: Estimator, roles: dict[str, Any], count: int) -> list[bf.Fit]:
    """The fits of the single splits, in the order of the mechanism."""
    seen: list[bf.Fit] = []

    def once(seed: int) -> bf.Fit:
        seen.append(estimator.fit(instrumented()[0], rng=seed, **roles))
        return seen[-1]

    over_repetitions(count, 9, once)
    return seen


@every_estimator
def test_it_is_the_median_over_splits_with_the_variance_of_the_paper(
    estimator: Estimator, roles: dict[str, Any]
) -> None:
    # Chernozhukov et al. 2018, definition 3.3: σ² = median_k (σ_k² + (θ_k − θ)²).
    together = replace(estimator, repetitions=5).fit(instrumented()[0], rng=9, **roles).result  # type: ignore[call-arg]
    alone = [fit.result for fit in splits(estimator, roles, 5)]
    values = np.array([e.value[0] for e in alone])
    errors = np.array([e.std_error[0] for e in alone])
    assert len(set(values.tolist())) == 5
    assert together.value[0] == pytest.approx(np.median(values), rel=1e-12)
    variance = np.median(errors**2 + (values - np.median(values)) ** 2)
    assert together.std_error[0] == pytest.approx(np.sqrt(variance), rel=1e-9)


@every_estimator
def test_one_repetition_is_no_repetition(estimator: Estimator, roles: dict[str, Any]) -> None:
    one = estimator.fit(instrumented()[0], rng=9, **roles).result
    assert one.splitting is None
    assert_array_equal(one.value, splits(estimator, roles, 1)[0].result.value)


@every_estimator
def test_another_seed_matters_less(estimator: Estimator, roles: dict[str, Any]) -> None:
    frame = {name: column[:120] for name, column in instrumented()[0].items()}

    def spread(method: Estimator) -> float:
        return float(np.std([method.fit(frame, rng=seed, **roles).result.value[0] for seed in range(12)]))

    # The median of eleven has a third of the standard deviation of one; half is the threshold.
    assert spread(replace(estimator, repetitions=11)) < 0.5 * spread(estimator)  # type: ignore[call-arg]


def test_predictions_from_outside_leave_nothing_to_repeat() -> None:
    frame, predictions = instrumented()
    method = bf.AIPW(
        outcome_model=bf.OutOfFold(predictions["outcome by level"]),
        propensity_model=bf.OutOfFold(predictions["treatment"]),
    )
    one = method.fit(frame, **ROLES).result
    many = replace(method, repetitions=4).fit(frame, **ROLES).result
    assert_allclose(many.value, one.value, rtol=1e-14)
    assert_allclose(many.std_error, one.std_error, rtol=1e-12)


def test_effects_of_several_arms_keep_their_covariance() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=300)
    arm = np.array(["a", "b", "c"])[rng.integers(0, 3, 300)]
    frame = {"t": arm, "x": x, "y": x + (arm == "b") + 2 * (arm == "c") + rng.normal(size=300)}
    single = bf.AIPW(outcome_model=LINEAR, propensity_model=LOGIT)
    many = replace(single, repetitions=7).fit(frame, **ROLES).result
    assert many.splitting is not None
    assert np.linalg.eigvalsh(many.splitting)[0] > -1e-15
    gap = many.contrast([-1.0, 1.0])
    assert gap.covariance[0, 0] == pytest.approx(np.array([-1.0, 1.0]) @ many.covariance @ np.array([-1.0, 1.0]))
    assert_allclose(many.influence.mean(axis=0), 0.0, atol=1e-9)  # type: ignore[union-attr]
    again = bf.from_json(many.to_json())
    assert_allclose(again.interval(), many.interval(), rtol=1e-12)
    twice = many.difference(many.contrast(np.eye(2)))
    assert_allclose(twice.covariance, 2 * many.splitting, rtol=1e-12)


def test_the_median_of_given_estimates() -> None:
    rng = np.random.default_rng(2)
    influence = rng.normal(size=(50, 2))
    influence -= influence.mean(axis=0)
    base = bf.Estimate(("a", "b"), np.zeros(2), 50, "given", influence=influence)
    shifts = [(-0.1, 0.3), (0.0, 0.0), (0.2, -0.3)]
    found = median_estimate([replace(base, value=np.array(s)) for s in shifts])
    assert_array_equal(found.value, [0.0, 0.0])
    own = base.std_error**2
    # Medians of the squared gaps: .01 and .09.
    assert_allclose(found.std_error**2, own + np.array([0.01, 0.09]), rtol=1e-12)
    assert_allclose(found.influence, influence)
    between = (-0.1 * 0.3 - 0.2 * 0.3) / np.sqrt(0.05 * 0.18)
    assert found.splitting is not None
    assert found.splitting[0, 1] == pytest.approx(between * 0.1 * 0.3)


def test_nuisances_of_all_splits_are_kept() -> None:
    frame, _ = instrumented()
    question = bf.Question("t", "y")
    strategy, method = (
        Adjustment(adjust_for=("x",)),
        bf.AIPW(outcome_model=LINEAR, propensity_model=LOGIT, repetitions=3),
    )
    rows = read_rows(bf.open_dataset(frame), question, [(strategy, method)], Reading())
    sample = take_samples(rows, question, [(strategy, method)], Reading())[0]
    cache = NuisanceCache()
    one = method.fit_sample(sample, question, strategy, rng=1, cache=cache)
    kept = len(cache._values)  # pyright: ignore[reportPrivateUsage]
    two = method.fit_sample(sample, question, strategy, rng=1, cache=cache)
    assert kept == 3 * 3  # folds, outcomes and propensities of three splits
    assert len(cache._values) == kept  # pyright: ignore[reportPrivateUsage]
    assert_array_equal(one.result.value, two.result.value)


def test_repetitions_out_of_range() -> None:
    with pytest.raises(InvalidSetting, match="repetitions is 0"):
        bf.AIPW(repetitions=0)
