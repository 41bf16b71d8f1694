"""Effects unit by unit, with their uncertainty."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from butfor.core.errors import InvalidSetting
from butfor.core.table import Table
from butfor.inference.distribution import critical_value

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class EffectTable:
    """Estimated effects at n points of the covariates, each with its own standard error.

    The intervals are pointwise: each one alone holds with its level.

    Attributes:
        labels: one name per effect (k).
        value: n × k.
        std_error: n × k; NaN where the method gives none.
    """

    labels: tuple[str, ...]
    value: FloatArray
    std_error: FloatArray

    def __len__(self) -> int:
        return len(self.value)

    def interval(self, level: float = 0.95) -> FloatArray:
        """Pointwise confidence limits (n × k × 2)."""
        if not 0.0 < level < 1.0:
            raise InvalidSetting(f"level is {level}; an interval needs 0 < level < 1.", hint="level=0.95")
        half = np.asarray(critical_value(level, None)) * self.std_error
        return np.stack([self.value - half, self.value + half], axis=-1)

    def tidy(self, level: float = 0.95) -> Table:
        """One row per point and effect: row, term, estimate, std_error, conf_low, conf_high."""
        limits = self.interval(level).reshape(-1, 2)
        n, k = self.value.shape
        return Table.of(
            {
                "row": np.repeat(np.arange(n), k),
                "term": list(self.labels) * n,
                "estimate": self.value.reshape(-1),
                "std_error": self.std_error.reshape(-1),
                "conf_low": limits[:, 0],
                "conf_high": limits[:, 1],
            }
        )
