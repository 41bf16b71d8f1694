"""A picture as data: a Vega-Lite specification that a notebook, a report or an app can draw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from butfor.core.serial import public_value


@public_value
@dataclass(frozen=True)
class Figure:
    """A Vega-Lite specification with its title and a sentence for those who cannot see it."""

    title: str
    description: str
    spec: dict[str, Any]

    def _repr_mimebundle_(self, **_: object) -> dict[str, Any]:
        return {"application/vnd.vegalite.v5+json": self.spec, "text/plain": f"{self.title}: {self.description}"}
