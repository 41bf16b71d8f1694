"""Public values to JSON and back.

A frozen dataclass becomes `{"type": "ClassName", field: value, …}`; tuples become lists and come back as
tuples, arrays become `{"array": […]}`. Numbers that JSON does not have (NaN, infinities) become strings.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from enum import Enum
from typing import Any, TypeVar

import numpy as np

_REGISTRY: dict[str, type] = {}
_NON_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}

T = TypeVar("T")


def public_value(cls: type[T]) -> type[T]:
    """Register a frozen dataclass so that `from_json` can rebuild it."""
    _REGISTRY[cls.__name__] = cls
    return cls


def encode(value: Any) -> Any:
    """`value` in terms of dicts, lists, strings, numbers, booleans and None."""
    if isinstance(value, np.ndarray):
        return {"array": [encode(v) for v in value.tolist()]}
    if isinstance(value, np.generic):
        return encode(value.item())
    if value is None or isinstance(value, Enum | bool | str | int | float):
        return _encode_scalar(value)
    if dataclasses.is_dataclass(value):
        names = [f.name for f in dataclasses.fields(value) if f.init and f.repr]
        return {"type": type(value).__name__, **{name: encode(getattr(value, name)) for name in names}}
    if isinstance(value, Mapping):
        return {str(k): encode(v) for k, v in value.items()}
    return [encode(v) for v in value]


def _encode_scalar(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, float) and not math.isfinite(value):
        return {"number": json.dumps(value)}
    return value


def decode(data: Any) -> Any:
    """The value that `encode` was given."""
    if isinstance(data, list):
        return tuple(decode(v) for v in data)
    if not isinstance(data, dict):
        return data
    if data.keys() == {"array"}:
        return np.array(decode(data["array"]), dtype=float)
    if data.keys() == {"number"}:
        return _NON_FINITE[data["number"]]
    if "type" in data and data["type"] in _REGISTRY:
        return _REGISTRY[data["type"]](**{k: decode(v) for k, v in data.items() if k != "type"})
    return {k: decode(v) for k, v in data.items()}


def to_json(value: Any, *, indent: int | None = None) -> str:
    """Strict JSON of a public value."""
    return json.dumps(encode(value), indent=indent, allow_nan=False, ensure_ascii=False)


def from_json(text: str) -> Any:
    """The public value that `to_json` was given."""
    return decode(json.loads(text))
