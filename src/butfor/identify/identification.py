"""Identification: whether the effect follows from what is known, and how."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from butfor.core.errors import NotIdentified
from butfor.core.serial import public_value
from butfor.core.table import Table
from butfor.graph.causal_graph import CausalGraph
from butfor.graph.marked_graph import MarkedGraph
from butfor.identify.bounds.strategy import Bounds
from butfor.identify.general.hedge import Hedge
from butfor.identify.proof import ProofStep
from butfor.identify.query import Query
from butfor.identify.remedies import Remedy
from butfor.identify.strategies import Strategy
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
        status: identified, not identified, or zero by the graph. An instrument alone does not identify an average
            effect: it is listed with what it assumes, and the status stays "not identified".
        explanation: the status in a sentence.
        proof: why it is so, step by step.
        open_path: a path that no adjustment set closes, when there is no adjustment set.
        complete: False when there is more than was listed.
        hedge: the structure that proves that the effect is not identified.
        remedies: what could be measured or randomised to identify it.
        implications: what the graph says that the data could contradict.
        bounds: intervals that hold an effect that is not identified.
        left_out: how many independences follow beside those in `implications`; None if nobody counted.
    """

    question: Question | Query
    graph: CausalGraph | MarkedGraph | None
    design: Design
    strategies: tuple[Strategy, ...]
    status: Status
    explanation: str
    proof: tuple[ProofStep, ...] = ()
    open_path: str | None = None
    complete: bool = True
    hedge: Hedge | None = None
    remedies: tuple[Remedy, ...] = ()
    implications: tuple[str, ...] = ()
    bounds: tuple[Bounds, ...] = ()
    left_out: int | None = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "status", Status(self.status))

    @property
    def query(self) -> Query:
        """What was asked, as sets of nodes."""
        return Query.of(self.question)

    @property
    def designs(self) -> tuple[str, ...]:
        """The kinds of strategies that rest on different assumptions; with two or more, compare their answers."""
        return tuple(dict.fromkeys(s.kind for s in self.strategies if s.kind != "functional"))

    def require(self) -> Strategy:
        """The recommended strategy.

        Raises:
            NotIdentified: with the reason and the first remedy.
        """
        if self.strategies and (self.strategies[0].identifies or self.status is not Status.NOT_IDENTIFIED):
            return self.strategies[0]
        verdict = (
            "not identified" if self.status is Status.NOT_IDENTIFIED else "without a strategy that can be followed"
        )
        raise NotIdentified(
            f"The effect of {self.query.treatment!r} on {self.query.outcome!r} is {verdict}. {self.explanation}",
            hint=self._way_out(),
        )

    def _way_out(self) -> str:
        ways: list[str] = []
        if self.remedies:
            sentence = self.remedies[0].describe()[:-1]
            ways.append(sentence[:1].lower() + sentence[1:])
        if self.bounds:
            kind = "InstrumentBounds" if any(b.instrument for b in self.bounds) else "NaturalBounds"
            ways.append(f"bound the effect with study.estimate(bf.{kind}())")
        if not ways and self.graph is not None:
            ways = ["randomise the treatment", "revise the graph"]
        return ", or ".join(ways) or "give a graph, design=bf.Randomized(), or covariates=[...]"

    def to_dict(self) -> dict[str, Any]:
        """What `butfor identify --json` prints."""
        query = self.query
        return {
            "status": str(self.status),
            "explanation": self.explanation,
            "query": str(query),
            "treatment": query.treatment,
            "outcome": query.outcome,
            "treatments": list(query.treatments),
            "outcomes": list(query.outcomes),
            "given": list(query.given),
            "strategies": [s.to_dict() for s in self.strategies],
            "open_path": self.open_path,
            "complete": self.complete,
            "hedge": None if self.hedge is None else [list(self.hedge.outer), list(self.hedge.inner)],
            "remedies": [{**asdict(r), "text": r.describe()} for r in self.remedies],
            "implications": list(self.implications),
            "implications_left_out": self.left_out,
            "bounds": [b.to_dict() for b in self.bounds],
            "proof": [asdict(step) for step in self.proof],
        }

    def tidy(self) -> Table:
        """One row per strategy."""
        rows = [(s.kind, ", ".join(s.uses) or "nothing", s.minimal, s.estimand) for s in self.strategies]
        return Table(("strategy", "uses", "minimal", "estimand"), tuple(rows))

    def __str__(self) -> str:
        lines = [f"{self.query}: {self.status.value.replace('_', ' ')}. {self.explanation}"]
        if self.strategies:
            lines += ["", "Strategies"]
            lines += [f"- {s.describe()}" for s in self.strategies]
        if self.proof:
            lines += ["", "Why"]
            for i, step in enumerate(self.proof, 1):
                lines.append(f"{i:3}. {step.words}")
                reason = ": ".join(filter(None, (step.rule, step.symbols)))
                lines += [f"     {reason}"] if reason else []
        if self.bounds:
            lines += ["", "Bounds"]
            lines += [f"- {b.describe()}" for b in self.bounds]
        if self.remedies:
            lines += ["", "What would identify it"]
            lines += [f"- {r.describe()}" for r in self.remedies]
        if self.implications:
            lines += ["", "What the data could contradict"]
            lines += [f"- {text}" for text in self.implications]
            if self.left_out != 0:
                many = "more" if self.left_out is None else f"{self.left_out:,} more"
                lines.append(f"- … and {many} independence{'' if self.left_out == 1 else 's'}")
        if not self.complete:
            lines += ["", "There is more than is listed here."]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return f"<p>{self.explanation}</p>" + self.tidy().to_html()
