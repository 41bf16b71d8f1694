"""Sparse linear effects: least squares where there is nothing to shrink, few among many, laws."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

import butfor as bf
from butfor.core.errors import Collinear, InvalidSetting
from butfor.estimators.orthogonal.sparse_linear_effects import SparseLinearEffects
from tests.estimators.test_linear_effects import ARMS, DOSE, ROLES, world

MANY = tuple(f"x{j}" for j in range(15))


def many(n: int = 300, seed: int = 0) -> dict[str, np.ndarray]:
    """Two arms; the effect is 1 + x0."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 15)) + 0.5 * rng.normal(size=(n, 1))
    t = (rng.random(n) < 1 / (1 + np.exp(-0.5 * x[:, 0]))).astype(int)
    frame = {name: x[:, j] for j, name in enumerate(MANY)}
    copies = rng.integers(1, 4, n).astype(float)
    return frame | {"t": t, "y": x[:, 1] + t * (1 + x[:, 0]) + rng.normal(size=n), "w": copies}


WIDE: dict[str, Any] = {"treatment": "t", "outcome": "y", "covariates": list(MANY)}


@pytest.mark.parametrize("kind", ["binary", "amount"])
def test_along_one_covariate_there_is_nothing_to_shrink(kind: str) -> None:
    """The slope on one column is that of least squares, whatever the lasso does."""
    frame = world(kind=kind)
    models = DOSE if kind == "amount" else ARMS
    sparse: Any = SparseLinearEffects(along=("x1",), **models).fit(frame, **ROLES)
    plain: Any = bf.LinearEffects(along=("x1",), **models).fit(frame, **ROLES)
    assert_allclose(sparse.slopes.value, plain.slopes.value, rtol=0, atol=1e-9)
    assert_allclose(sparse.estimate().value, plain.estimate().value, rtol=0, atol=1e-9)
    # Where the lasso chose the column (the dose), residuals and errors are those of least squares as well; where it did
    # not, what the column explains stays in the residuals: not much, or it would have been chosen.
    expected = plain.slopes.with_inference(covariance="HC0").std_error
    assert_allclose(sparse.slopes.std_error, expected, rtol=1e-9 if kind == "amount" else 0.05)


def test_the_few_slopes_that_matter_are_found_and_their_intervals_hold() -> None:
    fit: Any = SparseLinearEffects(**ARMS).fit(many(800), **WIDE)
    low, high = fit.slopes.interval(0.9999).T
    truth = np.r_[1.0, 1.0, np.zeros(14)]
    assert np.all((low <= truth) & (truth <= high))
    assert np.flatnonzero((low > 0) | (high < 0)).tolist() == [0, 1]
    table = fit.effect()
    assert table.std_error.shape == (800, 1)


def test_several_arms_have_slopes_of_their_own() -> None:
    frame = world(600, "arms")
    fit: Any = SparseLinearEffects(**ARMS).fit(frame, arms=True, **ROLES)
    plain: Any = bf.LinearEffects(**ARMS).fit(frame, arms=True, **ROLES)
    assert fit.slopes.labels == plain.slopes.labels
    gap = np.abs(fit.slopes.value - plain.slopes.value) / plain.slopes.std_error
    assert gap.max() < 2.0


def test_effects_obey_order_units_and_weights() -> None:
    frame, new = many(), many(30, seed=1)
    sparse = SparseLinearEffects(**ARMS)
    one: Any = sparse.fit(frame, **WIDE)
    order = np.random.default_rng(1).permutation(300)
    two: Any = sparse.fit({k: v[order] for k, v in frame.items()}, **WIDE)
    assert_allclose(two.effect(new).value, one.effect(new).value, rtol=0, atol=1e-6)
    scaled: Any = sparse.fit(frame | {"y": 1000 * frame["y"], "x3": frame["x3"] / 50 + 900}, **WIDE)
    at = new | {"x3": new["x3"] / 50 + 900}
    assert_allclose(scaled.effect(at).value, 1000 * one.effect(new).value, rtol=0, atol=0.1)
    weighted: Any = sparse.fit(frame, weights="w", **WIDE)
    source = np.repeat(np.arange(300), frame["w"].astype(int))
    repeated: Any = sparse.fit({k: v[source] for k, v in frame.items()}, **WIDE)
    assert_allclose(repeated.effect(new).value, weighted.effect(new).value, rtol=0, atol=1e-6)


def test_columns_that_say_the_same_are_refused() -> None:
    with pytest.raises(Collinear):
        SparseLinearEffects(**ARMS).fit(many() | {"x3": 2 * many()["x4"]}, **WIDE)
    with pytest.raises(InvalidSetting):
        SparseLinearEffects(**ARMS).fit(many(), treatment="t", outcome="y")
