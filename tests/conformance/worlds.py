"""Small data sets for the laws: confounded, with every kind of treatment."""

from __future__ import annotations

import numpy as np

Frame = dict[str, np.ndarray]

COVARIATES = ("age", "income", "region")


def world(kind: str, n: int = 240, seed: int = 7) -> Frame:
    """A frame whose treatment is "binary", "arms" or "amount"."""
    rng = np.random.default_rng(seed)
    age = rng.normal(45, 10, n)
    income = rng.lognormal(0.0, 0.5, n)
    region = rng.choice(["east", "north", "west"], n)
    drive = (age - 45) / 15 + 0.4 * (region == "west") + rng.logistic(size=n)
    if kind == "binary":
        treatment: np.ndarray = (drive > 0).astype(np.int64)
        dose = treatment.astype(float)
    elif kind == "arms":
        dose = np.digitize(drive, [-0.8, 0.8]).astype(float)
        treatment = np.array(["a none", "b low", "c high"])[dose.astype(int)]
    else:
        treatment = dose = drive
    outcome = 2.0 * dose + 0.1 * age + income + 0.5 * dose * (age > 45) + rng.normal(size=n)
    household = rng.integers(0, 40, n)
    frame = {
        "treatment": treatment,
        "outcome": outcome,
        "age": age,
        "income": income,
        "region": region,
        "sex": rng.choice(["f", "m"], n),
        "household": household,
        "copies": rng.integers(1, 4, n).astype(float),
    }
    # What goes with the treatment as an instrument does: an offer, and a push of any size.
    push = dose + dose.std() * rng.normal(size=n)
    # Another trace of what age stands for.
    trace = age + 5 * rng.normal(size=n)
    # Which outcomes, taken as times, ended in an event.
    seen = (rng.random(n) < 0.7).astype(np.int64)
    return frame | {"seen": seen, "offer": (push > np.median(push)).astype(np.int64), "push": push, "trace": trace}
