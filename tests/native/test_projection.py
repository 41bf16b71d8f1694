"""The projection kernel against plain algebra."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from butfor.core.errors import InvalidSetting
from butfor.native.projection import project


@pytest.mark.parametrize(
    ("n", "p", "rank", "d"), [(0, 2, 2, 1), (1, 1, 1, 1), (513, 4, 3, 2), (70_000, 3, 3, 1), (9, 0, 0, 2)]
)
def test_residuals_and_leverages(n: int, p: int, rank: int, d: int) -> None:
    rng = np.random.default_rng(n)
    x, y, mean = rng.normal(size=(n, p)), rng.normal(size=(n, d)), rng.normal(size=p)
    root, centre, slopes = rng.normal(size=(p, rank)), rng.normal(size=d), rng.normal(size=(rank, d))
    z = (x - mean) @ root
    residual, leverage = project(x, mean, root, y, centre, slopes)
    assert_allclose(residual, y - centre - z @ slopes, rtol=1e-12, atol=1e-12)
    assert_allclose(leverage, (z**2).sum(axis=1), rtol=1e-12)
    for threads in (1, 2, 3):
        again, far = project(x, mean, root, y, centre, slopes, threads=threads)
        assert_array_equal(again, residual)
        assert_array_equal(far, leverage)


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InvalidSetting, match="projection needs"):
        project(np.ones((3, 2)), np.zeros(2), np.ones((2, 1)), np.ones((4, 1)), np.zeros(1), np.ones((1, 1)))
