"""dagitty text: `dag { x [exposure] y [outcome] u [latent] x -> y x <-> z }`; the question has the roles."""

from __future__ import annotations

from butfor.core.errors import GraphSyntax
from butfor.graph.causal_graph import CausalGraph
from butfor.graph.formats.dot import DotReader
from butfor.graph.formats.tokens import quoted, tokens


def read(text: str) -> CausalGraph:
    """A graph from dagitty text of type dag."""
    words = [t for t in tokens(text) if t.kind != "newline"]
    if not words or words[0].text != "dag":
        raise GraphSyntax(
            f"The dagitty graph is a {words[0].text if words else 'text'}; a causal graph needs the type dag.",
            hint="dag { x -> y }",
        )
    return DotReader.of(words).read()


def write(graph: CausalGraph) -> str:
    """dagitty text that reads back as the same graph."""
    lines = ["dag {"]
    for node in graph.nodes:
        roles = [role for role in ("latent", "selected") if node in getattr(graph, role)]
        lines.append(f"  {quoted(node)}{' [' + ','.join(roles) + ']' if roles else ''}")
    lines += [f"  {quoted(a)} -> {quoted(b)}" for a, b in graph.directed]
    lines += [f"  {quoted(a)} <-> {quoted(b)}" for a, b in graph.bidirected]
    return "\n".join([*lines, "}"])
