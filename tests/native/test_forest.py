"""The forest kernel against its slow twin, and the promises that the twin cannot make."""

from __future__ import annotations

import os
import signal
import threading
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from butfor.core.errors import (
    ButforError,
    Collinear,
    ConstantColumn,
    InfiniteValues,
    InvalidSetting,
    MissingValues,
    TooFewRows,
)
from butfor.native.forest import Binning, Columns, Forest, Growth, Kind, grow_forest
from tests.native.forest_twin import Problem, ranks


def world(n: int, p: int, seed: int = 0, missing: float = 0.0, levels: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, p))
    if levels:
        x = np.round(x * levels) / levels
    instrument = rng.normal(size=n)
    treatment = 0.5 * instrument + rng.normal(size=n)
    outcome = treatment * np.maximum(x[:, 0], 0.0) + x[:, -1] + rng.normal(size=n)
    x[rng.random((n, p)) < missing] = np.nan
    event = (rng.random(n) < 0.7).astype(float)
    return {"covariates": x, "outcome": outcome, "treatment": treatment, "instrument": instrument, "event": event}


def standard(values: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
    centred = values - np.average(values, axis=0, weights=weights)
    return centred / np.sqrt(np.average(centred**2, axis=0, weights=weights))


def in_one_unit(values: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
    centred = values - np.average(values, axis=0, weights=weights)
    return centred / np.sqrt(np.mean(np.average(centred**2, axis=0, weights=weights)))


def standard_treatment(kind: Kind, treatment: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
    if treatment.ndim == 1 or kind is Kind.LINEAR:
        return standard(treatment, weights)
    return in_one_unit(treatment, weights)


def several(n: int, p: int, k: int, arms: bool, seed: int, **more: Any) -> Columns:
    """A world of k + 1 arms, or of k amounts of different sizes that go together."""
    w, rng = world(n, p, seed, **more), np.random.default_rng(seed + 1)
    if arms:
        treatment = np.eye(k + 1)[rng.integers(0, k + 1, n)][:, 1:] - 1.0 / (k + 1)
    else:
        treatment = (rng.normal(size=(n, 1)) + rng.normal(size=(n, k))) * 10.0 ** np.arange(k)
    outcome = w["outcome"] + treatment @ np.arange(1.0, k + 1) * (w["instrument"] > 0)
    return Columns(w["covariates"], outcome, treatment)


def twin_of(kind: Kind, columns: Columns, growth: Growth, seed: int) -> Problem:
    w = columns.weights
    y = np.asarray(columns.outcome)
    y = y[:, None] if y.ndim == 1 else y
    return Problem(
        bins=np.column_stack([ranks(x) for x in np.asarray(columns.covariates).T]),
        outcome=in_one_unit(y, w) if kind is Kind.PROBABILITY else standard(y, w),
        treatment=standard_treatment(kind, np.asarray(columns.treatment), w) if kind.treated else None,
        arms=kind is Kind.CAUSAL,
        event=columns.event if kind is Kind.SURVIVAL else None,
        quantiles=kind is Kind.QUANTILE,
        instrument=standard(columns.instrument, w) if kind is Kind.INSTRUMENTAL else None,
        weights=w,
        clusters=columns.clusters,
        categories=columns.categories or (),
        seed=seed,
        bags=growth.bags,
        bag_size=growth.bag_size,
        subsample=growth.subsample,
        honesty=growth.honesty,
        features=growth.features,
        least=growth.min_node_size,
        alpha=growth.alpha,
        penalty=growth.imbalance_penalty,
    )


def assert_twin(kind: Kind, columns: Columns, growth: Growth, seed: int = 0) -> Forest:
    forest = grow_forest(kind, columns, growth, seed=seed)
    value, variance, noise = twin_of(kind, columns, growth, seed).estimates()
    assert_allclose(forest.outside.value, forest.shift + forest.scale * value, rtol=1e-10, atol=1e-10)
    # The twin's gradient is a difference quotient.
    assert_allclose(forest.outside.variance, forest.scale**2 * variance, rtol=1e-5, atol=1e-9)
    assert_allclose(forest.outside.monte_carlo, forest.scale**2 * noise, rtol=1e-5, atol=1e-9)
    return forest


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("missing", [0.0, 0.3])
@pytest.mark.parametrize("weighted", [False, True])
def test_every_kind_is_the_twin(kind: Kind, missing: float, weighted: bool) -> None:
    weights = np.random.default_rng(9).uniform(0.5, 2.0, 120) if weighted else None
    columns = Columns(**world(120, 3, 1, missing), weights=weights)
    assert_twin(kind, columns, Growth(trees=40, min_node_size=3))


@pytest.mark.parametrize(
    "growth",
    [
        Growth(trees=40, honesty=0.0, min_node_size=2),
        Growth(trees=45, bag_size=3, subsample=0.4, honesty=0.3, min_node_size=2),
        Growth(trees=40, features=1, min_node_size=2, alpha=0.2),
        Growth(trees=40, min_node_size=1, alpha=0.0, imbalance_penalty=0.5),
    ],
)
def test_every_setting_is_the_twin(growth: Growth) -> None:
    assert_twin(Kind.CAUSAL, Columns(**world(150, 4, 2, 0.1, levels=2)), growth, seed=3)


def test_clusters_are_drawn_whole() -> None:
    clusters = np.random.default_rng(0).integers(0, 30, 150)
    assert_twin(Kind.CAUSAL, Columns(**world(150, 3, 4), clusters=clusters), Growth(trees=40, min_node_size=2))


def test_shares_of_classes_are_the_twin_and_add_up() -> None:
    w, rng = world(150, 3, 6), np.random.default_rng(6)
    classes = np.eye(4)[np.where(w["covariates"][:, 0] > 0, rng.integers(0, 4, 150), rng.integers(0, 2, 150))]
    forest = assert_twin(Kind.PROBABILITY, Columns(w["covariates"], classes), Growth(trees=40, min_node_size=3))
    assert_allclose(forest.outside.value.sum(axis=1), 1.0)
    assert forest.outside.value.min() > -1e-12
    assert_allclose(forest.outside.combine(np.ones((1, 4))).variance, 0.0, atol=1e-12)


def test_several_outcomes_are_the_twin() -> None:
    w = world(120, 3, 5)
    outcome = np.column_stack([w["outcome"], w["treatment"], w["covariates"][:, 1] > 0])
    assert_twin(Kind.REGRESSION, Columns(w["covariates"], outcome), Growth(trees=40, min_node_size=3))


@pytest.mark.parametrize("kind", [Kind.CAUSAL, Kind.LINEAR])
@pytest.mark.parametrize("k", [2, 4])
@pytest.mark.parametrize("weighted", [False, True])
def test_several_treatments_are_the_twin(kind: Kind, k: int, weighted: bool) -> None:
    columns = several(200, 3, k, kind is Kind.CAUSAL, k, missing=0.1)
    weights = np.random.default_rng(9).uniform(0.5, 2.0, 200) if weighted else None
    growth = Growth(trees=40, min_node_size=2, imbalance_penalty=0.3 if weighted else 0.0)
    assert_twin(kind, replace(columns, weights=weights), growth, seed=k)


def test_differences_of_arms_have_the_twins_variance() -> None:
    columns, growth = several(200, 3, 3, True, 0), Growth(trees=60, bag_size=3, min_node_size=2)
    forest = grow_forest(Kind.CAUSAL, columns, growth)
    differences = np.array([[-1.0, 1.0, 0.0], [0.0, -1.0, 1.0], [0.2, 0.3, 0.5]])
    value, variance, noise = twin_of(Kind.CAUSAL, columns, growth, 0).estimates(differences)
    found = forest.outside.combine(differences)
    assert_allclose(found.value, forest.scale[0] * value, rtol=1e-9, atol=1e-9)
    assert_allclose(found.variance, forest.scale[0] ** 2 * variance, rtol=1e-5, atol=1e-9)
    assert_allclose(found.monte_carlo, forest.scale[0] ** 2 * noise, rtol=1e-5, atol=1e-9)
    again = forest.outside.combine(np.eye(3))
    assert_allclose(again.variance, forest.outside.variance, rtol=1e-10)
    everywhere = forest.predict(columns.covariates)
    assert_allclose(everywhere.combine(np.eye(3)).variance, everywhere.variance, rtol=1e-10)


def test_the_effects_of_arms_do_not_depend_on_which_is_the_reference() -> None:
    rng = np.random.default_rng(3)
    x, arm = rng.normal(size=(500, 3)), rng.integers(0, 3, 500)
    outcome = (arm == 1) * x[:, 0] + (arm == 2) * 2.0 + rng.normal(size=500)
    residual = np.eye(3)[arm] - 1.0 / 3.0
    one, other = (
        grow_forest(Kind.CAUSAL, Columns(x, outcome, residual[:, others]), Growth(trees=100)).outside
        for others in ([1, 2], [0, 2])
    )
    # Effects of 1 and 2 against 0, from those of 0 and 2 against 1.
    swapped = other.combine(np.array([[-1.0, 0.0], [-1.0, 1.0]]))
    assert_allclose(swapped.value, one.value, rtol=1e-8, atol=1e-8)
    assert_allclose(swapped.variance, one.variance, rtol=1e-6, atol=1e-8)


def test_a_single_arm_is_a_causal_forest() -> None:
    columns = Columns(**world(300, 3, 2))
    one, two = (grow_forest(kind, columns, Growth(trees=40)) for kind in (Kind.CAUSAL, Kind.LINEAR))
    assert_array_equal(one.outside.value, two.outside.value)
    doubled = one.outside.combine(np.array([[2.0]]))
    assert_allclose(doubled.variance, 4.0 * one.outside.variance)


@settings(max_examples=10, deadline=None)
@given(
    n=st.integers(100, 200),
    p=st.integers(1, 4),
    k=st.integers(2, 3),
    arms=st.booleans(),
    missing=st.sampled_from([0.0, 0.2, 0.9]),
    levels=st.sampled_from([0, 1, 2]),
    seed=st.integers(0, 2**32 - 2),
)
def test_any_world_of_several_treatments_is_the_twin(
    n: int, p: int, k: int, arms: bool, missing: float, levels: int, seed: int
) -> None:
    columns = several(n, p, k, arms, seed, missing=missing, levels=levels)
    kind = Kind.CAUSAL if arms else Kind.LINEAR
    # Honest leaves without an arm may make averages that cannot be solved, or hardly: nothing to compare.
    growth = Growth(trees=40, min_node_size=3)
    forest = grow_forest(kind, columns, growth, seed=seed)
    twin = twin_of(kind, columns, growth, seed)
    assert_allclose(forest.outside.value / forest.scale, twin.estimates()[0], rtol=1e-7, atol=1e-7)


@settings(max_examples=25, deadline=None)
@given(
    n=st.integers(40, 120),
    p=st.integers(1, 5),
    # An instrument that moves nothing in a leaf divides by rounding: nothing to compare to many digits.
    kind=st.sampled_from([k for k in Kind if k is not Kind.INSTRUMENTAL]),
    missing=st.sampled_from([0.0, 0.2, 0.9]),
    levels=st.sampled_from([0, 1, 2]),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_world_is_the_twin(n: int, p: int, kind: Kind, missing: float, levels: int, seed: int) -> None:
    columns = Columns(**world(n, p, seed, missing, levels))
    assert_twin(kind, columns, Growth(trees=40, min_node_size=2), seed=seed)


def test_points_can_be_put_in_another_order() -> None:
    found = grow_forest(Kind.CAUSAL, several(100, 2, 2, True, 1), Growth(trees=20)).outside
    order = np.random.default_rng(0).permutation(100)
    moved = found.in_order(order)
    assert_array_equal(moved.value[order], found.value)
    assert_array_equal(
        moved.combine(np.array([[-1.0, 1.0]])).variance[order, 0], found.combine([[-1, 1]]).variance[:, 0]
    )
    with pytest.raises(InvalidSetting, match="rows of 2 numbers"):
        found.combine(np.eye(3))


@pytest.mark.parametrize("treatment", [np.tile([1.0, -1.0], (50, 1)), None, np.ones((50, 6))])
def test_treatments_that_do_not_fit_are_refused(treatment: np.ndarray | None) -> None:
    w = world(50, 2)
    with pytest.raises((ConstantColumn, InvalidSetting)):
        grow_forest(Kind.CAUSAL, Columns(w["covariates"], w["outcome"], treatment), Growth(trees=4))


def test_a_treatment_that_repeats_others_is_refused() -> None:
    w = world(90, 2)
    every_arm = np.eye(3)[np.arange(90) % 3] - 1 / 3
    with pytest.raises(Collinear, match="One of 3 treatments"):
        grow_forest(Kind.CAUSAL, Columns(w["covariates"], w["outcome"], every_arm), Growth(trees=4))


@pytest.mark.parametrize("threads", [2, 3, 8])
def test_the_same_bits_for_any_number_of_threads(threads: int) -> None:
    columns = Columns(**world(5000, 4, 6))
    one, many = (grow_forest(Kind.CAUSAL, columns, Growth(trees=50), threads=t) for t in (1, threads))
    assert_array_equal(one.outside.value, many.outside.value)
    assert_array_equal(one.outside.variance, many.outside.variance)
    assert_array_equal(one.trees.nodes, many.trees.nodes)
    new = np.random.default_rng(1).normal(size=(1000, 4))
    assert_array_equal(one.predict(new, threads=1).value, many.predict(new, threads=threads).value)


def test_another_seed_is_another_forest() -> None:
    columns = Columns(**world(200, 3))
    one, other = (grow_forest(Kind.CAUSAL, columns, Growth(trees=50), seed=s) for s in (0, 1))
    assert (one.outside.value != other.outside.value).all()


def test_units_of_measurement_do_not_matter() -> None:
    w = world(300, 3, 7)
    other = {**w, "outcome": 1e9 + 1e3 * w["outcome"], "treatment": 1e6 - 4.0 * w["treatment"]}
    other["covariates"] = np.exp(w["covariates"])  # bins are ranks
    growth = Growth(trees=50)
    one, two = (grow_forest(Kind.CAUSAL, Columns(**v), growth).outside for v in (w, other))
    assert_allclose(two.value, -250.0 * one.value, rtol=1e-5, atol=1e-3)  # 1e9 costs the outcome seven digits
    assert_allclose(two.variance, 250.0**2 * one.variance, rtol=1e-4)


def test_new_rows_that_are_old_rows_get_the_estimate_of_all_trees() -> None:
    columns = Columns(**world(400, 3, 8, missing=0.1))
    forest = grow_forest(Kind.REGRESSION, columns, Growth(trees=400))
    everywhere = forest.predict(columns.covariates)
    assert np.corrcoef(everywhere.value[:, 0], forest.outside.value[:, 0])[0, 1] > 0.9
    assert (everywhere.variance > 0).all()


def test_the_mean_of_a_forest_of_stumps_is_the_mean() -> None:
    w = world(400, 2, 9)
    forest = grow_forest(Kind.REGRESSION, Columns(w["covariates"], w["outcome"]), Growth(trees=4000, min_node_size=400))
    found = forest.predict(w["covariates"][:3])
    # No split is allowed: every tree is the mean of its honest quarter, and the forest that of all rows, but for the
    # Monte Carlo error that it states.
    assert_allclose(found.value, w["outcome"].mean(), atol=4 * np.sqrt(found.monte_carlo[0, 0] * 4))
    assert_allclose(np.sqrt(found.variance), w["outcome"].std() / 20.0, rtol=0.15)


def test_estimates_are_averages_with_the_kernels_weights() -> None:
    w = world(300, 3, 13)
    weights = np.random.default_rng(13).uniform(0.5, 2.0, 300)
    columns = Columns(w["covariates"], w["outcome"], weights=weights)
    forest = grow_forest(Kind.REGRESSION, columns, Growth(trees=50), keep_members=True)
    points = w["covariates"][:20]
    alpha = forest.weights(points)
    assert_allclose(alpha.sum(axis=1), 1.0)
    assert_allclose(alpha @ w["outcome"], forest.predict(points).value[:, 0], rtol=1e-10)
    with pytest.raises(InvalidSetting, match="kept no members"):
        grow_forest(Kind.REGRESSION, columns, Growth(trees=4)).weights(points)


def test_importance_finds_what_moves_the_effect() -> None:
    w = world(2000, 5, 10)
    importance = grow_forest(Kind.CAUSAL, Columns(**w), Growth(trees=100)).importance()
    assert importance.argmax() == 0
    assert_allclose(importance.sum(), 1.0)


def test_bins_of_many_values_hold_equal_numbers_of_rows() -> None:
    x = np.random.default_rng(11).normal(size=(51_000, 1))
    codes = Binning.of(x).encode(x)[0]
    counts = np.bincount(codes, minlength=256)
    assert counts[0] == 0
    assert counts[1:].min() >= 199
    assert counts[1:].max() <= 201
    order = np.argsort(x[:, 0])
    assert (np.diff(codes[order].astype(int)) >= 0).all()


def test_few_values_get_a_bin_each_and_missing_ones_bin_0() -> None:
    x = np.array([[3.0], [1.0], [np.nan], [1e308], [-1e308], [3.0]])
    binning = Binning.of(x)
    assert_array_equal(binning.encode(x), [[3, 2, 0, 4, 1, 3]])
    assert_array_equal(binning.encode(np.array([[2.0], [2.1], [np.nan]])), [[2, 3, 0]])


def test_a_heavy_value_keeps_a_bin_of_its_own() -> None:
    x = np.concatenate([np.zeros(5000), np.random.default_rng(12).random(5000)])[:, None]
    codes = Binning.of(x).encode(x)[0]
    assert (codes[:5000] == codes[0]).all()
    assert (codes[5000:] != codes[0]).all()


def test_neighbouring_numbers_are_told_apart() -> None:
    x = np.array([[1.0], [np.nextafter(1.0, 2.0)]])
    assert_array_equal(Binning.of(x).encode(x), [[1, 2]])


def test_progress_is_reported_and_may_stop_the_forest() -> None:
    columns, seen = Columns(**world(100, 2)), []
    grow_forest(
        Kind.CAUSAL, columns, Growth(trees=40), threads=1, progress=lambda done, all_: seen.append((done, all_))
    )
    assert seen == [(k, 40) for k in range(2, 41, 2)]

    def stop(*_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        grow_forest(Kind.CAUSAL, columns, Growth(trees=40), progress=stop)


def test_an_interrupt_stops_the_forest_and_leaves_the_kernel_usable() -> None:
    columns = Columns(**world(3000, 5))
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        grow_forest(Kind.CAUSAL, columns, Growth(trees=1_000_000), threads=2, keep_trees=False)
    assert np.isfinite(grow_forest(Kind.CAUSAL, columns, Growth(trees=100)).outside.value).all()


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"outcome": np.full(50, np.nan)}, MissingValues, "outcome is NaN in 50 rows"),
        ({"treatment": np.full(50, np.inf)}, InfiniteValues, "treatment is infinite"),
        ({"treatment": np.ones(50)}, ConstantColumn, "treatment has one value"),
        ({"instrument": np.full(50, 1e9)}, ConstantColumn, "instrument has one value"),
        ({"treatment": None}, InvalidSetting, "treatment is None"),
        ({"covariates": np.full((50, 2), -np.inf)}, InfiniteValues, "infinite in column 0"),
        ({"covariates": np.empty((50, 0))}, InvalidSetting, r"shape \(50, 0\)"),
        ({"covariates": np.empty((50, 70_000), dtype=np.int8)}, InvalidSetting, "1 to 65,535 columns"),
        ({"outcome": np.ones((50, 7))}, InvalidSetting, r"outcome has shape \(50, 7\)"),
        ({"outcome": np.ones(49)}, InvalidSetting, r"outcome has shape \(49,\)"),
        ({"weights": np.zeros(50)}, InvalidSetting, "least weight is 0"),
        ({"weights": np.full(50, np.inf)}, InfiniteValues, "weights is infinite"),
        ({"clusters": np.repeat([0, 1], 25)}, TooFewRows, "2 units"),
        ({"clusters": np.full(50, 0.5)}, InvalidSetting, "clusters are float64"),
    ],
)
def test_columns_that_do_not_fit_are_refused(change: dict[str, Any], error: type[ButforError], words: str) -> None:
    with pytest.raises(error, match=words):
        grow_forest(Kind.INSTRUMENTAL, Columns(**{**world(50, 2), **change}), Growth(trees=4))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"trees": 0}, "trees is 0"),
        ({"bag_size": 0}, "bag_size is 0"),
        ({"subsample": 0.6}, "subsample is 0.6"),
        ({"subsample": np.nan}, "subsample is nan"),
        ({"honesty": 1.0}, "honesty is 1.0"),
        ({"features": 0}, "features is 0"),
        ({"min_node_size": 0}, "min_node_size is 0"),
        ({"alpha": 0.5}, "alpha is 0.5"),
        ({"imbalance_penalty": -1.0}, "imbalance_penalty is -1.0"),
    ],
)
def test_settings_that_do_not_fit_are_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidSetting, match=words):
        Growth(**change)


