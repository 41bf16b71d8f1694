"""lavaan model syntax: who is regressed on whom (lavaan.ugent.be/tutorial/syntax1.html).

y ~ x1 + x2      x1 -> y, x2 -> y
x ~~ y           an unmeasured common cause; `x ~~ x` is a variance and names x only
f =~ i1 + i2     f is not measured and causes i1 and i2

Coefficients (`a*x`), intercepts (`y ~ 1`), thresholds (`y | t1`), definitions (`:=`), constraints (`==`, `<`, `>`) and
comments (`#`, `!`) say nothing about structure and are not kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from butfor.core.errors import GraphSyntax
from butfor.graph.causal_graph import CausalGraph
from butfor.graph.formats.arrows import Builder
from butfor.graph.formats.tokens import shown

NAME = re.compile(r"(?:[^\W\d_]|\.(?!\d))[\w.]*+")
NUMBER = re.compile(r"[-+]?\d[\d.eE]*+")
# Arrows are of another format: read as a constraint (`<`), an edge would be lost.
OPERATOR = re.compile(r"<-|->|=~|~~|<~|~\*~|~|:=|==|<|>|\|")
WITHOUT_STRUCTURE = (":=", "==", "<", ">", "|", "~*~")
# A model is known by its first statement; arrows in the same line are arrow text.
BEGINNING = re.compile(r"[\w.]++(?:[^\S\n]*+\+[^\S\n]*+[\w.]++)*+[^\S\n]*+(?:=~|~~|<~|~|:=|==)(?![^\n;]*?(?:->|<-))")


def is_model(text: str) -> bool:
    """Does the text begin with a statement of lavaan?"""
    return next((BEGINNING.match(line) is not None for _, line in _lines(text)), False)


def read(text: str) -> CausalGraph:
    """A graph from lavaan model syntax.

    Raises:
        GraphSyntax: with the line that is no statement, or no regression, covariance or measurement.

    >>> str(read("y ~ a*x + m; m ~ x; x ~~ y")).splitlines()[3:]
    ['x -> y', 'm -> y', 'x -> m', 'x <-> y']
    """
    builder = Builder()
    for line, statement in _statements(text):
        operator = OPERATOR.search(statement)
        if operator is None or operator.group() in ("<-", "->"):
            raise _wrong(line, statement)
        if operator.group() in WITHOUT_STRUCTURE:
            continue
        left, right = (
            [name for term in _terms(part) if (name := _variable(term, line)) is not None]
            for part in (statement[: operator.start()], statement[operator.end() :])
        )
        if not left:
            raise _wrong(line, statement)
        builder.nodes += left + right
        _connect(builder, left, operator.group(), right)
    if not builder.nodes:
        raise GraphSyntax("The lavaan model names no variable; a causal graph needs some.", hint="y ~ x")
    return builder.graph()


def _connect(builder: Builder, left: list[str], operator: str, right: list[str]) -> None:
    if operator == "~~":
        for name in left:
            builder.connect([name], "<->", [other for other in right if other != name])
        return
    if operator in ("=~", "<~"):
        builder.marked["latent"].update(left)
    builder.connect(left, "->" if operator == "=~" else "<-", right)


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines and parts of lines that are not empty, without comments."""
    for number, line in enumerate(text.split("\n"), 1):
        for part in re.split("[#!]", line, maxsplit=1)[0].split(";"):
            if part.strip():
                yield number, part.strip()


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Statements with their first line: a line goes on where it cannot end."""
    parts: list[str] = []
    start = 1
    for number, line in _lines(text):
        if parts and not (parts[-1].endswith(("+", "~", "*", ",", "(", "=")) or line.startswith("+")):
            yield start, " ".join(parts)
            parts = []
        start = start if parts else number
        parts.append(line)
    if parts:
        yield start, " ".join(parts)


def _terms(formula: str) -> Iterator[str]:
    """The parts between plus signs, but for those inside brackets and quotes: `c(1, 2)*x`."""
    plain = re.sub(r'"[^"\n]*+"', "1", formula)
    depth = start = 0
    for found in re.finditer(r"[()+]", plain):
        depth += {"(": 1, ")": -1}.get(found.group(), 0)
        if found.group() == "+" and depth <= 0:
            yield plain[start : found.start()].strip()
            start = found.end()
    yield plain[start:].strip()


def _variable(term: str, line: int) -> str | None:
    """The variable of a term after its coefficients, None for an intercept."""
    name = re.split(r"[*?]", term)[-1].strip()
    if NUMBER.fullmatch(name):
        return None
    if not NAME.fullmatch(name):
        raise _wrong(line, term)
    return name


def _wrong(line: int, text: str) -> GraphSyntax:
    return GraphSyntax(
        f"At line {line} of the lavaan model there is {shown(text)}; a statement such as y ~ x + z was expected.",
        hint="write y ~ x for x -> y, x ~~ y for a common cause, f =~ x for a factor that was not measured",
    )


def write(graph: CausalGraph) -> str:
    """lavaan text that reads back as a graph of the same nodes and edges, in an order of its own.

    Raises:
        GraphSyntax: for what it cannot hold: nodes without edges, marks, latent nodes without effects, names that R
            does not take.
    """
    for node in graph.nodes:
        _check_writable(graph, node)
    factors = [f"{n} =~ {' + '.join(graph.children(n))}" for n in graph.nodes if n in graph.latent]
    regressions: list[str] = []
    for node in graph.nodes:
        measured = [p for p in graph.parents(node) if p not in graph.latent]
        if measured:
            regressions.append(f"{node} ~ {' + '.join(measured)}")
    return "\n".join([*factors, *regressions, *(f"{a} ~~ {b}" for a, b in graph.bidirected)])


def _check_writable(graph: CausalGraph, node: str) -> None:
    marks = [role for role in graph.roles(node) if role != "latent"]
    if not NAME.fullmatch(node):
        problem = "has a name that R does not take"
    elif marks:
        problem = f"is marked as {marks[0]}"
    elif node in graph.latent and not graph.children(node):
        problem = "is latent and has no effect"
    elif not (graph.parents(node) or graph.children(node) or graph.spouses(node)):
        problem = "has no edge"
    else:
        return
    raise GraphSyntax(
        f"Node {shown(node)} {problem}; lavaan needs models of named variables and their edges.",
        hint="graph.to_dagitty() keeps every graph",
    )
