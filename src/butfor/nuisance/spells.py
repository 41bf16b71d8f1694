"""Times until something happens, on a grid of points: who is at risk at each point, and for whom it happens there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
PlaceArray = NDArray[np.intp]

# With covariates, a point of its own for each event would cost rows × events; between so many points little is lost.
MOST_POINTS = 400


@dataclass(frozen=True, eq=False)
class Spells:
    """Rows that are at risk at the first `length` points each; where one `ends`, it does so at the last of these."""

    length: PlaceArray
    ends: BoolArray
    points: int

    def hazard(self, weights: FloatArray) -> FloatArray:
        """Of the weight at risk at each point, the share that ends there (points); 0 where nothing is at risk."""
        ended = np.bincount(self.length[self.ends] - 1, weights=weights[self.ends], minlength=self.points)
        stays = np.bincount(self.length, weights=weights, minlength=self.points + 1)
        at_risk = np.cumsum(stays[::-1])[::-1][1:]
        return np.divide(ended, at_risk, out=np.zeros(self.points), where=ended > 0.0)

    def take(self, rows: BoolArray) -> Spells:
        """The spells of these rows."""
        return Spells(self.length[rows], self.ends[rows], self.points)


@dataclass(frozen=True, eq=False)
class Clock:
    """A grid of times, and where rows stand on it.

    A row is at risk of the event at all points up to its time. It is at risk of leaving sight between a point and the
    one before as long as the event has not come: of an event and a loss at the same time the event came first.

    Attributes:
        points: ascending times.
        event: at which points rows are at risk of the event.
        sight: in which intervals, each ending at a point, rows are at risk of leaving sight.
    """

    points: FloatArray
    event: Spells
    sight: Spells

    @classmethod
    def of(
        cls, times: FloatArray, event: FloatArray, marks: Sequence[float], weights: FloatArray, most: int | None
    ) -> Clock:
        """A clock up to the last mark.

        Args:
            marks: times that must be points.
            most: how many further points there may be; None makes one of every time of an event.
        """
        until = max(marks)
        seen = (event == 1.0) & (times <= until)
        points = np.union1d(_event_points(times[seen], weights[seen], most), np.asarray(marks, dtype=float))
        reached = np.searchsorted(points, times, side="right")
        first_after = np.searchsorted(points, times, side="left") + 1
        length = np.where(seen, first_after, reached)
        lost = ~seen & (length < len(points))
        return cls(
            points,
            Spells(length, seen, len(points)),
            Spells(np.where(lost, length + 1, length), lost, len(points)),
        )

    def place(self, time: float) -> int:
        """Which point a mark is."""
        return int(np.searchsorted(self.points, time))


def _event_points(times: FloatArray, weights: FloatArray, most: int | None) -> FloatArray:
    """Every time, or so many that about as many events lie between any two."""
    distinct, inverse = np.unique(times, return_inverse=True)
    if most is None or len(distinct) <= most:
        return distinct
    total = np.cumsum(np.bincount(inverse, weights=weights))
    steps = total[-1] * np.arange(1, most + 1) / most
    places = np.searchsorted(total, steps * (1.0 - 1e-12))
    return distinct[np.unique(np.minimum(places, len(distinct) - 1))]
