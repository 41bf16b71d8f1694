"""The setups of Nie and Wager 2021 (doi:10.1093/biomet/asaa076), section 4: a sample, and points with true effects."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

FloatArray = np.ndarray

ROWS, COLUMNS, POINTS = 500, 6, 1000


@dataclass(frozen=True, eq=False)
class Draw:
    """Covariates, treatment, outcome; points where effects are asked, and their truth."""

    x: FloatArray
    treatment: FloatArray
    outcome: FloatArray
    points: FloatArray
    truth: FloatArray


def draw(setup: str, seed: int) -> Draw:
    """A: hard confounding, simple effect. B: randomised. C: the same effect for all. D: arms with nothing in common."""
    rng = np.random.default_rng(seed)
    shape = rng.uniform if setup == "A" else rng.normal
    x = shape(size=(ROWS, COLUMNS))
    base, chance, effect = _parts(setup, x)
    treatment = (rng.random(ROWS) < chance).astype(int)
    outcome = base + (treatment - 0.5) * effect + rng.normal(size=ROWS)
    points = shape(size=(POINTS, COLUMNS))
    return Draw(x, treatment, outcome, points, _parts(setup, points)[2])


def _parts(setup: str, x: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Mean of the two arms, P(treated), effect."""
    a, b, c, d, e = x[:, :5].T
    above = lambda v: np.maximum(v, 0.0)  # noqa: E731
    if setup == "A":
        bump = np.sin(np.pi * a * b)
        return bump + 2 * (c - 0.5) ** 2 + d + 0.5 * e, np.clip(bump, 0.1, 0.9), (a + b) / 2
    if setup == "B":
        return above(np.maximum(a + b, c)) + above(d + e), np.full(len(x), 0.5), a + np.log1p(np.exp(b))
    if setup == "C":
        return 2 * np.log1p(np.exp(a + b + c)), 1 / (1 + np.exp(b + c)), np.ones(len(x))
    one, two = above(a + b + c), above(d + e)
    return 0.5 * (one + two), 1 / (1 + np.exp(-a) + np.exp(-b)), one - two
