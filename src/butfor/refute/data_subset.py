"""Data subset: does the answer depend on which rows happened to be in the data?"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from butfor.core.errors import InvalidSetting
from butfor.core.rng import streams
from butfor.core.table import Table, format_number
from butfor.estimators.base import Fit
from butfor.inference.distribution import chi_square_tail
from butfor.nuisance.cache import NuisanceCache
from butfor.refute.contributions import Contributions, no_contributions
from butfor.refute.figures import distribution_figure
from butfor.refute.refit import SHARE_OF_ERROR_THAT_MATTERS
from butfor.refute.refutation import Finding
from butfor.refute.refuter import Progress, Refuter, check_simulations, tell

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class DataSubset(Refuter):
    """Leave random rows out and look how far the effect moves.

    **Answers** whether the answer hangs on a few rows, or on rows that are less independent than the standard error
    says.

    Subsets reuse the influence functions of the fit: orthogonal scores make refitting the nuisances a matter of
    second order. Whole clusters are left out where the sample has clusters. A subset mean of a share f has the known
    variance (1 − f)/f · se² around the full estimate; the two-sided p-value compares the simulated squared shifts
    with it (χ²). The check fails only when the spread is also off by more than a tenth.

    Args:
        fraction: share of the units that stays.
        simulations: subsets; they cost next to nothing.
    """

    fraction: float = 0.8
    simulations: int = 100

    name: ClassVar[str] = "data subset"
    asks: ClassVar[str] = "Does the answer depend on which rows happened to be in the data?"

    def __post_init__(self) -> None:
        check_simulations(self.simulations)
        if not 0.0 < self.fraction < 1.0:
            raise InvalidSetting(f"fraction is {self.fraction}; a subset needs 0 < fraction < 1.", hint="fraction=0.8")

    def applies(self, fit: Fit) -> str | None:
        """Needs an influence function."""
        return no_contributions(fit)

    def examine(
        self, fit: Fit, *, seed: int, cache: NuisanceCache | None = None, progress: Progress | None = None
    ) -> Finding:
        """Leave units out, again and again."""
        units, result = Contributions.of(fit), fit.result
        gone = min(max(round((1.0 - self.fraction) * len(units)), 1), len(units) - 1)
        # What random splits of the rows add is no scatter of the rows.
        known = replace(result, splitting=None).std_error * np.sqrt(gone / (len(units) - gone))
        shift = np.array([units.left_out(gone, rng) for rng in streams(seed, self.simulations)])
        tell(progress, self.name, self.simulations, self.simulations)
        draws = result.value + shift
        ratio = float(np.sqrt(np.mean(shift[:, 0] ** 2)) / known[0]) if known[0] > 0 else 1.0
        low, high = np.quantile(draws, [0.025, 0.975], axis=0)
        kept = float((np.sign(draws[:, 0]) == np.sign(result.value[0])).mean())
        seen = (
            f"on random {self.fraction:.0%} subsets the effect lies between {format_number(float(low[0]), 3)} and "
            f"{format_number(float(high[0]), 3)}"
        )
        return Finding(
            check=self.name,
            asks=self.asks,
            estimate=float(result.value[0]),
            refuted_estimate=float(draws[:, 0].mean()),
            p_value=_two_sided(ratio**2 * self.simulations, self.simulations),
            negligible=abs(ratio - 1.0) <= SHARE_OF_ERROR_THAT_MATTERS,
            passed=f"{seen} (same sign in {kept:.0%}), as far apart as chance puts them.",
            failed=f"{seen}, {ratio:.2f} times as far apart as the standard error says; it cannot be relied on.",
            seed=seed,
            simulations=self.simulations,
            table=Table.of(
                {
                    "term": result.labels,
                    "estimate": result.value,
                    "subset_mean": draws.mean(axis=0),
                    "subset_sd": np.sqrt(np.mean(shift**2, axis=0)),
                    "expected_sd": known,
                    "subset_low": low,
                    "subset_high": high,
                }
            ),
            figure=distribution_figure(
                draws[:, 0],
                {"estimate": float(result.value[0])},
                title=f"Effects on random {self.fraction:.0%} subsets",
                description=f"{self.simulations} subsets; {kept:.0%} keep the sign of the estimate.",
            ),
        )


def _two_sided(statistic: float, df: int) -> float:
    upper = chi_square_tail(statistic, df)
    return min(2.0 * min(upper, 1.0 - upper), 1.0)
