"""Pictures of a study as Vega-Lite specifications: rows with their label above, so that they fit any width."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from butfor.core.figure import Figure
from butfor.report.numbers import decimals_of, interval, number, sentence_case
from butfor.report.vega import BLUE, GREEN, INK, MUTED, ORANGE, PAPER, RED, SAND

Record = Mapping[str, Any]
ROW = 46


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of a forest plot: a label, an interval around a value, a note at the right end."""

    label: str
    value: float
    low: float | None = None
    high: float | None = None
    note: str = ""
    kind: str = "estimate"


@dataclass(frozen=True)
class Look:
    """Shape and colour of a kind of row, so that no kind is told by colour alone."""

    shape: str
    color: str
    filled: bool = True


LOOKS = {
    "primary": Look("circle", BLUE),
    "estimate": Look("circle", BLUE, filled=False),
    "naive": Look("diamond", ORANGE, filled=False),
    "passed": Look("circle", GREEN),
    "failed": Look("cross", RED),
    "inconclusive": Look("triangle-up", SAND),
}


def forest(rows: Sequence[Row], *, title: str, description: str, axis: str, marks: Mapping[str, float]) -> Figure:
    """Values with their intervals, one row each, beside named vertical lines."""
    values = [
        {"row": i, "label": r.label, "value": r.value, "low": r.low, "high": r.high, "note": r.note, "kind": r.kind}
        for i, r in enumerate(rows)
    ]
    x = {
        "field": "value",
        "type": "quantitative",
        "title": axis,
        "scale": {"zero": False, "nice": False, "padding": 14},
        "axis": {"tickCount": 6, "grid": False},
    }
    spec = {
        "data": {"values": values},
        "height": {"step": ROW},
        "layer": [
            *(_upright(value, dashed=name != "no effect") for name, value in marks.items()),
            {
                "transform": [{"filter": "datum.low !== null && datum.high !== null"}],
                "mark": {"type": "rule", "size": 2, "yOffset": 9},
                "encoding": {
                    "x": x | {"field": "low"},
                    "x2": {"field": "high"},
                    "y": _row_axis(),
                    "color": _color(rows),
                },
            },
            *(_points(x, kind, LOOKS[kind]) for kind in dict.fromkeys(r.kind for r in rows)),
            _label("label", align="left", color=INK, x=0),
            _label("note", align="right", color=MUTED, x="width"),
        ],
    }
    return Figure(title, description, spec)


def estimates_figure(records: Sequence[Record], names: Sequence[str], *, axis: str) -> Figure:
    """The same effect by every estimator, the naive difference last."""
    rows = [
        Row(
            label=name,
            value=record["estimate"],
            low=record["conf_low"],
            high=record["conf_high"],
            note=interval_words(record["estimate"], record["conf_low"], record["conf_high"]),
            kind="naive" if is_naive(record) else "primary" if i == 0 else "estimate",
        )
        for i, (record, name) in enumerate(zip(records, names, strict=True))
    ]
    said = "; ".join(f"{row.label}: {row.note}" for row in rows)
    return forest(
        rows,
        title="Estimates side by side",
        description=f"Effect with 95 % interval. {said}.",
        axis=axis,
        marks={"no effect": 0.0},
    )


def terms_figure(records: Sequence[Record], *, axis: str) -> Figure:
    """All effects of one estimator: arms or subgroups."""
    rows = [
        Row(
            label=record["term"],
            value=record["estimate"],
            low=record["conf_low"],
            high=record["conf_high"],
            note=interval_words(record["estimate"], record["conf_low"], record["conf_high"]),
            kind="primary" if i == 0 else "estimate",
        )
        for i, record in enumerate(records)
    ]
    said = "; ".join(f"{row.label}: {row.note}" for row in rows)
    return forest(
        rows,
        title="Every effect that was asked for",
        description=f"Effect with 95 % interval. {said}.",
        axis=axis,
        marks={"no effect": 0.0},
    )


def refutations_figure(records: Sequence[Record], *, axis: str, decimals: int | None) -> Figure:
    """What each check found, beside the estimate it checked."""
    real = float(records[0]["estimate"])
    rows = [
        Row(
            label=sentence_case(record["check"]),
            value=record["refuted_estimate"],
            note=f"{number(record['refuted_estimate'], decimals)}  {record['verdict']}",
            kind=record["verdict"],
        )
        for record in records
    ]
    said = "; ".join(f"{row.label}: {row.note}" for row in rows)
    return forest(
        rows,
        title="What each check found",
        description=f"The estimate that was checked is {number(real, decimals)}. {said}.",
        axis=axis,
        marks={"no effect": 0.0, "estimate": real},
    )


def is_naive(record: Record) -> bool:
    """Is this the difference that adjusts for nothing?"""
    return record["strategy"] == "none (naive)"


def interval_words(value: float, low: float | None, high: float | None) -> str:
    """`3.44 (2.5 to 4.4)`, with one precision for all three numbers."""
    decimals = decimals_of(low, high)
    return (
        number(value, decimals) if decimals is None else f"{number(value, decimals)} ({interval(low, high, decimals)})"
    )


def _row_axis() -> dict[str, Any]:
    return {"field": "row", "type": "ordinal", "axis": None}


def _upright(value: float, *, dashed: bool) -> dict[str, Any]:
    dash = {"strokeDash": [4, 4]} if dashed else {}
    return {
        "data": {"values": [{"value": value}]},
        "mark": {"type": "rule", "size": 1.25, "color": MUTED, **dash},
        "encoding": {"x": {"field": "value", "type": "quantitative"}},
    }


def _points(x: dict[str, Any], kind: str, look: Look) -> dict[str, Any]:
    fill = look.color if look.filled else PAPER
    mark = {"type": "point", "shape": look.shape, "size": 90, "opacity": 1, "stroke": look.color, "fill": fill}
    return {
        "transform": [{"filter": {"field": "kind", "equal": kind}}],
        "mark": mark | {"strokeWidth": 2, "yOffset": 9},
        "encoding": {"x": x, "y": _row_axis()},
    }


def _color(rows: Sequence[Row]) -> dict[str, Any]:
    kinds = list(dict.fromkeys(r.kind for r in rows))
    return {
        "field": "kind",
        "type": "nominal",
        "scale": {"domain": kinds, "range": [LOOKS[k].color for k in kinds]},
        "legend": None,
    }


def _label(field: str, *, align: str, color: str, x: float | str) -> dict[str, Any]:
    return {
        "mark": {"type": "text", "align": align, "baseline": "bottom", "dy": -3, "color": color, "fontSize": 12.5},
        "encoding": {"x": {"value": x}, "y": _row_axis(), "text": {"field": field}},
    }
