"""Effects unit by unit, with their uncertainty."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from butfor.core.diagnostic import Diagnostic
from butfor.core.errors import InvalidSetting, MethodMismatch
from butfor.core.table import Table
from butfor.inference.distribution import critical_value

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class EffectTable:
    """Estimated effects at n points of the covariates, each with its own standard error where the method has one.

    The intervals are pointwise: each one alone holds with its level.

    Attributes:
        labels: one name per effect (k).
        value: n × k.
        std_error: n × k; None when the method has none for single units, and then a diagnostic says why.
        diagnostics: what the reader should know.
    """

    labels: tuple[str, ...]
    value: FloatArray
    std_error: FloatArray | None = None
    diagnostics: tuple[Diagnostic, ...] = ()

    def __len__(self) -> int:
        return len(self.value)

    def interval(self, level: float = 0.95) -> FloatArray:
        """Pointwise confidence limits (n × k × 2).

        Raises:
            MethodMismatch: when the method has no standard error for single units.
        """
        if self.std_error is None:
            raise MethodMismatch(
                "These effects of single units have no standard error; an interval needs one.",
                hint="fit.group_effects(…) has intervals for groups, LinearEffects() and CausalForest() for units",
            )
        if not 0.0 < level < 1.0:
            raise InvalidSetting(f"level is {level}; an interval needs 0 < level < 1.", hint="level=0.95")
        half = np.asarray(critical_value(level, None)) * self.std_error
        return np.stack([self.value - half, self.value + half], axis=-1)

    def tidy(self, level: float = 0.95) -> Table:
        """One row per point and effect: row, term, estimate, and where there are any std_error, conf_low, conf_high."""
        n, k = self.value.shape
        columns = {
            "row": np.repeat(np.arange(n), k),
            "term": list(self.labels) * n,
            "estimate": self.value.reshape(-1),
        }
        if self.std_error is None:
            return Table.of(columns)
        limits = self.interval(level).reshape(-1, 2)
        spread = {"std_error": self.std_error.reshape(-1), "conf_low": limits[:, 0], "conf_high": limits[:, 1]}
        return Table.of(columns | spread)
