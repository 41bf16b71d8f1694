"""From columns to a sample: roles checked, categories coded, arrays laid out as estimators want them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from butfor.core.diagnostic import Diagnostic, Severity
from butfor.core.errors import ConstantColumn, InvalidSetting, NonNumeric, RoleConflict, TooFewRows
from butfor.data.missing import MissingPolicy, complete_rows
from butfor.data.request import Request
from butfor.data.rows import Categories, Column, Numbers, Rows
from butfor.data.sample import Cluster, Covariates, FloatArray, Loss, Sample
from butfor.data.subgroups import subgroups_of
from butfor.data.treatments import MOST_LEVELS, read_instrument, read_treatment
from butfor.question.question import Question

__all__ = ["MissingPolicy", "complete_rows", "draw_sample", "sample_request"]

BLOCK = 8192
"""Rows that are laid out at a time: a block of ten columns stays in the cache."""


def sample_request(
    question: Question,
    adjust_for: Sequence[str],
    *,
    weights: str | None = None,
    cluster: str | None = None,
    instrument: str | None = None,
    keep: Sequence[str] = (),
) -> Request:
    """The columns that `draw_sample` reads when given the same arguments."""
    optional = [name for name in (question.event, weights, cluster, instrument) if name is not None]
    return Request(
        frozenset([question.treatment, question.outcome, *question.modifiers, *adjust_for, *optional, *keep])
    )


def draw_sample(
    rows: Rows,
    question: Question,
    adjust_for: Sequence[str],
    *,
    weights: str | None = None,
    cluster: str | None = None,
    instrument: str | None = None,
    keep: Sequence[str] = (),
) -> Sample:
    """A sample from complete rows (see `complete_rows`).

    Numbers stay as they are, booleans become 0 and 1, categories become indicators of all but their first level.
    Covariates with one value are left out and noted; so are rows of weight zero.

    Args:
        rows: complete rows.
        question: names treatment, outcome, contrast and modifiers.
        adjust_for: columns of the design matrix.
        weights: column of non-negative weights.
        cluster: column of the units that belong together.
        instrument: column that moves the treatment, and is no covariate.
        keep: further numeric columns wanted on the same rows (placebo outcomes), see `Sample.extra`.

    Raises:
        UnknownColumn, RoleConflict, MissingValues, InfiniteValues, NonNumeric, ConstantColumn, EmptyArm, TooFewRows,
        InvalidSetting: when a column cannot play its part.
    """
    adjust_for = tuple(dict.fromkeys(adjust_for))
    roles = {"weights": weights, "cluster": cluster, "instrument": instrument}
    _refuse_conflicts(question, adjust_for, roles)
    request = sample_request(question, adjust_for, weights=weights, cluster=cluster, instrument=instrument, keep=keep)
    rows, _ = complete_rows(rows, request.columns)
    if rows.n == 0:
        raise TooFewRows(
            f"The data of {rows.source or 'the analysis'} have 0 rows{_after(rows.loss)}; an analysis needs rows.",
            hint="leave out the columns with most gaps, or fill them" if rows.loss.missing else "check the source",
        )
    if weights is not None:
        rows = _weighted(rows, weights)
    outcome = _outcome(rows, question.outcome)
    covariates, notes = _covariates(rows, adjust_for)
    sample = Sample(
        outcome_name=question.outcome,
        outcome=outcome,
        treatment=read_treatment(rows, question),
        covariates=covariates,
        weights=None if weights is None else _numbers(rows.columns[weights], "weights"),
        cluster=None if cluster is None else _cluster(rows.columns[cluster]),
        subgroups=subgroups_of(rows, question.modifiers),
        instrument=None if instrument is None else read_instrument(rows, instrument, question.outcome),
        event=None if question.event is None else read_event(rows.columns[question.event], outcome, question),
        extra={name: _numbers(rows.columns[name], "column") for name in keep},
        loss=rows.loss,
        notes=(*_loss_notes(rows.loss, weights), *notes),
        source=rows.source,
    )
    _freeze(sample)
    return sample


def _refuse_conflicts(question: Question, adjust_for: Sequence[str], roles: Mapping[str, str | None]) -> None:
    named = [("covariate", name) for name in adjust_for]
    named += [(role, name) for role, name in roles.items() if name is not None]
    instrument = roles["instrument"]
    if instrument in adjust_for:
        raise RoleConflict(
            f"Column {instrument!r} is both instrument and covariate; held fixed, an instrument moves nothing.",
            hint=f"remove {instrument!r} from the covariates",
        )
    for role, name in named:
        for other, taken in (
            ("treatment", question.treatment),
            ("outcome", question.outcome),
            ("event", question.event),
        ):
            if name == taken:
                raise RoleConflict(
                    f"Column {name!r} is both {role} and {other}; an analysis needs two different columns.",
                    hint=f"remove {name!r} from the {'covariates' if role == 'covariate' else role}",
                )


def _weighted(rows: Rows, name: str) -> Rows:
    """The rows with a positive weight."""
    values = _numbers(rows.column(name, role="weights"), "weights")
    if values.min() < 0:
        raise InvalidSetting(
            f"Weights {name!r} are negative in {int(np.sum(values < 0)):,} rows; weights need to be 0 or more.",
            hint="check how the weights were made",
        )
    positive = values > 0
    if positive.all():
        return rows
    if not positive.any():
        raise InvalidSetting(
            f"Weights {name!r} are 0 in every row; some need to be positive.", hint="leave weights out"
        )
    loss = replace(rows.loss, rows_used=int(positive.sum()), zero_weight=int(np.sum(~positive)))
    return replace(rows.take(positive), loss=loss, incomplete=rows.incomplete or rows)


def _outcome(rows: Rows, name: str) -> FloatArray:
    values = _numbers(rows.column(name, role="outcome"), "outcome")
    if values.min() == values.max():
        raise ConstantColumn(
            f"Outcome {name!r} is {values[0]:g} in every row; an effect needs an outcome that varies.",
            hint="check the column, and how the rows were selected",
        )
    return values


def _numbers(column: Column, role: str) -> FloatArray:
    if isinstance(column, Numbers):
        return column.values
    what, hint = "dates or other values that are no numbers", f"derive a number from {column.name!r} first"
    if isinstance(column, Categories):
        codes, levels = column.distinct()
        odd = next((j for j, level in enumerate(levels) if not _reads_as_number(level)), 0)
        what = f"text, such as {levels[odd]!r} in row {int(np.argmax(codes == odd)) + 1:,} of those used"
        hint = f"correct the text, or recode {column.name!r} as numbers"
        if len(levels) == 2:
            hint = f"recode {column.name!r} as 0 and 1, such as frame[{column.name!r}] == {levels[1]!r}"
    else:
        what = column.what
    raise NonNumeric(f"{role.capitalize()} {column.name!r} holds {what}; the {role} needs numbers.", hint=hint)


def read_event(column: Column, times: FloatArray, question: Question) -> FloatArray:
    """1 where the event was seen at the time, 0 where sight was lost before it came.

    Raises:
        NonNumeric, InvalidSetting: for anything but 0 and 1, or times below 0.
        ConstantColumn: when the event was never seen.
    """
    values = _numbers(column, "event")
    odd = np.flatnonzero((values != 0.0) & (values != 1.0))
    if len(odd):
        raise InvalidSetting(
            f"Event {column.name!r} is {values[odd[0]]:g} in row {odd[0] + 1:,} of those used; an event needs to be 1 "
            "(seen) or 0 (sight was lost before).",
            hint=f"recode {column.name!r} as 0 and 1; of several kinds of events, one is 1 and those that end sight 0",
        )
    if times.min() < 0.0:
        raise InvalidSetting(
            f"Outcome {question.outcome!r} is {times.min():g} in row {int(times.argmin()) + 1:,} of those used; a time "
            "to an event needs to be 0 or more.",
            hint="count time from the treatment on",
        )
    if not values.any():
        raise ConstantColumn(
            f"Event {column.name!r} is 0 in every row; an effect on times needs some events.",
            hint="check that 1 stands for the event and 0 for the end of sight",
        )
    return values


def _reads_as_number(level: object) -> bool:
    try:
        float(str(level))
    except ValueError:
        return False
    return True


def _covariates(rows: Rows, names: Sequence[str]) -> tuple[Covariates, list[Diagnostic]]:
    """The design matrix, and a note for every column that has one value only."""
    arrays: list[FloatArray | NDArray[np.bool_]] = []
    columns: list[str] = []
    sources: list[str] = []
    notes: list[Diagnostic] = []
    for name in names:
        coded = _coded(rows.column(name, role="covariate"))
        if not coded:
            notes.append(
                Diagnostic(
                    "constant-covariate",
                    Severity.NOTE,
                    f"Covariate {name!r} has one value in the rows used; it was left out of the adjustment.",
                )
            )
        arrays += coded.values()
        columns += coded
        sources += [name] * len(coded)
    return Covariates(_laid_out(arrays, rows.n), tuple(columns), tuple(sources)), notes


def _coded(column: Column) -> Mapping[str, FloatArray | NDArray[np.bool_]]:
    """The columns of the design matrix that stand for one covariate; none when it has one value."""
    if isinstance(column, Numbers):
        return {} if column.constant else {column.name: column.values}
    if not isinstance(column, Categories):
        return {column.name: _numbers(column, "covariate")}
    codes, levels = column.distinct()
    if len(levels) > MOST_LEVELS:
        raise InvalidSetting(
            f"Covariate {column.name!r} has {len(levels):,} levels; indicators need at most {MOST_LEVELS}.",
            hint=f"group the rare levels of {column.name!r}, or leave it out if it is an identifier",
        )
    return {f"{column.name}={level}": codes == code for code, level in enumerate(levels) if code > 0}


def _laid_out(arrays: Sequence[NDArray[Any]], n: int) -> FloatArray:
    """The arrays as columns of one matrix whose rows are contiguous."""
    matrix = np.empty((n, len(arrays)))
    for start in range(0, n, BLOCK):
        for j, array in enumerate(arrays):
            matrix[start : start + BLOCK, j] = array[start : start + BLOCK]
    return matrix


def _cluster(column: Column) -> Cluster:
    codes, levels = column.distinct()
    return Cluster(column.name, codes, len(levels))


def _after(loss: Loss) -> str:
    if not loss.missing:
        return ""
    shown = ", ".join(f"{name!r}: {count:,}" for name, count in loss.missing.items())
    return f" after incomplete ones were dropped (of {loss.rows_read:,}; missing in {shown})"


def _loss_notes(loss: Loss, weights: str | None) -> list[Diagnostic]:
    notes: list[Diagnostic] = []
    dropped = loss.rows_read - loss.rows_used - loss.zero_weight
    if dropped:
        shown = ", ".join(f"{name!r}: {count:,}" for name, count in loss.missing.items())
        message = f"{dropped:,} of {loss.rows_read:,} rows were left out because values are missing ({shown})."
        notes.append(Diagnostic("dropped-rows", Severity.CAUTION, message, dropped / loss.rows_read))
    if loss.zero_weight:
        message = f"{loss.zero_weight:,} rows with weight 0 in {weights!r} were left out."
        notes.append(Diagnostic("zero-weight-rows", Severity.NOTE, message, float(loss.zero_weight)))
    return notes


def _freeze(sample: Sample) -> None:
    """Nobody writes to a sample: some of its arrays are views of the caller's data."""
    groups = [group.rows for group in sample.subgroups]
    optional = [array for array in (sample.weights, sample.event) if array is not None]
    optional += [] if sample.cluster is None else [sample.cluster.codes]
    read = [sample.treatment] if sample.instrument is None else [sample.treatment, sample.instrument]
    optional += [array for t in read for array in (t.values, t.codes)]
    for array in (sample.outcome, sample.covariates.matrix, *groups, *optional):
        array.flags.writeable = False
    for array in sample.extra.values():
        array.flags.writeable = False
