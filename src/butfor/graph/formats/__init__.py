"""Graphs in text and back: one file per format."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from butfor.core.errors import GraphSyntax
from butfor.graph.causal_graph import CausalGraph
from butfor.graph.formats import (
    arrows,
    causal_learn,
    dagitty,
    dot,
    gml,
    graphml,
    json_text,
    lavaan,
    mapping,
    marked,
    nx,
)
from butfor.graph.marked_graph import MarkedGraph

__all__ = ["parse", "read_any", "read_graph", "write_as"]

# Space and comments; what was taken is never given back, so that reading stays linear.
SPACE = r"(?:\s++|(?:\#|//)[^\n]*+|/\*.*?\*/)*+"
# What may stand between the kind of a DOT or dagitty graph and its opening brace.
NAME = rf'\b{SPACE}(?:"(?:[^"\\]|\\.)*+"|[\w.\-]++)?{SPACE}\{{'
MARKED = re.compile(rf"(?:c?pdag|mag|pag){NAME}", re.S | re.I)
DAGITTY = re.compile(rf"(?:dag|mag|pdag|pag|graph){NAME}", re.S | re.I)
DOT = re.compile(rf"(?:strict\s++)?digraph{NAME}", re.S | re.I)
GML = re.compile(r"(?:(?:Creator|Version)[^\n]*\n\s*)*+graph\s*+\[")
XML = re.compile(r"<[?!\w]")
JSON = re.compile(r'\{\s*+(?:"(?:[^"\\]|\\.)*+"\s*+:|\})', re.S)

# Files that are of one format whatever they begin with; in the others the beginning tells.
READERS = {".graphml": graphml.read, ".json": json_text.read, ".lav": lavaan.read, ".lavaan": lavaan.read}
WRITERS = {
    ".dag": dagitty.write,
    ".dagitty": dagitty.write,
    ".dot": dot.write,
    ".gml": gml.write,
    ".graphml": graphml.write,
    ".gv": dot.write,
    ".json": json_text.write,
    ".lav": lavaan.write,
    ".lavaan": lavaan.write,
}


def read_graph(source: Any) -> CausalGraph | MarkedGraph:
    """A causal graph, or a class of graphs where the text says so (`pag { ... }`).

    >>> read_graph("cpdag { a -- b }").kind, read_graph("a -> b").nodes
    ('pdag', ('a', 'b'))
    """
    if isinstance(source, MarkedGraph):
        return source
    if isinstance(source, Path) or (isinstance(source, str) and _is_path(source)):
        path = Path(source)
        source = source if path.suffix.lower() in READERS else _text_of(path)
    if isinstance(source, str) and MARKED.match(source, _start_of(source)):
        return marked.read(source)
    return read_any(source)


def read_any(source: Any) -> CausalGraph:
    """A graph from whatever the user has."""
    if isinstance(source, CausalGraph):
        return source
    if isinstance(source, Mapping):
        return mapping.read(source)
    if isinstance(source, Path) or (isinstance(source, str) and _is_path(source)):
        path = Path(source)
        return READERS.get(path.suffix.lower(), parse)(_text_of(path))
    if isinstance(source, str):
        return parse(source)
    if causal_learn.is_graph(source):
        return causal_learn.read(source)
    if all(callable(getattr(source, name, None)) for name in ("is_directed", "nodes", "edges")):
        return nx.read(source)
    raise GraphSyntax(
        f"The graph is a {type(source).__name__}; a causal graph needs text, a path, a dict, or a graph of networkx or "
        "causal-learn.",
        hint='graph="age -> dose; age -> pain; dose -> pain"',
    )


def parse(text: str) -> CausalGraph:
    """A graph from text in any of the formats; which one is seen from its beginning."""
    text = text.removeprefix("\ufeff")
    start = _start_of(text)
    for beginning, read in (
        (DAGITTY, dagitty.read),
        (DOT, dot.read),
        (GML, gml.read),
        (XML, graphml.read),
        (JSON, json_text.read),
    ):
        if beginning.match(text, start):
            return read(text)
    if dagitty.is_sections(text):
        return dagitty.read_sections(text)
    return lavaan.read(text) if lavaan.is_model(text) else arrows.read(text)


def write_as(graph: CausalGraph, suffix: str) -> str:
    """The graph as text in the format of a file's ending; arrow text for endings of no format."""
    return WRITERS.get(suffix.lower(), arrows.write)(graph)


def _start_of(text: str) -> int:
    leading = re.match(SPACE, text, re.S)
    return leading.end() if leading else 0


def _is_path(text: str) -> bool:
    if "\n" in text or len(text) >= 1000 or re.search(r"->|<-|[→←↔;{\[]", text):
        return False
    if Path(text).suffix.lower() in READERS.keys() | WRITERS.keys() | {".txt"}:
        return True
    try:
        return Path(text).is_file() or (Path(text).is_dir() and "/" in text)
    except (OSError, ValueError):  # a name that is too long for a file, or that holds a null byte
        return False


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        why = (error.strerror or "no such file").lower()
        raise GraphSyntax(f"Graph file {str(path)!r} cannot be read ({why}).", hint="check the path") from error
    except UnicodeDecodeError as error:
        raise GraphSyntax(
            f"Graph file {str(path)!r} cannot be read (no text); a graph needs text in UTF-8.",
            hint="check the path, or save the text as UTF-8",
        ) from error
