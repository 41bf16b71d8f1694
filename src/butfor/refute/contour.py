"""The sensitivity contour plot: the effect over the strength of a hidden confounder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from butfor.core.figure import Figure
from butfor.core.table import format_number
from butfor.refute.figures import SCHEMA
from butfor.refute.linear_bias import LinearBias
from butfor.refute.linear_view import Strength
from butfor.refute.riesz_bias import RieszBias

FloatArray = NDArray[np.float64]

CELLS = 24
POINTS_ON_A_LINE = 80
APART = 0.15
TREATMENT = "share of the treatment that the confounder explains"
OUTCOME = "share of the outcome that the confounder explains"


def contour(
    bias: LinearBias | RieszBias, robustness_value: float, benchmarks: Sequence[tuple[str, Strength]]
) -> Figure:
    """Heat for the moved effect, lines where it vanishes and where its interval reaches zero, and benchmarks."""
    across = _reach([robustness_value, *(s.treatment for _, s in benchmarks)])
    along = _reach([robustness_value, *(s.outcome for _, s in benchmarks)])
    title = "How strong would a hidden confounder have to be?"
    description = (
        f"Without a hidden confounder the effect is {format_number(bias.estimate, 3)}; it reaches zero where one "
        f"explains {robustness_value:.1%} of what is left of both treatment and outcome."
    )
    spec: dict[str, Any] = {
        "$schema": SCHEMA,
        "title": title,
        "description": description,
        "width": "container",
        "height": 320,
        "layer": [_heat(bias, across, along), _lines(bias, across, along), *_points(bias, benchmarks, (across, along))],
        "resolve": {"scale": {"color": "independent"}},
    }
    return Figure(title, description, spec)


def _reach(strengths: Sequence[float]) -> float:
    return float(min(max(1.25 * max(strengths), 0.02), 0.95))


def _heat(bias: LinearBias | RieszBias, across: float, along: float) -> dict[str, Any]:
    x, y = np.linspace(0.0, across, CELLS + 1), np.linspace(0.0, along, CELLS + 1)
    centres = np.meshgrid((x[1:] + x[:-1]) / 2.0, (y[1:] + y[:-1]) / 2.0, indexing="ij")
    effect = bias.adjusted(*centres)
    values = [
        {"t": x[i], "t2": x[i + 1], "y": y[j], "y2": y[j + 1], "effect": float(effect[i, j])}
        for i in range(CELLS)
        for j in range(CELLS)
    ]
    reach = abs(bias.estimate) or 1.0
    return {
        "data": {"values": [{k: float(f"{v:.4g}") for k, v in row.items()} for row in values]},
        "mark": {"type": "rect", "clip": True},
        "encoding": {
            "x": _axis("t", TREATMENT, across),
            "x2": {"field": "t2"},
            "y": _axis("y", OUTCOME, along),
            "y2": {"field": "y2"},
            "color": {
                "field": "effect",
                "type": "quantitative",
                "title": "effect",
                "scale": {"scheme": "redblue", "domain": [-reach, reach], "clamp": True},
            },
        },
    }


def _lines(bias: LinearBias | RieszBias, across: float, along: float) -> dict[str, Any]:
    grid = np.linspace(across / POINTS_ON_A_LINE, across, POINTS_ON_A_LINE)
    lines = {
        "effect is zero": bias.outcome_to_vanish(grid),
        "95 % interval reaches zero": bias.outcome_to_lose_significance(grid),
    }
    values = [
        {"t": float(f"{t:.4g}"), "y": float(f"{y:.4g}"), "line": name}
        for name, outcome in lines.items()
        for t, y in zip(grid, outcome, strict=True)
        if y <= along
    ]
    return {
        "data": {"values": values},
        "mark": {"type": "line", "clip": True, "strokeWidth": 2},
        "encoding": {
            "x": _axis("t", TREATMENT, across),
            "y": _axis("y", OUTCOME, along),
            "strokeDash": {"field": "line", "type": "nominal", "title": None, "legend": {"orient": "top"}},
            "color": {"value": "#222222"},
        },
    }


def _points(
    bias: LinearBias | RieszBias, benchmarks: Sequence[tuple[str, Strength]], ends: tuple[float, float]
) -> list[dict[str, Any]]:
    start = {"t": 0.0, "y": 0.0, "name": "as estimated", "label": "as estimated"}
    values: list[dict[str, Any]] = [{**start, "effect": format_number(bias.estimate, 3)}]
    for name, strength in benchmarks:
        effect = format_number(float(bias.adjusted(strength.treatment, strength.outcome)), 3)
        # Weak benchmarks crowd around the origin, where names would cover each other.
        apart = strength.treatment / ends[0] + strength.outcome / ends[1] > APART
        label = name if apart else ""
        values.append({"t": strength.treatment, "y": strength.outcome, "name": name, "effect": effect, "label": label})
    place = {"x": {"field": "t", "type": "quantitative"}, "y": {"field": "y", "type": "quantitative"}}
    tooltip = [{"field": "name", "title": "confounder"}, {"field": "effect"}]
    data = {"values": values}
    return [
        {
            "data": data,
            "mark": {"type": "point", "filled": True, "color": "#222222", "size": 45, "clip": True},
            "encoding": {**place, "tooltip": tooltip},
        },
        {
            "data": data,
            "mark": {"type": "text", "align": "left", "dx": 6, "dy": -6, "fontSize": 10, "clip": True},
            "encoding": {**place, "text": {"field": "label"}},
        },
    ]


def _axis(field: str, title: str, end: float) -> dict[str, Any]:
    return {
        "field": field,
        "type": "quantitative",
        "title": title,
        "scale": {"domain": [0.0, end], "nice": False},
        "axis": {"format": ".0%"},
    }
