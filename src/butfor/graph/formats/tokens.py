"""Words, quoted names and edge marks of the text formats, with their line numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from butfor.core.errors import GraphSyntax

# Repetitions never give back what they took (`*+`, `++`): reading stays linear whatever the text.
PATTERN = re.compile(
    r"""
    [^\S\n]*+ (?:
    (?P<newline>\n) | (?P<edge><->|->|<-|--|@-@|@->|<-@|@--|--@|[→←↔]) | (?P<mark>[\[\]{};,=:])
  | (?P<comment>\#[^\n]*+|//[^\n]*+|/\*.*?\*/) | "(?P<quoted>(?:[^"\\]|\\.)*+)"
  | (?!/\*)(?P<name>[^\s\[\]{};,=:"<>→←↔\-\x00-\x1f\x7f\ufffd]++
      (?:-(?!>|-)[^\s\[\]{};,=:"<>→←↔\-\x00-\x1f\x7f\ufffd]++)*+)
  | (?P<number>-(?:\d++\.?+\d*+|\.\d++)(?=[\s\]{};,=]|$)) | (?P<wrong>\S)
    )
    """,
    re.X | re.S,
)
# Arrows as word processors write them.
ARROWS = {"→": "->", "←": "<-", "↔": "<->"}
# Letters of a name without quotes; more is no name, but something else that was pasted.
LONGEST_NAME = 1000
MOST_SHOWN = 60


class Token(NamedTuple):
    """`kind` is edge, mark, name or newline; `quoted` tells "latent" from latent."""

    kind: str
    text: str
    line: int
    quoted: bool = False


def tokens(text: str) -> Iterator[Token]:
    """The tokens of a text.

    Raises:
        GraphSyntax: at a character that starts nothing.
    """
    line = 1
    for found in PATTERN.finditer(text):
        kind = found.lastgroup or ""
        value = found[kind]
        if kind in ("edge", "mark"):
            yield Token(kind, ARROWS.get(value, value), line)
        elif kind == "wrong" or (kind == "name" and len(value) > LONGEST_NAME):
            start = found.start(kind)
            raise GraphSyntax(
                f"Line {line} of the graph has {text[start : start + 20]!r}; a name or an edge was expected.",
                hint='edges are ->, <- and <->; put names with spaces or signs in double quotes: "blood pressure"',
            )
        elif kind in ("name", "number"):
            yield Token("name", value, line)
        else:
            if kind == "quoted":
                yield Token("name", re.sub(r"\\(.)", r"\1", value), line, quoted=True)
            elif kind == "newline":
                yield Token(kind, value, line)
            line += value.count("\n")


def quoted(name: str) -> str:
    """A name as every format takes it."""
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def plain_or_quoted(name: str, reserved: frozenset[str] = frozenset()) -> str:
    """A name without quotes where that is safe."""
    safe = re.fullmatch(r"[^\W\d]\w*", name) and len(name) <= LONGEST_NAME and name.lower() not in reserved
    return name if safe else quoted(name)


def shown(value: object) -> str:
    """A value as an error quotes it: its beginning."""
    text = repr(value)
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}…"


def expected(what: str, token: Token | None) -> GraphSyntax:
    """The error that names the line and what should have been there."""
    where, seen = ("the end of the graph", "nothing") if token is None else (f"line {token.line}", shown(token.text))
    return GraphSyntax(
        f"At {where} there is {seen}; {what} was expected.",
        hint="write edges as cause -> effect; a; names with spaces in double quotes",
    )
