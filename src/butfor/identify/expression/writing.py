"""Estimands as text that parses back, in Unicode, and in LaTeX."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from butfor.identify.expression.expression import (
    Expression,
    Probability,
    Product,
    Ratio,
    Sum,
    Variable,
    Zero,
    with_clear_names,
)

PLAIN_NAME = re.compile(r"[^\W\d]\w*(\.\w+)*|\d+")


@dataclass(frozen=True)
class Notation:
    """How the parts are written."""

    variable: Callable[[Variable], str]
    given: str
    do: Callable[[str], str]
    population: Callable[[str], str]
    sum: Callable[[str], str]
    ratio: Callable[[str, str], str]
    brackets: tuple[str, str]
    space: str = " "


def _quoted(variable: Variable) -> str:
    name = variable.name
    if not PLAIN_NAME.fullmatch(name):
        name = '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return name + "'" * variable.primes


def _latex_name(variable: Variable) -> str:
    name = variable.name
    numbered = re.fullmatch(r"([A-Za-z])_?(\d+)", name)
    if numbered:
        body = f"{numbered[1]}_{{{numbered[2]}}}"
    elif len(name) == 1 and name.isalpha():
        body = name
    else:
        escaped = name.replace("\\", r"\textbackslash ")
        escaped = re.sub(r"([#$%&_{}])", r"\\\1", escaped).replace("^", r"\^{}").replace("~", r"\~{}")
        body = rf"\text{{{escaped}}}"
    return body if not variable.primes else body + "'" * variable.primes


TEXT = Notation(
    variable=_quoted,
    given=" | ",
    do=lambda names: f"do({names})",
    population=lambda name: f"[{name}]" if name else "",
    sum=lambda index: f"sum_{{{index}}} ",
    ratio=lambda above, below: f"[{above}] / [{below}]",
    brackets=("[", "]"),
)
UNICODE = Notation(
    variable=_quoted,
    given=" | ",
    do=lambda names: f"do({names})",
    population=lambda name: f"[{name}]" if name else "",
    sum=lambda index: f"Σ_{{{index}}} ",
    ratio=lambda above, below: f"[{above}] / [{below}]",
    brackets=("[", "]"),
)
LATEX = Notation(
    variable=_latex_name,
    given=r" \mid ",
    do=lambda names: rf"\operatorname{{do}}({names})",
    population=lambda name: rf"^{{{_latex_name(Variable(name))}}}" if name else "",
    sum=lambda index: rf"\sum_{{{index}}} ",
    ratio=lambda above, below: rf"\frac{{{above}}}{{{below}}}",
    brackets=(r"\left[", r"\right]"),
    space=r" \, ",
)


def quoted_names(names: Iterable[str]) -> str:
    """Names in a formula; those that are not plain stand in double quotes.

    >>> print(quoted_names(["age", "blood pressure"]))
    age, "blood pressure"
    """
    return _names(tuple(map(Variable, names)), TEXT)


def to_text(expression: Expression) -> str:
    """Plain text; `parse_expression` reads it back.

    >>> from butfor.identify.expression import Probability, Variable, product, total
    >>> outcome, stratum = Probability.of_names("y", given=["x", "z"]), Probability.of_names("z")
    >>> to_text(total([Variable("z")], product([outcome, stratum])))
    'sum_{z} P(y | x, z) P(z)'
    """
    return _write(with_clear_names(expression), TEXT)


def to_unicode(expression: Expression) -> str:
    """For the screen."""
    return _write(with_clear_names(expression), UNICODE)


def to_latex(expression: Expression) -> str:
    """For a paper."""
    return _write(with_clear_names(expression), LATEX)


def _write(expression: Expression, notation: Notation) -> str:
    match expression:
        case Zero():
            return "0"
        case Probability():
            return _probability(expression, notation)
        case Sum():
            return notation.sum(_names(expression.over, notation)) + _write_in_sum(expression.body, notation)
        case Ratio():
            above, below = (_write(e, notation) for e in (expression.numerator, expression.denominator))
            return notation.ratio(above, below)
        case Product():
            return _product(expression, notation)
        case _:
            raise TypeError(f"{type(expression).__name__} is not an expression.")


def _write_in_sum(body: Expression, notation: Notation) -> str:
    """A ratio inside a sum of text is bracketed, since the sum ends at the slash."""
    words = _write(body, notation)
    return _bracketed(words, notation) if isinstance(body, Ratio) and notation is not LATEX else words


def _product(expression: Product, notation: Notation) -> str:
    if not expression.factors:
        return "1"
    # Sums come last, so that only what follows another sum needs brackets.
    ordered = sorted(expression.factors, key=lambda f: isinstance(f, Sum))
    words: list[str] = []
    for i, factor in enumerate(ordered):
        text = _write(factor, notation)
        last = i == len(ordered) - 1
        needs = (isinstance(factor, Sum) and not last) or (isinstance(factor, Ratio) and notation is not LATEX)
        words.append(_bracketed(text, notation) if needs else text)
    return notation.space.join(words)


def _probability(expression: Probability, notation: Notation) -> str:
    conditions = []
    if expression.do:
        conditions.append(notation.do(_names(expression.do, notation)))
    if expression.given:
        conditions.append(_names(expression.given, notation))
    bar = notation.given + ", ".join(conditions) if conditions else ""
    return f"P{notation.population(expression.population)}({_names(expression.of, notation)}{bar})"


def _names(variables: tuple[Variable, ...], notation: Notation) -> str:
    return ", ".join(map(notation.variable, variables))


def _bracketed(text: str, notation: Notation) -> str:
    return notation.brackets[0] + text + notation.brackets[1]
