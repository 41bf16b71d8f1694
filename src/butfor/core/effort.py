"""How much work a search may do before it stops and says so."""

from __future__ import annotations


class Effort:
    """Counts the steps of a search. A search asks before each step, and ends when the answer is no.

    >>> effort = Effort(2)
    >>> [effort.spend() for _ in range(3)], effort.exhausted
    ([True, True, False], True)
    """

    def __init__(self, steps: int) -> None:
        self.left = steps
        self.exhausted = False

    def spend(self, steps: int = 1) -> bool:
        """May the search go on for so many steps?"""
        self.left -= steps
        self.exhausted = self.exhausted or self.left < 0
        return not self.exhausted
