"""Effects of units: intervals where there is a standard error, and no empty column where there is none."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from butfor.core.diagnostic import Diagnostic, Severity
from butfor.core.errors import InvalidSetting, MethodMismatch
from butfor.inference.effects import EffectTable

VALUE = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])


def test_intervals_are_normal_and_pointwise() -> None:
    table = EffectTable(("a", "b"), VALUE, 0.5 * VALUE)
    assert_allclose(table.interval()[:, :, 0], VALUE - 1.959963984540054 * 0.5 * VALUE, rtol=1e-12)
    assert len(table) == 3
    assert table.tidy().names == ("row", "term", "estimate", "std_error", "conf_low", "conf_high")


def test_effects_without_a_standard_error_have_no_column_of_it() -> None:
    why = Diagnostic("no-standard-error-of-units", Severity.NOTE, "There is none.")
    table = EffectTable(("a", "b"), VALUE, diagnostics=(why,))
    assert table.tidy().names == ("row", "term", "estimate")
    assert table.tidy().column("estimate") == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    with pytest.raises(MethodMismatch, match="no standard error") as caught:
        table.interval()
    assert caught.value.hint


def test_a_level_out_of_range_is_refused() -> None:
    with pytest.raises(InvalidSetting, match="level is 1"):
        EffectTable(("a", "b"), VALUE, VALUE).interval(1.0)
