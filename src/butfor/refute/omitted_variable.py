"""Omitted-variable bounds: what a confounder that nobody measured can have done to the effect."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from butfor.core.errors import UnknownColumn
from butfor.core.figure import Figure
from butfor.core.serial import public_value
from butfor.core.table import Table, format_number
from butfor.estimators.base import Fit
from butfor.estimators.experiment.difference_in_means import DifferenceInMeans
from butfor.estimators.regression.ols import OLS
from butfor.identify.strategies import Randomization
from butfor.nuisance.cache import NuisanceCache
from butfor.refute.contour import contour
from butfor.refute.linear_bias import LinearBias, benchmark_bound
from butfor.refute.linear_view import LinearView, Strength
from butfor.refute.refit import is_cheap, no_refit, overall_sample, refit
from butfor.refute.riesz_bias import RieszBias

MULTIPLES = (1, 2, 3)
CHEAP_BENCHMARKS = 6
DEAR_BENCHMARKS = 3


@public_value
@dataclass(frozen=True)
class Benchmark:
    """A hidden confounder that is `multiple` times as strong as a measured covariate.

    Attributes:
        treatment_strength, outcome_strength: shares of what is left that such a confounder explains at most.
        estimate: the effect, moved as far towards zero as it can move it; with its limits.
    """

    covariate: str
    multiple: int
    treatment_strength: float
    outcome_strength: float
    estimate: float
    std_error: float
    conf_low: float
    conf_high: float


@public_value
@dataclass(frozen=True)
class OmittedVariableBounds:
    """How strong a hidden confounder would have to be, set against the covariates that were measured.

    Attributes:
        term: the effect.
        method: which theory the bounds come from.
        bias: the bounds as functions of the two strengths.
        robustness_value: share of what is left of treatment *and* outcome that a confounder must explain to bring the
            effect to zero.
        robustness_value_significant: likewise, to bring the 95 % interval to zero.
        partial_r2: share of what the covariates leave of the outcome that the treatment explains (regression).
        benchmarks: confounders 1, 2 and 3 times as strong as measured covariates, the strongest first.
        notes: what to keep in mind.
    """

    term: str
    method: str
    bias: LinearBias | RieszBias
    robustness_value: float
    robustness_value_significant: float
    partial_r2: float | None
    benchmarks: tuple[Benchmark, ...]
    notes: tuple[str, ...] = ()

    @property
    def figure(self) -> Figure:
        """The effect over both strengths, with the lines where it vanishes and the benchmarks."""
        points = [
            (f"{b.multiple}× {b.covariate}", Strength(b.treatment_strength, b.outcome_strength))
            for b in self.benchmarks
        ]
        return contour(self.bias, self.robustness_value, points)

    @property
    def words(self) -> str:
        """The bounds in sentences."""
        text = (
            f"A hidden confounder would have to explain {self.robustness_value:.1%} of what is left of both treatment "
            "and outcome to bring the effect to zero, and "
            f"{self.robustness_value_significant:.1%} to make it statistically indistinguishable from zero."
        )
        if not self.benchmarks:
            return text
        first = self.benchmarks[0]
        moved = format_number(first.estimate, 3)
        turned = first.estimate * self.bias.estimate <= 0.0
        ending = f"could turn the effect around (to {moved})" if turned else f"would leave an effect of {moved}"
        return (
            f"{text} The strongest measured covariate, {first.covariate!r}, corresponds to "
            f"{first.treatment_strength:.1%} of the treatment and {first.outcome_strength:.1%} of the outcome: "
            f"a hidden confounder like it {ending}."
        )

    def tidy(self) -> Table:
        """One row per benchmark."""
        names = [field.name for field in fields(Benchmark)]
        rows = [asdict(benchmark) for benchmark in self.benchmarks]
        return Table.of({name: [row[name] for row in rows] for name in names})

    def record(self) -> dict[str, Any]:
        """The bounds as the JSON contract has them."""
        return {
            "analysis": "omitted_variable_bounds",
            "method": self.method,
            "term": self.term,
            "estimate": self.bias.estimate,
            "std_error": self.bias.std_error,
            "robustness_value": self.robustness_value,
            "robustness_value_significant": self.robustness_value_significant,
            "partial_r2": self.partial_r2,
            "benchmarks": self.tidy().to_dicts(),
            "words": self.words,
            "notes": list(self.notes),
        }

    def _repr_html_(self) -> str:
        return f"<p>{self.words}</p>" + self.tidy().to_html()


def omitted_variable_bounds(
    fit: Fit, *, benchmarks: Sequence[str] | None = None, cache: NuisanceCache | None = None
) -> OmittedVariableBounds | None:
    """Bounds for the first effect of a fit; None for estimators without residuals or Riesz representer.

    `OLS()` gets the bounds of Cinelli and Hazlett (2020, doi:10.1111/rssb.12348); the others those of Chernozhukov,
    Cinelli, Newey, Sharma and Syrgkanis (2022, doi:10.3386/w30302), whose benchmarks refit without the covariate.

    Args:
        benchmarks: covariates to compare with; default those that could bias the effect most (six of them, three
            with machine-learned nuisances).
        cache: nuisances that were fitted before.

    Raises:
        UnknownColumn: for a benchmark that is not adjusted for.
    """
    for name in benchmarks or ():
        if name not in fit.sample.covariates.source:
            raise UnknownColumn.named(name, dict.fromkeys(fit.sample.covariates.source), role="benchmark")
    if isinstance(fit.estimator, OLS):
        return _linear(fit, benchmarks)
    if fit.riesz is None or fit.residual is None or fit.result.influence is None:
        return None
    return _riesz(fit, benchmarks, cache)


def _linear(fit: Fit, benchmarks: Sequence[str] | None) -> OmittedVariableBounds:
    view = LinearView.of(fit)
    bias = LinearBias(float(fit.result.value[0]), view.std_error, view.df)
    names = benchmarks or view.ranked()[:CHEAP_BENCHMARKS]
    compared = [(n, m, benchmark_bound(view.strengths[n], m)) for n in names for m in MULTIPLES]
    notes = _notes(fit, compared)
    if fit.result.clusters:
        notes += ("The limits use the classical standard error, not the clustered one of the estimate.",)
    return OmittedVariableBounds(
        term=fit.result.labels[0],
        method="Cinelli and Hazlett 2020 (doi:10.1111/rssb.12348)",
        bias=bias,
        robustness_value=bias.robustness_value(),
        robustness_value_significant=bias.robustness_value_significant(),
        partial_r2=bias.partial_r2,
        benchmarks=_benchmarks(bias, compared),
        notes=notes,
    )


def _riesz(fit: Fit, benchmarks: Sequence[str] | None, cache: NuisanceCache | None) -> OmittedVariableBounds:
    bias = RieszBias.of(fit)
    alone = isinstance(fit.estimator, DifferenceInMeans) or no_refit(fit) is not None
    gains = {} if alone else _gains(fit, bias, benchmarks, cache)
    compared = [(n, m, Strength(m * g.treatment, m * g.outcome)) for n, g in gains.items() for m in MULTIPLES]
    return OmittedVariableBounds(
        term=fit.result.labels[0],
        method="Chernozhukov et al. 2022 (doi:10.3386/w30302)",
        bias=bias,
        robustness_value=bias.robustness_value(),
        robustness_value_significant=bias.robustness_value_significant(),
        partial_r2=None,
        benchmarks=_benchmarks(bias, compared),
        notes=_notes(fit, compared),
    )


def _gains(
    fit: Fit, bias: RieszBias, benchmarks: Sequence[str] | None, cache: NuisanceCache | None
) -> dict[str, Strength]:
    """What each covariate adds to the explanation of outcome and treatment, by refits without it."""
    count = CHEAP_BENCHMARKS if is_cheap(fit.estimator) else DEAR_BENCHMARKS
    names = list(benchmarks or LinearView.of(fit).ranked()[:count])
    sample = overall_sample(fit)
    found: dict[str, Strength] = {}
    for name in names:
        short = RieszBias.of(refit(fit, sample.with_covariates(sample.covariates.without(name)), cache))
        found[name] = Strength(
            treatment=max(bias.riesz_variance / short.riesz_variance - 1.0, 0.0),
            outcome=max(short.residual_variance / bias.residual_variance - 1.0, 0.0),
        )
    return dict(sorted(found.items(), key=lambda item: -item[1].treatment * item[1].outcome))


def _benchmarks(bias: LinearBias | RieszBias, compared: list[tuple[str, int, Strength]]) -> tuple[Benchmark, ...]:
    found: list[Benchmark] = []
    for name, multiple, strength in compared:
        if not _possible(strength):
            continue
        low, high = bias.interval(strength.treatment, strength.outcome)
        found.append(
            Benchmark(
                covariate=name,
                multiple=multiple,
                treatment_strength=strength.treatment,
                outcome_strength=strength.outcome,
                estimate=float(bias.adjusted(strength.treatment, strength.outcome)),
                std_error=float(bias.adjusted_error(strength.treatment, strength.outcome)),
                conf_low=float(low),
                conf_high=float(high),
            )
        )
    return tuple(found)


def _possible(strength: Strength) -> bool:
    return strength.treatment < 1.0 and strength.outcome < 1.0


def _notes(fit: Fit, compared: list[tuple[str, int, Strength]]) -> tuple[str, ...]:
    notes = tuple(
        f"No confounder can be {multiple}× as strong as {name!r}: it would explain more than there is to explain."
        for name, multiple, strength in compared
        if not _possible(strength)
    )
    if isinstance(fit.strategy, Randomization):
        notes += ("Chance assigned the treatment: a hidden confounder can only come in where that was undermined.",)
    return notes
