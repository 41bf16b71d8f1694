"""The battery: every check that applies, judged together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from butfor.core.errors import InvalidSetting
from butfor.core.rng import Seed, generator
from butfor.estimators.base import Fit
from butfor.inference.multiplicity import holm
from butfor.nuisance.cache import NuisanceCache
from butfor.refute.bootstrap import Bootstrap
from butfor.refute.data_subset import DataSubset
from butfor.refute.evalue import EValue
from butfor.refute.omitted_variable import omitted_variable_bounds
from butfor.refute.placebo_outcome import PlaceboOutcome
from butfor.refute.placebo_treatment import PlaceboTreatment
from butfor.refute.random_common_cause import RandomCommonCause
from butfor.refute.refit import hidden_causes_allowed
from butfor.refute.refutation import Finding, Refutation, Refutations
from butfor.refute.refuter import Progress, Refuter
from butfor.refute.sensitivity import Sensitivity
from butfor.refute.simulated_confounder import SimulatedConfounder


def refute(
    fit: Fit,
    *,
    refuters: Sequence[Refuter] | None = None,
    negative_outcomes: Mapping[str, ArrayLike] | None = None,
    rng: Seed = 0,
    cache: NuisanceCache | None = None,
    progress: Progress | None = None,
) -> Refutations:
    """Try to break an estimate with several checks at once.

    **Answers** whether the method, the data and the stated uncertainty survive checks that have nothing to do with
    whether one likes the answer. It cannot show that no confounder is missing: see `sensitivity`.

    p-values are adjusted over the battery (Holm 1979), so that a sound study fails some check with a probability of
    at most 5 %. Each check draws from streams of its own.

    Args:
        fit: the estimate.
        refuters: checks to run; default all that apply.
        negative_outcomes: columns that the treatment cannot have changed, name to values on the rows of the fit;
            each adds a `PlaceboOutcome` to the default battery.
        rng: seed or generator.
        cache: nuisances that were fitted before.
        progress: called with (check, done, total).

    Raises:
        MethodMismatch: when a check that was asked for says nothing about this fit.

    >>> import butfor as bf
    >>> frame = {"sent": [0, 1] * 50, "value": [0.1 * (i % 7) + i % 2 for i in range(100)]}
    >>> fit = bf.DifferenceInMeans().fit(frame, treatment="sent", outcome="value")
    >>> [(result.check, str(result.verdict)) for result in refute(fit)]
    [('placebo treatment', 'passed'), ('data subset', 'passed'), ('bootstrap', 'passed')]
    """
    fit = _with_outcomes(fit, negative_outcomes or {})
    chosen = default_refuters(fit) if refuters is None else tuple(refuters)
    findings: list[Finding] = []
    skipped: list[str] = []
    for refuter, seed in zip(chosen, _seeds(rng, len(chosen)), strict=True):
        reason = refuter.applies(fit)
        if reason is not None and refuters is None:
            skipped.append(f"{refuter.name}: {reason}.")
            continue
        refuter.require(fit)
        findings.append(refuter.examine(fit, seed=seed, cache=cache, progress=progress))
    return Refutations(_judged(findings), tuple(skipped))


def default_refuters(fit: Fit) -> tuple[Refuter, ...]:
    """The battery, with a placebo outcome for each negative outcome that the sample has."""
    return (
        PlaceboTreatment(),
        *(PlaceboOutcome(outcome=name) for name in fit.sample.extra),
        RandomCommonCause(),
        DataSubset(),
        Bootstrap(),
        SimulatedConfounder(),
    )


def sensitivity(
    fit: Fit, *, benchmarks: Sequence[str] | None = None, cache: NuisanceCache | None = None
) -> Sensitivity:
    """How strong a hidden confounder would have to be to overturn the answer.

    Args:
        fit: the estimate; its first effect is examined.
        benchmarks: covariates to compare a hidden confounder with; default the most important ones.
        cache: nuisances that were fitted before.

    >>> import butfor as bf
    >>> frame = {"sent": [0, 1] * 50, "value": [0.1 * (i % 7) + i % 2 for i in range(100)]}
    >>> fit = bf.OLS().fit(frame, treatment="sent", outcome="value")
    >>> sensitivity(fit).omitted_variable.robustness_value > 0.5
    True
    """
    if hidden_causes_allowed(fit) is not None:
        return Sensitivity(None, None)
    return Sensitivity(omitted_variable_bounds(fit, benchmarks=benchmarks, cache=cache), EValue.of_fit(fit))


def _seeds(rng: Seed, count: int) -> list[int]:
    return [int(seed) for seed in generator(rng).integers(0, 2**31 - 1, size=count)]


def _judged(findings: list[Finding]) -> tuple[Refutation, ...]:
    tested = [f.p_value for f in findings if f.p_value is not None]
    adjusted = iter(holm(tested)) if tested else iter(())
    return tuple(f.judged(None if f.p_value is None else float(next(adjusted))) for f in findings)


def _with_outcomes(fit: Fit, outcomes: Mapping[str, ArrayLike]) -> Fit:
    extra = {name: np.asarray(values, dtype=np.float64) for name, values in outcomes.items()}
    for name, values in extra.items():
        if values.shape != (fit.sample.n,) or not np.isfinite(values).all():
            raise InvalidSetting(
                f"Negative outcome {name!r} has shape {values.shape}; a placebo outcome needs a finite number for each "
                f"of the {fit.sample.n} rows of the fit.",
                hint="name it when reading the data: Study(..., negative_outcomes=[...])",
            )
    return replace(fit, sample=replace(fit.sample, extra={**fit.sample.extra, **extra}))
