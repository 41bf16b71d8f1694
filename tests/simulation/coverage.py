"""How often intervals hold the truth, how large the bias is: one row per case."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
    inference: tuple[tuple[str, str], ...] = ()
    n: int = 600
    draws: int = 1000
    term: int = 0

    @property
    def name(self) -> str:
        how = ", ".join(value for _, value in self.inference) or "default"
        return f"{self.estimator.title} · {self.world.name} · {self.estimand.label} · {how}"


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
            ", ".join(value for _, value in self.case.inference) or "default",
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
            cluster=inference.pop("cluster", None),
            rng=0,
        )
        estimate = fit.estimate().with_inference(**inference) if inference else fit.estimate()
        low, high = estimate.interval()[case.term]
        values.append(float(estimate.value[case.term]))
        errors.append(float(estimate.std_error[case.term]))
        held.append(low <= case.truth <= high)
    return Outcome(
        case,
        float(np.mean(values)) - case.truth,
        float(np.std(values, ddof=1)),
        float(np.mean(errors)),
        float(np.mean(held)),
    )


def table(outcomes: Sequence[Outcome]) -> str:
    """A Markdown table."""
    return "\n".join([HEADER, *(outcome.row() for outcome in outcomes)])


Selection = Callable[[Case], bool]
