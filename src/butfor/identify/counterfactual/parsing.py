"""Counterfactual queries from text.

    query   := "P" "(" events ("|" events)? ")"
    event   := name "'"* ("_{" (setting ("," setting)*)? "}")?
    setting := event

A prime is another value of the same variable. A setting with a subscript of its own is the value that the variable
would have by itself in that world: `y_{x, m_{x'}}`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NoReturn

from butfor.core.errors import InvalidSetting, UnknownNode
from butfor.graph.causal_graph import CausalGraph
from butfor.identify.counterfactual.events import (
    EXAMPLE,
    CounterfactualEvent,
    CounterfactualQuery,
    NaturalValue,
    Setting,
)
from butfor.identify.expression import Variable

# A name ends where a subscript begins.
WORD = r"(?:(?!_\{)\w)+"
TOKEN = re.compile(rf"""\s*(?P<token>(?:{WORD}(?:\.{WORD})*|"(?:[^"\\]|\\.)*")['′’]*|_\{{|[(){{}}|,])""")
# Worlds inside worlds beyond this are no question.
DEEPEST = 20


def parse_counterfactual(text: str, graph: CausalGraph) -> CounterfactualQuery:
    """The query that a text asks of a graph.

    Args:
        text: such as `P(y_{x} | x')`: y had x been set, among units with another value of x.
        graph: where the names are from.

    Raises:
        InvalidSetting: where the text is no query, with the place, and for events that contradict each other.
        UnknownNode: for a name that is not in the graph, with the nearest one.
        RoleConflict: for a node that was not measured.

    >>> print(parse_counterfactual("P(y_{x}, y'_{x'})", CausalGraph.from_any("x -> y")))
    P(y_{x}, y'_{x'})
    """
    reader = _Reader(text, _tokens(text), graph)
    found = reader.query()
    if reader.position < len(reader.tokens):
        reader.refuse("nothing")
    return found.checked(graph)


def _tokens(text: str) -> list[str]:
    out: list[str] = []
    position, end = 0, len(text.rstrip())
    while position < end:
        found = TOKEN.match(text, position)
        if found is None:
            raise InvalidSetting(
                f"The query has {text[position:].strip()[:20]!r}; a counterfactual query needs names, primes and "
                "subscripts in braces.",
                hint=f"{EXAMPLE}, where x' is another value than x",
            )
        out.append(found["token"])
        position = found.end()
    return out


@dataclass
class _Reader:
    text: str
    tokens: list[str]
    graph: CausalGraph
    position: int = 0

    def peek(self) -> str:
        return self.tokens[self.position] if self.position < len(self.tokens) else ""

    def take(self, wanted: str) -> None:
        if self.peek() != wanted:
            self.refuse(repr(wanted))
        self.position += 1

    def refuse(self, wanted: str) -> NoReturn:
        place = f" near {self.peek()!r}" if self.peek() else " at its end"
        raise InvalidSetting(f"The query {self.text[:80]!r} needs {wanted}{place}.", hint=EXAMPLE)

    def query(self) -> CounterfactualQuery:
        self.take("P")
        self.take("(")
        outcomes = self.events()
        given: tuple[CounterfactualEvent, ...] = ()
        if self.peek() == "|":
            self.take("|")
            given = self.events()
        self.take(")")
        return CounterfactualQuery(outcomes, given)

    def events(self) -> tuple[CounterfactualEvent, ...]:
        found = [self.event()]
        while self.peek() == ",":
            self.take(",")
            found.append(self.event())
        return tuple(found)

    def event(self) -> CounterfactualEvent:
        value = self.value()
        return CounterfactualEvent(value, self.subscript(0) if self.peek() == "_{" else ())

    def subscript(self, depth: int) -> tuple[Setting, ...]:
        if depth > DEEPEST:
            self.refuse("fewer worlds inside worlds")
        self.take("_{")
        found: list[Setting] = []
        while self.peek() != "}":
            if found:
                self.take(",")
            found.append(self.setting(depth))
        self.take("}")
        return tuple(found)

    def setting(self, depth: int) -> Setting:
        value = self.value()
        if self.peek() != "_{":
            return value
        if value.primes:
            self.refuse(f"{value.name} without a prime, since its natural value is meant,")
        return NaturalValue(value.name, self.subscript(depth + 1))

    def value(self) -> Variable:
        token = self.peek()
        if not token or token in ("_{", *"(){}|,"):
            self.refuse("a name")
        self.position += 1
        bare = token.rstrip("'′’")
        if self.peek() == "(":
            raise InvalidSetting(
                f"The query {self.text[:80]!r} has {bare}(…); a counterfactual query needs subscripts for what is set.",
                hint="P(y_{x}) for P(y | do(x))",
            )
        if self.peek() == "{":
            self.refuse("'_{' for a subscript")
        name = re.sub(r"\\(.)", r"\1", bare[1:-1]) if bare.startswith('"') else bare
        self._explain_underscore(name)
        return Variable(self.graph.check(name), len(token) - len(bare))

    def _explain_underscore(self, name: str) -> None:
        """Is `y_x` meant to be y_{x}?"""
        known = self.graph.nodes
        for place in (i for i, sign in enumerate(name) if sign == "_" and name not in known):
            if name[:place] in known and name[place + 1 :] in known:
                raise UnknownNode(
                    f"Node {name!r} is not in the graph; a subscript needs braces.",
                    hint=f"write {name[:place]}_{{{name[place + 1 :]}}}",
                )
