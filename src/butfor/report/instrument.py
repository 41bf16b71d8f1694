"""What an instrument did: how it moved treatment and outcome, and what holds when it is weak."""

from __future__ import annotations

import numpy as np

from butfor.estimators.base import Fit
from butfor.estimators.orthogonal.interactive_iv import InteractiveIV
from butfor.estimators.orthogonal.wald import STRONG, WEAK, WaldFit
from butfor.identify.strategies import Instrument
from butfor.inference.fieller import Interval
from butfor.report.numbers import decimals_of, interval, number, percent

# Name, value and note.
Fact = tuple[str, str, str]


def instrument_of(fit: Fit) -> str | None:
    """The column that moves the treatment, where the effect rests on one."""
    return fit.strategy.instrument if isinstance(fit.strategy, Instrument) else None


def effect_limits(fit: Fit) -> tuple[float, float]:
    """The 95 % limits of the first effect; with a weak instrument those that hold all the same, perhaps infinite."""
    low, high = (float(v) for v in fit.result.interval()[0])
    if not isinstance(fit, WaldFit) or not is_weak(fit) or fit.columns > 1:
        return low, high
    found = fit.robust_interval()[0]
    return found[0][0], found[-1][1]


def is_weak(fit: Fit) -> bool:
    """Is the usual interval not to be trusted?"""
    return isinstance(fit, WaldFit) and fit.strength is not None and float(fit.strength[0]) < WEAK


def strength_words(fit: Fit) -> str | None:
    """The first stage in a sentence."""
    if not isinstance(fit, WaldFit) or fit.strength is None:
        told = (d.message for d in fit.result.diagnostics if d.name in ("first-stage", "weak-instrument"))
        return next(told, None)
    f = float(fit.strength[0])
    verdict = "weak" if f < WEAK else "not weak" if f < STRONG else "strong"
    return f"The first-stage F is {number(f, 1)}: the instrument is {verdict}."


def instrument_facts(fit: Fit) -> tuple[Fact, ...]:
    """Strength, what the instrument does to the treatment and to the outcome, and the effects that no test rejects."""
    if not isinstance(fit, WaldFit) or fit.strength is None or fit.parts is None:
        return ()
    strong = f"weak below {WEAK:g}, beyond doubt above {STRONG:.0f}"
    facts = [("First-stage F", number(float(fit.strength[0]), 1), strong)]
    if isinstance(fit.estimator, InteractiveIV):
        facts += _moved(fit)
    if fit.columns == 1:
        low, high = (float(v) for v in fit.result.interval()[0])
        found = _set(fit.robust_interval()[0], decimals_of(low, high))
        facts.append(("Effects not rejected", found, "95\u00a0% Anderson–Rubin set, valid however weak the instrument"))
    return tuple(facts)


def _moved(fit: WaldFit) -> list[Fact]:
    """The share of those whom the instrument moves, and the effect of the instrument itself."""
    assert fit.parts is not None
    name, k = fit.sample.treatment.name, len(fit.result.labels)
    limits = fit.parts.interval()
    (low, high), (down, up) = np.sort(limits[0]), np.sort(np.abs(limits[k]))
    share = float(fit.parts.value[k])
    # Which level of the instrument counts as the higher one is a matter of names.
    size = float(fit.parts.value[0]) * (1.0 if share > 0 else -1.0)
    low, high = (float(low), float(high)) if share > 0 else (-float(high), -float(low))
    decimals = decimals_of(low, high)
    crosses = bool(limits[k][0] < 0 < limits[k][1])
    moved = "could be no one" if crosses else f"95\u00a0% interval {percent(float(down), 1)} to {percent(float(up), 1)}"
    return [
        ("Whom it moves", percent(abs(share), 1), f"of all units change {name}; {moved}"),
        (
            f"What it does to {fit.sample.outcome_name}",
            number(size, decimals),
            f"whether or not {name} changes; 95\u00a0% interval {interval(low, high, decimals)}",
        ),
    ]


def _set(found: tuple[Interval, ...], decimals: int | None) -> str:
    (low, high), *others = found
    if others:
        return f"below {number(high, decimals)} or above {number(others[0][0], decimals)}"
    return interval(low, high, decimals) if np.isfinite(low) else "every number"
