"""Pictures of simulated effects."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from butfor.core.figure import Figure

FloatArray = NDArray[np.float64]

SCHEMA = "https://vega.github.io/schema/vega-lite/v5.json"
BARS = 24


def distribution_figure(draws: FloatArray, marks: dict[str, float], *, title: str, description: str) -> Figure:
    """A histogram of simulated effects with named vertical lines."""
    count, edge = np.histogram(draws, bins=min(BARS, max(len(draws) // 4, 5)))
    bars = [
        {"low": float(low), "high": float(high), "count": int(c)}
        for low, high, c in zip(edge[:-1], edge[1:], count, strict=True)
    ]
    lines = [{"value": value, "what": what} for what, value in marks.items()]
    axis: dict[str, Any] = {"field": "low", "type": "quantitative", "title": "effect", "scale": {"zero": False}}
    spec: dict[str, Any] = {
        "$schema": SCHEMA,
        "title": title,
        "description": description,
        "width": "container",
        "height": 180,
        "layer": [
            {
                "data": {"values": bars},
                "mark": {"type": "bar", "color": "#9db4c8"},
                "encoding": {
                    "x": axis,
                    "x2": {"field": "high"},
                    "y": {"field": "count", "type": "quantitative", "title": "simulations"},
                    "y2": {"datum": 0},
                },
            },
            {
                "data": {"values": lines},
                "mark": {"type": "rule", "size": 2},
                "encoding": {
                    "x": {"field": "value", "type": "quantitative"},
                    "color": {"field": "what", "type": "nominal", "title": None, "legend": {"orient": "top"}},
                },
            },
        ],
    }
    return Figure(title, description, spec)
