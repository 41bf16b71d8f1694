"""Graphviz DOT, and the statement grammar that dagitty shares with it."""

from __future__ import annotations

from butfor.core.errors import GraphSyntax
from butfor.graph.causal_graph import CausalGraph
from butfor.graph.formats.arrows import Builder
from butfor.graph.formats.roles import WORDS, is_no, is_yes
from butfor.graph.formats.tokens import Token, expected, quoted, tokens

DEFAULTS = ("graph", "node", "edge")
DASHED = ("dashed", "dotted")
# Braces inside each other that are read; nobody draws more.
DEEPEST = 50

Attributes = dict[str, str]


def read(text: str) -> CausalGraph:
    """A graph from DOT: edges, chains, braces, attributes; `dir=both` is a common cause, `observed=no` not measured."""
    return DotReader.of([t for t in tokens(text) if t.kind != "newline"]).read()


class DotReader:
    """The statements between the outer braces.

    `defaults` are the attributes that `node [...]` and `edge [...]` set for what follows them in the same braces.
    """

    def __init__(self, rest: list[Token]) -> None:
        self.rest = rest
        self.builder = Builder()
        self.nodes: dict[str, Attributes] = {}
        self.defaults: dict[str, Attributes] = {kind: {} for kind in DEFAULTS}
        self.depth = 0

    @classmethod
    def of(cls, words: list[Token]) -> DotReader:
        """A reader of all words after the heading."""
        rest = words[::-1]
        while rest and not (rest[-1].kind == "mark" and rest[-1].text == "{"):
            rest.pop()
        return cls(rest)

    def read(self) -> CausalGraph:
        """The whole graph."""
        self.expect("{")
        self.block()
        if self.rest:
            raise expected("the end of the graph", self.rest[-1])
        if not self.nodes:
            raise expected("a node or an edge", None)
        self.builder.nodes = list(self.nodes)
        for name, found in self.nodes.items():
            self.mark(name, found)
        return self.builder.graph()

    def block(self) -> list[str]:
        """Statements up to the closing brace; the names in it."""
        names: list[str] = []
        outer, self.defaults = self.defaults, {kind: dict(found) for kind, found in self.defaults.items()}
        self.depth += 1
        if self.depth > DEEPEST:
            raise expected(f"at most {DEEPEST} braces inside each other", self.rest[-1] if self.rest else None)
        while not self.sees("}"):
            if not self.rest:
                raise expected("}", None)
            if self.sees(";") or self.sees(","):
                self.rest.pop()
                continue
            names += self.statement()
        self.rest.pop()
        self.depth -= 1
        self.defaults = outer
        return names

    def statement(self) -> list[str]:
        """One statement; the names in it."""
        first = self.rest[-1]
        if first.kind == "name" and not first.quoted and first.text in DEFAULTS and self.ahead("["):
            self.rest.pop()
            self.defaults[first.text].update(self.attributes())
            return []
        if first.kind == "name" and self.ahead("="):
            del self.rest[-3:]
            return []
        names = self.group()
        chain: list[tuple[list[str], Token, list[str]]] = []
        while self.rest and self.rest[-1].kind == "edge":
            mark = self.rest.pop()
            chain.append((chain[-1][2] if chain else names, mark, self.group()))
        found = self.attributes() if self.sees("[") else {}
        if not chain:
            for name in names:
                self.nodes[name].update(found)
        for left, mark, right in chain:
            self.connect(left, mark, right, {**self.defaults["edge"], **found})
        return names + [name for _, _, right in chain for name in right]

    def connect(self, left: list[str], edge: Token, right: list[str], found: Attributes) -> None:
        """Edges between two groups, by mark and attributes."""
        mark = {"both": "<->", "back": "<-", "none": "--"}.get(found.get("dir", ""), edge.text)
        if mark not in ("->", "<-", "<->"):
            raise GraphSyntax(
                f"Line {edge.line} has the edge {mark} at {left[:1]}; a causal graph needs ->, <- or <->.",
                hint="give it a direction; butfor.graph.formats.marked.read takes graphs with such edges",
            )
        self.builder.connect(left, mark, right)

    def mark(self, name: str, found: Attributes) -> None:
        """Roles of a node from its attributes."""
        styles = found.get("style", "").lower().split(",")
        if is_no(found.get("observed", "yes")) or any(s.strip() in DASHED for s in styles):
            self.builder.marked["latent"].add(name)
        for word in found.keys() & WORDS.keys():
            if not found[word] or is_yes(found[word]):
                self.builder.marked[WORDS[word]].add(name)

    def group(self) -> list[str]:
        """One node, or all nodes of a subgraph."""
        if not self.rest:
            raise expected("a node", None)
        token = self.rest.pop()
        if token.text == "subgraph" and not token.quoted and token.kind == "name":
            if self.rest and self.rest[-1].kind == "name":
                self.rest.pop()
            token = self.rest.pop() if self.rest else token
        if token.kind == "mark" and token.text == "{":
            return self.block()
        if token.kind != "name" or (token.text == "+" and not token.quoted):
            raise expected("a node", token)
        while self.sees(":"):
            del self.rest[-2:]
        self.nodes.setdefault(token.text, dict(self.defaults["node"]))
        return [token.text]

    def attributes(self) -> Attributes:
        """`[key=value, flag]` as a dict; flags have the value ""."""
        found: Attributes = {}
        while self.sees("["):
            self.rest.pop()
            while not self.sees("]"):
                if not self.rest:
                    raise expected("]", None)
                key = self.rest.pop()
                if key.kind == "mark" and key.text in (",", ";"):
                    continue
                found[key.text.lower()] = ""
                if self.sees("="):
                    self.rest.pop()
                    found[key.text.lower()] = self.rest.pop().text if self.rest else ""
            self.rest.pop()
        return found

    def sees(self, mark: str) -> bool:
        """Is this mark next?"""
        return bool(self.rest) and self.rest[-1].kind == "mark" and self.rest[-1].text == mark

    def ahead(self, mark: str) -> bool:
        """Is this mark the one after next?"""
        return len(self.rest) > 1 and self.rest[-2].kind == "mark" and self.rest[-2].text == mark

    def expect(self, mark: str) -> None:
        """Take this mark."""
        if not self.sees(mark):
            raise expected(mark, self.rest[-1] if self.rest else None)
        self.rest.pop()


def write(graph: CausalGraph) -> str:
    """DOT that reads back as the same graph."""
    lines = ["digraph {"]
    for node in graph.nodes:
        flags = ", ".join([f"{role}=yes" for role in graph.roles(node)] + ["style=dashed"] * (node in graph.latent))
        lines.append(f"  {quoted(node)}{f' [{flags}]' if flags else ''};")
    lines += [f"  {quoted(a)} -> {quoted(b)};" for a, b in graph.directed]
    lines += [f"  {quoted(a)} -> {quoted(b)} [dir=both, style=dashed];" for a, b in graph.bidirected]
    return "\n".join([*lines, "}"])
