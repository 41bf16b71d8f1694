"""Confidence intervals of effects that are known up to bounds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from butfor.core.errors import InvalidSetting
from butfor.inference.distribution import critical_value, normal_cdf

FloatArray = NDArray[np.float64]
# Halvings of an interval of critical values: far below any error of sampling.
HALVINGS = 60


def checked_level(level: float) -> float:
    """The level, if it is one."""
    if not 0.0 < level < 1.0:
        raise InvalidSetting(f"level is {level}; an interval needs 0 < level < 1.", hint="level=0.95")
    return level


def imbens_manski(ends: tuple[float, float], errors: tuple[float, float], level: float) -> tuple[float, float]:
    """The interval that holds the effect, not the whole set between the bounds, with probability `level`.

    lower − C · se, upper + C · se with Φ(C + width / larger se) − Φ(−C) = level: one-sided where the bounds are far
    apart, two-sided where they meet. It needs a width that does not vanish, or that is known better than the ends.

    Args:
        ends: lower and upper bound.
        errors: their standard errors.

    References:
        Imbens and Manski 2004 (doi:10.1111/j.1468-0262.2004.00555.x); Stoye 2009 (doi:10.3982/ECTA7347).

    >>> [round(v, 3) for v in imbens_manski((0.0, 0.0), (1.0, 1.0), 0.95)]
    [-1.96, 1.96]
    >>> [round(v, 3) for v in imbens_manski((0.0, 100.0), (1.0, 1.0), 0.95)]
    [-1.645, 101.645]
    """
    checked_level(level)
    larger = max(errors)
    if larger <= 0.0:
        return ends
    gap = max(ends[1] - ends[0], 0.0) / larger
    low, high = float(critical_value(2 * level - 1, None)) if level > 0.5 else 0.0, float(critical_value(level, None))
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        enough = normal_cdf(middle + gap) - normal_cdf(-middle) >= level
        low, high = (low, middle) if enough else (middle, high)
    return ends[0] - high * errors[0], ends[1] + high * errors[1]


@dataclass(frozen=True, eq=False)
class Noise:
    """How far sampling may move the ends, as draws from its (joint) distribution.

    Attributes:
        lower: how much the lower end comes out too high, one number per draw.
        upper: how much the upper end comes out too low.
        doubt: how much of the width between the ends may be due to chance.
    """

    lower: FloatArray
    upper: FloatArray
    doubt: float

    def interval(self, ends: tuple[float, float], level: float) -> tuple[float, float]:
        """The interval that holds an effect between the ends with probability `level`, wherever it is.

        Each side gives way by the same quantile of its noise, the smallest that holds an effect at either end. What
        of the width is not beyond doubt counts as none (Stoye 2009, doi:10.3982/ECTA7347).
        """
        checked_level(level)
        width = max(ends[1] - ends[0] - self.doubt, 0.0)
        low, high = level, (1.0 + level) / 2.0
        if not self._holds(low, width, level):
            for _ in range(20):
                middle = (low + high) / 2
                low, high = (low, middle) if self._holds(middle, width, level) else (middle, high)
            low = high
        down, up = self._quantiles(low)
        return ends[0] - down, ends[1] + up

    def _quantiles(self, share: float) -> tuple[float, float]:
        down, up = (float(np.quantile(side, share)) for side in (self.lower, self.upper))
        return max(down, 0.0), max(up, 0.0)

    def _holds(self, share: float, width: float, level: float) -> bool:
        down, up = self._quantiles(share)
        at_lower = np.mean((self.lower <= down) & (self.upper <= up + width))
        at_upper = np.mean((self.upper <= up) & (self.lower <= down + width))
        return bool(min(at_lower, at_upper) >= level)
