"""Placebo treatment: does the method find an effect where there can be none?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from butfor.core.figure import Figure
from butfor.core.rng import streams
from butfor.core.table import Table, format_number
from butfor.estimators.base import Fit
from butfor.nuisance.cache import NuisanceCache
from butfor.refute.figures import distribution_figure
from butfor.refute.refit import Effects, FloatArray, is_cheap, no_placebo, overall_sample, refit
from butfor.refute.refutation import Finding
from butfor.refute.refuter import Progress, Refuter, check_simulations, tell
from butfor.refute.shuffle import Shuffle
from butfor.refute.spread import ENOUGH, mean_p_value, permutation_p_value


@dataclass(frozen=True, kw_only=True)
class PlaceboTreatment(Refuter):
    """Shuffle the treatment, run the whole method again, expect nothing.

    **Answers** whether the method itself manufactures effects: with a treatment that was dealt out at random after
    the fact, the right answer is zero.

    Every simulation is a genuine refit with its own propensities and outcome models. Where the treatment was given
    to clusters, whole clusters are shuffled; where chance worked within strata, the shuffle stays within them.

    The two-sided p-value is for the mean placebo effect being zero, given its spread over simulations (below 20
    simulations: given the placebo fits' own standard errors). The table also says where the real estimate lies among
    the placebo effects (permutation p).

    Args:
        simulations: refits; default 100 where a refit is closed-form algebra, 3 with machine-learned nuisances.

    References:
        Fisher 1935, The Design of Experiments; Eggers, Tuñón and Dafoe 2024 (doi:10.1111/ajps.12818).
    """

    simulations: int | None = None

    name: ClassVar[str] = "placebo treatment"
    asks: ClassVar[str] = "Does the method find an effect of a treatment that was made up?"

    def __post_init__(self) -> None:
        check_simulations(self.simulations)

    def applies(self, fit: Fit) -> str | None:
        """Needs nuisances that can be fitted again, and a treatment that may be made up."""
        return no_placebo(fit)

    def examine(
        self, fit: Fit, *, seed: int, cache: NuisanceCache | None = None, progress: Progress | None = None
    ) -> Finding:
        """Refit on shuffled treatments."""
        count = self.simulations or (100 if is_cheap(fit.estimator) else 3)
        sample, real = overall_sample(fit), Effects.of(fit)
        shuffle, kept = Shuffle.of(sample, fit.strategy), cache or NuisanceCache()
        draws, errors = np.empty((2, count, len(real.value)))
        for done, rng in enumerate(streams(seed, count)):
            tell(progress, self.name, done, count)
            placebo = refit(fit, sample.with_treatment(shuffle.draw(rng)), kept).result
            draws[done] = placebo.value
            errors[done] = placebo.std_error if count < ENOUGH else 0.0
        tell(progress, self.name, count, count)
        p_values = mean_p_value(draws, errors)
        mean = draws.mean(axis=0)
        found = format_number(float(mean[0]), 2)
        return Finding(
            check=self.name,
            asks=self.asks,
            estimate=float(real.value[0]),
            refuted_estimate=float(mean[0]),
            p_value=float(p_values[0]),
            passed=f"with a made-up treatment the method finds {found} on average: no effect, as it should.",
            failed=f"with a made-up treatment the method finds {found} on average where 0 is the truth; "
            "something in the method makes up effects.",
            seed=seed,
            simulations=count,
            table=_table(real, draws, p_values),
            figure=_figure(real, draws),
        )


def _table(real: Effects, draws: FloatArray, p_values: FloatArray) -> Table:
    low, high = np.quantile(draws, [0.025, 0.975], axis=0)
    return Table.of(
        {
            "term": real.labels,
            "estimate": real.value,
            "placebo_mean": draws.mean(axis=0),
            "placebo_sd": draws.std(axis=0, ddof=1),
            "placebo_low": low,
            "placebo_high": high,
            "p_value": p_values,
            "permutation_p_value": permutation_p_value(real.value, draws),
        }
    )


def _figure(real: Effects, draws: FloatArray) -> Figure:
    share = float((np.abs(draws[:, 0]) >= abs(real.value[0])).mean())
    return distribution_figure(
        draws[:, 0],
        {"no effect": 0.0, "real estimate": float(real.value[0])},
        title="Effects of made-up treatments",
        description=f"{share:.0%} of {len(draws)} placebo effects are at least as large as the real estimate.",
    )
