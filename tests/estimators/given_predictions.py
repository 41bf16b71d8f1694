"""Data with predictions of every nuisance made beforehand, so that two packages must agree to the last digit.

The expected numbers are those of DoubleML 0.11.4 (Python 3.11), fitted with `external_predictions` on these arrays.
"""

from __future__ import annotations

import numpy as np

Frame = dict[str, np.ndarray]
SIZE = 500


def instrumented() -> tuple[Frame, dict[str, np.ndarray]]:
    """An instrument with two levels, a binary treatment, a dose; predictions are simple and a little wrong."""
    rng = np.random.default_rng(2718)
    x = rng.normal(size=SIZE)
    hidden = rng.normal(size=SIZE)
    chance = 1.0 / (1.0 + np.exp(-0.5 * x))
    z = (rng.random(SIZE) < chance).astype(int)
    t = (1.2 * z - 0.6 + 0.5 * x + hidden > 0).astype(int)
    dose = 0.8 * z + x + hidden + rng.normal(size=SIZE)
    y = 1.0 * t + 0.7 * dose + x + hidden + rng.normal(size=SIZE)
    ramp = np.tanh(x)
    predictions = {
        "outcome": 1.4 + 2.2 * ramp,
        "dose": 0.4 + 1.1 * ramp,
        "treatment": 0.5 + 0.2 * ramp,
        "instrument": 0.5 + 0.3 * ramp / 1.5,
        "outcome by level": np.column_stack([0.9 + 2.0 * ramp, 2.0 + 2.0 * ramp]),
        "treatment by level": np.column_stack([0.3 + 0.15 * ramp, 0.7 + 0.15 * ramp]),
    }
    return {"y": y, "t": t, "dose": dose, "z": z, "x": x}, predictions
