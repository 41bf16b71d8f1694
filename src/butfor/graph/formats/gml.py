"""GML: nested key-value lists."""

from __future__ import annotations

import html
import re
from typing import Any, cast

from butfor.core.errors import GraphSyntax
from butfor.graph.causal_graph import CausalGraph, Edge
from butfor.graph.formats.nx import is_bidirected
from butfor.graph.formats.roles import from_attributes, is_no
from butfor.graph.formats.tokens import shown

PATTERN = re.compile(r'\s+|#[^\n]*|(?P<open>\[)|(?P<close>\])|"(?P<text>[^"]*)"|(?P<word>[^\s\[\]"]+)')
Pairs = list[tuple[str, Any]]
Word = tuple[str, str, int]


def read(text: str) -> CausalGraph:
    """A graph from GML: nodes with `latent 1` are not measured, edges with `bidirected 1` are common causes."""
    body = _block(dict(_pairs(_words(text))).get("graph", []), "graph")
    if is_no(dict(body).get("directed", "1")):
        raise GraphSyntax("The GML is undirected; a causal graph needs directions.", hint="graph [ directed 1 ... ]")
    names: dict[str, str] = {}
    nodes: dict[str, dict[str, Any]] = {}
    for node in (dict(_block(value, "node")) for kind, value in body if kind == "node"):
        # igraph writes names as `name`, others as `label`; some programs write no ids.
        name, number = (
            next((str(node[key]) for key in keys if key in node), "")
            for keys in (("label", "name", "id"), ("id", "label"))
        )
        if number in names or name in nodes:
            raise GraphSyntax(
                f"Two nodes of the GML are {shown(name)} with id {shown(number)}; every node needs its own.",
                hint="give one of them another id or label",
            )
        names[number] = name
        nodes[name] = node
    edges: dict[bool, list[Edge]] = {True: [], False: []}
    for edge in (dict(_block(value, "edge")) for kind, value in body if kind == "edge"):
        both = is_bidirected(edge) or edge.get("dir") == "both"
        edges[both].append((_end(edge, "source", names), _end(edge, "target", names)))
    if not names:
        raise GraphSyntax("The GML has no node; a causal graph needs some.", hint='graph [ node [ id 0 label "x" ] ]')
    return CausalGraph(tuple(nodes), tuple(edges[False]), tuple(edges[True]), **from_attributes(nodes.items()))


def _block(value: Any, key: str) -> Pairs:
    if not isinstance(value, list):
        raise GraphSyntax(f"{key!r} is {shown(value)} in the GML; it needs a list in brackets.", hint=f"{key} [ ... ]")
    return cast(Pairs, value)


def _end(edge: dict[str, Any], key: str, names: dict[str, str]) -> str:
    number = str(edge.get(key, "nothing"))
    if number not in names:
        raise GraphSyntax(
            f"A GML edge has the {key} {shown(number)}, which is no node; an edge needs the ids of two nodes.",
            hint="give every edge the ids of two nodes",
        )
    return names[number]


def _words(text: str) -> list[Word]:
    found: list[Word] = []
    position, line = 0, 1
    while position < len(text):
        match = PATTERN.match(text, position)
        if match is None:
            raise GraphSyntax(
                f"Line {line} of the GML has an open quote; text needs a closing one.", hint="close the quote"
            )
        if match.lastgroup:
            found.append((match.lastgroup, match.group(match.lastgroup), line))
        line += match.group().count("\n")
        position = match.end()
    return found[::-1]


def _pairs(words: list[Word]) -> Pairs:
    """Keys and values; a value in brackets is again a list of keys and values."""
    stack: list[tuple[Pairs, int]] = [([], 1)]
    while words:
        kind, key, line = words.pop()
        if kind == "close":
            if len(stack) == 1:
                raise GraphSyntax(f"Line {line} of the GML has a ] too many; every ] needs its [.", hint="remove it")
            stack.pop()
            continue
        value_kind, value, _ = words.pop() if words else ("close", "", line)
        if kind != "word" or value_kind == "close":
            raise GraphSyntax(
                f"Line {line} of the GML has {shown(key)} where a key and its value are needed.", hint='label "x"'
            )
        if value_kind == "open":
            block: Pairs = []
            stack[-1][0].append((key, block))
            stack.append((block, line))
        else:
            stack[-1][0].append((key, html.unescape(value) if value_kind == "text" else value))
    if len(stack) > 1:
        raise GraphSyntax(
            f"The list that line {stack[-1][1]} of the GML opens is not closed; every [ needs its ].",
            hint="close the list with ]",
        )
    return stack[0][0]


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("\n", "&#10;")


def write(graph: CausalGraph) -> str:
    """GML that reads back as the same graph."""
    number = {n: i for i, n in enumerate(graph.nodes)}
    lines = ["graph [", "  directed 1"]
    for node, i in number.items():
        marks = "".join(f" {role} 1" for role in graph.roles(node))
        lines.append(f'  node [ id {i} label "{_escaped(node)}"{marks} ]')
    lines += [f"  edge [ source {number[a]} target {number[b]} ]" for a, b in graph.directed]
    lines += [f"  edge [ source {number[a]} target {number[b]} bidirected 1 ]" for a, b in graph.bidirected]
    return "\n".join([*lines, "]"])
