"""Graphviz DOT, and the statement grammar that dagitty shares with it."""

from __future__ import annotations

from itertools import pairwise

from butfor.graph.causal_graph import CausalGraph
from butfor.graph.formats.arrows import Builder
from butfor.graph.formats.tokens import Token, expected, quoted, tokens

DEFAULTS = ("graph", "node", "edge")
LATENT_WORDS = ("latent", "unobserved", "u")
DASHED = ("dashed", "dotted")


def read(text: str) -> CausalGraph:
    """A graph from DOT: edges, chains, braces, attributes; `dir=both` is a common cause, `observed=no` not measured."""
    rest = [t for t in tokens(text) if t.kind != "newline"][::-1]
    while rest and not (rest[-1].kind == "mark" and rest[-1].text == "{"):
        rest.pop()
    return DotReader(rest).read()


class DotReader:
    """The statements between the outer braces."""

    def __init__(self, rest: list[Token]) -> None:
        self.rest = rest
        self.builder = Builder()

    def read(self) -> CausalGraph:
        """The whole graph."""
        self.expect("{")
        self.block()
        if not self.builder.nodes:
            raise expected("a node or an edge", None)
        return self.builder.graph()

    def block(self) -> list[str]:
        """Statements up to the closing brace; the names in it."""
        names: list[str] = []
        while not self.sees("}"):
            if not self.rest:
                raise expected("}", None)
            if self.sees(";") or self.sees(","):
                self.rest.pop()
                continue
            names += self.statement()
        self.rest.pop()
        return names

    def statement(self) -> list[str]:
        """One statement; the names in it."""
        first = self.rest[-1]
        if first.kind == "name" and not first.quoted and first.text in DEFAULTS and self.ahead("["):
            self.rest.pop()
            self.attributes()
            return []
        if first.kind == "name" and self.ahead("="):
            del self.rest[-3:]
            return []
        chain: list[tuple[str, list[str]]] = [("", self.group())]
        while self.rest and self.rest[-1].kind == "edge":
            chain.append((self.rest.pop().text, self.group()))
        found = self.attributes() if self.sees("[") else {}
        if len(chain) == 1:
            for name in chain[0][1]:
                self.mark(name, found)
            return chain[0][1]
        for (_, left), (mark, right) in pairwise(chain):
            self.connect(left, mark, right, found)
        return [name for _, names in chain for name in names]

    def connect(self, left: list[str], mark: str, right: list[str], found: dict[str, str]) -> None:
        """Edges between two groups, by mark and attributes."""
        direction = found.get("dir", "")
        mark = {"both": "<->", "back": "<-"}.get(direction, mark)
        if mark not in ("->", "<-", "<->"):
            raise expected(
                "one of ->, <- and <-> (this reader takes directed graphs with latent causes)", Token("edge", mark, 0)
            )
        self.builder.connect(left, mark, right)

    def mark(self, name: str, found: dict[str, str]) -> None:
        """Roles of a node from its attributes."""
        styles = found.get("style", "").lower().split(",")
        unseen = found.get("observed", "").lower() in ("no", "false", "0") or found.get("latent", "no").lower() in (
            "",
            "yes",
            "true",
            "1",
        )
        if unseen or any(word in found for word in LATENT_WORDS) or any(s in DASHED for s in styles):
            self.builder.latent.add(name)
        if "selected" in found:
            self.builder.selected.add(name)

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
        if token.kind != "name":
            raise expected("a node", token)
        if self.sees(":"):
            del self.rest[-2:]
        self.builder.nodes.append(token.text)
        return [token.text]

    def attributes(self) -> dict[str, str]:
        """`[key=value, flag]` as a dict; flags have the value ""."""
        found: dict[str, str] = {}
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
        flags = [
            f
            for f, role in (("latent=yes, style=dashed", graph.latent), ("selected=yes", graph.selected))
            if node in role
        ]
        lines.append(f"  {quoted(node)}{' [' + ', '.join(flags) + ']' if flags else ''};")
    lines += [f"  {quoted(a)} -> {quoted(b)};" for a, b in graph.directed]
    lines += [f"  {quoted(a)} -> {quoted(b)} [dir=both, style=dashed];" for a, b in graph.bidirected]
    return "\n".join([*lines, "}"])
