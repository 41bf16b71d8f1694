"""What would have been, had something been otherwise: events in worlds that share their hidden causes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from butfor.core.errors import InvalidSetting, RoleConflict
from butfor.core.serial import public_value
from butfor.graph.causal_graph import CausalGraph
from butfor.identify.expression import Variable
from butfor.identify.expression.writing import TEXT


@public_value
@dataclass(frozen=True)
class NaturalValue:
    """The value that a variable would have by itself, had others been set: what nested counterfactuals set it to.

    Args:
        name: the variable.
        do: what is set for that.

    >>> print(CounterfactualEvent(Variable("y"), (Variable("x"), NaturalValue("m", (Variable("x", 1),)))))
    y_{m_{x'}, x}
    """

    name: str
    do: tuple[Setting, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "do", _settings(self.do))

    def __str__(self) -> str:
        return _written(Variable(self.name)) + f"_{{{_listed(self.do)}}}"


# What a variable is set to: a value, or what it would be in another world.
Setting: TypeAlias = Variable | NaturalValue
World: TypeAlias = tuple[Setting, ...]


@public_value
@dataclass(frozen=True)
class CounterfactualEvent:
    """A variable would have this value, had others been set.

    Args:
        value: the variable and which of its values: `Variable("y")` is y, `Variable("y", 1)` another one, y'.
        do: what is set; nothing for what really happens.

    Raises:
        InvalidSetting: for one variable that is set in two ways, or a value below zero.

    >>> print(CounterfactualEvent(Variable("y", 1), (Variable("x"),)))
    y'_{x}
    """

    value: Variable
    do: World = ()

    def __post_init__(self) -> None:
        _check_primes(self.value)
        object.__setattr__(self, "do", _settings(self.do))

    @property
    def name(self) -> str:
        """The variable."""
        return self.value.name

    @property
    def certain(self) -> bool:
        """Does the event only repeat what is set?"""
        return self.value in self.do

    @property
    def impossible(self) -> bool:
        """Does the event contradict what is set?"""
        return any(isinstance(s, Variable) and s.name == self.name and s != self.value for s in self.do)

    @property
    def plain(self) -> CounterfactualEvent:
        """The same event in the world that the variable's value comes from, when it is set to a natural value."""
        for setting in self.do:
            if isinstance(setting, NaturalValue) and setting.name == self.name:
                return CounterfactualEvent(self.value, setting.do).plain
        return self

    def __str__(self) -> str:
        return _written(self.value) + (f"_{{{_listed(self.do)}}}" if self.do else "")


@public_value
@dataclass(frozen=True)
class CounterfactualQuery:
    """P(outcomes | given): the probability that events in one or several worlds happen together.

    Args:
        outcomes: the events.
        given: events that the units asked about have in common.

    Raises:
        InvalidSetting: without events, or for two values of one variable in the same world on one side of the bar.

    >>> print(CounterfactualQuery((CounterfactualEvent(Variable("y"), (Variable("x"),)),)))
    P(y_{x})
    """

    outcomes: tuple[CounterfactualEvent, ...]
    given: tuple[CounterfactualEvent, ...] = ()

    def __post_init__(self) -> None:
        for side in ("outcomes", "given"):
            events = tuple(dict.fromkeys(getattr(self, side)))
            object.__setattr__(self, side, events)
            seen: dict[tuple[str, World], CounterfactualEvent] = {}
            for event in events:
                other = seen.setdefault((event.name, event.do), event)
                if other != event:
                    raise InvalidSetting(
                        f"The events {other} and {event} contradict each other; a query needs events that can happen "
                        "together.",
                        hint=f"ask for one of them, or put {_written(event.value)} into a world of its own",
                    )
        if not self.outcomes:
            raise InvalidSetting("There are no events; a counterfactual query needs at least one.", hint=EXAMPLE)

    @property
    def events(self) -> tuple[CounterfactualEvent, ...]:
        """All of them."""
        return (*self.outcomes, *self.given)

    @property
    def names(self) -> tuple[str, ...]:
        """Every variable that is mentioned, each once."""
        return tuple(dict.fromkeys(n for e in self.events for n in (e.name, *(s.name for s in _inside(e.do)))))

    @property
    def values(self) -> tuple[Variable, ...]:
        """Every value that is mentioned, each once."""
        found = [s for e in self.events for s in (e.value, *_inside(e.do))]
        return tuple(dict.fromkeys(s for s in found if isinstance(s, Variable)))

    def checked(self, graph: CausalGraph) -> CounterfactualQuery:
        """The query itself.

        Raises:
            UnknownNode: for a name that is not in the graph, with the nearest one.
            RoleConflict: for a node that was not measured.
        """
        for name in self.names:
            if graph.check(name) in graph.latent:
                raise RoleConflict(
                    f"Node {name!r} is not measured; a counterfactual query needs measured nodes.",
                    hint=f"choose a measured node, or a proxy for {name!r}",
                )
        return self

    def __str__(self) -> str:
        bar = f" | {_listed(self.given)}" if self.given else ""
        return f"P({_listed(self.outcomes)}{bar})"


EXAMPLE = "P(y_{x} | x')"


def _inside(do: World) -> Iterator[Setting]:
    """What is set, in worlds inside worlds too."""
    for setting in do:
        yield setting
        if isinstance(setting, NaturalValue):
            yield from _inside(setting.do)


def _settings(do: Iterable[Setting]) -> World:
    """In the order of names; a natural value in a world where the variable is set is what it is set to."""
    found: dict[str, Setting] = {}
    for setting in do:
        while isinstance(setting, NaturalValue):
            inner = next((s for s in setting.do if s.name == setting.name), None)
            if inner is None:
                break
            setting = inner  # noqa: PLW2901
        if isinstance(setting, Variable):
            _check_primes(setting)
        other = found.setdefault(setting.name, setting)
        if other != setting:
            raise InvalidSetting(
                f"{setting.name!r} is set to {other} and to {setting} in one world; a world needs one value of each "
                "variable that is set.",
                hint="ask for one event in each world",
            )
    return tuple(found[name] for name in sorted(found))


def _check_primes(value: Variable) -> None:
    if value.primes < 0:
        raise InvalidSetting(
            f"The value of {value.name!r} is {value.primes}; a counterfactual needs 0 for {value.name}, 1 for "
            f"{value.name}', and so on.",
            hint=f"Variable({value.name!r}, 0)",
        )


def _written(value: Variable) -> str:
    return TEXT.variable(value)


def _listed(parts: Iterable[Setting | CounterfactualEvent]) -> str:
    return ", ".join(_written(p) if isinstance(p, Variable) else str(p) for p in parts)