@pytest.mark.parametrize("n", [0, 1, 7])
def test_too_few_rows_are_refused(n: int) -> None:
    w = {name: values[:n] for name, values in world(50, 2).items()}
    with pytest.raises(ButforError):
        grow_forest(Kind.CAUSAL, Columns(**w), Growth(trees=4))


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(1, 60),
    p=st.integers(1, 4),
    kind=st.sampled_from(list(Kind)),
    nasty=st.sampled_from([0.0, 1.0, np.nan, np.inf, -np.inf, 1e308, -1e308, 5e-324]),
    share=st.sampled_from([0.0, 0.1, 1.0]),
    where=st.sampled_from(["covariates", "outcome", "treatment", "instrument"]),
    seed=st.integers(0, 2**32 - 1),
)
def test_garbage_gives_our_errors_or_finite_numbers(
    n: int, p: int, kind: Kind, nasty: float, share: float, where: str, seed: int
) -> None:
    w = world(n, p, seed)
    rng = np.random.default_rng(seed)
    w[where] = np.where(rng.random(w[where].shape) < share, nasty, w[where])
    try:
        forest = grow_forest(kind, Columns(**w), Growth(trees=20, min_node_size=1, alpha=0.0))
    except ButforError:
        return
    assert not np.isinf(forest.outside.value).any()
    assert not (forest.outside.variance < 0).any()
