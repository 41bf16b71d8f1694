"""What effects are made of: closed forms, and when the plain forest is left alone."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from butfor.estimators.forest.mixture import CONVINCING, Mixture
from butfor.native.forest import Columns


def columns(effect: np.ndarray, noise: float, seed: int = 0, clusters: np.ndarray | None = None) -> Columns:
    rng = np.random.default_rng(seed)
    n = len(effect)
    treatment = rng.choice([-0.5, 0.5], n)
    return Columns(np.zeros((n, 1)), treatment * effect + noise * rng.normal(size=n), treatment, clusters=clusters)


def test_slopes_that_are_right_take_all() -> None:
    effect = np.linspace(-1.0, 1.0, 400)
    found = Mixture.of(columns(effect, 0.0), 0.3 * effect, np.column_stack([0.6 * effect, effect]))
    assert_allclose(found.shares, [0.0, 0.0, 0.0, 1.0], atol=1e-12)
    assert_allclose(found.value(np.array([9.0]), np.array([[8.0, 7.0]])), 7.0)


def test_the_average_effect_is_the_partially_linear_one_and_takes_all_where_it_is_right() -> None:
    effect = np.full(400, 2.0)
    rows, plain = columns(effect, 0.0), 2.0 + np.random.default_rng(1).normal(size=400)
    found = Mixture.of(rows, plain, plain[:, None])
    assert_allclose(found.average, 2.0, rtol=1e-12)
    assert_allclose(found.shares, [1.0, 0.0, 0.0], atol=1e-12)


def test_shares_follow_the_gain_and_its_standard_error() -> None:
    """One candidate: the least squares step towards it, shrunk by what the step's own z says."""
    effect = np.linspace(-1.0, 1.0, 500)
    rows = columns(effect, 1.0)
    plain, tilted, t = 0.2 * effect, 1.6 * effect, np.asarray(rows.treatment)
    left, move = np.asarray(rows.outcome) - t * plain, t * (tilted - plain)
    step = float(move @ left / (move @ move))
    z = (move @ left) / np.sqrt(np.sum((move * (left - step * move)) ** 2))
    shares = Mixture.of(rows, plain, tilted[:, None]).shares
    assert 0.0 < step < 1.0
    assert z > CONVINCING
    assert_allclose(shares[2], step * (1.0 - (CONVINCING / z) ** 4), rtol=1e-9)
    assert_allclose(shares.sum(), 1.0, rtol=1e-12)


def test_noise_seldom_moves_the_plain_forest() -> None:
    """Candidates that predict nothing reach √8 standard errors with chance P(χ²₁ > 8) / 2 = .002 each."""
    rng = np.random.default_rng(2)
    moved = 0
    for seed in range(200):
        rows, plain = columns(np.zeros(300), 1.0, seed), np.zeros(300)
        moved += Mixture.of(rows, plain, 0.3 * rng.normal(size=(300, 2))).slopes > 0.0
    assert moved <= 4


def test_rows_of_a_cluster_are_one_piece_of_evidence() -> None:
    """Four copies of each row say what the rows say once when they are clusters, and more when they are not."""
    effect = np.linspace(-3.0, 3.0, 150)
    once = columns(effect, 1.0)
    outcome, treatment = (np.repeat(np.asarray(c), 4) for c in (once.outcome, once.treatment))
    plain, tilted = np.repeat(0.5 * effect, 4), np.repeat(effect, 4)[:, None]
    grouped = Columns(np.zeros((600, 1)), outcome, treatment, clusters=np.repeat(np.arange(150), 4))
    apart = Columns(np.zeros((600, 1)), outcome, treatment)
    alone = Mixture.of(once, 0.5 * effect, effect[:, None])
    assert_allclose(Mixture.of(grouped, plain, tilted).shares, alone.shares, atol=1e-9)
    assert Mixture.of(apart, plain, tilted).slopes > alone.slopes > 0.0


def test_weights_are_repeated_rows_of_a_cluster() -> None:
    effect = np.linspace(-1.0, 1.0, 200)
    once = columns(effect, 0.5, 7)
    counts = np.tile([1, 3], 100)
    weighted = Columns(np.zeros((200, 1)), once.outcome, once.treatment, weights=counts.astype(float))
    y, t = np.repeat(np.asarray(once.outcome), counts), np.repeat(np.asarray(once.treatment), counts)
    repeated = Columns(np.zeros((400, 1)), y, t, clusters=np.repeat(np.arange(200), counts))
    one = Mixture.of(weighted, 0.5 * effect, effect[:, None])
    two = Mixture.of(repeated, np.repeat(0.5 * effect, counts), np.repeat(effect, counts)[:, None])
    assert_allclose(one.average, two.average, rtol=1e-12)
    assert_allclose(one.shares, two.shares, atol=1e-9)


@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_units_of_the_outcome_change_no_share(scale: float) -> None:
    effect = np.linspace(-1.0, 1.0, 200)
    rows = columns(effect, 0.5)
    other = Columns(np.zeros((200, 1)), scale * np.asarray(rows.outcome), rows.treatment)
    one = Mixture.of(rows, 0.5 * effect, effect[:, None])
    two = Mixture.of(other, scale * 0.5 * effect, scale * effect[:, None])
    assert_allclose(two.shares, one.shares, atol=1e-7)
    assert_allclose(two.average, scale * one.average, rtol=1e-9)


def test_a_treatment_of_which_nothing_is_left_leaves_the_plain_forest() -> None:
    rows = Columns(np.zeros((50, 1)), np.ones(50), np.zeros(50))
    assert_array_equal(Mixture.of(rows, np.zeros(50), np.ones((50, 2))).shares, [0.0, 1.0, 0.0, 0.0])
