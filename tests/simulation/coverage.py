"""How often intervals hold the truth, how large the bias is: one row per case."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import butfor as bf
from butfor.estimators.base import Estimator
from tests.simulation.worlds import World


@dataclass(frozen=True)
class Case:
    """An estimator in a world, with the estimand it names and the standard error under test."""

    estimator: Estimator
    world: World
    estimand: bf.Estimand
    truth: float
    inference: tuple[tuple[str, Any], ...] = ()
    n: int = 600
    draws: int = 4000
    term: int = 0
    settings: tuple[tuple[str, Any], ...] = ()
    bands: tuple[float, ...] = ()
    # What asymptotics leaves at this sample size: bias in standard deviations, and missing coverage.
    bias_allowed: float = 0.1
    coverage_allowed: float = 0.015

    @property
    def how(self) -> str:
        """The kind of interval in words."""
        words = [value if isinstance(value, str) else " and ".join(value) for _, value in self.inference]
        words += [f"{key}: {value if isinstance(value, str) else ', '.join(value)}" for key, value in self.settings]
        splits = getattr(self.estimator, "repetitions", 1)
        words += [f"{splits} splits"] if splits > 1 else []
        words += [f"quantile {q:g}" for q in getattr(self.estimator, "quantiles", ())]
        horizon, times = getattr(self.estimator, "horizon", None), getattr(self.estimator, "times", ())
        words += [f"mean to {horizon:g}"] if horizon else []
        words += [f"survival to {self.estimator.time:g}"] if getattr(self.estimator, "time", None) else []
        words += [f"survival to {times[self.term]:g}"] if times and not self.bands else []
        return ", ".join([*words, *(["simultaneous bands"] if self.bands else [])]) or "default"

    @property
    def name(self) -> str:
        return f"{self.estimator.title} · {self.world.name} · {self.estimand.label} · {self.how}"


@dataclass(frozen=True)
class Outcome:
    """What the simulation found."""

    case: Case
    bias: float
    spread: float
    mean_std_error: float
    coverage: float

    @property
    def bias_z(self) -> float:
        """Bias in Monte Carlo standard errors."""
        return self.bias / (self.spread / np.sqrt(self.case.draws))

    @property
    def coverage_z(self) -> float:
        """Distance of the coverage from 95 % in Monte Carlo standard errors."""
        return (self.coverage - 0.95) / np.sqrt(0.95 * 0.05 / self.case.draws)

    def row(self) -> str:
        cells = (
            self.case.estimator.title,
            self.case.world.name,
            self.case.estimand.label,
            self.case.how,
            str(self.case.n),
            str(self.case.draws),
            f"{self.bias:+.4f}",
            f"{self.spread:.4f}",
            f"{self.mean_std_error:.4f}",
            f"{self.coverage:.3f}",
        )
        return "| " + " | ".join(cells) + " |"


HEADER = (
    "| estimator | world | estimand | standard error | n | draws | bias | sd | mean std. error | coverage of 95 % |\n"
    "| --- | --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |"
)


def simulate(case: Case, seed: int = 20_26) -> Outcome:
    """Draw, fit and count."""
    values, errors, held = [], [], []
    for rng in np.random.default_rng(seed).spawn(case.draws):
        frame: dict[str, Any] = case.world.draw(rng, case.n)
        inference = dict(case.inference)
        fit = case.estimator.fit(
            frame,
            treatment="treatment",
            outcome="outcome",
            covariates=case.world.covariates,
            estimand=case.estimand,
            rng=0,
            **dict(case.settings),
        )
        estimate = fit.estimate().with_inference(**_codes(inference, frame)) if inference else fit.estimate()
        values.append(float(estimate.value[case.term]))
        errors.append(float(estimate.std_error[case.term]))
        if case.bands:
            limits, truth = estimate.bands(), np.array(case.bands)
            held.append(bool(np.all((limits[:, 0] <= truth) & (truth <= limits[:, 1]))))
        else:
            low, high = estimate.interval()[case.term]
            held.append(bool(low <= case.truth <= high))
    return Outcome(
        case,
        float(np.mean(values)) - case.truth,
        float(np.std(values, ddof=1)),
        float(np.mean(errors)),
        float(np.mean(held)),
    )


def _codes(inference: dict[str, Any], frame: dict[str, Any]) -> dict[str, Any]:
    """Cluster columns in place of their names."""
    if isinstance(inference.get("cluster"), str):
        return inference | {"cluster": frame[inference["cluster"]]}
    return inference


def table(outcomes: Sequence[Outcome]) -> str:
    """A Markdown table."""
    return "\n".join([HEADER, *(outcome.row() for outcome in outcomes)])
