"""Additive statistics: all that most analyses of experiments need, whatever engine holds the rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from butfor.core.errors import InvalidSetting
from butfor.question.question import Level

FloatArray = NDArray[np.float64]
Group = tuple[Level | None, ...]


@dataclass(frozen=True, kw_only=True)
class Term:
    """A column as a number: itself, capped, or 1 and 0 for a condition.

    Args:
        column: its name; numbers or booleans, unless `equals` is given.
        floor, ceiling: values outside count as these.
        at_most: 1 where the value is at most this, else 0.
        equals: 1 where the value is this level, else 0.
    """

    column: str
    floor: float | None = None
    ceiling: float | None = None
    at_most: float | None = None
    equals: Level | None = None

    @property
    def condition(self) -> bool:
        """Whether it is 1 or 0; only other terms are centred."""
        return self.at_most is not None or self.equals is not None


@dataclass(frozen=True)
class Measure:
    """A number per row, the product of terms, that counts only where all columns that it needs are present.

    Args:
        terms: what is multiplied.
        needs: the columns that must be present. Default: those of the terms. Where one is missing, the measure is zero
            (its centre) and the row does not count. With no column at all, a missing value stands for the centre, which
            is right for what was known before treatment.
    """

    terms: tuple[Term, ...]
    needs: tuple[str, ...] | None = None

    @classmethod
    def of(cls, column: str, *, needs: Sequence[str] | None = None) -> Measure:
        """A column as it is."""
        return cls((Term(column=column),), None if needs is None else tuple(needs))

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns that it reads, needed ones included."""
        return tuple(dict.fromkeys([*(t.column for t in self.terms), *self.presence]))

    @property
    def presence(self) -> tuple[str, ...]:
        """The columns that must be present, sorted."""
        return tuple(sorted({t.column for t in self.terms} if self.needs is None else set(self.needs)))


@dataclass(frozen=True)
class MomentRequest:
    """Means and co-moments of measures over units, by group.

    Args:
        measures: the numbers of each row.
        by: columns whose levels make the groups; a missing level is a group of its own.
        unit: rows with the same value (and in the same group) are summed to one unit first. Default: rows are units.
        centre: what each column is measured from, so that sums lose no digits. Default: chosen by the engine. Give the
            centre of earlier moments to add to them.
    """

    measures: tuple[Measure, ...]
    by: tuple[str, ...] = ()
    unit: str | None = None
    centre: Mapping[str, float] = field(default_factory=dict[str, float])

    def __or__(self, other: MomentRequest) -> MomentRequest:
        """Both requests in one scan.

        Raises:
            InvalidSetting: for other groups or other units, which need a scan of their own.
        """
        if (self.by, self.unit) != (other.by, other.unit):
            raise InvalidSetting(
                f"Moments by {self.by} of {self.unit or 'rows'} and by {other.by} of {other.unit or 'rows'} differ; "
                "one scan needs the same groups and units.",
                hint="ask for the finer groups, and pool them afterwards",
            )
        measures = tuple(dict.fromkeys([*self.measures, *other.measures]))
        return replace(self, measures=measures, centre={**other.centre, **self.centre})

    @property
    def presences(self) -> tuple[tuple[str, ...], ...]:
        """The sets of columns that measures need, the empty set first."""
        return tuple(dict.fromkeys([(), *(m.presence for m in self.measures)]))

    @property
    def columns(self) -> frozenset[str]:
        """Every column that is read."""
        named = {name for m in self.measures for name in m.columns} | set(self.by)
        return frozenset(named if self.unit is None else named | {self.unit})

    @property
    def centred(self) -> tuple[str, ...]:
        """The columns that are measured from a centre, sorted."""
        return tuple(sorted({t.column for m in self.measures for t in m.terms if not t.condition}))


