"""Graphs in text and back: one file per format."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from butfor.core.errors import GraphSyntax
from butfor.graph.causal_graph import CausalGraph
from butfor.graph.formats import arrows, dagitty, dot, gml, mapping, nx

__all__ = ["parse", "read_any"]

# What may stand between the kind of a DOT or dagitty graph and its opening brace.
NAME = r'(\s+("(?:[^"\\]|\\.)*"|[\w.\-]+))?\s*\{'


def read_any(source: Any) -> CausalGraph:
    """A graph from whatever the user has."""
    if isinstance(source, CausalGraph):
        return source
    if isinstance(source, Mapping):
        return mapping.read(source)
    if isinstance(source, Path) or (isinstance(source, str) and _is_path(source)):
        return parse(_text_of(Path(source)))
    if isinstance(source, str):
        return parse(source)
    if all(callable(getattr(source, name, None)) for name in ("is_directed", "nodes", "edges")):
        return nx.read(source)
    raise GraphSyntax(
        f"The graph is a {type(source).__name__}; a causal graph needs text, a path, a dict or a networkx graph.",
        hint='graph="age -> dose; age -> pain; dose -> pain"',
    )


def parse(text: str) -> CausalGraph:
    """A graph from text in any of the formats; which one is seen from its beginning."""
    start = re.sub(r"(//|#)[^\n]*|/\*.*?\*/", " ", text, flags=re.S).strip()
    if re.match(r"(dag|mag|pdag|pag|graph)" + NAME, start):
        return dagitty.read(text)
    if re.match(r"(strict\s+)?digraph" + NAME, start):
        return dot.read(text)
    if re.match(r"(Creator[^\n]*\n|Version[^\n]*\n)*\s*graph\s*\[", start):
        return gml.read(text)
    return arrows.read(text)


def _is_path(text: str) -> bool:
    if "\n" in text or len(text) >= 1000 or re.search(r"->|<-|[;{\[]", text):
        return False
    if Path(text).suffix in (".txt", ".dot", ".gv", ".gml", ".dagitty", ".dag"):
        return True
    try:
        return Path(text).is_file()
    except OSError:  # a name that is too long for a file
        return False


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise GraphSyntax(f"Graph file {str(path)!r} cannot be read ({error}).", hint="check the path") from error
