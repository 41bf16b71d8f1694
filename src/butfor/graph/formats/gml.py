"""GML: nested key-value lists."""

from __future__ import annotations

import html
import re
from typing import Any

from butfor.core.errors import GraphSyntax
from butfor.graph.causal_graph import CausalGraph

PATTERN = re.compile(r'\s+|#[^\n]*|(?P<open>\[)|(?P<close>\])|"(?P<text>[^"]*)"|(?P<word>[^\s\[\]"]+)')
Pairs = list[tuple[str, Any]]


def read(text: str) -> CausalGraph:
    """A graph from GML; edges with `bidirected 1` are common causes, nodes with `latent 1` are not measured."""
    top = dict(_pairs(_words(text), [], inner=False))
    body: Pairs = top.get("graph", [])
    names: dict[str, str] = {}
    latent: set[str] = set()
    selected: set[str] = set()
    directed: list[tuple[str, str]] = []
    bidirected: list[tuple[str, str]] = []
    for kind, value in body:
        if kind == "node":
            node = dict(value)
            name = str(node.get("label", node.get("id", "")))
            names[str(node.get("id", name))] = name
            if str(node.get("latent", "0")) in ("1", "true", "yes") or str(node.get("observed", "yes")) in (
                "no",
                "0",
                "false",
            ):
                latent.add(name)
            if str(node.get("selected", "0")) in ("1", "true", "yes"):
                selected.add(name)
    for kind, value in body:
        if kind == "edge":
            edge = dict(value)
            try:
                pair = names[str(edge["source"])], names[str(edge["target"])]
            except KeyError as error:
                raise GraphSyntax(
                    f"A GML edge names the node {error}, which is not there; an edge needs source and target.",
                    hint="give every edge the ids of two nodes",
                ) from error
            both = str(edge.get("bidirected", "0")) == "1" or edge.get("dir") == "both"
            (bidirected if both else directed).append(pair)
    if not names:
        raise GraphSyntax("The GML has no node; a causal graph needs some.", hint='graph [ node [ id 0 label "x" ] ]')
    return CausalGraph(
        tuple(names.values()), tuple(directed), tuple(bidirected), frozenset(latent), frozenset(selected)
    )


def _words(text: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    position = 0
    while position < len(text):
        match = PATTERN.match(text, position)
        if match is None:
            line = text.count("\n", 0, position) + 1
            raise GraphSyntax(
                f"Line {line} of the GML has an open quote; text needs a closing one.", hint="close the quote"
            )
        if match.lastgroup:
            found.append((match.lastgroup, match.group(match.lastgroup)))
        position = match.end()
    return found[::-1]


def _pairs(words: list[tuple[str, str]], found: Pairs, *, inner: bool) -> Pairs:
    stack: list[Pairs] = [found]
    while words:
        kind, key = words.pop()
        if kind == "close":
            if len(stack) == 1:
                break
            stack.pop()
            continue
        if not words:
            break
        value_kind, value = words.pop()
        if value_kind == "open":
            block: Pairs = []
            stack[-1].append((key, block))
            stack.append(block)
        else:
            stack[-1].append((key, html.unescape(value) if value_kind == "text" else value))
    if len(stack) > 1 or inner:
        raise GraphSyntax("The GML ends inside a list; every [ needs its ].", hint="close the list with ]")
    return found


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("\n", "&#10;")


def write(graph: CausalGraph) -> str:
    """GML that reads back as the same graph."""
    number = {n: i for i, n in enumerate(graph.nodes)}
    lines = ["graph [", "  directed 1"]
    for node, i in number.items():
        marks = "".join(f" {role} 1" for role in ("latent", "selected") if node in getattr(graph, role))
        lines.append(f'  node [ id {i} label "{_escaped(node)}"{marks} ]')
    lines += [f"  edge [ source {number[a]} target {number[b]} ]" for a, b in graph.directed]
    lines += [f"  edge [ source {number[a]} target {number[b]} bidirected 1 ]" for a, b in graph.bidirected]
    return "\n".join([*lines, "]"])
