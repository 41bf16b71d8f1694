"""dagitty text of graphs that stand for several: `pag { z @-> x -> y }`, `pdag { a -- b }`, `mag { a <-> b }`.

The language is that of Textor and others 2016 (doi:10.1093/ije/dyw341), in which @ is a circle. The letter o, as in
papers, is read as well where it touches the edge and has room on both sides: `z o-> x`. Positions are not kept.
"""

from __future__ import annotations

import re

from butfor.core.errors import GraphSyntax
from butfor.graph.formats.arrows import MOST_EDGES
from butfor.graph.formats.dot import Attributes, DotReader
from butfor.graph.formats.roles import WORDS, is_yes
from butfor.graph.formats.tokens import Token, expected, quoted, shown, tokens
from butfor.graph.marked_graph import SIGNS, Kind, Mark, MarkedEdge, MarkedGraph

KINDS: dict[str, Kind] = {"pdag": "pdag", "cpdag": "pdag", "mag": "mag", "pag": "pag"}
MARKS: dict[str, tuple[Mark, Mark]] = {sign.replace("o", "@"): marks for marks, sign in SIGNS.items()}
# Quoted names and comments come first: what looks like an edge inside them stays as it is.
CIRCLE = re.compile(
    r"""(?P<kept>"(?:[^"\\]|\\.)*+"|(?<!\S)(?:\#[^\n]*+|//[^\n]*+|/\*.*?\*/))"""
    r"""|(?<![^\s}"\]])(?P<edge>o-o|o->|<-o|o--|--o)(?![^\s{"])""",
    re.S,
)


def read(text: str) -> MarkedGraph:
    """A graph from dagitty text that begins with pdag, cpdag, mag or pag; a name of the graph may follow.

    Raises:
        GraphSyntax: for other text, with its line, and for graphs with selected nodes.
        CyclicGraph: with the cycle.

    >>> read("pag { {a b} o-> c -> d }").edges[1:]
    (('b', 'circle', 'arrow', 'c'), ('c', 'tail', 'arrow', 'd'))
    """
    words = _words(CIRCLE.sub(_with_at, text))
    kind = words[0].text.lower() if words else "text"
    if kind not in KINDS:
        raise GraphSyntax(
            f"The graph text begins with {shown(kind)}; a marked graph needs one of {', '.join(KINDS)}.",
            hint="pag { x @-> y }; bf.CausalGraph.from_any reads graphs with -> and <-> alone",
        )
    named = len(words) > 1 and words[1].kind == "name"
    return _Reader(words[: 1 if named else 0 : -1]).marked_graph(KINDS[kind])


def _with_at(found: re.Match[str]) -> str:
    return found["kept"] or found["edge"].replace("o", "@")


def _words(text: str) -> list[Token]:
    """The tokens, with the circle of `<-@` and `--@` in the edge: a name may begin with @ as well."""
    found: list[Token] = []
    for token in tokens(text):
        after_edge = bool(found) and found[-1].kind == "edge" and found[-1].text in ("<-", "--")
        if after_edge and token.kind == "name" and not token.quoted and token.text.startswith("@"):
            found[-1] = found[-1]._replace(text=f"{found[-1].text}@")
            found += [token._replace(text=token.text[1:])] * (token.text != "@")
        elif token.kind != "newline":
            found.append(token)
    return found


class _Reader(DotReader):
    """The statements of DOT, with a mark at both ends of each edge."""

    def __init__(self, rest: list[Token]) -> None:
        super().__init__(rest)
        self.edges: list[MarkedEdge] = []

    def marked_graph(self, kind: Kind) -> MarkedGraph:
        self.expect("{")
        self.block()
        if self.rest:
            raise expected("the end of the graph", self.rest[-1])
        marked: dict[str, set[str]] = {marks: set() for marks in WORDS.values()}
        for name, found in self.nodes.items():
            for word in found.keys() & WORDS.keys():
                if not found[word] or is_yes(found[word]):
                    marked[WORDS[word]].add(name)
        if marked["selected"]:
            raise GraphSyntax(
                f"Node {min(marked['selected'])!r} is selected; a {kind.upper()} needs to be without selection.",
                hint="draw one causal graph, where [selected] is read",
            )
        roles = {marks: frozenset(names) for marks, names in marked.items() if marks != "selected"}
        return MarkedGraph(tuple(self.nodes), tuple(self.edges), kind, **roles)

    def connect(self, left: list[str], edge: Token, right: list[str], found: Attributes) -> None:
        """Edges between two groups."""
        if len(self.edges) + len(left) * len(right) > MOST_EDGES:
            raise GraphSyntax(
                f"The graph has more than {MOST_EDGES:,} edges; graph text needs at most that many.",
                hint="check what was pasted",
            )
        here, there = MARKS[edge.text]
        self.edges.extend((a, here, there, b) for a in left for b in right)


def write(graph: MarkedGraph) -> str:
    """dagitty text that reads back as the same graph.

    >>> print(write(read("pag { x [exposure] x o-> y }")))
    pag {
      "x" [exposure]
      "y"
      "x" @-> "y"
    }
    """
    lines = [f"{graph.kind} {{"]
    for node in graph.nodes:
        roles = ",".join(graph.roles(node))
        lines.append(f"  {quoted(node)}{f' [{roles}]' if roles else ''}")
    for a, here, there, b in graph.edges:
        lines.append(f"  {quoted(a)} {SIGNS[here, there].replace('o', '@')} {quoted(b)}")
    return "\n".join([*lines, "}"])
