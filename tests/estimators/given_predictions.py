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


def adjusted() -> tuple[Frame, dict[str, np.ndarray]]:
    """Two arms (t) and three (arm) that x confounds, an outcome of each; predictions are a little wrong."""
    rng = np.random.default_rng(1618)
    x, v = rng.normal(size=SIZE), rng.uniform(-1, 1, size=SIZE)
    t = (rng.random(SIZE) < 1.0 / (1.0 + np.exp(-0.6 * x))).astype(int)
    arm = np.digitize(0.5 * x + rng.logistic(size=SIZE), [-0.8, 0.8])
    noise = rng.normal(size=SIZE)
    frame = {"t": t, "arm": arm, "x": x, "v": v, "y": x + t * (1.0 + x) + noise, "w": x + arm * (1.0 + v) + noise}
    frame |= {"yes": (x + t - 0.5 + rng.logistic(size=SIZE) > 0).astype(int)}
    ramp = np.tanh(x)
    chances = np.column_stack([0.33 - 0.15 * ramp, np.full(SIZE, 0.34), 0.33 + 0.15 * ramp])
    return frame, {
        "propensity": np.column_stack([0.5 - 0.2 * ramp, 0.5 + 0.2 * ramp]),
        "outcome by treatment": np.column_stack([1.2 * ramp, 1.0 + 2.2 * ramp]),
        "propensity of arms": chances,
        "outcome by arm": np.column_stack([1.3 * ramp + k * (1.0 + 0.8 * v) for k in range(3)]),
        "yes by treatment": np.column_stack([0.4 + 0.3 * ramp, 0.6 + 0.3 * ramp]),
        "effect": 0.9 + 0.8 * x,
    }
