"""Who belongs to which group: by columns, by predicted effects, by masks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from butfor.core.errors import InfiniteValues, InvalidSetting, MissingValues, UnknownColumn
from butfor.data.dataset import open_dataset
from butfor.data.request import Request
from butfor.data.rows import Categories, Column, Numbers, Rows
from butfor.data.sample import FloatArray, IntArray, Sample, Subgroup
from butfor.data.subgroups import subgroups_of
from butfor.inference.effects import EffectTable

By = str | Sequence[str] | EffectTable | NDArray[Any] | Mapping[str, Any]
"""Names of columns of the fit; a predicted effect per row; or a frame or dict of columns, one value per row."""


def groups_by(sample: Sample, by: By | Any, *, count: int = 5, within: Any = None) -> tuple[Subgroup, ...]:
    """Groups of the rows of a sample.

    Args:
        by: a column of the fit or several (modifiers, covariates): one group per level, quarters of a number with many
            values; an `EffectTable` or an array with a predicted effect per row: `count` groups of equal size; an array
            of booleans: the true rows; or a frame or dict with one value per row: the true rows of each boolean column,
            else as columns of the fit.
        count: groups of a predicted effect.
        within: labels of folds; predicted effects are ranked within each, since each fold has a model of its own.

    Raises:
        UnknownColumn, MissingValues, InvalidSetting: for what cannot tell rows apart.
    """
    if isinstance(by, str):
        return groups_by(sample, (by,), count=count)
    if isinstance(by, Sequence) and by and all(isinstance(name, str) for name in by):
        return tuple(group for name in by for group in _of_name(sample, str(name)))
    if isinstance(by, EffectTable) or _is_line(by):
        return _of_prediction(sample, one_per_row(sample, by)[:, 0], count, _codes(sample, within))
    return _of_frame(sample, {"mask": by} if _is_line(by, kinds="b") else by)


def one_per_row(sample: Sample, values: EffectTable | Any, columns: int = 1) -> FloatArray:
    """Predicted effects as rows × columns.

    Raises:
        InvalidSetting: for another shape.
        MissingValues: when one is not finite.
    """
    given = np.asarray(values.value if isinstance(values, EffectTable) else values)
    if given.dtype.kind not in "biuf":
        raise InvalidSetting(
            f"Predicted effects hold {given.dtype}; they need numbers, one for each row used.", hint="fit.effect()"
        )
    found = given.astype(np.float64)
    found = found[:, None] if found.ndim == 1 else found
    if found.shape != (sample.n, columns):
        raise InvalidSetting(
            f"Predicted effects have shape {found.shape}; they need {columns} for each of the {sample.n} rows used.",
            hint="fit.effect() gives them for the rows of the fit; of several contrasts choose one, as in value[:, 0]",
        )
    if not np.isfinite(found).all():
        raise MissingValues("Some predicted effects are not finite; every row needs one.", hint="fit.effect()")
    return found


def covariate_columns(sample: Sample, names: Sequence[str]) -> list[int]:
    """Places in the design matrix of the named covariates: a category has several."""
    covariates = sample.covariates
    places: list[int] = []
    for name in names:
        found = [j for j, pair in enumerate(zip(covariates.source, covariates.columns, strict=True)) if name in pair]
        if not found:
            raise UnknownColumn.named(name, dict.fromkeys(covariates.source), role="analysis of effects")
        places += found
    return list(dict.fromkeys(places))


def read_columns(sample: Sample, frame: Any) -> Rows:
    """A frame or dict with one value for each row of the sample, nothing missing or infinite."""
    dataset = open_dataset(frame)
    rows = dataset.read(Request(frozenset(dataset.columns)))
    if rows.n != sample.n:
        raise InvalidSetting(
            f"The frame has {rows.n:,} rows and the fit used {sample.n:,}; groups need one value for each row used.",
            hint="drop the rows that the fit left out",
        )
    for name, column in rows.columns.items():
        if column.missing().any():
            raise MissingValues(f"Column {name!r} has missing values; every row needs one.", hint=f"fill {name!r}")
        if isinstance(column, Numbers) and not column.finite:
            raise InfiniteValues(
                f"Column {name!r} has infinite values; every row needs a number.", hint=f"correct {name!r}"
            )
    return Rows({name: rows.columns[name] for name in dataset.columns}, rows.n)


def _is_line(by: Any, kinds: str = "fiu") -> bool:
    """One number (or boolean) per row: an array, a list, or a column of a frame."""
    if isinstance(by, Mapping) or hasattr(by, "columns"):
        return False
    found = np.asarray(by)
    return found.ndim == 1 and found.dtype.kind in kinds


def _of_name(sample: Sample, name: str) -> tuple[Subgroup, ...]:
    known = tuple(group for group in sample.subgroups if group.modifier == name)
    if known:
        return known
    if name in sample.extra:
        column: Column = Numbers(name, sample.extra[name])
    else:
        column = _covariate(sample, name)
    return subgroups_of(Rows.of([column], sample.n), [name])


def _covariate(sample: Sample, name: str) -> Column:
    """A covariate as it was before it became columns of a design matrix; that keeps no name of a first level."""
    covariates = sample.covariates
    places = [j for j, source in enumerate(covariates.source) if source == name]
    if not places:
        known = dict.fromkeys([*(g.modifier for g in sample.subgroups), *covariates.source])
        raise UnknownColumn.named(name, known, role="group")
    if covariates.columns[places[0]] == name:
        return Numbers(name, covariates.matrix[:, places[0]])
    indicators = covariates.matrix[:, places]
    codes = np.where(indicators.any(axis=1), indicators.argmax(axis=1) + 1, 0).astype(np.int32)
    levels = tuple(covariates.columns[j].removeprefix(f"{name}=") for j in places)
    return Categories(name, codes, ("any other", *levels))


def _of_frame(sample: Sample, frame: Any) -> tuple[Subgroup, ...]:
    rows = read_columns(sample, frame)
    groups: list[Subgroup] = []
    for name, column in rows.columns.items():
        if isinstance(column, Numbers) and column.boolean:
            groups.append(Subgroup(name, name, column.values == 1.0))
        else:
            groups += subgroups_of(rows, [name])
    return tuple(groups)


def _of_prediction(sample: Sample, values: FloatArray, count: int, folds: IntArray) -> tuple[Subgroup, ...]:
    if not 2 <= count <= sample.n:
        raise InvalidSetting(f"groups is {count}; predicted effects need 2 groups or more.", hint="groups=5")
    weights = np.ones(sample.n) if sample.weights is None else sample.weights
    code = np.empty(sample.n, dtype=np.int64)
    for fold in range(int(folds.max()) + 1):
        inside = folds == fold
        code[inside] = _quantile_group(values[inside], weights[inside], count)
    if len(np.unique(code)) < 2:
        raise InvalidSetting(
            "Predicted effects are all the same; groups of them need effects that differ.", hint="by='column'"
        )
    return tuple(
        Subgroup("predicted effect", f"predicted effect, group {j + 1} of {count}", code == j)
        for j in range(count)
        if np.any(code == j)
    )


def _quantile_group(values: FloatArray, weights: FloatArray, count: int) -> NDArray[np.int64]:
    """⌊count · P(V < v)⌋: groups of equal weight in which equal values stay together."""
    _, place = np.unique(values, return_inverse=True)
    mass = np.bincount(place, weights=weights)
    below = (np.cumsum(mass) - mass) / mass.sum()
    return np.floor(count * below[place] + 1e-9).astype(np.int64)


def _codes(sample: Sample, within: Any) -> IntArray:
    if within is None:
        return np.zeros(sample.n, dtype=np.int32)
    labels = np.asarray(within)
    if labels.shape != (sample.n,):
        raise InvalidSetting(
            f"within has shape {labels.shape}; it needs one fold for each of the {sample.n} rows used.",
            hint="within=fit.nuisances.folds.codes",
        )
    return np.unique(labels, return_inverse=True)[1].astype(np.int32)
