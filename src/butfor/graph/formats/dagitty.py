"""dagitty text: `dag { x [exposure] y [outcome] u [latent] x -> y x <-> z }`; the question has the roles."""

from __future__ import annotations

import re

from butfor.core.errors import GraphSyntax
from butfor.graph.causal_graph import CausalGraph
from butfor.graph.formats.dot import DotReader
from butfor.graph.formats.tokens import quoted, tokens


def read(text: str) -> CausalGraph:
    """A graph from dagitty text of type dag."""
    kind = re.search(r"(dag|mag|pdag|pag|graph)\s*\{", text)
    if kind is None or kind.group(1) != "dag":
        raise GraphSyntax(
            f"The dagitty graph is a {kind.group(1) if kind else 'text'}; a causal graph needs the type dag.",
            hint="dag { x -> y }",
        )
    # Numbers with a sign or a comma only stand in positions: bb="0,0,1,1", pos="0.1,-2".
    rest = [t for t in tokens(text[kind.start() + 3 :]) if t.kind != "newline"][::-1]
    return DotReader(rest).read()


def write(graph: CausalGraph) -> str:
    """dagitty text that reads back as the same graph."""
    lines = ["dag {"]
    for node in graph.nodes:
        roles = [role for role in ("latent", "selected") if node in getattr(graph, role)]
        lines.append(f"  {quoted(node)}{' [' + ','.join(roles) + ']' if roles else ''}")
    lines += [f"  {quoted(a)} -> {quoted(b)}" for a, b in graph.directed]
    lines += [f"  {quoted(a)} <-> {quoted(b)}" for a, b in graph.bidirected]
    return "\n".join([*lines, "}"])
