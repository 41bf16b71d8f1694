"""Probabilities of what would happen, as values: sums of probabilities that several events hold together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from butfor.core.errors import InvalidSetting
from butfor.core.serial import public_value


@public_value
@dataclass(frozen=True)
class Event:
    """A variable is at a level, perhaps after others were set.

    Bounds are numbers and need levels; the events of `identify.counterfactual` are symbols (y' is any value but y).

    Args:
        variable: its name.
        level: the position of the level, from 0.
        do: what was set, and to which level.

    >>> print(Event("y", 1, (("x", 0),)))
    y(x=0)=1
    """

    variable: str
    level: int
    do: tuple[tuple[str, int], ...] = ()

    def __str__(self) -> str:
        world = f"({', '.join(f'{n}={v}' for n, v in self.do)})" if self.do else ""
        return f"{self.variable}{world}={self.level}"


@public_value
@dataclass(frozen=True)
class Counterfactual:
    """Σ weight · P(all these events), where the events may belong to different worlds.

    Args:
        terms: whole weights with the events that must hold together.

    Raises:
        InvalidSetting: without a term, or for a term without an event.

    >>> print(Counterfactual.effect("x", "y"))
    P(y(x=1)=1) − P(y(x=0)=1)
    >>> print(Counterfactual.probability(Event("y", 1, (("x", 1),)), Event("y", 0, (("x", 0),))))
    P(y(x=1)=1, y(x=0)=0)
    """

    terms: tuple[tuple[int, tuple[Event, ...]], ...]

    def __post_init__(self) -> None:
        if not self.terms or not all(events for _, events in self.terms):
            raise InvalidSetting(
                "The query has no events; bounds need at least one.", hint='Counterfactual.effect("x", "y")'
            )

    @classmethod
    def probability(cls, *events: Event) -> Counterfactual:
        """P(all these events)."""
        return cls(((1, events),))

    @classmethod
    def effect(
        cls, treatment: str, outcome: str, *, contrast: tuple[int, int] = (1, 0), level: int = 1
    ) -> Counterfactual:
        """P(Y(treated) = level) − P(Y(reference) = level): of a coded 0/1 outcome the average treatment effect."""
        treated, reference = (Event(outcome, level, ((treatment, arm),)) for arm in contrast)
        return cls(((1, (treated,)), (-1, (reference,))))

    @property
    def events(self) -> tuple[Event, ...]:
        """All events."""
        return tuple(event for _, events in self.terms for event in events)

    def __str__(self) -> str:
        terms = ((Fraction(w), f"P({', '.join(map(str, events))})") for w, events in self.terms)
        return written_sum(terms)


def written_sum(terms: Iterable[tuple[Fraction, str]]) -> str:
    """A sum as one reads it: no weights of 1, a minus in place of + −1.

    >>> written_sum([(Fraction(-1), ""), (Fraction(1), "P(y)"), (Fraction(-1, 2), "P(x)")])
    '−1 + P(y) − 1/2 P(x)'
    """
    text = ""
    for weight, symbol in terms:
        if weight:
            size = "" if symbol and abs(weight) == 1 else str(abs(weight))
            sign = ("−" if weight < 0 else "") if not text else (" − " if weight < 0 else " + ")
            text += sign + " ".join(filter(None, (size, symbol)))
    return text or "0"


def checked_levels(levels: Mapping[str, int] | None, names: Iterable[str]) -> dict[str, int]:
    """How many levels each variable has; two where nobody said.

    Raises:
        InvalidSetting: for fewer than two.
    """
    found = {n: 2 if levels is None else int(levels.get(n, 2)) for n in names}
    for name, count in found.items():
        if count < 2:
            raise InvalidSetting(
                f"{name!r} has {count} levels; bounds need at least 2 for each variable.",
                hint=f"levels={{{name!r}: 2}}",
            )
    return found
