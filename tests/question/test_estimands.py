"""Tilting functions: their values, and their derivatives against finite differences."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

import butfor as bf
from butfor.core.errors import InvalidSetting
from butfor.question.estimands import VWE, Estimand

ALL = [bf.ATE(), bf.ATT(), bf.ATC(), bf.ATO()]


def propensities(arms: int) -> np.ndarray:
    raw = np.random.default_rng(arms).uniform(0.1, 1.0, size=(50, arms))
    return raw / raw.sum(axis=1, keepdims=True)


def test_two_arms_have_the_closed_forms_of_the_literature() -> None:
    e = propensities(2)
    treated = e[:, 1]
    for estimand, expected in zip(ALL, (np.ones(50), treated, 1 - treated, treated * (1 - treated)), strict=True):
        assert_allclose(estimand.tilt(e, 1, 0)[0], expected, rtol=1e-12)
    assert_allclose(VWE().tilt(e, 1, 0)[0], treated * (1 - treated))


@pytest.mark.parametrize("arms", [2, 3])
@pytest.mark.parametrize("estimand", [*ALL, VWE()], ids=lambda e: e.code)
def test_derivatives(estimand: Estimand, arms: int) -> None:
    e, step = propensities(arms), 1e-6
    slope = estimand.tilt(e, 1, 0)[1]
    for arm in range(arms):
        up, down = e.copy(), e.copy()
        up[:, arm] += step
        down[:, arm] -= step
        difference = (estimand.tilt(up, 1, 0)[0] - estimand.tilt(down, 1, 0)[0]) / (2 * step)
        assert_allclose(slope[:, arm], difference, atol=1e-8)


def test_trimming_is_part_of_the_label() -> None:
    trimmed = bf.ATE(trim=0.2)
    e = np.array([[0.1, 0.9], [0.5, 0.5], [0.8, 0.2]])
    assert_allclose(trimmed.tilt(e, 1, 0)[0], [0, 1, 1])
    assert "0.2" in trimmed.label
    assert "0.2" in trimmed.words


@pytest.mark.parametrize("arms", [2, 3])
def test_the_populations_of_two_arms_add_up(arms: int) -> None:
    """E[h] of treated and controls are the shares of the two arms; ATO is symmetric and at most each arm's share."""
    e = propensities(arms)
    treated, controls, overlap = (kind.tilt(e, 1, 0)[0] for kind in (bf.ATT(), bf.ATC(), bf.ATO()))
    assert_allclose(treated + controls, e[:, 0] + e[:, 1], rtol=1e-14)
    assert_allclose(overlap, bf.ATO().tilt(e, 0, 1)[0], rtol=1e-14)
    assert (overlap[:, None] < e).all()
    assert_allclose(bf.ATT().tilt(e, 0, 1)[0], controls, rtol=1e-14)


@pytest.mark.parametrize("arms", [2, 3, 5])
def test_tilts_are_homogeneous(arms: int) -> None:
    """Euler: Σ_l e_l ∂h/∂e_l = d·h, with degree d = 0 for everyone and 1 for shares and their harmonic mean."""
    e = propensities(arms)
    for estimand, degree in ((bf.ATE(), 0), (bf.ATT(), 1), (bf.ATC(), 1), (bf.ATO(), 1)):
        h, slope = estimand.tilt(e, 1, 0)
        assert_allclose((e * slope).sum(axis=1), degree * h, rtol=1e-12)


@pytest.mark.parametrize("kind", [bf.ATE, bf.ATT, bf.ATC, bf.ATO])
def test_trimming_keeps_those_with_a_chance_of_both_compared_arms(kind: type[Estimand]) -> None:
    e = propensities(3)
    kept = (e[:, 2] >= 0.2) & (e[:, 0] >= 0.2)
    assert 5 < kept.sum() < 45
    (plain, slope), (trimmed, trimmed_slope) = kind().tilt(e, 2, 0), kind(trim=0.2).tilt(e, 2, 0)
    assert_allclose(trimmed, np.where(kept, plain, 0.0))
    assert_allclose(trimmed_slope, np.where(kept[:, None], slope, 0.0))


@pytest.mark.parametrize("trim", [-0.1, 0.5, float("nan")])
def test_a_trim_out_of_range_is_refused(trim: float) -> None:
    with pytest.raises(InvalidSetting, match="trim"):
        bf.ATE(trim=trim)
