"""What an estimator asks of the data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Request:
    """The columns that somebody needs. Requests merge with `|`, so that one scan answers them all.

    >>> sorted((Request(frozenset({"dose"})) | Request(frozenset({"age", "dose"}))).columns)
    ['age', 'dose']
    """

    columns: frozenset[str] = frozenset()

    def __or__(self, other: Request) -> Request:
        return Request(self.columns | other.columns)
