"""Arrow arrays to columns."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from butfor.data.executors.from_numpy import column_of_array, integers
from butfor.data.rows import Column, Numbers, Others, sorted_categories
from butfor.data.sample import BoolArray


def arrow() -> Any:
    """The module pyarrow, which has no types."""
    import pyarrow

    return pyarrow


def column_of_arrow(name: str, values: Any) -> Column:
    """A column from an Arrow array or chunked array; float64 in one chunk without nulls is not copied."""
    pa, array = arrow(), values
    if isinstance(values, pa.ChunkedArray):
        array = values.chunk(0) if values.num_chunks == 1 else values.combine_chunks()
    if isinstance(array, pa.ChunkedArray):  # text beyond the capacity of one chunk stays in several
        array = array.dictionary_encode().combine_chunks()
    if isinstance(array, pa.ExtensionArray):
        return Others(name, f"values of type {array.type}", _absent(array))
    return _column(name, array)


def _column(name: str, array: Any) -> Column:
    pa, kind = arrow(), array.type
    types = pa.types
    if types.is_dictionary(kind):
        return _categories(name, array)
    if types.is_string(kind) or types.is_large_string(kind):
        return _categories(name, array.dictionary_encode())
    if types.is_string_view(kind):
        return _categories(name, array.cast(pa.large_string()).dictionary_encode())
    if types.is_null(kind):
        return Numbers(name, np.full(len(array), np.nan))
    if types.is_boolean(kind):
        values = _filled(array, False).astype(np.float64)
        values[_absent(array)] = np.nan
        return Numbers(name, values, boolean=True)
    if types.is_integer(kind):
        return integers(name, _filled(array, 0), _absent(array) if array.null_count else None)
    if types.is_decimal(kind):  # through text, which rounds each number once
        return column_of_array(name, array.cast(pa.string()).cast(pa.float64()).to_numpy(zero_copy_only=False))
    if types.is_floating(kind):
        return column_of_array(name, array.to_numpy(zero_copy_only=False))
    if types.is_temporal(kind) and not types.is_interval(kind):
        width = pa.int32() if kind.bit_width == 32 else pa.int64()
        identifiers = _filled(array.view(width), 0).astype(np.int64)
        return Others(name, "durations" if types.is_duration(kind) else "dates or times", _absent(array), identifiers)
    return Others(name, f"values of type {kind}", _absent(array))


def _categories(name: str, array: Any) -> Column:
    """Dictionary-encoded values; a dictionary of booleans is a boolean column."""
    pa, kind = arrow(), array.type.value_type
    types = pa.types
    named = types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind) or types.is_integer(kind)
    if not (named or types.is_floating(kind)):
        return _column(name, array.dictionary_decode())
    codes = _filled(array.indices.cast(pa.int64()), -1)
    levels: list[Any] = array.dictionary.to_pylist()
    return sorted_categories(name, codes, levels)


def _filled(array: Any, value: object) -> NDArray[Any]:
    return (array.fill_null(value) if array.null_count else array).to_numpy(zero_copy_only=False)


def _absent(array: Any) -> BoolArray:
    return array.is_null().to_numpy(zero_copy_only=False)
