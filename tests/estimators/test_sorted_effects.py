"""Sorted effects: one split by hand, honesty, laws, refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import butfor as bf
from butfor.core.errors import ButforError, InvalidSetting, MethodMismatch
from butfor.estimators.sorted_effects import SortedEffects, SortedFit
from butfor.nuisance.constant import ConstantModel
from butfor.nuisance.folds import assign_folds

Frame = dict[str, np.ndarray]
LINEAR: dict[str, Any] = {"outcome_model": bf.LinearModel(), "propensity_model": bf.LogisticModel()}
LEARNER = bf.DRLearner(effect_model=bf.LinearModel(), **LINEAR)
ROLES: dict[str, Any] = {"treatment": "t", "outcome": "y", "covariates": ["x", "z"], "arms": True}


def world(n: int = 600, arms: int = 2, noise: float = 1.0) -> Frame:
    rng = np.random.default_rng(12)
    x, z = rng.normal(size=(2, n))
    t = np.argmax(rng.gumbel(size=(n, arms)) + 0.4 * np.outer(x, np.arange(arms) % 2), axis=1)
    return {"t": t, "y": x + t * (1 + x) + noise * rng.normal(size=n), "x": x, "z": z}


def fit(frame: Frame, **settings: Any) -> SortedFit:
    roles = ROLES | {key: settings.pop(key) for key in ("cluster", "estimand", "weights") if key in settings}
    found = SortedEffects(**({"learner": LEARNER, "groups": 3, "splits": 3} | settings)).fit(frame, rng=6, **roles)
    assert isinstance(found, SortedFit)
    return found


def profile(found: SortedFit) -> bf.Estimate:
    assert found.profile is not None
    return found.profile


def test_one_split_is_what_one_does_by_hand() -> None:
    """Learn on one half, predict for the other, fit there, group there."""
    frame = world()
    found = fit(frame, splits=1)
    half = assign_folds(found.sample.row_key, 2, 6)
    learned, by_hand = (
        LEARNER.fit_sample(found.sample.take(np.flatnonzero(half == k)), found.question, found.strategy, rng=6)
        for k in (0, 1)
    )
    predicted = learned.effect({name: column[half == 1] for name, column in frame.items()})
    effects = by_hand.group_effects(predicted, groups=3)
    assert_allclose(found.result.value[:3], effects.value, rtol=1e-10)
    assert_allclose(found.result.std_error[:3], effects.std_error, rtol=1e-10)
    gap = effects.contrast([-1, 0, 1])
    assert_allclose(found.result.value[3:], gap.value, rtol=1e-10)
    assert_allclose(found.result.std_error[3:], gap.std_error, rtol=1e-10)
    ends = by_hand.group_profile(predicted, groups=3).select(
        "x | predicted effect, group 1 of 3", "x | predicted effect, group 3 of 3"
    )
    assert_allclose(profile(found).value[:2], ends.value, rtol=1e-10)
    assert_allclose(profile(found).std_error[:2], ends.std_error, rtol=1e-10)


def test_the_answer_is_the_median_with_the_spread_between_halves() -> None:
    found = fit(world(), splits=5).result
    assert found.splitting is not None
    assert np.all(np.diag(found.splitting) > 0)
    assert found.labels == (*(f"t: 1 - 0 | group {k}" for k in (1, 2, 3)), "t: 1 - 0 | group 3 - group 1")
    assert found.interval()[3, 0] > 0


def test_effects_without_noise_are_sorted_exactly() -> None:
    found = fit(world(noise=0.0), splits=1)
    x = found.sample.covariates.matrix[:, 0][assign_folds(found.sample.row_key, 2, 6) == 1]
    third = np.argsort(np.argsort(x)) * 3 // len(x)
    means = [1 + x[third == k].mean() for k in range(3)]
    assert_allclose(found.result.value, [*means, means[2] - means[0]], rtol=0, atol=1e-9)
    assert profile(found).labels[:3] == (
        "x | least affected",
        "x | most affected",
        "x | most affected - least affected",
    )
    assert_allclose(profile(found).value[:2], [m - 1 for m in (means[0], means[2])], rtol=0, atol=1e-9)


def test_a_learner_without_a_clue_makes_groups_by_chance() -> None:
    same = bf.DRLearner(effect_model=ConstantModel(), **LINEAR)
    found = fit(world(1200), learner=same, splits=1).result
    assert len(found.labels) == 4
    assert abs(found.statistic[3]) < 4


def test_every_contrast_has_its_groups() -> None:
    found = fit(world(900, arms=3), splits=1)
    assert len(found.result.labels) == 8
    assert found.result.labels[4] == "t: 2 - 0 | group 1"
    assert profile(found).labels[0] == "x | t: 1 - 0, least affected"


@pytest.mark.parametrize("estimand", [bf.ATE(), bf.ATT(), bf.ATO()], ids=lambda e: e.label)
def test_the_order_of_rows_does_not_matter(estimand: bf.Estimand) -> None:
    frame = world()
    order = np.random.default_rng(1).permutation(600)
    one, two = fit(frame, estimand=estimand), fit({k: v[order] for k, v in frame.items()}, estimand=estimand)
    assert_allclose(two.result.value, one.result.value, rtol=1e-8)
    assert_allclose(two.result.std_error, one.result.std_error, rtol=1e-8)
    assert two.result.influence is not None
    assert one.result.influence is not None
    assert_allclose(two.result.influence, one.result.influence[order], rtol=1e-6, atol=1e-8)


def test_weights_are_repeated_rows() -> None:
    frame = world(300) | {"copies": np.random.default_rng(3).integers(1, 4, 300).astype(float)}
    source = np.repeat(np.arange(300), frame["copies"].astype(int))
    weighted = fit(frame, weights="copies").result
    repeated = fit({k: v[source] for k, v in frame.items()}).result
    assert_allclose(weighted.value, repeated.value, rtol=1e-7)


def test_clusters_stay_on_one_side() -> None:
    frame = world() | {"village": np.repeat(np.arange(120), 5)}
    found = fit(frame, cluster="village", splits=1).result
    assert found.influence is not None
    measured = (found.influence != 0).any(axis=1).reshape(120, 5)
    assert_array_equal(measured.any(axis=1), measured.all(axis=1))
    assert found.cluster_names == ("village",)


def test_results_survive_json_and_repeat() -> None:
    found = fit(world())
    back = bf.from_json(found.result.to_json())
    assert_allclose(back.interval(), found.result.interval(), rtol=1e-12)
    assert_array_equal(fit(world()).result.value, found.result.value)


CASES: list[tuple[Any, type[ButforError]]] = [
    (lambda: SortedEffects(groups=1), InvalidSetting),
    (lambda: SortedEffects(splits=0), InvalidSetting),
    (lambda: SortedEffects(learner=bf.LinearModel()), InvalidSetting),  # type: ignore[arg-type]
    (lambda: fit(world(40), groups=30), InvalidSetting),
    (lambda: SortedEffects(learner=LEARNER).fit(world(), modifiers=["x"], **ROLES), MethodMismatch),
    (lambda: fit(world(16)), ButforError),
]


@pytest.mark.parametrize(("ask", "error"), CASES)
def test_every_refusal_has_its_error_and_a_hint(ask: Any, error: type[ButforError]) -> None:
    with pytest.raises(error) as caught:
        ask()
    assert caught.value.hint
