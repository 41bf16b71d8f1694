"""Words, quoted names and edge marks of the text formats, with their line numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from butfor.core.errors import GraphSyntax

PATTERN = re.compile(
    r"""
    (?P<space>[^\S\n]+) | (?P<comment>\#[^\n]*|//[^\n]*|/\*.*?\*/) | (?P<newline>\n)
  | (?P<edge><->|->|<-|--|@-@|@->|<-@|@--|--@) | (?P<mark>[\[\]{};,=:])
  | "(?P<quoted>(?:[^"\\]|\\.)*)" | (?P<word>[^\s\[\]{};,=:"<>\-]+(?:[.\-](?!>|-)[^\s\[\]{};,=:"<>\-]+)*)
  | (?P<number>-(?:\d+\.?\d*|\.\d+)(?=[\s\]{};,=]|$))
    """,
    re.X | re.S,
)


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
    position, line = 0, 1
    while position < len(text):
        found = PATTERN.match(text, position)
        if found is None or found.end() == position:
            raise GraphSyntax(
                f"Line {line} of the graph has {text[position : position + 20]!r}; a name or an edge was expected.",
                hint='edges are ->, <- and <->; put names with spaces or signs in double quotes: "blood pressure"',
            )
        kind, value = found.lastgroup or "", found.group()
        if kind == "quoted":
            yield Token("name", re.sub(r"\\(.)", r"\1", found.group("quoted")), line, quoted=True)
        elif kind in ("word", "number"):
            yield Token("name", value, line)
        elif kind in ("edge", "mark", "newline"):
            yield Token(kind, value, line)
        if kind in ("newline", "comment", "quoted"):
            line += value.count("\n")
        position = found.end()


def quoted(name: str) -> str:
    """A name as every format takes it."""
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def plain_or_quoted(name: str, reserved: frozenset[str] = frozenset()) -> str:
    """A name without quotes where that is safe."""
    return name if re.fullmatch(r"[^\W\d]\w*", name) and name.lower() not in reserved else quoted(name)


def expected(what: str, token: Token | None) -> GraphSyntax:
    """The error that names the line and what should have been there."""
    where, seen = ("the end of the graph", "nothing") if token is None else (f"line {token.line}", repr(token.text))
    return GraphSyntax(
        f"At {where} there is {seen}; {what} was expected.",
        hint="write edges as cause -> effect; a; names with spaces in double quotes",
    )
