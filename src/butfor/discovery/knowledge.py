"""What is known of a graph before it is learned."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from butfor.core.errors import CyclicGraph, InvalidSetting, UnknownColumn
from butfor.core.serial import public_value
from butfor.graph.causal_graph import CausalGraph

Pair = tuple[str, str]


@public_value
@dataclass(frozen=True)
class Knowledge:
    """Order in time, causes that are ruled out, causes that are certain.

    Args:
        tiers: groups of columns from the earliest to the latest: nothing causes what came before it. Columns in no tier
            may come at any time.
        forbidden: (cause, effect) pairs that are no direct cause and effect; with both directions, no edge at all.
        required: (cause, effect) pairs that are.

    Raises:
        InvalidSetting: for a column in two tiers, a pair that is no pair, a required cause that is also forbidden or
            that comes after its effect.
        CyclicGraph: when the required causes form a cycle.

    >>> known = Knowledge(tiers=(("age",), ("dose", "pain")), forbidden=(("pain", "dose"),))
    >>> known.forbids("dose", "age"), known.forbids("pain", "dose"), known.forbids("dose", "pain")
    (True, True, False)
    """

    tiers: tuple[tuple[str, ...], ...] = ()
    forbidden: tuple[Pair, ...] = ()
    required: tuple[Pair, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "tiers", tuple(_names(tier, "A tier") for tier in self.tiers))
        object.__setattr__(self, "forbidden", tuple(_pair(p, "forbidden") for p in self.forbidden))
        object.__setattr__(self, "required", tuple(_pair(p, "required") for p in self.required))
        placed = [name for tier in self.tiers for name in tier]
        for name in placed:
            if placed.count(name) > 1:
                raise InvalidSetting(
                    f"Column {name!r} is in the tiers {placed.count(name)} times; an order in time needs it once.",
                    hint=f"leave {name!r} in one tier",
                )
        for cause, effect in self.required:
            if self.forbids(cause, effect):
                raise InvalidSetting(
                    f"The edge {cause} -> {effect} is required, but forbidden or against the order of the tiers; "
                    "knowledge needs to agree with itself.",
                    hint=f"remove the pair ({cause!r}, {effect!r}) from one of them",
                )
        _refuse_cycle(self.required)

    @property
    def names(self) -> tuple[str, ...]:
        """Every column that is named."""
        pairs = (*self.forbidden, *self.required)
        return tuple(dict.fromkeys(name for group in (*self.tiers, *pairs) for name in group))

    @property
    def words(self) -> str:
        """The knowledge in words; "" when there is none."""
        parts = [" before ".join("{" + ", ".join(tier) + "}" for tier in self.tiers)] * bool(self.tiers)
        parts += ["without " + ", ".join(f"{a} -> {b}" for a, b in self.forbidden)] * bool(self.forbidden)
        parts += ["with " + ", ".join(f"{a} -> {b}" for a, b in self.required)] * bool(self.required)
        return "; ".join(parts)

    def forbids(self, cause: str, effect: str) -> bool:
        """Is this edge ruled out, by name or by time?"""
        at = {name: i for i, tier in enumerate(self.tiers) for name in tier}
        late = cause in at and effect in at and at[cause] > at[effect]
        return late or (cause, effect) in self.forbidden

    def check(self, columns: Iterable[str]) -> None:
        """Refuse names that are not among the columns.

        Raises:
            UnknownColumn: with the nearest name.
        """
        known = list(columns)
        for name in self.names:
            if name not in known:
                raise UnknownColumn.named(name, known, role="knowledge")


def _names(found: object, what: str) -> tuple[str, ...]:
    if isinstance(found, str) or not isinstance(found, Iterable):
        raise InvalidSetting(
            f"{what} is {found!r}; knowledge needs groups of column names.", hint='tiers=(("age",), ("dose", "pain"))'
        )
    return tuple(str(name) for name in found)


def _pair(found: object, what: str) -> Pair:
    names = _names(found, f"A {what} edge")
    if len(names) != 2 or names[0] == names[1]:
        raise InvalidSetting(
            f"A {what} edge is {names!r}; knowledge needs two different columns, cause and effect.",
            hint=f'{what}=(("age", "pain"),)',
        )
    return names[0], names[1]


def _refuse_cycle(required: tuple[Pair, ...]) -> None:
    nodes = tuple(dict.fromkeys(name for pair in required for name in pair))
    try:
        CausalGraph(nodes, required)
    except CyclicGraph as error:
        raise CyclicGraph(f"The required edges contradict each other. {error.message}", hint=error.hint) from error
