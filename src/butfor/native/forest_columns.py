"""What a forest learns from: columns that are checked, and standardised so that sums lose no digits."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from butfor.core.errors import Collinear, ConstantColumn, InfiniteValues, InvalidSetting, MissingValues
from butfor.native.arrays import as_matrix, as_weights

FloatArray = NDArray[np.float64]

MOST_ROWS = 2**31 - 1
MOST_FEATURES = 2**16 - 1
MOST_OUTCOMES = 6
MOST_TREATMENTS = 5
# The least eigenvalue of the treatments' correlations.
LEAST_INDEPENDENT = 1e-9


class Kind(IntEnum):
    """What a forest estimates at each point of the covariates.

    `CAUSAL`: the effects of up to five arms against a reference, or of one amount. `INSTRUMENTAL`: the effect of the
    part of a treatment that an instrument moves. `REGRESSION`: up to six expectations.
    `PROBABILITY`: the shares of up to six classes. `LINEAR`: the slopes on up to
    five amounts at once. `QUANTILE`, `SURVIVAL`: whole distributions; what they say is read by `forest_curves.Curves`,
    while their own estimates are the mean outcome and the share of events.
    """

    CAUSAL = 0
    INSTRUMENTAL = 1
    REGRESSION = 2
    LINEAR = 3
    QUANTILE = 4
    SURVIVAL = 5
    PROBABILITY = 6

    @property
    def treated(self) -> bool:
        """Whether it needs a treatment."""
        return self in (Kind.CAUSAL, Kind.INSTRUMENTAL, Kind.LINEAR)


MEANS = (Kind.REGRESSION, Kind.PROBABILITY)


@dataclass(frozen=True, eq=False)
class Columns:
    """What a forest learns from.

    Attributes:
        covariates: n × p; NaN where a value is missing.
        categories: which of these columns hold codes of categories, whose order means nothing: splits part them into
            any two groups.
        outcome: n, or n × k for several regressions at once, or for the indicators of k classes.
        treatment: n, centred at its expectation given the covariates (causal, linear and instrumental forests); or
            n × k for several amounts, or for the indicators of all arms but the reference, each less the propensity.
        instrument: n, centred likewise (instrumental forests).
        event: n of 0 and 1, whether each outcome is the time of an event or when sight was lost (survival forests).
        weights: n positive weights, default 1.
        clusters: n codes of the units that are drawn together.
    """

    covariates: NDArray[Any]
    outcome: NDArray[Any]
    treatment: NDArray[Any] | None = None
    instrument: NDArray[Any] | None = None
    weights: NDArray[Any] | None = None
    clusters: NDArray[Any] | None = None
    event: NDArray[Any] | None = None
    categories: tuple[int, ...] | None = None


@dataclass(frozen=True, eq=False)
class Standard:
    """Columns with mean 0 and standard deviation 1, so that sums lose no digits, and the way back."""

    outcome: FloatArray
    treatment: FloatArray | None
    instrument: FloatArray | None
    weights: FloatArray | None
    shift: FloatArray
    scale: FloatArray

    @classmethod
    def of(cls, kind: Kind, columns: Columns, n: int) -> Standard:
        """Check the columns and standardise them."""
        weights = _positive_weights(columns.weights, n)
        outcomes = _as_columns(columns.outcome, n, "outcome", MOST_OUTCOMES if kind in MEANS else 1)
        centre = np.array([_mean(y, weights) for y in outcomes.T])
        centred = outcomes - centre
        spread = np.array([_spread(y, weights) or 1.0 for y in centred.T])
        if kind is Kind.PROBABILITY:  # classes share a unit
            spread = np.full_like(spread, np.sqrt(np.mean(spread**2)))
        outcome = np.ascontiguousarray(centred / spread)
        if kind is Kind.SURVIVAL:
            return cls(outcome, _events(columns.event, n), None, weights, np.zeros(1), np.ones(1))
        if not kind.treated:
            return cls(outcome, None, None, weights, centre, spread)
        most = MOST_TREATMENTS if kind in (Kind.CAUSAL, Kind.LINEAR) else 1
        treatment, scale = _varying(columns.treatment, weights, n, "treatment", most)
        if kind is Kind.CAUSAL:  # arms share a unit
            common = np.full_like(scale, np.sqrt(np.mean(scale**2)))
            treatment, scale = treatment * (scale / common), common
        _independent(treatment)
        instrument = None
        if kind is Kind.INSTRUMENTAL:
            instrument = _varying(columns.instrument, weights, n, "instrument", 1)[0][:, 0]
        return cls(outcome, treatment, instrument, weights, np.zeros(len(scale)), spread / scale)


def as_covariates(covariates: NDArray[Any]) -> FloatArray:
    """Covariates as the kernel reads them."""
    matrix = as_matrix(covariates, "covariates")
    n, p = matrix.shape
    if not 1 <= p <= MOST_FEATURES or n > MOST_ROWS:
        raise InvalidSetting(
            f"covariates have shape {matrix.shape}; a forest needs 1 to {MOST_FEATURES:,} columns and at most "
            f"{MOST_ROWS:,} rows.",
            hint="choose the columns that may matter",
        )
    if np.isinf(matrix).any():
        column = int(np.flatnonzero(np.isinf(matrix).any(axis=0))[0])
        raise InfiniteValues(
            f"covariates are infinite in column {column}; a forest needs numbers, or NaN for missing ones.",
            hint="replace infinite values by large ones, or by NaN",
        )
    return matrix


def _finite(values: NDArray[Any], what: str) -> FloatArray:
    array = np.asarray(values, dtype=float)
    if np.isnan(array).any():
        raise MissingValues(f"{what} is NaN in {np.isnan(array).sum()} rows; a forest needs numbers.", hint="drop them")
    if np.isinf(array).any():
        raise InfiniteValues(
            f"{what} is infinite in {np.isinf(array).sum()} rows; a forest needs numbers.", hint="drop them"
        )
    return array


def _mean(values: FloatArray, weights: FloatArray | None) -> float:
    largest = float(np.abs(values).max(initial=0.0)) or 1.0  # sums of the largest numbers would overflow
    return largest * float(np.average(values / largest, weights=weights))


def _spread(centred: FloatArray, weights: FloatArray | None) -> float:
    largest = float(np.abs(centred).max(initial=0.0))
    if largest == 0.0:
        return 0.0
    return largest * float(np.sqrt(np.average((centred / largest) ** 2, weights=weights)))


def _as_columns(values: NDArray[Any] | None, n: int, what: str, most: int) -> FloatArray:
    """One row each, 1 to `most` columns of finite numbers."""
    if values is None:
        raise InvalidSetting(f"{what} is None; this forest needs one value per row.", hint=f"{what}=values")
    array = np.asarray(values, dtype=float)
    array = array[:, None] if array.ndim == 1 else array
    if array.ndim != 2 or len(array) != n or not 1 <= array.shape[1] <= most:
        raise InvalidSetting(
            f"{what} has shape {np.shape(values)}; this forest needs {n} rows and 1 to {most} columns.",
            hint=f"one forest per {what}",
        )
    return _finite(array, what)


def _varying(
    values: NDArray[Any] | None, weights: FloatArray | None, n: int, what: str, most: int
) -> tuple[FloatArray, FloatArray]:
    """Columns with mean 0 and standard deviation 1, and what the latter was."""
    array = _as_columns(values, n, what, most)
    centred = array - np.array([_mean(column, weights) for column in array.T])
    spread = np.array([_spread(column, weights) for column in centred.T])
    if (spread <= 1e-12 * np.maximum(np.abs(array).max(axis=0, initial=0.0), 1e-300)).any():
        raise ConstantColumn(f"{what} has one value; a forest needs a {what} that varies.", hint="check the column")
    return np.ascontiguousarray(centred / spread), spread


def _events(values: NDArray[Any] | None, n: int) -> FloatArray:
    event = _as_columns(values, n, "event", 1)
    if not np.isin(event, (0.0, 1.0)).all():
        raise InvalidSetting(
            f"event has values between {event.min()} and {event.max()}; it needs 0 and 1.", hint="flags"
        )
    if not event.any():
        raise ConstantColumn("event is 0 in all rows; survival needs some events.", hint="check the column")
    return np.ascontiguousarray(event)


def _independent(treatment: FloatArray) -> None:
    """Refuse treatments of which one is a combination of the others: all arms, say, the reference included."""
    lengths = np.sqrt(np.mean(np.square(treatment), axis=0))
    least = float(np.linalg.eigvalsh((treatment / lengths).T @ (treatment / lengths) / len(treatment)).min(initial=1.0))
    if least < LEAST_INDEPENDENT:
        raise Collinear(
            f"One of {treatment.shape[1]} treatments is a combination of the others; a forest needs treatments that "
            "vary on their own.",
            hint="leave out the reference arm",
        )


def _positive_weights(weights: NDArray[Any] | None, n: int) -> FloatArray | None:
    array = as_weights(weights, n)
    if array is None:
        return None
    _finite(array, "weights")
    if n and array.min() <= 0.0:
        raise InvalidSetting("the least weight is 0.0; a forest needs positive weights.", hint="drop rows of weight 0")
    return array / array.mean()
