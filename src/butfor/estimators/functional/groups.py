"""Columns as codes: a value each, or groups of equal size where there are too many values."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from butfor.core.diagnostic import Diagnostic, Severity
from butfor.data.sample import Sample

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]


def column_codes(
    sample: Sample, name: str, *, groups: int, most_values: int
) -> tuple[IntArray, tuple[Diagnostic, ...]]:
    """The value of a column in each row as a code, and a caveat when it was cut into groups.

    A column that the sample does not have had one value, and has one code.
    """
    number = number_of(sample, name, most_values=most_values)
    if number is None:
        return _own_codes(sample, name), ()
    codes = _cut(number, sample.weights, groups)
    count = int(codes.max()) + 1
    message = f"{name!r} was cut into {count} groups of equal size; what it does inside a group is not accounted for."
    return codes, (Diagnostic("cut-into-groups", Severity.CAUTION, message, float(count)),)


def number_of(sample: Sample, name: str, *, most_values: int) -> FloatArray | None:
    """The values of a numeric column with more than so many of them; None for one with few, or a categorical one."""
    columns = [j for j, source in enumerate(sample.covariates.source) if source == name]
    if len(columns) != 1:
        return None
    values = sample.covariates.matrix[:, columns[0]]
    return values if len(np.unique(values)) > most_values else None


def _own_codes(sample: Sample, name: str) -> IntArray:
    columns = [j for j, source in enumerate(sample.covariates.source) if source == name]
    if not columns:
        return np.zeros(sample.n, dtype=np.intp)
    values = sample.covariates.matrix[:, columns]
    return np.unique(values, axis=0, return_inverse=True)[1].reshape(-1).astype(np.intp)


def _cut(values: FloatArray, weights: FloatArray | None, groups: int) -> IntArray:
    """Groups between values of the column itself, so that neither units nor repeated rows matter."""
    order = np.argsort(values, kind="stable")
    weight = np.ones(len(values)) if weights is None else weights[order]
    below = np.cumsum(weight) / weight.sum()
    # A rounding error must not move a limit that a share meets exactly.
    places = np.searchsorted(below, np.arange(1, groups) / groups - 1e-12)
    return np.searchsorted(np.unique(values[order][places]), values, side="left").astype(np.intp)
