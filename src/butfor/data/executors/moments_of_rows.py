"""Moments of rows in memory."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from butfor.core.errors import InfiniteValues, NonNumeric
from butfor.data.moments import Group, Measure, MomentRequest, Moments, Term, sort_groups
from butfor.data.rows import Categories, Column, Numbers, Rows
from butfor.native.moments import comoments
from butfor.question.question import Level

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]


def moments_of_rows(rows: Rows, request: MomentRequest) -> Moments:
    """The requested moments.

    Raises:
        NonNumeric: a measure of text.
        InfiniteValues: a measure with infinite values.
    """
    request = replace(request, centre={name: _centre(rows, name, request) for name in request.centred})
    present = {needed: _present(rows, needed) for needed in request.presences}
    variables = [np.where(present[m.presence], _measure(rows, m, request), 0.0) for m in request.measures]
    matrix = np.column_stack([*variables, *(p.astype(np.float64) for p in present.values())])
    codes, groups = groups_of(rows, request.by)
    count = np.bincount(codes, minlength=len(groups)).astype(np.float64)
    if request.unit is not None:
        matrix, codes = _totals(matrix, codes, rows.column(request.unit, role="unit"))
    found = comoments(matrix, None, codes, len(groups))
    return Moments(request, groups, count, found.count, found.mean, found.comoment)


def _centre(rows: Rows, name: str, request: MomentRequest) -> float:
    if name in request.centre:
        return float(request.centre[name])
    values = _numbers(rows, name)
    values = values[~np.isnan(values)]
    return float(np.mean(values)) if len(values) else 0.0


def _numbers(rows: Rows, name: str) -> FloatArray:
    column = rows.column(name, role="measure")
    if not isinstance(column, Numbers):
        what = "text" if isinstance(column, Categories) else "no numbers"
        raise NonNumeric(
            f"Column {name!r} holds {what}; a measure needs numbers.",
            hint=f"derive a number from {name!r}, or use it as a group",
        )
    if np.isinf(column.values).any():
        raise InfiniteValues(
            f"Column {name!r} holds {int(np.isinf(column.values).sum()):,} infinite values; a mean needs finite ones.",
            hint=f"make them missing, or cap {name!r} at the source",
        )
    return column.values


def _measure(rows: Rows, measure: Measure, request: MomentRequest) -> FloatArray:
    product = np.ones(rows.n)
    for term in measure.terms:
        product = product * _term(rows, term, request)
    return product


def _term(rows: Rows, term: Term, request: MomentRequest) -> FloatArray:
    """The term from its centre; zero where it is missing."""
    if term.equals is not None:
        return _equal(rows.column(term.column, role="measure"), term.equals)
    values = _numbers(rows, term.column)
    if term.at_most is not None:
        return (values <= term.at_most).astype(np.float64)
    capped = np.clip(values, term.floor, term.ceiling) if term.floor is not None or term.ceiling is not None else values
    return np.nan_to_num(capped - request.centre[term.column], nan=0.0)


def _equal(column: Column, level: Level) -> FloatArray:
    codes, levels = _coded(column)
    wanted = [
        j for j, known in enumerate(levels) if known == level and isinstance(known, str) == isinstance(level, str)
    ]
    return np.isin(codes, wanted).astype(np.float64)


def _present(rows: Rows, needed: tuple[str, ...]) -> NDArray[np.bool_]:
    present = np.ones(rows.n, dtype=np.bool_)
    for name in needed:
        present &= ~rows.column(name, role="measure").missing()
    return present


def _coded(column: Column) -> tuple[IntArray, list[Level | None]]:
    """A code per row into the levels, None among them where some are missing."""
    missing = column.missing()
    if not missing.any():
        codes, levels = column.distinct()
        return codes.astype(np.intp), list(levels)
    codes = np.zeros(len(missing), dtype=np.intp)
    if missing.all():
        return codes, [None]
    known, levels = column.take(~missing).distinct()
    codes[~missing] = known
    codes[missing] = len(levels)
    return codes, [*levels, None]


def groups_of(rows: Rows, by: tuple[str, ...]) -> tuple[IntArray, tuple[Group, ...]]:
    """The group of each row, and the groups in sorted order."""
    codes = np.zeros(rows.n, dtype=np.intp)
    groups: list[Group] = [()]
    for name in by:
        own, levels = _coded(rows.column(name, role="group"))
        joint = codes * len(levels) + own
        used, codes = np.unique(joint, return_inverse=True)
        groups = [(*groups[j // len(levels)], levels[j % len(levels)]) for j in used.tolist()]
    order = sort_groups(groups)
    place = np.empty(len(groups), dtype=np.intp)
    place[order] = np.arange(len(groups))
    return place[codes] if rows.n else codes, tuple(groups[j] for j in order)


def _totals(matrix: FloatArray, codes: IntArray, unit: Column) -> tuple[FloatArray, IntArray]:
    """Rows of one unit in one group summed to one; a missing unit is one more unit."""
    own, levels = _coded(unit)
    _, first, inverse = np.unique(codes * len(levels) + own, return_index=True, return_inverse=True)
    totals = [np.bincount(inverse, weights=column).astype(np.float64) for column in matrix.T]
    return np.column_stack(totals), codes[first]
