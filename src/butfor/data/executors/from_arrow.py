"""Arrow arrays to columns."""

from __future__ import annotations

from collections.abc import Callable
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
    return _converter(array.type)(name, array)


def _converter(kind: Any) -> Callable[[str, Any], Column]:
    types = arrow().types
    converters: tuple[tuple[Callable[[Any], bool], Callable[[str, Any], Column]], ...] = (
        (types.is_dictionary, _categories),
        (types.is_string, _texts),
        (types.is_large_string, _texts),
        (types.is_string_view, _texts),
        (types.is_null, _nothing),
        (types.is_boolean, _booleans),
        (types.is_integer, _integers),
        (types.is_decimal, _decimals),
        (types.is_floating, _floats),
        (types.is_interval, _others),
        (types.is_temporal, _times),
    )
    return next((convert for belongs, convert in converters if belongs(kind)), _others)


def _categories(name: str, array: Any) -> Column:
    """Dictionary-encoded values; a dictionary of booleans or dates is a column of booleans or dates."""
    pa = arrow()
    if _converter(array.type.value_type) not in (_texts, _integers, _floats):
        decoded = array.dictionary_decode()
        return _converter(decoded.type)(name, decoded)
    codes = _filled(array.indices.cast(pa.int64()), -1)
    levels: list[Any] = array.dictionary.to_pylist()
    return sorted_categories(name, codes, levels)


def _texts(name: str, array: Any) -> Column:
    pa = arrow()
    text = array.cast(pa.large_string()) if pa.types.is_string_view(array.type) else array
    return _categories(name, text.dictionary_encode())


def _nothing(name: str, array: Any) -> Column:
    return Numbers(name, np.full(len(array), np.nan))


def _booleans(name: str, array: Any) -> Column:
    values = _filled(array, False).astype(np.float64)
    values[_absent(array)] = np.nan
    return Numbers(name, values, boolean=True)


def _integers(name: str, array: Any) -> Column:
    return integers(name, _filled(array, 0), _absent(array) if array.null_count else None)


def _decimals(name: str, array: Any) -> Column:
    """Decimals go through text, which rounds each number once."""
    pa = arrow()
    return _floats(name, array.cast(pa.string()).cast(pa.float64()))


def _floats(name: str, array: Any) -> Column:
    return column_of_array(name, array.to_numpy(zero_copy_only=False))


def _times(name: str, array: Any) -> Column:
    pa, kind = arrow(), array.type
    identifiers = _filled(array.view(pa.int32() if kind.bit_width == 32 else pa.int64()), 0).astype(np.int64)
    return Others(name, "durations" if pa.types.is_duration(kind) else "dates or times", _absent(array), identifiers)


def _others(name: str, array: Any) -> Column:
    return Others(name, f"values of type {array.type}", _absent(array))


def _filled(array: Any, value: object) -> NDArray[Any]:
    return (array.fill_null(value) if array.null_count else array).to_numpy(zero_copy_only=False)


def _absent(array: Any) -> BoolArray:
    return array.is_null().to_numpy(zero_copy_only=False)
