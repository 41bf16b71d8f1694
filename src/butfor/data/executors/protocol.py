"""What every engine answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from butfor.data.moments import MomentRequest, Moments
from butfor.data.rows import Rows


class Executor(Protocol):
    """One source of data behind one engine."""

    def columns(self) -> tuple[str, ...]:
        """All column names, in order."""
        ...

    def source(self) -> str:
        """The source in a few words, for the record."""
        ...

    def read(self, columns: Sequence[str]) -> Rows:
        """These columns, in memory. The caller's data are never written to."""
        ...

    def batches(self, columns: Sequence[str], rows: int) -> Iterator[Rows]:
        """These columns in their order, at most so many rows at a time; files and tables are never held as a whole."""
        ...

    def moments(self, request: MomentRequest) -> Moments:
        """Additive statistics, computed where the data are if the engine can."""
        ...
