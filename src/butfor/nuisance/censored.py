"""Outcomes that end before their event, completed so that their means are those of the outcomes themselves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from butfor.core.diagnostic import Diagnostic, Severity
from butfor.nuisance.hazards import Hazards
from butfor.nuisance.spells import Clock

FloatArray = NDArray[np.float64]

BLOCK = 2048


@dataclass(frozen=True, eq=False)
class Quantity:
    """A number of a curve of survival that is linear in it: lead + Σ_k weights_k S(t_k), t_k the points of a clock."""

    name: str
    lead: float
    weights: FloatArray

    @classmethod
    def survival(cls, clock: Clock, time: float, name: str) -> Quantity:
        """S(time)."""
        return cls(name, 0.0, (np.arange(len(clock.points)) == clock.place(time)).astype(float))

    @classmethod
    def restricted_mean(cls, clock: Clock, horizon: float, name: str) -> Quantity:
        """The mean of min(T, horizon), which is the area under the curve up to there."""
        ends = np.minimum(clock.points, horizon)
        return cls(name, float(ends[0]), np.append(np.diff(ends), 0.0))


@dataclass(frozen=True, eq=False)
class Completed:
    """Outcomes as if nobody had left sight.

    Attributes:
        values: Y* (rows × quantities).
        means: E[Y | arm, X] (rows × quantities × arms).
        floored: share of the rows that were given a chance to stay in sight no lower than the floor.
    """

    values: FloatArray
    means: FloatArray
    floored: float


def complete(
    clock: Clock,
    codes: NDArray[np.int32],
    event: tuple[Hazards, ...],
    sight: tuple[Hazards, ...],
    quantities: tuple[Quantity, ...],
    floor: float,
) -> Completed:
    """Each row's outcome, made up for what was not seen of it:

        Y* = μ_A(X) − Σ_{k: t_k ≤ U} Q_k / G_k (dN_k − λ_k),   Q_k = Σ_{l ≥ k} c_l S(t_l) / S(t_k),

    with λ the hazard of the event at the points, S its curve, G_k the chance to be in sight at t_k, all given A and X,
    N the event of the row, U its time, and μ = lead + Σ c_k S(t_k). E[Y* | A, X] = E[Y | A, X] if λ or G is right
    (Rubin and van der Laan 2007, doi:10.2202/1557-4679.1052); with the propensity, averages of μ_a + 1{A = a}/e_a
    (Y* − μ_a) are the one-step estimator (Westling et al. 2023, doi:10.1080/01621459.2023.2205060).

    Args:
        codes: arm of each row.
        event, sight: hazards of each arm.
        floor: G is never taken below this.
    """
    n, weights = len(codes), np.stack([q.weights for q in quantities])
    leads = np.array([q.lead for q in quantities])
    means, values = np.empty((n, len(quantities), len(event))), np.empty((n, len(quantities)))
    lifted = np.zeros(n, dtype=bool)
    for start in range(0, n, BLOCK):
        rows = slice(start, min(start + BLOCK, n))
        for arm, (dying, leaving) in enumerate(zip(event, sight, strict=True)):
            hazard = dying.at(rows)
            survival = _curve(hazard)
            means[rows, :, arm] = leads + survival @ weights.T
            own = np.flatnonzero(codes[rows] == arm)
            in_sight = _curve(leaving.at(rows))
            length, ends = clock.event.length[rows][own], clock.event.ends[rows][own]
            pick = own if len(in_sight) > 1 else np.zeros(len(own), dtype=int)
            last = in_sight[pick, np.maximum(length - 1, 0)]
            lifted[rows][own] = (last < floor) & (length > 0)
            inverse = 1.0 / np.maximum(in_sight, floor)
            for k, c in enumerate(weights):
                gaps = _corrections(hazard, _left(survival, c) * inverse, own, length, ends)
                values[start + own, k] = means[start + own, k, arm] - gaps
    return Completed(values, means, float(lifted.mean()))


def _curve(hazard: FloatArray) -> FloatArray:
    return np.asarray(np.cumprod(1.0 - hazard, axis=1), dtype=np.float64)


def _left(survival: FloatArray, weights: FloatArray) -> FloatArray:
    """Q (rows × points): what is still to come for those who pass a point; 0 where nobody does."""
    area = np.cumsum((survival * weights)[:, ::-1], axis=1)[:, ::-1]
    return np.divide(area, survival, out=np.zeros_like(area), where=survival > 0.0)


def _corrections(
    hazard: FloatArray, factor: FloatArray, own: NDArray[np.intp], length: NDArray[np.intp], ends: NDArray[np.bool_]
) -> FloatArray:
    """Σ_k factor_k (dN_k − λ_k) over the points at which a row is at risk."""
    expected = np.zeros((len(factor), factor.shape[1] + 1))
    np.cumsum(factor * hazard, axis=1, out=expected[:, 1:])
    pick = own if len(factor) > 1 else np.zeros(len(own), dtype=int)
    seen = np.where(ends, factor[pick, np.maximum(length - 1, 0)], 0.0)
    return seen - expected[pick, length]


def floor_note(share: float, floor: float) -> tuple[Diagnostic, ...]:
    """How many rows had next to no chance to be in sight for so long."""
    if share == 0.0:
        return ()
    severity = Severity.DANGER if share > 0.05 else Severity.CAUTION
    message = (
        f"{share:.1%} of the rows had a chance below {floor:g} to be in sight for as long as they were, taken as "
        f"{floor:g}: an earlier horizon is easier to answer."
    )
    return (Diagnostic("censoring-floor", severity, message, share),)
