"""Simulated confounder: how far would a confounder that nobody measured move the answer?"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from butfor.core.errors import InvalidSetting
from butfor.core.figure import Figure
from butfor.core.rng import streams
from butfor.core.table import Table, format_number
from butfor.estimators.base import Fit
from butfor.nuisance.cache import NuisanceCache
from butfor.refute.figures import SCHEMA
from butfor.refute.linear_bias import direction
from butfor.refute.linear_view import LinearView, Strength
from butfor.refute.refit import (
    hidden_causes_allowed,
    is_cheap,
    lost_from_sight,
    no_covariates,
    overall_sample,
    refit,
    room_for_one_more,
)
from butfor.refute.refutation import Finding, Verdict
from butfor.refute.refuter import Progress, Refuter, tell

FloatArray = NDArray[np.float64]

WITHOUT_BENCHMARK = (0.02, 0.1, 0.2)
STRONGEST = Strength(treatment=0.5, outcome=0.9)


@dataclass(frozen=True)
class Cell:
    """One simulated confounder: its two partial R², as multiples of the benchmark (0 without), and what it did."""

    strength: Strength
    multiple: Strength
    effect: float = 0.0
    std_error: float = 0.0


@dataclass(frozen=True, kw_only=True)
class SimulatedConfounder(Refuter):
    """Draw a confounder of a stated strength, adjust for it too, and look how far the effect moves towards zero.

    **Answers** how strong something unmeasured would have to be to overturn the answer, in terms of the covariates
    that were measured.

    The confounder U = √r_t t + √((1 − r_t) r_y) y + √((1 − r_t)(1 − r_y)) z is made of the residuals t of the
    treatment and y of the outcome and of noise z, so that it explains exactly the share r_t of what the covariates
    leave of the treatment, and r_y of what covariates and treatment leave of the outcome, in the direction that
    works against the effect. Each cell of the grid is a genuine refit. For `OLS()` the moved effect equals the
    omitted-variable formula to the last digit.

    This is not a test, so it has no p-value: it passes when a confounder as strong as the strongest measured
    covariate leaves the sign of the effect alone, and is inconclusive otherwise.

    Args:
        multiples: strengths as multiples of the partial R² of the strongest measured covariate, for treatment and
            outcome; with machine-learned nuisances only the first two, equal for both.
        strengths: partial R² to use instead, for treatment and outcome.

    References:
        Cinelli and Hazlett 2020 (doi:10.1111/rssb.12348).
    """

    multiples: tuple[float, ...] = (1.0, 2.0, 3.0)
    strengths: tuple[float, ...] | None = None

    name: ClassVar[str] = "simulated confounder"
    asks: ClassVar[str] = "Would something unmeasured, as strong as what was measured, overturn the answer?"

    def __post_init__(self) -> None:
        if not self.multiples or min(self.multiples) <= 0.0:
            raise InvalidSetting(
                f"multiples is {self.multiples}; a simulated confounder needs positive multiples.",
                hint="multiples=(1, 2, 3)",
            )
        if self.strengths is not None and not all(0.0 <= s < 1.0 for s in self.strengths or (1.0,)):
            raise InvalidSetting(
                f"strengths is {self.strengths}; partial R² needs 0 ≤ strength < 1.", hint="strengths=(0.05, 0.1)"
            )

    def applies(self, fit: Fit) -> str | None:
        """Needs an estimator that uses covariates, and a strategy that a hidden confounder would overturn."""
        return hidden_causes_allowed(fit) or no_covariates(fit) or lost_from_sight(fit)

    def examine(
        self, fit: Fit, *, seed: int, cache: NuisanceCache | None = None, progress: Progress | None = None
    ) -> Finding:
        """One confounder and one refit per cell of the grid."""
        view, sample = LinearView.of(fit), overall_sample(fit)
        effect = float(fit.result.value[0])
        benchmark, grid = self._grid(fit, view)
        joined, kept = sample.with_covariates(room_for_one_more(sample.covariates, self.name)), cache or NuisanceCache()
        cells: list[Cell] = []
        for done, (cell, rng) in enumerate(zip(grid, streams(seed, len(grid)), strict=True)):
            tell(progress, self.name, done, len(grid))
            joined.covariates.matrix[:, -1] = draw_confounder(view, cell.strength, direction(effect), rng)
            moved = refit(fit, joined, kept).result
            cells.append(Cell(cell.strength, cell.multiple, float(moved.value[0]), float(moved.std_error[0])))
        tell(progress, self.name, len(grid), len(grid))
        decisive = _decisive(cells, benchmark)
        holds = all(c.effect * effect > 0.0 for c in decisive)
        words = _words(effect, decisive[-1], benchmark, _vanishes(effect, cells, benchmark))
        return Finding(
            check=self.name,
            asks=self.asks,
            estimate=effect,
            refuted_estimate=decisive[-1].effect,
            p_value=None,
            verdict=Verdict.PASSED if holds else Verdict.INCONCLUSIVE,
            passed=words,
            failed=f"{words} Whether such a confounder exists is for those to say who know the field.",
            seed=seed,
            simulations=len(grid),
            table=_table(cells, effect),
            figure=_heat_map(cells, effect),
        )

    def _grid(self, fit: Fit, view: LinearView) -> tuple[str | None, list[Cell]]:
        ranked = view.ranked()
        if self.strengths is not None or not ranked:
            levels = self.strengths or WITHOUT_BENCHMARK
            return None, [Cell(Strength(t, y), Strength(0.0, 0.0)) for t, y in product(levels, levels)]
        base = view.strengths[ranked[0]]
        if is_cheap(fit.estimator):
            pairs = list(product(self.multiples, self.multiples))
        else:
            pairs = [(m, m) for m in self.multiples[:2]]
        cells = [
            Cell(
                Strength(min(t * base.treatment, STRONGEST.treatment), min(y * base.outcome, STRONGEST.outcome)),
                Strength(t, y),
            )
            for t, y in pairs
        ]
        return ranked[0], cells


def draw_confounder(view: LinearView, strength: Strength, sign: float, rng: np.random.Generator) -> FloatArray:
    """U (rows) with exactly these partial R² in this sample; `sign` is that of the bias when U is left out."""
    weights = np.ones(len(view.outcome)) if view.weights is None else view.weights
    noise = view.controls.project(rng.standard_normal((len(view.outcome), 1))).residual[:, 0]
    parts = [column / np.sqrt(weights @ column**2 / weights.sum()) for column in (view.treatment, view.outcome)]
    for part in parts:
        noise = noise - part * (weights @ (noise * part) / weights.sum())
    noise /= np.sqrt(weights @ noise**2 / weights.sum())
    rest = 1.0 - strength.treatment
    return (
        np.sqrt(strength.treatment) * parts[0]
        + sign * np.sqrt(rest * strength.outcome) * parts[1]
        + np.sqrt(rest * (1.0 - strength.outcome)) * noise
    )


def _decisive(cells: list[Cell], benchmark: str | None) -> list[Cell]:
    """The cells that decide the verdict: as strong as the benchmark at most (or the weakest); all without one."""
    if benchmark is None:
        return cells
    return [c for c in cells if max(c.multiple.treatment, c.multiple.outcome) <= 1.0] or cells[:1]


def _vanishes(effect: float, cells: list[Cell], benchmark: str | None) -> float | None:
    """Where, on the diagonal of the grid, the effect crosses zero; None when it does not."""
    at, value = 0.0, effect
    for cell in cells:
        scale = cell.strength if benchmark is None else cell.multiple
        if scale.treatment != scale.outcome:
            continue
        if cell.effect * effect <= 0.0:
            return at + (scale.treatment - at) * value / (value - cell.effect) if value != cell.effect else at
        at, value = scale.treatment, cell.effect
    return None


def _words(effect: float, cell: Cell, benchmark: str | None, vanishes: float | None) -> str:
    shares = (
        f"{cell.strength.treatment:.1%} of what is left of the treatment, {cell.strength.outcome:.1%} of the outcome"
    )
    who = f"a confounder with those shares ({shares})"
    if benchmark is not None:
        times = "" if cell.multiple.treatment == 1.0 else f"{cell.multiple.treatment:g} times "
        who = f"an unmeasured confounder {times}as strong as {benchmark!r} ({shares})"
    moved = f"{who} would move the effect from {format_number(effect, 3)} to {format_number(cell.effect, 3)};"
    if vanishes is None:
        return f"{moved} none that was tried erases it."
    if benchmark is None:
        return f"{moved} it vanishes when the confounder explains about {vanishes:.1%} of both."
    return f"{moved} it vanishes at about {vanishes:.1f} times that strength."


def _table(cells: list[Cell], effect: float) -> Table:
    return Table.of(
        {
            "treatment_multiple": [c.multiple.treatment or None for c in cells],
            "outcome_multiple": [c.multiple.outcome or None for c in cells],
            "treatment_strength": [c.strength.treatment for c in cells],
            "outcome_strength": [c.strength.outcome for c in cells],
            "estimate": [c.effect for c in cells],
            "std_error": [c.std_error for c in cells],
            "shift": [c.effect - effect for c in cells],
        }
    )


def _heat_map(cells: list[Cell], effect: float) -> Figure:
    values = [
        {
            "treatment": f"{c.strength.treatment:.1%}",
            "outcome": f"{c.strength.outcome:.1%}",
            "effect": c.effect,
            "label": format_number(c.effect, 3),
        }
        for c in cells
    ]
    reach = max(abs(effect), *(abs(c.effect) for c in cells)) or 1.0
    title = "Effect after adjusting for a simulated confounder"
    axes: dict[str, Any] = {
        "x": {"field": "treatment", "type": "ordinal", "sort": None, "title": "share of the treatment it explains"},
        "y": {"field": "outcome", "type": "ordinal", "sort": "descending", "title": "share of the outcome it explains"},
    }
    colour = {
        "field": "effect",
        "type": "quantitative",
        "title": "effect",
        "scale": {"scheme": "redblue", "domain": [-reach, reach]},
    }
    description = f"The estimate is {format_number(effect, 3)}; each cell shows it with one more, simulated, covariate."
    layers = [
        {"mark": "rect", "encoding": {**axes, "color": colour}},
        {"mark": {"type": "text", "fontSize": 11}, "encoding": {**axes, "text": {"field": "label"}}},
    ]
    spec = {
        "$schema": SCHEMA,
        "title": title,
        "description": description,
        "width": "container",
        "height": 200,
        "data": {"values": values},
        "layer": layers,
    }
    return Figure(title, description, spec)
