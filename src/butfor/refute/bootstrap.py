"""Bootstrap: is the standard error as large as the scatter of the estimate?"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from butfor.core.rng import streams
from butfor.core.table import Table, format_number
from butfor.estimators.base import Fit
from butfor.inference.distribution import two_sided_p
from butfor.nuisance.cache import NuisanceCache
from butfor.refute.contributions import Contributions, no_contributions
from butfor.refute.figures import distribution_figure
from butfor.refute.refit import SHARE_OF_ERROR_THAT_MATTERS
from butfor.refute.refutation import Finding
from butfor.refute.refuter import Progress, Refuter, check_simulations, tell

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Bootstrap(Refuter):
    """Draw as many rows again with replacement, and compare the scatter with the standard error.

    **Answers** whether the reported uncertainty is right.

    Resamples reuse the influence functions of the fit (score bootstrap); whole clusters are drawn where the sample
    has clusters, so that a standard error that ignores them is found out. The two-sided p-value is for the ratio of
    the two variances being one, with the kurtosis of the draws; the check fails only when the standard error is also
    off by more than a tenth.

    Args:
        simulations: resamples; they cost next to nothing.

    References:
        Efron 1979 (doi:10.1214/aos/1176344552); Kline and Santos 2012 (doi:10.1515/2156-6674.1006) for scores.
    """

    simulations: int = 200

    name: ClassVar[str] = "bootstrap"
    asks: ClassVar[str] = "Is the stated uncertainty as large as the scatter of the answer?"

    def __post_init__(self) -> None:
        check_simulations(self.simulations, least=20)

    def applies(self, fit: Fit) -> str | None:
        """Needs an influence function."""
        return no_contributions(fit)

    def examine(
        self, fit: Fit, *, seed: int, cache: NuisanceCache | None = None, progress: Progress | None = None
    ) -> Finding:
        """Resample, again and again."""
        units, result = Contributions.of(fit), fit.result
        shift = np.array([units.resampled(rng) for rng in streams(seed, self.simulations)])
        tell(progress, self.name, self.simulations, self.simulations)
        draws = result.value + shift
        spread = shift.std(axis=0, ddof=1)
        low, high = np.quantile(draws, [0.025, 0.975], axis=0)
        p_values = np.array([_ratio_p(column, se) for column, se in zip(shift.T, result.std_error, strict=True)])
        ratio = float(spread[0] / result.std_error[0]) if result.std_error[0] > 0 else 1.0
        seen = (
            f"resampling scatters the effect by {format_number(float(spread[0]), 3)}; the standard error says "
            f"{format_number(float(result.std_error[0]), 3)}"
        )
        return Finding(
            check=self.name,
            asks=self.asks,
            estimate=float(result.value[0]),
            refuted_estimate=float(draws[:, 0].mean()),
            p_value=float(p_values[0]),
            negligible=abs(ratio - 1.0) <= SHARE_OF_ERROR_THAT_MATTERS,
            passed=f"{seen}: they agree.",
            failed=f"{seen}: the stated uncertainty is {'too small' if ratio > 1.0 else 'too large'}.",
            seed=seed,
            simulations=self.simulations,
            table=Table.of(
                {
                    "term": result.labels,
                    "estimate": result.value,
                    "std_error": result.std_error,
                    "bootstrap_sd": spread,
                    "bootstrap_low": low,
                    "bootstrap_high": high,
                    "p_value": p_values,
                }
            ),
            figure=distribution_figure(
                draws[:, 0],
                {"estimate": float(result.value[0])},
                title="Effects in bootstrap resamples",
                description=f"{self.simulations} resamples; their standard deviation is {ratio:.2f} standard errors.",
            ),
        )


def _ratio_p(shift: FloatArray, std_error: float) -> float:
    """Two-sided p of Var(shift) = std_error²; a sample variance has the variance (κ − 1) σ⁴ / B."""
    if std_error == 0.0:
        return 1.0
    centred = shift - shift.mean()
    variance = float(centred @ centred) / (len(shift) - 1)
    if variance == 0.0:
        return 0.0
    kurtosis = float(np.dot(centred**2, centred**2)) / len(shift) / variance**2
    error = sqrt(max(kurtosis - 1.0, 1.0) / len(shift))
    statistic = np.full(1, (variance / std_error**2 - 1.0) / error)
    return float(two_sided_p(statistic, None)[0])
