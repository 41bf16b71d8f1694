"""What every estimator of bounds asks first: where the outcome can be at all, and what is asked."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from butfor.core.diagnostic import Diagnostic, Severity
from butfor.core.errors import InvalidSetting, MethodMismatch
from butfor.core.table import format_number
from butfor.data.sample import Sample
from butfor.question import ATE, Question

FloatArray = NDArray[np.float64]


def limits_of(sample: Sample, least: float | None, greatest: float | None) -> tuple[float, float]:
    """The least and the greatest value of the outcome: the two that it has, or those that the user knows.

    Raises:
        MethodMismatch: for an outcome with more than two values whose limits nobody gave.
        InvalidSetting: for limits that the data exceed.
    """
    low, high = float(sample.outcome.min()), float(sample.outcome.max())
    if least is None or greatest is None:
        binary = bool(np.all((sample.outcome == low) | (sample.outcome == high)))
        if not binary or least is not None or greatest is not None:
            raise MethodMismatch(
                f"Outcome {sample.outcome_name!r} is between {format_number(low)} and {format_number(high)} in the "
                "data, which is no limit; bounds need its least and greatest possible value.",
                hint="least=0.0, greatest=100.0, if the scale says so",
            )
        return low, high
    if not (np.isfinite(least) and np.isfinite(greatest) and least < greatest):
        raise InvalidSetting(
            f"least is {least} and greatest {greatest}; bounds need two numbers, the least first.",
            hint="least=0.0, greatest=1.0",
        )
    if low < least or high > greatest:
        raise InvalidSetting(
            f"Outcome {sample.outcome_name!r} goes from {format_number(low)} to {format_number(high)}; the limits "
            f"{format_number(least)} and {format_number(greatest)} need to hold all of it.",
            hint=f"least={min(least, low)}, greatest={max(greatest, high)}",
        )
    return float(least), float(greatest)


def refuse_other_estimands(question: Question, title: str, *, subgroups: bool) -> None:
    """Refuse what bounds do not answer.

    Raises:
        MethodMismatch: for an estimand other than the ATE, or for subgroups where there are none.
    """
    by_subgroup = bool(question.modifiers) and not subgroups
    if question.estimand != ATE() or by_subgroup:
        raise MethodMismatch(
            f"The question asks for the {question.estimand.label}{' by subgroup' if by_subgroup else ''}; {title} "
            "answer the ATE of everyone.",
            hint="estimand=bf.ATE()" + (", modifiers=()" if by_subgroup else ""),
        )


def end_labels(terms: Sequence[str]) -> tuple[str, ...]:
    """The lower and the upper end of each term in turn."""
    return tuple(f"{term}, {end}" for term in terms for end in ("lower", "upper"))


def interval_notes(terms: Sequence[str], value: FloatArray, intervals: FloatArray, level: float) -> list[Diagnostic]:
    """The bounds and the confidence interval of each effect, in a sentence.

    Args:
        terms: the effects.
        value: lower and upper end of each in turn.
        intervals: effects × 2.
        level: of the intervals.
    """
    notes: list[Diagnostic] = []
    for term, ends, limits in zip(terms, np.reshape(value, (-1, 2)), intervals, strict=True):
        low, high, down, up = (format_number(float(v)) for v in (*ends, *limits))
        message = (
            f"{term} is known up to bounds only: {low} to {high}. With {level:.0%} confidence the effect is between "
            f"{down} and {up}."
        )
        notes.append(Diagnostic("bounds", Severity.NOTE, message, float(ends[1] - ends[0])))
    return notes
