"""Identification: whether the effect follows from what is known, and how."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from butfor.core.errors import NotIdentified
from butfor.core.serial import public_value
from butfor.core.table import Table
from butfor.graph.causal_graph import CausalGraph
from butfor.identify.strategies import Adjustment, Randomization
from butfor.question import Design, Question


class Status(StrEnum):
    """What is known about the effect."""

    IDENTIFIED = "identified"
    NOT_IDENTIFIED = "not_identified"
    ZERO_EFFECT = "zero_effect"


@public_value
@dataclass(frozen=True)
class Identification:
    """Every strategy that was found, the recommended one first; or why there is none.

    Attributes:
        status: identified, not identified by adjustment, or zero by the graph.
        explanation: the status in a sentence.
        proof: why it is so, step by step.
        open_path: the path that no adjustment set closes, when not identified.
        complete: False when there are more minimal sets than were listed.
    """

    question: Question
    graph: CausalGraph | None
    design: Design
    strategies: tuple[Adjustment | Randomization, ...]
    status: Status
    explanation: str
    proof: tuple[str, ...] = ()
    open_path: str | None = None
    complete: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "status", Status(self.status))

    def require(self) -> Adjustment | Randomization:
        """The recommended strategy.

        Raises:
            NotIdentified: with the open path.
        """
        if not self.strategies:
            raise NotIdentified(
                f"The effect of {self.question.treatment!r} on {self.question.outcome!r} is not identified. "
                f"{self.explanation}",
                hint="measure a node on the open path, randomise the treatment, or revise the graph"
                if self.open_path
                else "give a graph, design=bf.Randomized(), or covariates=[...]",
            )
        return self.strategies[0]

    def to_dict(self) -> dict[str, Any]:
        """What `butfor identify --json` prints."""
        return {
            "status": str(self.status),
            "explanation": self.explanation,
            "treatment": self.question.treatment,
            "outcome": self.question.outcome,
            "strategies": [s.to_dict() for s in self.strategies],
            "open_path": self.open_path,
            "complete": self.complete,
            "hedge": None,
            "remedies": [],
            "implications": sorted({i for s in self.strategies for i in s.implications}),
            "proof": list(self.proof),
        }

    def tidy(self) -> Table:
        """One row per strategy."""
        rows = [(s.kind, ", ".join(s.adjust_for) or "nothing", s.minimal, s.estimand) for s in self.strategies]
        return Table(("strategy", "adjust_for", "minimal", "estimand"), tuple(rows))

    def __str__(self) -> str:
        lines = [self.explanation, *(f"  {i}. {step}" for i, step in enumerate(self.proof, 1))]
        lines += [f"- {s.describe()}" for s in self.strategies]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return f"<p>{self.status}</p>" + self.tidy().to_html()
