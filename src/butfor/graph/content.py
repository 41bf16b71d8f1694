"""When two graphs are the same: the same nodes, edges and roles, in whatever order they were written."""

from __future__ import annotations

from collections.abc import Hashable
from functools import cached_property


class ByContent:
    """Graphs that are equal, and hash alike, when they have the same content."""

    @cached_property
    def content(self) -> Hashable:
        """All that the graph says, without the order in which it says it."""
        raise NotImplementedError

    def __eq__(self, other: object) -> bool:
        return self.content == other.content if isinstance(other, type(self)) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.content)
