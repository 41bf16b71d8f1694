"""Placebo outcome (negative control): does the treatment seem to change what it cannot have changed?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from butfor.core.errors import ConstantColumn, UnknownColumn
from butfor.core.table import Table, format_number
from butfor.estimators.base import Fit
from butfor.nuisance.cache import NuisanceCache
from butfor.refute.refit import Effects, lost_from_sight, no_refit, overall_sample, refit
from butfor.refute.refutation import Finding
from butfor.refute.refuter import Progress, Refuter, tell


@dataclass(frozen=True, kw_only=True)
class PlaceboOutcome(Refuter):
    """Put an outcome in place that the treatment cannot have changed, and expect nothing.

    **Answers** whether the treated differ from the others in something that only confounding can explain: an outcome
    measured before the treatment, or one that it has no way to reach.

    The p-value is the refit's own for no effect. Propensities are shared with the original fit.

    Args:
        outcome: one of the negative outcomes of the study.

    References:
        Lipsitch, Tchetgen Tchetgen and Cohen 2010 (doi:10.1097/EDE.0b013e3181d61eeb).
    """

    outcome: str

    name: ClassVar[str] = "placebo outcome"
    asks: ClassVar[str] = "Does the treatment seem to change something that it cannot have changed?"

    def applies(self, fit: Fit) -> str | None:
        """Needs an outcome that is not adjusted for."""
        if self.outcome in fit.sample.covariates.source:
            return f"{self.outcome!r} is adjusted for, so its effect is zero by construction"
        if self.outcome == fit.sample.outcome_name:
            return f"{self.outcome!r} is the outcome itself"
        return no_refit(fit) or lost_from_sight(fit)

    def examine(
        self, fit: Fit, *, seed: int, cache: NuisanceCache | None = None, progress: Progress | None = None
    ) -> Finding:
        """Refit with the other outcome.

        Raises:
            UnknownColumn: when the study was not given this negative outcome.
            ConstantColumn: when it has one value.
        """
        values = fit.sample.extra.get(self.outcome)
        if values is None:
            raise UnknownColumn.named(self.outcome, fit.sample.extra, role="placebo outcome")
        if np.ptp(values) == 0.0:
            raise ConstantColumn(
                f"Placebo outcome {self.outcome!r} has one value; a negative control needs to vary.",
                hint="choose another column",
            )
        tell(progress, self.name, 0, 1)
        placebo = refit(fit, overall_sample(fit).with_outcome(self.outcome, values), cache).result
        tell(progress, self.name, 1, 1)
        found, error = format_number(float(placebo.value[0]), 2), format_number(float(placebo.std_error[0]), 2)
        limits = placebo.interval()
        return Finding(
            check=f"{self.name}: {self.outcome}",
            asks=self.asks,
            estimate=float(fit.result.value[0]),
            refuted_estimate=float(placebo.value[0]),
            p_value=float(placebo.p_value[0]),
            passed=f"the method finds {found} ± {error} on {self.outcome!r}, which agrees with no effect: right.",
            failed=f"the method finds {found} ± {error} on {self.outcome!r}, which the treatment cannot have changed; "
            "a confounder is missing.",
            seed=seed,
            simulations=1,
            table=Table.of(
                {
                    "term": placebo.labels,
                    "estimate": Effects.of(fit).value,
                    "placebo_estimate": placebo.value,
                    "std_error": placebo.std_error,
                    "p_value": placebo.p_value,
                    "conf_low": limits[:, 0],
                    "conf_high": limits[:, 1],
                }
            ),
        )