@dataclass(frozen=True, eq=False)
class Moments:
    """Statistics of groups; the first axis of every array is the group.

    The variables of a unit are, in this order, its total of each measure (from the centre, zero where the measure does
    not count), and for each of `request.presences` how many of its rows count. For rows as units these are 1 or 0;
    that of the empty set is the unit's number of rows.

    So the mean of a column, missing values left out, is centre + mean of its measure ÷ mean of its presence.

    Attributes:
        request: what was asked; its centre has every centred column.
        groups: the levels of `request.by` in each group, in sorted order.
        rows: rows of each group.
        units: units of each group.
        mean: means over units (groups × variables).
        comoment: Σ (v − mean)(v − mean)' over units (groups × variables × variables).
    """

    request: MomentRequest
    groups: tuple[Group, ...]
    rows: FloatArray
    units: FloatArray
    mean: FloatArray
    comoment: FloatArray

    @cached_property
    def _position(self) -> dict[Measure | tuple[str, ...], int]:
        return {key: j for j, key in enumerate([*self.request.measures, *self.request.presences])}

    def at(self, measure: Measure) -> int:
        """The place of a measure among the variables."""
        return self._position[measure]

    def presence(self, measure: Measure | tuple[str, ...]) -> int:
        """The place of a measure's count of rows among the variables; that of () is all rows."""
        return self._position[measure.presence if isinstance(measure, Measure) else measure]

    def missing(self, measure: Measure) -> FloatArray:
        """Rows of each group in which the measure does not count."""
        return np.round(self.rows - self.units * self.mean[:, self.presence(measure)])

    def select(self, keep: Callable[[Group], bool]) -> Moments:
        """The groups for which `keep` is true."""
        chosen = [j for j, group in enumerate(self.groups) if keep(group)]
        return replace(
            self,
            groups=tuple(self.groups[j] for j in chosen),
            rows=self.rows[chosen],
            units=self.units[chosen],
            mean=self.mean[chosen],
            comoment=self.comoment[chosen],
        )

    def pool(self, by: Sequence[str]) -> Moments:
        """The same statistics for coarser groups: those of fewer columns."""
        places = [self.request.by.index(name) for name in by]
        return _merged(
            replace(self.request, by=tuple(by)), [tuple(group[j] for j in places) for group in self.groups], self
        )

    def __add__(self, other: Moments) -> Moments:
        """The statistics of the units of both; units of the one must not be in the other.

        Raises:
            InvalidSetting: for another request, or another centre.
        """
        if (self.request.measures, self.request.by) != (other.request.measures, other.request.by) or dict(
            self.request.centre
        ) != dict(other.request.centre):
            raise InvalidSetting(
                "The moments answer different requests or have different centres; a sum needs the same.",
                hint="replace(request, centre=moments.request.centre)",
            )
        both = replace(
            self,
            rows=np.concatenate([self.rows, other.rows]),
            units=np.concatenate([self.units, other.units]),
            mean=np.concatenate([self.mean, other.mean]),
            comoment=np.concatenate([self.comoment, other.comoment]),
        )
        return _merged(self.request, [*self.groups, *other.groups], both)


def sort_groups(groups: Sequence[Group]) -> list[int]:
    """The order of groups: missing levels last, numbers before text."""

    def key(group: Group) -> tuple[tuple[bool, bool, float, str], ...]:
        return tuple(
            (v is None, isinstance(v, str), 0.0 if v is None or isinstance(v, str) else float(v), str(v)) for v in group
        )

    return sorted(range(len(groups)), key=lambda j: key(groups[j]))


def _merged(request: MomentRequest, groups: Sequence[Group], parts: Moments) -> Moments:
    """Parts with equal groups as one (Chan, Golub and LeVeque 1983, doi:10.1080/00031305.1983.10483115)."""
    found = list(dict.fromkeys(groups))
    found = [found[j] for j in sort_groups(found)]
    place = {group: j for j, group in enumerate(found)}
    code = np.array([place[group] for group in groups], dtype=np.intp)

    def total(values: FloatArray) -> FloatArray:
        out = np.zeros((len(found), *values.shape[1:]))
        np.add.at(out, code, values)
        return out

    units = total(parts.units)
    mean = total(parts.units[:, None] * parts.mean) / np.maximum(units, 1.0)[:, None]
    apart = parts.mean - mean[code]
    between = parts.units[:, None, None] * apart[:, :, None] * apart[:, None, :]
    return Moments(request, tuple(found), total(parts.rows), units, mean, total(parts.comoment + between))
