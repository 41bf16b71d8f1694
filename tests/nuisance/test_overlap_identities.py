"""What balancing weights and Riesz representers must satisfy, exactly, where propensities are shares of cells."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from numpy.typing import NDArray

import butfor as bf
from butfor.data.sample import Sample
from butfor.nuisance.overlap import Overlap, balancing_weights, effective_sample_size
from butfor.question.estimands import Estimand
from tests.nuisance.samples import sample_of

FloatArray = NDArray[np.float64]

ROWS, CELLS = 900, 4
RNG = np.random.default_rng(0)
CELL = RNG.integers(0, CELLS, size=ROWS)
WEIGHTS = RNG.uniform(0.5, 2.0, size=ROWS)
ALL = [bf.ATE(), bf.ATT(), bf.ATC(), bf.ATO(), bf.ATE(trim=0.2)]
each_estimand = pytest.mark.parametrize("estimand", ALL, ids=lambda e: e.label)


def saturated(arms: int, weights: FloatArray | None) -> tuple[Sample, FloatArray]:
    """A sample whose propensities are the (weighted) shares of the arms in each cell."""
    rng = np.random.default_rng(arms)
    shares = rng.dirichlet(np.full(arms, 3.0), size=CELLS)
    codes = (rng.random(ROWS)[:, None] > np.cumsum(shares[CELL], axis=1)[:, :-1]).sum(axis=1)
    w = np.ones(ROWS) if weights is None else weights
    table = np.zeros((CELLS, arms))
    np.add.at(table, (CELL, codes), w)
    indicators = (CELL[:, None] == np.arange(1, CELLS)).astype(float)
    sample = sample_of(indicators, codes.astype(float), rng.normal(size=ROWS), weights=weights)
    return sample, (table / table.sum(axis=1, keepdims=True))[CELL]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("arms", [2, 3])
@each_estimand
def test_representers_kill_functions_of_covariates_and_tell_arms_apart(
    estimand: Estimand, arms: int, weighted: bool
) -> None:
    """E[α g(X)] = 0 and E[α (1{T = a} τ(X))] = E[w h τ] / E[w h], for any g and τ of the cells."""
    sample, propensity = saturated(arms, WEIGHTS if weighted else None)
    w = WEIGHTS if weighted else np.ones(ROWS)
    g, effect = np.random.default_rng(5).normal(size=(2, CELLS))[:, CELL]
    _, alpha = balancing_weights(sample, propensity, estimand)
    for k, (a, b) in enumerate(sample.treatment.contrasts):
        tilt, _ = estimand.tilt(propensity, a, b)
        assert_allclose(np.mean(alpha[:, k] * g), 0.0, atol=1e-12)
        truth = np.average(effect, weights=w * tilt)
        assert_allclose(np.mean(alpha[:, k] * effect * (sample.treatment.codes == a)), truth, atol=1e-12)


@pytest.mark.parametrize("arms", [2, 3])
def test_weights_for_everyone_make_each_arm_as_large_as_the_sample(arms: int) -> None:
    sample, propensity = saturated(arms, None)
    weights, _ = balancing_weights(sample, propensity, bf.ATE())
    for k, pair in enumerate(sample.treatment.contrasts):
        for arm in pair:
            assert_allclose(weights[sample.treatment.codes == arm, k].sum(), ROWS, rtol=1e-12)


@each_estimand
def test_both_arms_weigh_as_much_as_the_population_asked_about(estimand: Estimand) -> None:
    sample, propensity = saturated(2, WEIGHTS)
    weights, _ = balancing_weights(sample, propensity, estimand)
    tilt, _ = estimand.tilt(propensity, 1, 0)
    mass = (WEIGHTS / WEIGHTS.mean() * tilt).sum()
    for arm in (0, 1):
        assert_allclose(weights[sample.treatment.codes == arm, 0].sum(), mass, rtol=1e-12)


def test_the_summary_holds_the_effective_rows_of_each_arm() -> None:
    sample, propensity = saturated(3, WEIGHTS)
    weights, _ = balancing_weights(sample, propensity, bf.ATE())
    rows = Overlap.of(sample, propensity, bf.ATE()).summary.to_dicts()
    assert len(rows) == 4  # two contrasts of two arms each
    for row, (k, arm) in zip(rows, [(0, 1), (0, 0), (1, 2), (1, 0)], strict=True):
        inside = weights[sample.treatment.codes == arm, k]
        assert_allclose(float(row["effective_rows"] or 0), inside.sum() ** 2 / (inside**2).sum(), rtol=1e-12)
        assert row["rows"] == len(inside)
        assert_allclose(float(row["median"] or 0), np.median(propensity[:, arm]), rtol=1e-12)


def test_effective_rows_do_not_know_the_unit_of_weights() -> None:
    assert_allclose(effective_sample_size(WEIGHTS * 1e6), effective_sample_size(WEIGHTS), rtol=1e-12)
    assert effective_sample_size(WEIGHTS) < ROWS
