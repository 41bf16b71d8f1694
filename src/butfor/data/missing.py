"""Missing and infinite values: named and counted, and left out only when asked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Literal, get_args

import numpy as np

from butfor.core.errors import InfiniteValues, InvalidSetting, MissingValues
from butfor.data.rows import Numbers, Rows
from butfor.data.sample import BoolArray, Loss

MissingPolicy = Literal["error", "drop"]
"""What to do with rows in which a used column is missing: refuse, or leave them out and say so."""


def complete_rows(rows: Rows, columns: Iterable[str], policy: MissingPolicy = "error") -> tuple[Rows, Loss]:
    """The rows in which all of `columns` are present and finite, and what was left out.

    Args:
        rows: the data as read.
        columns: the columns that the analysis uses; others may have gaps.
        policy: "error" refuses missing values, "drop" leaves their rows out.

    Raises:
        MissingValues: with every column concerned and its count, under "error".
        InfiniteValues: with the column, the count and the first rows.
        InvalidSetting: for any other policy.
    """
    if policy not in get_args(MissingPolicy):
        raise InvalidSetting(f'missing is {policy!r}; it needs to be "error" or "drop".', hint='missing="drop"')
    gaps: dict[str, BoolArray] = {}
    for name in sorted(columns):
        column = rows.column(name, role="analysis")
        if isinstance(column, Numbers):
            _refuse_infinite(column)
        missing = column.missing()
        if missing.any():
            gaps[name] = missing
    if not gaps:
        return rows, rows.loss
    counts = {name: int(np.count_nonzero(missing)) for name, missing in gaps.items()}
    if policy == "error":
        shown = ", ".join(f"{name!r}: {count:,}" for name, count in counts.items())
        raise MissingValues(
            f"Values are missing in {len(counts)} of the columns used ({shown}; {rows.n:,} rows); an analysis needs "
            "complete rows.",
            hint='missing="drop" leaves these rows out and reports how many',
        )
    complete = rows.take(~np.logical_or.reduce(list(gaps.values())))
    loss = Loss(rows.loss.rows_read, complete.n, {**rows.loss.missing, **counts})
    return replace(complete, loss=loss, incomplete=rows.incomplete or rows), loss


def _refuse_infinite(column: Numbers) -> None:
    if column.finite:
        return
    infinite = np.flatnonzero(np.isinf(column.values))
    if len(infinite):
        first = ", ".join(str(row + 1) for row in infinite[:3].tolist())
        where = f"row {first}" if len(infinite) == 1 else f"rows, first {first}"
        raise InfiniteValues(
            f"Column {column.name!r} is infinite in {len(infinite):,} of {len(column.values):,} rows "
            f"({where}, counted from 1); an analysis needs finite numbers.",
            hint=f"set these values of {column.name!r} to missing, or correct them",
        )
