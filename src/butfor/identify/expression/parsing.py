"""Estimands from text.

    expression := term ("/" term)*
    term       := ("sum" | "Σ") "_" index term | factor+
    factor     := "P" population? "(" names ("|" names)? ")" | "(" expression ")" | "[" expression "]" | "1" | "0"

A sum reaches as far as its term; the index of an inner sum hides the same name outside.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from butfor.core.errors import InvalidSetting
from butfor.identify.expression.expression import ONE, ZERO, Expression, Probability, Product, Ratio, Sum, Variable

TOKEN = re.compile(
    r"""\s*(?:(?P<name>[^\W\d]\w*(?:\.\w+)*'*|\d+'*|"(?:[^"\\]|\\.)*"'*)|(?P<mark>[()\[\]{}|,/_]))""", re.X
)
# `sum_Z` and `Σ_Z` are one word; so are `sum_` and `Σ` before a brace.
SUM = re.compile(r"(?:sum|Σ)_?(.*)", re.S)
# Nested brackets beyond this are not an estimand.
DEEPEST = 100


def parse_expression(text: str) -> Expression:
    """The estimand that a text says.

    Raises:
        InvalidSetting: where the text is no estimand, with the place.

    >>> str(parse_expression("sum_Z P(Z|X) sum_X' P(Y|X',Z) P(X')"))
    "sum_{Z} P(Z | X) sum_{X'} P(Y | X', Z) P(X')"
    """
    reader = _Reader(text, _tokens(text))
    found = reader.expression(0)
    if reader.position < len(reader.tokens):
        raise reader.error("the end")
    return found


def _tokens(text: str) -> list[tuple[str, int]]:
    out: list[tuple[str, int]] = []
    position = 0
    while position < len(text.rstrip()):
        found = TOKEN.match(text, position)
        if found is None:
            raise InvalidSetting(
                f"The estimand has {text[position:].strip()[:20]!r}; an estimand needs P(…), sums and ratios.",
                hint="sum_{z} P(y | x, z) P(z)",
            )
        out.append((found[0].strip(), found.start()))
        position = found.end()
    return out


@dataclass
class _Reader:
    text: str
    tokens: list[tuple[str, int]]
    position: int = field(default=0)

    def peek(self) -> str:
        return self.tokens[self.position][0] if self.position < len(self.tokens) else ""

    def take(self, *wanted: str) -> str:
        token = self.peek()
        if token not in wanted:
            raise self.error(" or ".join(map(repr, wanted)))
        self.position += 1
        return token

    def error(self, wanted: str) -> InvalidSetting:
        place = f" near {self.peek()!r}" if self.peek() else " at its end"
        return InvalidSetting(
            f"The estimand {self.text[:80]!r} needs {wanted}{place}.", hint="sum_{z} P(y | x, z) P(z)"
        )

    def expression(self, depth: int) -> Expression:
        if depth > DEEPEST:
            raise self.error("fewer nested brackets")
        found = self.term(depth)
        while self.peek() == "/":
            self.take("/")
            found = Ratio(found, self.term(depth))
        return found

    def term(self, depth: int) -> Expression:
        factors: list[Expression] = []
        while (token := self.peek()) not in ("", ")", "]", "/"):
            if SUM.fullmatch(token):
                factors.append(self.sum(depth))
                break
            factors.append(self.factor(depth))
        if not factors:
            raise self.error("P(…), a sum or a bracket")
        parts = [g for f in factors for g in (f.factors if isinstance(f, Product) else (f,))]
        return parts[0] if len(parts) == 1 else Product(tuple(parts))

    def sum(self, depth: int) -> Expression:
        if depth > DEEPEST:
            raise self.error("fewer nested sums")
        found = SUM.fullmatch(self.peek())
        index = found[1] if found else ""
        self.position += 1
        if not index and self.peek() == "_":
            self.take("_")
        if index:
            over: tuple[Variable, ...] = (_variable(index),)
        elif self.peek() == "{":
            self.take("{")
            over = self.names("}")
            self.take("}")
        else:
            over = (self.variable(),)
        return Sum(over, self.term(depth + 1))

    def factor(self, depth: int) -> Expression:
        token = self.peek()
        if token in ("(", "["):
            self.take(token)
            found = self.expression(depth + 1)
            self.take(")" if token == "(" else "]")
            return found
        if token in ("1", "0"):
            self.take(token)
            return ONE if token == "1" else ZERO
        return self.probability()

    def probability(self) -> Expression:
        self.take("P")
        population = ""
        if self.peek() == "[":
            self.take("[")
            population = self.variable().name
            self.take("]")
        self.take("(")
        of = self.names("|", ")")
        do: tuple[Variable, ...] = ()
        given: tuple[Variable, ...] = ()
        if self.peek() == "|":
            self.take("|")
            if self.peek() == "do" and self.opens():
                self.take("do")
                self.take("(")
                do = self.names(")")
                self.take(")")
                if self.peek() == ",":
                    self.take(",")
            if self.peek() != ")":
                given = self.names(")")
        self.take(")")
        return Probability(of, given, do, population)

    def opens(self) -> bool:
        return self.position + 1 < len(self.tokens) and self.tokens[self.position + 1][0] == "("

    def names(self, *end: str) -> tuple[Variable, ...]:
        found = [self.variable()]
        while self.peek() == ",":
            self.take(",")
            found.append(self.variable())
        if self.peek() not in end:
            raise self.error(" or ".join(map(repr, (",", *end))))
        return tuple(found)

    def variable(self) -> Variable:
        token = self.peek()
        if not token or token[0] in "()[]{}|,/_":
            raise self.error("a name")
        self.position += 1
        return _variable(token)


def _variable(token: str) -> Variable:
    bare = token.rstrip("'")
    primes = len(token) - len(bare)
    if bare.startswith('"'):
        bare = re.sub(r"\\(.)", r"\1", bare[1:-1])
    return Variable(bare, primes)
