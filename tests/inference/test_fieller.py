"""Intervals of ratios hold as often as they say, however near to zero the denominator is."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from butfor.inference.fieller import fieller_intervals

COVARIANCE = np.array([[1.0, 0.6], [0.6, 1.0]])
DRAWS = 4000


@pytest.mark.parametrize("bottom", [0.0, 0.5, 2.0, 10.0])
def test_the_ratio_is_inside_as_often_as_it_should_be(bottom: float) -> None:
    top = 0.7 * bottom
    draws = np.random.default_rng(1).multivariate_normal([top, bottom], COVARIANCE, DRAWS)
    held = 0
    for a, b in draws.tolist():
        held += any(low <= 0.7 <= high for low, high in fieller_intervals(a, b, COVARIANCE, 1.959963984540054))
    # Four Monte Carlo standard errors.
    assert abs(held / DRAWS - 0.95) < 4 * np.sqrt(0.95 * 0.05 / DRAWS)


@pytest.mark.parametrize(("top", "bottom"), [(3.0, 5.0), (3.0, 0.4), (0.3, 0.1)])
def test_the_limits_are_where_the_test_just_rejects(top: float, bottom: float) -> None:
    critical = 1.5
    for low, high in fieller_intervals(top, bottom, COVARIANCE, critical):
        for end in (low, high):
            if np.isfinite(end):
                slope = np.array([1.0, -end])
                assert_allclose((top - end * bottom) ** 2, critical**2 * slope @ COVARIANCE @ slope, rtol=1e-9)


def test_one_interval_two_rays_or_the_whole_line() -> None:
    assert len(fieller_intervals(3.0, 5.0, COVARIANCE, 2.0)) == 1
    assert len(fieller_intervals(3.0, 0.5, COVARIANCE, 2.0)) == 2
    assert fieller_intervals(0.1, 0.1, COVARIANCE, 2.0) == ((-np.inf, np.inf),)
