"""Outlines of boxes and curves between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

Point = tuple[float, float]

STEPS = 40
CLEARANCE = 6.0
BENDS = (0.0, 0.12, 0.2, 0.3, 0.42, 0.56, 0.72, 0.9)


@dataclass(frozen=True)
class Box:
    """A rectangle by its centre and half sides."""

    x: float
    y: float
    half_width: float
    half_height: float

    def contains(self, point: Point, margin: float = 0.0) -> bool:
        """Is the point inside, or within `margin` of the outline?"""
        across, along = abs(point[0] - self.x), abs(point[1] - self.y)
        return across <= self.half_width + margin and along <= self.half_height + margin


@dataclass(frozen=True)
class Curve:
    """A quadratic Bézier curve."""

    start: Point
    bend: Point
    end: Point

    def at(self, t: float) -> Point:
        """The point at t between 0 and 1."""
        a, b, c = (1 - t) ** 2, 2 * t * (1 - t), t**2
        return (
            a * self.start[0] + b * self.bend[0] + c * self.end[0],
            a * self.start[1] + b * self.bend[1] + c * self.end[1],
        )

    def between(self, first: float, last: float) -> Curve:
        """The piece from `first` to `last` (both between 0 and 1)."""
        start, end = self.at(first), self.at(last)
        u, v = 1 - first, 1 - last
        bend = (
            u * v * self.start[0] + (first * v + last * u) * self.bend[0] + first * last * self.end[0],
            u * v * self.start[1] + (first * v + last * u) * self.bend[1] + first * last * self.end[1],
        )
        return Curve(start, bend, end)

    @property
    def path(self) -> str:
        """The curve as SVG path data."""
        (x0, y0), (x1, y1), (x2, y2) = self.start, self.bend, self.end
        return f"M{x0:.1f} {y0:.1f}Q{x1:.1f} {y1:.1f} {x2:.1f} {y2:.1f}"


def connect(source: Box, target: Box, others: Sequence[Box], *, curved: bool = False) -> Curve:
    """The least bent curve from one box to another that goes through few other boxes (none, where that is possible).

    Args:
        curved: never straight (arcs between nodes with a common hidden cause).
    """
    bends = BENDS[3:] if curved else BENDS
    tries = [_clipped(source, target, sign * bend) for bend, sign in product(bends, (-1, 1))]
    return min(tries, key=lambda curve: _hits(curve, others))


def _clipped(source: Box, target: Box, bend: float) -> Curve:
    dx, dy = target.x - source.x, target.y - source.y
    middle = ((source.x + target.x) / 2 - bend * dy, (source.y + target.y) / 2 + bend * dx)
    curve = Curve((source.x, source.y), middle, (target.x, target.y))
    leave = _crossing(curve, source, inside_at=0.0)
    arrive = _crossing(curve, target, inside_at=1.0)
    return curve.between(leave, arrive) if leave < arrive else curve


def _crossing(curve: Curve, box: Box, *, inside_at: float) -> float:
    """Where the curve crosses the outline (a little outside of it), by bisection from its inner end."""
    inner, outer = inside_at, 0.5
    for _ in range(24):
        middle = (inner + outer) / 2
        if box.contains(curve.at(middle), margin=3.0):
            inner = middle
        else:
            outer = middle
    return outer


def _hits(curve: Curve, others: Sequence[Box]) -> int:
    points = [curve.at(i / STEPS) for i in range(STEPS + 1)]
    return sum(any(box.contains(p, CLEARANCE) for p in points) for box in others)
