"""Figures to inline SVG: no script, no request, colours that follow the page."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree

from markupsafe import Markup, escape

from butfor.core.extras import require
from butfor.core.figure import Figure

SVG = "http://www.w3.org/2000/svg"

# Colours that the page may change (dark mode): in the specification as hex, in the page as variables.
INK, MUTED, RULE, PAPER = "#1c2530", "#5b6673", "#d9dee4", "#ffffff"
BLUE, ORANGE, GREEN, RED, SAND = "#1f5f8b", "#b04c14", "#1f7a5c", "#a63446", "#8a6d1f"
_VARIABLES = {
    INK: "--ink",
    MUTED: "--muted",
    RULE: "--rule",
    PAPER: "--paper",
    BLUE: "--blue",
    ORANGE: "--orange",
    GREEN: "--green",
    RED: "--red",
    SAND: "--sand",
    "#1f6f8b": "--blue",
    "#d98e04": "--orange",
}
_REFERENCE = re.compile(r"url\(#([^)]+)\)")

THEME: dict[str, Any] = {
    "background": "transparent",
    "font": "Arial, Helvetica, Liberation Sans, sans-serif",
    "padding": 2,
    "view": {"stroke": None},
    "title": {"color": INK, "fontSize": 14, "fontWeight": 600, "anchor": "start", "offset": 12},
    "axis": {
        "labelColor": MUTED,
        "titleColor": MUTED,
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "titlePadding": 8,
        "gridColor": RULE,
        "domainColor": RULE,
        "tickColor": RULE,
        "labelPadding": 6,
        "labelOverlap": True,
        "tickCount": 6,
    },
    "header": {"labelColor": INK, "titleColor": MUTED, "labelFontSize": 12},
    "legend": {
        "orient": "top",
        "direction": "horizontal",
        "labelColor": INK,
        "titleColor": MUTED,
        "labelFontSize": 12,
        "titleFontSize": 12,
        "labelLimit": 260,
    },
    "text": {"color": INK, "fontSize": 12},
    "rule": {"color": MUTED},
    "range": {"category": [BLUE, ORANGE, GREEN, SAND, RED, MUTED]},
}


def draw(figure: Figure, *, width: int, prefix: str) -> Markup:
    """A figure as inline SVG `width` pixels wide, with its description for those who cannot see it.

    Args:
        prefix: makes the identifiers inside the drawing unique in the page.

    Raises:
        MissingExtra: when vl-convert is not installed.
    """
    converter = require("vl_convert", extra="report", purpose="Drawing a figure in a report")
    text: str = converter.vegalite_to_svg(_sized(figure.spec, width), config=_theme(width), allowed_base_urls=[])
    return Markup(_inline(text, figure, prefix))


def _theme(width: int) -> dict[str, Any]:
    """Legends side by side where there is room, below one another where there is none."""
    direction = "horizontal" if width > 480 else "vertical"
    layout = {"top": {"anchor": "start", "direction": direction, "margin": 10}}
    return THEME | {"legend": THEME["legend"] | {"layout": layout}}


def words(figure: Figure) -> str:
    """Title and description as one text."""
    title = figure.title if figure.title.endswith(("?", "!", ".")) else f"{figure.title}."
    return f"{title} {figure.description}"


def _sized(spec: dict[str, Any], width: int) -> dict[str, Any]:
    """The specification at a width of its own; title and description move to the page's caption."""
    sized = {k: v for k, v in spec.items() if k not in ("title", "description", "$schema", "config")}
    if not {"hconcat", "vconcat", "concat", "facet", "repeat"} & sized.keys():
        sized |= {"width": width, "autosize": {"type": "fit-x", "contains": "padding"}}
    return sized


def _inline(text: str, figure: Figure, prefix: str) -> str:
    root = ElementTree.fromstring(text)
    # The converter numbers identifiers through its whole life; numbered anew, the same figure gives the same bytes.
    found = [element.attrib["id"] for element in root.iter() if "id" in element.attrib]
    names = {name: f"{prefix}-{i}" for i, name in enumerate(dict.fromkeys(found))}
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        for name in list(element.attrib):
            if name.startswith("aria-") or name in ("role", "font-family"):
                del element.attrib[name]
            else:
                element.attrib[name] = _local(name, element.attrib[name], names)
    size = root.attrib["viewBox"].split()
    title = f"<title>{escape(figure.title)}</title><desc>{escape(figure.description)}</desc>"
    body = "".join(ElementTree.tostring(child, encoding="unicode") for child in root)
    label = escape(words(figure))
    return (
        f'<svg viewBox="{" ".join(size)}" width="{size[2]}" height="{size[3]}" role="img" '
        f'aria-label="{label}">{title}{body}</svg>'
    )


def _local(name: str, value: str, names: Mapping[str, str]) -> str:
    if name == "id":
        return names[value]
    value = _REFERENCE.sub(lambda match: f"url(#{names[match[1]]})", value)
    if name in ("fill", "stroke") and value.lower() in _VARIABLES:
        return f"var({_VARIABLES[value.lower()]})"
    return value
