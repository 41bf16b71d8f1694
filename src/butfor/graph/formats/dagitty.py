"""dagitty text: `dag { x [exposure] y [outcome] u [latent] x -> y x <-> z }`, and the older text in two sections.

The language is that of Textor and others 2016 (doi:10.1093/ije/dyw341). Positions and coefficients are not kept.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

from butfor.core.errors import GraphSyntax
from butfor.graph.causal_graph import CausalGraph
from butfor.graph.formats.arrows import OPENING, Builder
from butfor.graph.formats.dot import DotReader
from butfor.graph.formats.tokens import quoted, shown, tokens

TYPES = ("dag", "graph", "digraph")
# Older text: name, letters of its roles (1 for none), position.
SECTION_LINE = re.compile(
    r"(?P<name>[^\s@{}\[\]\"<>;]+)[^\S\n]+(?P<roles>[EOAUS01]+)(?:[^\S\n]+@\S+)?[^\S\n]*(?:\n|\Z)"
)
LETTERS = {"E": "exposures", "O": "outcomes", "A": "adjusted", "U": "latent", "S": "selected"}


def read(text: str) -> CausalGraph:
    """A graph from dagitty text.

    Raises:
        GraphSyntax: for graphs that stand for several causal graphs (pdag, mag, pag), and for edges without direction.

    >>> sorted(read("dag { x [e] y [o] x -> y }").exposures)
    ['x']
    """
    words = [t for t in tokens(text) if t.kind != "newline"]
    kind = words[0].text.lower() if words else "text"
    if kind not in TYPES:
        raise GraphSyntax(
            f"The dagitty graph is a {shown(kind)}, which is a MarkedGraph; a causal graph needs the type dag.",
            hint="read it with butfor.graph.formats.marked.read",
        )
    return DotReader.of(words).read()


def is_sections(text: str) -> bool:
    """Is this the older text, whose first line is a node with its roles?"""
    first = SECTION_LINE.match(text.lstrip())
    if first is None or first["name"].lower() in OPENING:  # `latent U` is arrow text
        return False
    return "@" in first.group() or bool(re.search(r"\n[^\S\n]*+\n", text))


def read_sections(text: str) -> CausalGraph:
    """A graph from the older text: lines `name roles @position`, an empty line, lines `cause effect effect …`.

    Raises:
        GraphSyntax: with the line that is neither.

    >>> read_sections("X E @0,1\\nY O @1,1\\nZ 1 @0,0\\n\\nX Y\\nZ X Y").directed
    (('X', 'Y'), ('Z', 'X'), ('Z', 'Y'))
    """
    builder = Builder()
    in_edges = False
    for number, line in enumerate(text.split("\n"), 1):
        words = [unquote(word) for word in line.split() if not word.startswith("@")]
        if not words:
            in_edges = bool(builder.nodes)
        elif in_edges:
            builder.connect(words[:1], "->", words[1:])
            _check_known(words, builder, number)
        elif found := SECTION_LINE.fullmatch(line.strip()):
            builder.nodes.append(words[0])
            for letter in set(found["roles"]) & LETTERS.keys():
                builder.marked[LETTERS[letter]].add(words[0])
        else:
            raise GraphSyntax(
                f"Line {number} of the dagitty model is {shown(line)}; it needs a name, its roles and a position.",
                hint="X E @0.5,1.2",
            )
    return builder.graph()


def _check_known(words: list[str], builder: Builder, number: int) -> None:
    known = set(builder.nodes)
    for word in words:
        if word not in known:
            raise GraphSyntax(
                f"Line {number} of the dagitty model has {shown(word)}, which is no node; an edge needs two nodes.",
                hint="give every node a line in the first section",
            )


def write(graph: CausalGraph) -> str:
    """dagitty text that reads back as the same graph."""
    lines = ["dag {"]
    for node in graph.nodes:
        roles = ",".join(graph.roles(node))
        lines.append(f"  {quoted(node)}{f' [{roles}]' if roles else ''}")
    lines += [f"  {quoted(a)} -> {quoted(b)}" for a, b in graph.directed]
    lines += [f"  {quoted(a)} <-> {quoted(b)}" for a, b in graph.bidirected]
    return "\n".join([*lines, "}"])
