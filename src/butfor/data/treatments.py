"""The treatment column as arms or as an amount, and the comparisons that the question asks for."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from butfor.core.errors import ConstantColumn, EmptyArm, InvalidSetting, did_you_mean
from butfor.data.rows import Categories, Numbers, Others, Rows
from butfor.data.sample import FloatArray, IntArray, Treatment, TreatmentKind
from butfor.question.question import Level, Question

MOST_LEVELS = 50
"""More levels than this are a sign of an identifier or of free text."""


def read_instrument(rows: Rows, name: str, outcome: str) -> Treatment:
    """The instrument of complete rows, read as a treatment is; text or two values are arms, other numbers an amount."""
    return read_treatment(rows, Question(name, outcome), role="instrument")


def read_treatment(rows: Rows, question: Question, *, role: str = "treatment") -> Treatment:
    """The treatment of complete rows.

    Two values are a binary treatment; more are arms when they are text, or when the question says so; other
    numbers are an amount. What is kept of incomplete rows decides, so that dropping rows cannot change the kind.

    Raises:
        ConstantColumn: one value only.
        EmptyArm: an arm that lost all its rows, or a compared arm with a single row.
        InvalidSetting: a contrast with a level that the data do not have, or too many levels.
    """
    name = question.treatment
    column = rows.column(name, role=role)
    if isinstance(column, Others):
        column.distinct()
    before = column if rows.incomplete is None else _present(rows.incomplete, name)
    if isinstance(before, Numbers) and not question.arms and _more_than_two(before.values):
        return _amount(rows, question, role)
    codes, levels = before.distinct()
    if len(levels) > MOST_LEVELS:
        raise InvalidSetting(
            f"{role.capitalize()} {name!r} has {len(levels):,} levels; arms need at most {MOST_LEVELS}.",
            hint="drop arms=True to treat it as an amount" if question.arms else f"group the levels of {name!r}",
        )
    if len(levels) < 2:
        raise _constant(name, levels, role)
    if before is not column:
        counts = np.bincount(codes)
        codes, present = column.distinct()
        if present != levels:
            lost = next(j for j, level in enumerate(levels) if level not in present)
            raise _lost_arm(rows, name, levels[lost], int(counts[lost]))
    kind: TreatmentKind = "binary" if len(levels) == 2 else "arms"
    contrasts = _contrasts(name, levels, question.contrast)
    _refuse_single_rows(name, codes, levels, contrasts)
    same = isinstance(column, Numbers) and levels == (0, 1)
    values = column.values if isinstance(column, Numbers) and same else codes.astype(np.float64)
    return Treatment(name, kind, values, codes, levels, contrasts)


def match_level(level: Level, levels: Sequence[Level]) -> int | None:
    """The position of a level, where 1, 1.0, True and "1" are the same unless the data tell them apart."""
    for j, candidate in enumerate(levels):
        if candidate == level and isinstance(candidate, str) == isinstance(level, str):
            return j
    wanted = _canonical(level)
    return next((j for j, candidate in enumerate(levels) if _canonical(candidate) == wanted), None)


def _canonical(level: Level) -> float | str:
    if not isinstance(level, str):
        return float(level)
    text = level.strip()
    if text.lower() in ("true", "false"):
        return float(text.lower() == "true")
    try:
        number = float(text)
    except ValueError:
        return level
    return number if math.isfinite(number) else level


def _present(rows: Rows, name: str) -> Numbers | Categories | Others:
    """The column before incomplete rows were dropped, without its own missing values."""
    column = rows.columns[name]
    missing = column.missing()
    return column.take(~missing) if missing.any() else column


def _more_than_two(values: FloatArray) -> bool:
    return len(values) > 0 and not bool(np.all((values == values.min()) | (values == values.max())))


def _amount(rows: Rows, question: Question, role: str) -> Treatment:
    column = rows.columns[question.treatment]
    assert isinstance(column, Numbers)
    if column.span[0] == column.span[1]:
        raise _constant(column.name, (column.span[0],), role)
    step = 1.0
    if question.contrast is not None:
        high, low = question.contrast
        if isinstance(high, str | bool) or isinstance(low, str | bool):
            raise InvalidSetting(
                f"contrast is {question.contrast!r}; the amount {column.name!r} needs two numbers.",
                hint="contrast=(2, 0) asks for two units more; arms=True compares levels",
            )
        step = float(high) - float(low)
    return Treatment(column.name, "amount", column.values, np.zeros(rows.n, dtype=np.int32), (), (), step)


def _constant(name: str, levels: Sequence[Level], role: str) -> ConstantColumn:
    shown = f"{levels[0]!r} in every row" if levels else "missing in every row"
    return ConstantColumn(
        f"{role.capitalize()} {name!r} is {shown}; an effect needs at least two different values.",
        hint=f"check how the rows were selected: those with another {role} are not there",
    )


def _lost_arm(rows: Rows, name: str, level: Level, had: int) -> EmptyArm:
    blame = sorted(rows.loss.missing.items(), key=lambda item: -item[1])
    reasons = [f"{count:,} without {column!r}" for column, count in blame if column != name]
    if rows.loss.zero_weight:
        reasons.append(f"{rows.loss.zero_weight:,} with weight 0")
    return EmptyArm(
        f"Arm {level!r} of {name!r} had {had:,} {'row' if had == 1 else 'rows'} and has none after rows were dropped "
        f"({', '.join(reasons)}); a comparison needs rows in every arm.",
        hint=f"leave out the columns with most gaps, fill them, or remove arm {level!r} from the data",
    )


def _contrasts(name: str, levels: tuple[Level, ...], asked: tuple[Level, Level] | None) -> tuple[tuple[int, int], ...]:
    if asked is None:
        return tuple((code, 0) for code in range(1, len(levels)))
    codes: list[int] = []
    for level in asked:
        code = match_level(level, levels)
        if code is None:
            raise InvalidSetting(
                f"contrast names {level!r}; treatment {name!r} needs one of its own levels.",
                hint=did_you_mean(str(level), map(str, levels)),
            )
        codes.append(code)
    if codes[0] == codes[1]:
        raise InvalidSetting(
            f"contrast is {asked!r}, which is one level of {name!r} twice; a comparison needs two.",
            hint=f"contrast=({levels[1]!r}, {levels[0]!r})",
        )
    return ((codes[0], codes[1]),)


def _refuse_single_rows(
    name: str, codes: IntArray, levels: tuple[Level, ...], contrasts: tuple[tuple[int, int], ...]
) -> None:
    counts = np.bincount(codes, minlength=len(levels))
    for code in sorted({c for pair in contrasts for c in pair}):
        if counts[code] < 2:
            raise EmptyArm(
                f"Arm {levels[code]!r} of {name!r} has {counts[code]} row; a comparison needs at least 2.",
                hint="ask for another contrast=(treated, reference), or remove this arm from the data",
            )
