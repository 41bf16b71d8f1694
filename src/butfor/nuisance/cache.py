"""A cache of cross-fitted predictions, keyed by the content of what they were computed from."""

from __future__ import annotations

import hashlib
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

Value = TypeVar("Value")
Array = NDArray[Any]


@dataclass(eq=False)
class NuisanceCache:
    """Results by content: the same learner on the same arrays is computed once.

    An explicit object that a study hands from stage to stage; nothing is global. The digest of an array is remembered
    per array object, so that asking again costs nothing. The oldest entries go when `most_entries` is reached.
    """

    most_entries: int = 64
    _values: OrderedDict[Hashable, object] = field(default_factory=OrderedDict[Hashable, object], repr=False)
    _digests: dict[int, tuple[weakref.ref[Array], bytes]] = field(
        default_factory=dict[int, tuple["weakref.ref[Array]", bytes]], repr=False
    )
    _lock: threading.RLock = field(default_factory=threading.RLock, repr=False)

    def get(self, words: Hashable, arrays: tuple[Array | None, ...], compute: Callable[[], Value]) -> Value:
        """The value for these words and arrays, computed when it is not there.

        Only read-only arrays have a content that lasts: with others nothing is kept.
        """
        if any(array is not None and array.flags.writeable for array in arrays):
            return compute()
        key = (words, tuple(None if array is None else self._digest(array) for array in arrays))
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return cast("Value", self._values[key])
        value = compute()
        with self._lock:
            self._values[key] = value
            while len(self._values) > self.most_entries:
                self._values.popitem(last=False)
        return value

    def _digest(self, array: Array) -> bytes:
        known = self._digests.get(id(array))
        if known is not None and known[0]() is array:
            return known[1]
        digest = hashlib.sha256(np.ascontiguousarray(array).data)
        digest.update(repr((array.shape, array.dtype.str)).encode())
        identity = id(array)
        reference = weakref.ref(array, lambda _: self._digests.pop(identity, None))
        self._digests[identity] = (reference, digest.digest())
        return digest.digest()


def remember(
    cache: NuisanceCache | None, words: Hashable, arrays: tuple[Array | None, ...], compute: Callable[[], Value]
) -> Value:
    """`compute()`, or what the cache has for the same words and arrays."""
    return compute() if cache is None else cache.get(words, arrays, compute)


def frozen(array: Array) -> Array:
    """The array, read-only from now on."""
    array.flags.writeable = False
    return array
