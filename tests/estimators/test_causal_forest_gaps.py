"""Missing covariates: kept, learned from, and allowed in new rows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import butfor as bf
from butfor.core.errors import MissingValues, RoleConflict, UnknownColumn
from butfor.data.gaps import keep_gaps
from butfor.estimators.forest.fit import ForestFit
from butfor.estimators.forest.model import load_effects
from tests.estimators.test_causal_forest import FOREST, PLAIN, Frame

COVARIATES = ["age", "region", "x"]
ROLES: dict[str, Any] = {"treatment": "t", "outcome": "y"}


def world(n: int = 3000, seed: int = 0) -> Frame:
    """Those whose age is missing are treated more often, and gain 2; the others gain 1 above an age of zero."""
    rng = np.random.default_rng(seed)
    age, x = rng.normal(size=(2, n))
    gone = rng.random(n) < 0.3
    region = rng.choice(["east", "west"], n).astype(object)
    region[rng.random(n) < 0.2] = None
    t = (rng.random(n) < np.where(gone, 0.7, 0.4)).astype(int)
    effect = np.where(gone, 2.0, 1.0 * (age > 0))
    y = 1.0 * gone + x + t * effect + 0.5 * rng.normal(size=n)
    return {"t": t, "y": y, "age": np.where(gone, np.nan, age), "region": region, "x": x, "effect": effect}


def fit(forest: Any, frame: Frame) -> ForestFit:
    data, names = keep_gaps(frame, COVARIATES)
    found = forest.fit(data, covariates=names, **ROLES)
    assert isinstance(found, ForestFit)
    return found


def test_gaps_become_covariates() -> None:
    frame = world(200)
    data, names = keep_gaps(frame, COVARIATES)
    assert names == ("age", "age is missing", "region", "x")
    aipw = bf.AIPW(outcome_model=bf.LinearModel(), propensity_model=bf.LogisticModel())
    sample = aipw.fit(data, covariates=names, **ROLES).sample
    assert sample.n == 200
    assert sample.covariates.columns == ("age", "age is missing", "region=west", "region=missing", "x")
    gone = np.isnan(frame["age"])
    assert_array_equal(sample.covariates.matrix[:, 1], gone)
    assert_allclose(sample.covariates.matrix[gone, 0], frame["age"][~gone].mean(), rtol=1e-12)


@pytest.mark.parametrize("forest", [replace(FOREST, min_node_size=10), replace(PLAIN, min_node_size=10)])
def test_effects_of_units_without_a_value_are_learned(forest: Any, tmp_path: Path) -> None:
    frame = world()
    found = fit(forest, frame)
    # The average is the mean of the true effects; 4 standard errors.
    estimate = found.estimate()
    assert abs(estimate.value[0] - frame["effect"].mean()) < 4 * estimate.std_error[0]
    new: Frame = {"age": np.array([np.nan, -1.5, 1.5]), "region": np.array(["east"] * 3), "x": np.zeros(3)}
    effects = found.effect(new).value[:, 0]
    assert_allclose(effects, [2.0, 0.0, 1.0], rtol=0, atol=0.35)
    found.model.save(tmp_path / "effects.npz")
    assert_array_equal(load_effects(tmp_path / "effects.npz").effect(new).value[:, 0], effects)
    weights = found.kernel_weights(new)
    assert_allclose(weights.sum(axis=1), 1.0, rtol=1e-9)
    # Who lacks the value counts for those who lack it.
    assert weights[0, np.isnan(frame["age"])].sum() > 0.9


def test_new_rows_may_lack_what_rows_of_the_sample_lacked_and_nothing_else() -> None:
    found = fit(PLAIN, world(500))
    new: dict[str, Any] = {"age": [np.nan, 1.0], "region": ["east", None], "x": [0.0, 0.0]}
    assert np.isfinite(found.effect(new).value).all()
    with pytest.raises(MissingValues, match="'x'"):
        found.effect(new | {"x": [0.0, np.nan]})
    with pytest.raises(UnknownColumn, match="age"):
        found.effect({"region": ["east"], "x": [0.0]})


def test_a_frame_without_gaps_stays_as_it_is() -> None:
    frame = {name: column for name, column in world(300).items() if name not in ("age", "region")}
    data, names = keep_gaps(frame, ["x"])
    one = PLAIN.fit(data, covariates=names, **ROLES).estimate()
    two = PLAIN.fit(frame, covariates=["x"], **ROLES).estimate()
    assert names == ("x",)
    assert_array_equal(one.value, two.value)


def test_gaps_elsewhere_are_refused_as_ever() -> None:
    frame = world(300)
    frame["y"][3] = np.nan
    data, names = keep_gaps(frame, COVARIATES)
    with pytest.raises(MissingValues, match="'y'"):
        PLAIN.fit(data, covariates=names, **ROLES)


def test_what_cannot_be_kept_is_refused() -> None:
    with pytest.raises(UnknownColumn):
        keep_gaps(world(10), ["ages"])
    with pytest.raises(MissingValues, match="every row"):
        keep_gaps({"age": np.full(5, np.nan)}, ["age"])
    with pytest.raises(RoleConflict, match="is missing"):
        keep_gaps({"age": [1.0, np.nan], "age is missing": [0, 1]}, ["age"])
