"""The causal graph as inline SVG: roles told by shape, colour and word together."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from markupsafe import Markup, escape

from butfor.graph.causal_graph import CausalGraph
from butfor.graph.layout import layered_layout
from butfor.graph.marked_graph import Mark, MarkedGraph
from butfor.question.question import Question
from butfor.report.geometry import Box, Curve, connect
from butfor.report.network import Group, Role, condensed, grouped, on_causal_paths, roles
from butfor.report.numbers import sentence_case

LETTER, LINE, CAPTION = 7.9, 17.0, 14.0
LAYER_GAP, LAYER_GAP_DOWN, GAP, EDGE = 86.0, 58.0, 26.0, 8.0
LONGEST_LINE = 20
# How far a large graph is shrunk before its box scrolls.
SMALLEST = 0.65


# What the drawing says without words, for the caption.
SHAPES = {
    Role.TREATMENT: "sharp box: treatment",
    Role.OUTCOME: "filled pill: outcome",
    Role.ADJUSTED: "double frame: adjusted for",
    Role.MEDIATOR: "hexagon: mediator, on the way from treatment to outcome",
    Role.LATENT: "dashed pill: not measured",
    Role.SELECTED: "bold frame: decides which rows are in the data",
    Role.OTHER: "single frame: measured",
}


# What the ends of an edge say in a class of graphs, and which edges say it.
MARKS: dict[str, Callable[[tuple[Mark, Mark]], bool]] = {
    "circle: an arrowhead or none, not known which": lambda ends: "circle" in ends,
    "line without tips: a cause, not known in which direction": lambda ends: ends == ("tail", "tail"),
    "dashed double arrow: a shared cause that nobody measured": lambda ends: ends == ("arrow", "arrow"),
}


@dataclass(frozen=True)
class Drawing:
    """The same graph from left to right and from top to bottom, and the key to its shapes."""

    wide: Markup
    narrow: Markup
    key: str


@dataclass(frozen=True)
class Line:
    """An edge as it is drawn; each end has a tip: "arrow", "causal", "circle" or none ("")."""

    curve: Curve
    kind: str
    start: str
    end: str


@dataclass(frozen=True)
class Placed:
    """A box with its text, before and after it has found its place."""

    group: Group
    lines: tuple[tuple[str, ...], ...]
    width: float
    height: float
    x: float = 0.0
    y: float = 0.0

    @property
    def box(self) -> Box:
        """Where the box is."""
        return Box(self.x, self.y, self.width / 2, self.height / 2)

    @property
    def role(self) -> Role:
        """What its nodes are to the question."""
        return self.group.role


def draw_graph(graph: CausalGraph | MarkedGraph, question: Question, adjusted: Collection[str] = ()) -> Drawing:
    """The graph with causes to the left of effects, and once more with causes above effects for a narrow screen.

    Args:
        graph: of a class of graphs, the marks at both ends of each edge are drawn.
        adjusted: nodes that the analysis adjusts for.
    """
    known = graph.definite if isinstance(graph, MarkedGraph) else graph
    role_of = roles(known, question, adjusted)
    if isinstance(graph, MarkedGraph):
        groups = {name: Group((name,), role) for name, role in role_of.items()}
        small = _laid_out(graph)
    else:
        groups = {group.names[0]: group for group in grouped(graph, role_of)}
        small = condensed(graph, groups.values())
    said = _said(graph, role_of)
    drawings: list[Markup] = []
    for down, prefix in ((False, "graph-wide"), (True, "graph-narrow")):
        placed = _place(small, groups, down=down)
        lines = _marked_edges(graph, placed) if isinstance(graph, MarkedGraph) else _edges(small, placed, question)
        drawings.append(_svg(lines, placed, question, said=said, prefix=prefix))
    return Drawing(drawings[0], drawings[1], _key(graph, groups.values()))


def _laid_out(graph: MarkedGraph) -> CausalGraph:
    """The graph with every edge along the order of what is known to cause what."""
    place = {n: i for i, n in enumerate(graph.definite.topological_order)}
    edges = tuple((a, b) if place[a] < place[b] else (b, a) for a, _, _, b in graph.edges)
    return CausalGraph(graph.nodes, edges)


def _svg(lines: Sequence[Line], placed: Mapping[str, Placed], question: Question, *, said: str, prefix: str) -> Markup:
    reach = [
        (p.x + sx * p.width / 2, p.y + sy * p.height / 2) for p in placed.values() for sx, sy in ((-1, -1), (1, 1))
    ]
    reach += [line.curve.at(t / 8) for line in lines for t in range(9)]
    left, top = (min(point[i] for point in reach) - EDGE for i in (0, 1))
    width, height = max(x for x, _ in reach) + EDGE - left, max(y for _, y in reach) + EDGE - top
    body = [*(_edge(line, prefix) for line in lines), *(_node(p) for p in placed.values())]
    title = f"Causal graph of {question.treatment} and {question.outcome}"
    return Markup(
        f'<svg class="graph" viewBox="{left:.0f} {top:.0f} {width:.0f} {height:.0f}" width="{width:.0f}" '
        f'height="{height:.0f}" style="min-width:{SMALLEST * width:.0f}px" '
        f'role="img" aria-labelledby="{prefix}-title {prefix}-desc">'
        f'<title id="{prefix}-title">{escape(title)}</title><desc id="{prefix}-desc">{escape(said)}</desc>'
        f"{_markers(prefix)}{''.join(body)}</svg>"
    )


def _place(graph: CausalGraph, groups: Mapping[str, Group], *, down: bool) -> dict[str, Placed]:
    """Boxes by their first name: the layers of the layout side by side, or below one another, each centred."""
    layout = layered_layout(graph)
    layers = [
        [_sized(groups[name]) for name in sorted(layout, key=lambda n: layout[n][1]) if layout[name][0] == layer]
        for layer in sorted({x for x, _ in layout.values()})
    ]
    lengths = [sum(_along(p, down) for p in layer) + GAP * (len(layer) - 1) for layer in layers]
    placed: dict[str, Placed] = {}
    depth = 0.0
    for layer, length in zip(layers, lengths, strict=True):
        thick = max(_along(p, not down) for p in layer)
        start = (max(lengths) - length) / 2
        for p in layer:
            across, along = depth + thick / 2, start + _along(p, down) / 2
            x, y = (along, across) if down else (across, along)
            placed[p.group.names[0]] = replace(p, x=x, y=y)
            start += _along(p, down) + GAP
        depth += thick + (LAYER_GAP_DOWN if down else LAYER_GAP)
    return placed


def _along(placed: Placed, down: bool) -> float:
    return placed.width if down else placed.height


def _sized(group: Group) -> Placed:
    """A box around wrapped names; several names stand in up to three columns."""
    wrapped = [textwrap.wrap(name, LONGEST_LINE, break_on_hyphens=False) or [name] for name in group.names]
    across = 1 if len(wrapped) <= 6 else 2 if len(wrapped) <= 16 else 3
    per_column = -(-len(wrapped) // across)
    stacks = [wrapped[i : i + per_column] for i in range(0, len(wrapped), per_column)]
    lines = tuple(tuple(line for name in stack for line in name) for stack in stacks)
    width = sum(_stack_width(stack) for stack in lines) + 12
    caption = len(_caption(group)) * 6.3 + 30
    height = max(len(stack) for stack in lines) * LINE + (CAPTION if _caption(group) else 0) + 18
    return Placed(group, lines, max(width, caption, 74.0), height)


def _stack_width(stack: Sequence[str]) -> float:
    return max(len(line) for line in stack) * LETTER + 16


def _caption(group: Group) -> str:
    many = len(group.names)
    return (
        f"{group.role} · each of {many}" if many > 1 and group.role else f"each of {many}" if many > 1 else group.role
    )


def _node(placed: Placed) -> str:
    texts: list[str] = []
    caption = _caption(placed.group)
    rows = max(len(stack) for stack in placed.lines)
    top = placed.y - (rows * LINE + (CAPTION if caption else 0)) / 2 + LINE - 4
    widths = [_stack_width(stack) for stack in placed.lines]
    left = placed.x - sum(widths) / 2
    for stack, width in zip(placed.lines, widths, strict=True):
        x = left + width / 2
        left += width
        texts.extend(
            f'<text x="{x:.1f}" y="{top + i * LINE:.1f}">{escape(line)}</text>' for i, line in enumerate(stack)
        )
    if caption:
        y = top + rows * LINE - 1
        texts.append(f'<text class="role" x="{placed.x:.1f}" y="{y:.1f}">{escape(caption)}</text>')
    kind = placed.role.name.lower()
    return f'<g class="node {kind}">{_outline(placed)}{"".join(texts)}</g>'


def _outline(p: Placed) -> str:
    """Sharp box for the treatment, pill for the outcome, double frame for adjusted nodes, hexagon for mediators."""
    left, top = p.x - p.width / 2, p.y - p.height / 2
    size = f'x="{left:.1f}" y="{top:.1f}" width="{p.width:.1f}" height="{p.height:.1f}"'
    if p.role is Role.MEDIATOR:
        cut = 12
        corners = [
            (left + cut, top), (left + p.width - cut, top), (left + p.width, p.y),
            (left + p.width - cut, top + p.height), (left + cut, top + p.height), (left, p.y),
        ]  # fmt: skip
        return f'<polygon points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in corners)}"/>'
    radius = {Role.TREATMENT: 0.0, Role.OUTCOME: p.height / 2, Role.LATENT: p.height / 2}.get(p.role, 8.0)
    outline = f'<rect {size} rx="{min(radius, 30):.1f}"/>'
    if p.role is Role.ADJUSTED:
        inner = f'x="{left + 4:.1f}" y="{top + 4:.1f}" width="{p.width - 8:.1f}" height="{p.height - 8:.1f}"'
        outline += f'<rect class="inner" {inner} rx="5"/>'
    return outline


def _edges(graph: CausalGraph, placed: Mapping[str, Placed], question: Question) -> list[Line]:
    """Arcs, arrows, and heavier arrows on the way from treatment to outcome."""
    causal = on_causal_paths(graph, question)
    drawn = [Line(_curve(placed, a, b, curved=True), "arc", "arrow", "arrow") for a, b in graph.bidirected]
    for a, b in graph.directed:
        kind = "causal" if a in causal and b in causal else "arrow"
        drawn.append(Line(_curve(placed, a, b, curved=False), kind, "", kind))
    return drawn


def _marked_edges(graph: MarkedGraph, placed: Mapping[str, Placed]) -> list[Line]:
    """Lines with the mark at each end; a tail is no tip."""
    drawn: list[Line] = []
    for a, here, there, b in graph.edges:
        hidden = here == there == "arrow"
        curve = _curve(placed, a, b, curved=hidden)
        drawn.append(Line(curve, "arc" if hidden else "arrow", here.replace("tail", ""), there.replace("tail", "")))
    return drawn


def _curve(placed: Mapping[str, Placed], a: str, b: str, *, curved: bool) -> Curve:
    others = [p.box for name, p in placed.items() if name not in (a, b)]
    return connect(placed[a].box, placed[b].box, others, curved=curved)


def _edge(line: Line, prefix: str) -> str:
    ends = (("start", line.start), ("end", line.end))
    tips = "".join(f' marker-{where}="url(#{prefix}-{tip})"' for where, tip in ends if tip)
    return f'<path class="edge {line.kind}" d="{line.curve.path}"{tips}/>'


def _markers(prefix: str) -> str:
    shapes = {
        "arrow": '<path class="tip-arrow" d="M0 0.8L10 5L0 9.2z"/>',
        "causal": '<path class="tip-causal" d="M0 0.8L10 5L0 9.2z"/>',
        "circle": '<circle class="tip-circle" cx="5" cy="5" r="3.6"/>',
    }
    tips = "".join(
        f'<marker id="{prefix}-{kind}" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="9" markerHeight="9" '
        f'markerUnits="userSpaceOnUse" orient="auto-start-reverse">{shape}</marker>'
        for kind, shape in shapes.items()
    )
    return f"<defs>{tips}</defs>"


def _key(graph: CausalGraph | MarkedGraph, groups: Collection[Group]) -> str:
    """The shapes that occur, explained."""
    shapes = [SHAPES[role] for role in Role if any(g.role is role for g in groups)]
    if isinstance(graph, MarkedGraph):
        shapes += [words for words, occurs in MARKS.items() if any(occurs(edge[1:3]) for edge in graph.edges)]
        return f"{sentence_case('; '.join(shapes))}. The drawing stands for every graph that has these marks."
    arcs = ["dashed double arrow: a shared cause that nobody measured"] if graph.bidirected else []
    text = f"{sentence_case('; '.join([*shapes, *arcs]))}. The heavy arrows carry the effect that is asked for."
    if any(len(g.names) > 1 for g in groups):
        text += " A box with several names stands for each of them: they have the same arrows."
    return text


def _said(graph: CausalGraph | MarkedGraph, role_of: Mapping[str, Role]) -> str:
    """The drawing in words."""
    parts: list[str] = []
    for role in Role:
        names = [name for name, r in role_of.items() if r is role]
        if names:
            parts.append(f"{role.capitalize() or 'Other'}: {', '.join(names)}.")
    if isinstance(graph, MarkedGraph):
        parts.append(f"Edges: {'; '.join(graph.in_words((a, b)) for a, _, _, b in graph.edges) or 'none'}.")
        return " ".join(parts)
    parts.append(f"Arrows: {'; '.join(f'{a} to {b}' for a, b in graph.directed) or 'none'}.")
    if graph.bidirected:
        parts.append(f"Shared hidden causes: {'; '.join(f'{a} and {b}' for a, b in graph.bidirected)}.")
    return " ".join(parts)
