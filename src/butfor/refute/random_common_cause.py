"""Random common cause: does the estimate hold still when a covariate of pure noise joins in?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from butfor.core.rng import streams
from butfor.core.table import Table, format_number
from butfor.estimators.base import Fit
from butfor.nuisance.cache import NuisanceCache
from butfor.refute.figures import distribution_figure
from butfor.refute.refit import (
    SHARE_OF_ERROR_THAT_MATTERS,
    Effects,
    is_cheap,
    no_covariates,
    overall_sample,
    refit,
    room_for_one_more,
)
from butfor.refute.refutation import Finding
from butfor.refute.refuter import Progress, Refuter, check_simulations, tell
from butfor.refute.spread import mean_p_value


@dataclass(frozen=True, kw_only=True)
class RandomCommonCause(Refuter):
    """Add a covariate of independent noise, run the whole method again, expect the same answer.

    **Answers** whether the method is stable: noise that has nothing to do with treatment or outcome must not move
    the effect.

    The two-sided p-value is for the mean shift being zero, given the spread of the shifts. The check fails only when
    the shift is also larger than a tenth of the standard error.

    Args:
        simulations: refits; default 30 where a refit is closed-form algebra, 2 with machine-learned nuisances.
    """

    simulations: int | None = None

    name: ClassVar[str] = "random common cause"
    asks: ClassVar[str] = "Does the answer hold still when a covariate of pure noise joins in?"

    def __post_init__(self) -> None:
        check_simulations(self.simulations)

    def applies(self, fit: Fit) -> str | None:
        """Needs an estimator that uses covariates."""
        return no_covariates(fit)

    def examine(
        self, fit: Fit, *, seed: int, cache: NuisanceCache | None = None, progress: Progress | None = None
    ) -> Finding:
        """Refit with noise among the covariates."""
        count = self.simulations or (30 if is_cheap(fit.estimator) else 2)
        sample, real = overall_sample(fit), Effects.of(fit)
        noisy = sample.with_covariates(room_for_one_more(sample.covariates, self.name))
        kept = cache or NuisanceCache()
        draws = np.empty((count, len(real.value)))
        for done, rng in enumerate(streams(seed, count)):
            tell(progress, self.name, done, count)
            noisy.covariates.matrix[:, -1] = rng.standard_normal(sample.n)
            draws[done] = refit(fit, noisy, kept).result.value
        tell(progress, self.name, count, count)
        shift = draws - real.value
        mean, p_values = shift.mean(axis=0), mean_p_value(shift)
        in_errors = abs(float(mean[0])) / float(real.std_error[0]) if real.std_error[0] > 0 else 0.0
        moved = f"noise among the covariates moves the effect by {format_number(float(mean[0]), 2)}"
        return Finding(
            check=self.name,
            asks=self.asks,
            estimate=float(real.value[0]),
            refuted_estimate=float(draws[:, 0].mean()),
            p_value=float(p_values[0]),
            negligible=in_errors <= SHARE_OF_ERROR_THAT_MATTERS,
            passed=f"{moved} ({in_errors:.2f} standard errors): next to nothing, as it should.",
            failed=f"{moved} ({in_errors:.2f} standard errors); an answer that noise can move cannot be trusted.",
            seed=seed,
            simulations=count,
            table=Table.of(
                {
                    "term": real.labels,
                    "estimate": real.value,
                    "mean_with_noise": draws.mean(axis=0),
                    "shift": mean,
                    "shift_sd": shift.std(axis=0, ddof=1),
                    "std_error": real.std_error,
                    "p_value": p_values,
                }
            ),
            figure=distribution_figure(
                draws[:, 0],
                {"estimate": float(real.value[0])},
                title="Effects with a covariate of noise",
                description=f"{count} refits; the mean differs from the estimate by {in_errors:.2f} standard errors.",
            ),
        )
