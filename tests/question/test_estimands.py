"""Tilting functions: their values, and their derivatives against finite differences."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

import butfor as bf
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
