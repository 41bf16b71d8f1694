"""Bias and coverage of every standard error. `make simulations` runs all draws, the suite a few."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.simulation.cases import FAST, SLOW
from tests.simulation.coverage import Case, simulate

# Four Monte Carlo standard errors: a right interval fails one test in 16,000.
LIMIT = 4.0


def _check(case: Case) -> None:
    outcome = simulate(case)
    assert abs(outcome.bias_z) < LIMIT or abs(outcome.bias) < case.bias_allowed * outcome.spread, outcome.row()
    slack = case.coverage_allowed / (0.95 * 0.05 / case.draws) ** 0.5
    assert abs(outcome.coverage_z) < LIMIT + slack, outcome.row()


@pytest.mark.parametrize("case", FAST, ids=lambda c: c.name)
def test_coverage_with_few_draws(case: Case) -> None:
    _check(replace(case, draws=100))


@pytest.mark.slow
@pytest.mark.parametrize("case", [*FAST, *SLOW], ids=lambda c: c.name)
def test_coverage(case: Case) -> None:
    _check(case)
