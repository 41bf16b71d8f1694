"""Arrow text: `a -> b <-> c; latent u`, one statement a line or separated by semicolons.

"blood pressure" -> stroke        an edge; names with spaces or signs in double quotes
a -> b -> c; d <- e; f <-> g      chains, either direction, unmeasured common cause
a -> {b c}                        an edge to each
u [latent]   or   latent u        not measured; likewise selected, exposure, outcome, adjusted
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from butfor.core.errors import GraphSyntax
from butfor.graph.causal_graph import ROLES, CausalGraph, Edge
from butfor.graph.formats.roles import WORDS
from butfor.graph.formats.tokens import Token, expected, plain_or_quoted, tokens

# The words that may open a statement: one letter is a name there.
OPENING = frozenset(word for word in WORDS if len(word) > 1)
# Names that the writer quotes, because a text that begins with them could be taken for another format.
RESERVED = frozenset((*OPENING, "graph", "digraph", "strict", "dag", "mag", "pdag", "pag", "creator", "version"))
# {…} -> {…} draws every pair: a short text can ask for more edges than fit into memory.
MOST_EDGES = 250_000


@dataclass
class Builder:
    """What a parser collects."""

    nodes: list[str] = field(default_factory=list[str])
    directed: list[Edge] = field(default_factory=list[Edge])
    bidirected: list[Edge] = field(default_factory=list[Edge])
    marked: dict[str, set[str]] = field(default_factory=lambda: {marks: set[str]() for marks in ROLES})

    def connect(self, left: list[str], mark: str, right: list[str]) -> None:
        """Edges from each left node to each right one.

        Raises:
            GraphSyntax: when there are more than anybody draws.
        """
        if len(self.directed) + len(self.bidirected) + len(left) * len(right) > MOST_EDGES:
            raise GraphSyntax(
                f"The graph has more than {MOST_EDGES:,} edges; graph text needs at most that many.",
                hint="check what was pasted; bf.CausalGraph(nodes, directed) takes graphs of any size",
            )
        for a in left:
            for b in right:
                if mark == "<->":
                    self.bidirected.append((a, b))
                else:
                    self.directed.append((a, b) if mark == "->" else (b, a))

    def graph(self) -> CausalGraph:
        """What was collected, as a graph."""
        return CausalGraph(
            tuple(self.nodes),
            tuple(self.directed),
            tuple(self.bidirected),
            **{marks: frozenset(names) for marks, names in self.marked.items()},
        )


def read(text: str) -> CausalGraph:
    """A graph from arrow text."""
    builder = Builder()
    for statement in _statements(text):
        _Statement(statement, builder).run()
    if not builder.nodes:
        raise expected("a node or an edge", None)
    return builder.graph()


def _statements(text: str) -> Iterator[list[Token]]:
    """Tokens by statement: a line goes on where it cannot end (after an edge, inside braces)."""
    statement: list[Token] = []
    depth = 0
    for token in tokens(text):
        if token.kind == "newline":
            ends = depth <= 0 and not (statement and statement[-1].kind == "edge")
        else:
            ends = token.kind == "mark" and token.text == ";"
            if not ends:
                statement.append(token)
            if token.kind == "mark":
                depth += {"{": 1, "}": -1}.get(token.text, 0)
        if ends and statement:
            yield statement
            statement = []
    if statement:
        yield statement


class _Statement:
    """One statement, read from left to right."""

    def __init__(self, statement: list[Token], builder: Builder) -> None:
        self.rest = statement[::-1]
        self.builder = builder

    def run(self) -> None:
        first = self.rest[-1]
        if len(self.rest) > 1 and not first.quoted and first.text.lower() in OPENING and self.rest[-2].kind == "name":
            marked = self.builder.marked[WORDS[self.rest.pop().text.lower()]]
            while self.rest:
                marked.update(self.group())
                if self.rest and self.rest[-1].text == ",":
                    self.rest.pop()
            return
        left = self.group()
        while self.rest:
            edge = self.rest.pop()
            if edge.kind != "edge" or edge.text not in ("->", "<-", "<->"):
                raise expected("one of ->, <- and <->", edge)
            right = self.group()
            self.builder.connect(left, edge.text, right)
            left = right

    def group(self) -> list[str]:
        """One node, or several in braces."""
        if not self.rest:
            raise expected("a node", None)
        token = self.rest.pop()
        if token.text == "{" and token.kind == "mark":
            names: list[str] = []
            while self.rest and not (self.rest[-1].text == "}" and self.rest[-1].kind == "mark"):
                if self.rest[-1].text == "," and self.rest[-1].kind == "mark":
                    self.rest.pop()
                    continue
                names += self.node(self.rest.pop())
            if not self.rest:
                raise expected("}", None)
            self.rest.pop()
            return names
        return self.node(token)

    def node(self, token: Token) -> list[str]:
        """One node with its role."""
        if token.kind != "name":
            raise expected("a node", token)
        self.builder.nodes.append(token.text)
        if self.rest and self.rest[-1].text == "[" and self.rest[-1].kind == "mark":
            self.role(token.text)
        return [token.text]

    def role(self, name: str) -> None:
        self.rest.pop()
        while self.rest and self.rest[-1].text != "]":
            word = self.rest.pop()
            if word.text in (",",):
                continue
            if word.text.lower() not in WORDS:
                raise expected(f"one of {', '.join(ROLES.values())}", word)
            self.builder.marked[WORDS[word.text.lower()]].add(name)
        if not self.rest:
            raise expected("]", None)
        self.rest.pop()


def write(graph: CausalGraph) -> str:
    """Arrow text that reads back as the same graph."""
    name = {n: plain_or_quoted(n, RESERVED) for n in graph.nodes}
    lines: list[str] = []
    for node in graph.nodes:
        roles = ", ".join(graph.roles(node))
        lines.append(name[node] + (f" [{roles}]" if roles else ""))
    lines += [f"{name[a]} -> {name[b]}" for a, b in graph.directed]
    lines += [f"{name[a]} <-> {name[b]}" for a, b in graph.bidirected]
    return "\n".join(lines)
