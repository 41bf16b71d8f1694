"""The data that every contestant gets."""

from __future__ import annotations

import numpy as np
import pandas as pd

TRUE_EFFECT = 1.0


def confounded(rows: int, confounders: int = 10, seed: int = 0) -> pd.DataFrame:
    """Linear outcome, logit treatment, one constant effect."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, confounders))
    slopes = np.linspace(0.1, 0.5, confounders)
    chance = 1 / (1 + np.exp(-(x @ slopes) / 2))
    t = (rng.random(rows) < chance).astype(int)
    y = TRUE_EFFECT * t + x @ slopes + rng.normal(size=rows)
    frame = pd.DataFrame(x, columns=[f"x{j}" for j in range(confounders)])
    return frame.assign(treatment=t, outcome=y)


def graph(confounders: int = 10) -> str:
    """Every covariate causes treatment and outcome."""
    names = [f"x{j}" for j in range(confounders)]
    return "; ".join([*(f"{x} -> treatment; {x} -> outcome" for x in names), "treatment -> outcome"])
