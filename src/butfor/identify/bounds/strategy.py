"""Bounds as a strategy: what the data say of an effect that the graph does not identify."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import Any, ClassVar, Literal

from butfor.core.diagnostic import Assumption
from butfor.core.effort import Effort
from butfor.core.serial import public_value
from butfor.graph.causal_graph import CausalGraph
from butfor.identify.bounds.instrument import instrument_closed_form
from butfor.identify.instruments import InstrumentProblem, instruments
from butfor.identify.query import Query
from butfor.identify.strategies import CONSISTENCY, EXCLUSION, Strategy
from butfor.question import Question

KNOWN_RANGE = Assumption(
    "known range",
    "The outcome cannot be less than its least or more than its greatest value, whatever the treatment.",
    "Ask what the scale allows (0 and 1, 0 to 100 per cent); the smallest and largest value in the data are no limits.",
)
# Nodes visited in the search for instruments, and instruments listed.
MOST_STEPS = 2_000_000
LIMIT = 20


@public_value
@dataclass(frozen=True, kw_only=True)
class Bounds(Strategy):
    """An interval that holds the effect for certain, where no number can be had.

    Attributes:
        method: "natural" (what the outcome could have been at least and at most) or "instrument".
        instrument: the node, for instrument bounds.
        lower: the effect is at least the largest of these.
        upper: the effect is at most the smallest of these.
    """

    method: Literal["natural", "instrument"] = "natural"
    instrument: str = ""
    lower: tuple[str, ...] = ()
    upper: tuple[str, ...] = ()

    kind: ClassVar[str] = "bounds"
    identifies: ClassVar[bool] = False

    @property
    def uses(self) -> tuple[str, ...]:
        """Instrument and covariates."""
        return (*((self.instrument,) if self.instrument else ()), *self.adjust_for)

    @property
    def given(self) -> tuple[str, ...]:
        """Covariates that are held fixed."""
        return self.adjust_for

    def describe(self) -> str:
        """The strategy in a sentence."""
        if not self.instrument:
            return "Bound the effect by what the outcome could have been at least and at most: nothing else is assumed."
        inside = f", among units alike in {', '.join(self.given)}" if self.given else ""
        return (
            f"Bound everyone's effect with {self.instrument} as an instrument{inside}: whomever it moves, and in "
            "whichever direction."
        )

    def to_dict(self) -> dict[str, Any]:
        """The record that `butfor identify --json` prints."""
        own = {"method": self.method, "instrument": self.instrument, "given": list(self.given)}
        return {**super().to_dict(), **own, "lower": list(self.lower), "upper": list(self.upper)}


def bounds_for(graph: CausalGraph, query: Question | Query, *, effort: Effort | None = None) -> tuple[Bounds, ...]:
    """Every bound of the effect: the natural one, and one for each instrument with what makes it one.

    **Answers** what can be said of an effect that the graph does not identify. Formulas of instrument bounds are those
    of a binary instrument, treatment and outcome.

    Args:
        graph: what causes what.
        query: one treatment and one outcome; for any other query, for hidden ones, and where only selected rows are
            seen, there are no bounds.
        effort: nodes visited in the search for instruments.

    Raises:
        UnknownNode: for a treatment or outcome that the graph does not have.

    References:
        Robins 1989; Manski 1990 (jstor.org/stable/2006592); Balke and Pearl 1997
        (doi:10.1080/01621459.1997.10474074).

    >>> graph = CausalGraph.from_any("z -> x -> y; x <-> y")
    >>> [(b.method, b.instrument, len(b.lower)) for b in bounds_for(graph, Query(("x",), ("y",)))]
    [('natural', '', 1), ('instrument', 'z', 8)]
    """
    asked = Query.of(query)
    for role, names in (("treatment", asked.treatments), ("outcome", asked.outcomes)):
        for name in names:
            graph.check(name, role=role)
    hidden = graph.latent & {*asked.treatments, *asked.outcomes}
    if not asked.is_plain or hidden or graph.selected:
        return ()
    treatment, outcome = asked.treatments[0], asked.outcomes[0]
    problem = InstrumentProblem(graph, treatment, outcome)
    found = instruments(problem, effort=effort or Effort(MOST_STEPS))
    return (
        natural_bounds(treatment, outcome),
        *(instrument_bounds(treatment, outcome, name, given) for name, given in islice(found, LIMIT)),
    )


def natural_bounds(treatment: str, outcome: str) -> Bounds:
    """The bounds that need nothing: each outcome that was not seen is somewhere in its range.

    >>> natural_bounds("x", "y").lower
    ('E[y 1{x=1}] + least · P(x≠1) − E[y 1{x=0}] − greatest · P(x≠0)',)
    """
    seen = [f"E[{outcome} 1{{{treatment}={arm}}}]" for arm in (1, 0)]
    other = [f"P({treatment}≠{arm})" for arm in (1, 0)]
    lower, upper = (
        f"{seen[0]} + {first} · {other[0]} − {seen[1]} − {second} · {other[1]}"
        for first, second in (("least", "greatest"), ("greatest", "least"))
    )
    return Bounds(
        method="natural",
        lower=(lower,),
        upper=(upper,),
        estimand=f"{lower} ≤ {_effect(treatment, outcome)} ≤ {upper}",
        assumptions=(KNOWN_RANGE, CONSISTENCY),
    )


def instrument_bounds(treatment: str, outcome: str, instrument: str, given: tuple[str, ...] = ()) -> Bounds:
    """The bounds that follow from an instrument, perhaps one only among units alike in some columns.

    >>> instrument_bounds("x", "y", "z").lower[0]
    '−1 + P(x=0, y=0 | z=0) + P(x=1, y=1 | z=0)'
    """
    form = instrument_closed_form()
    names = {"z": instrument, "x": treatment, "y": outcome}
    lower, upper = (form.written(side, names, given) for side in (form.lower, form.upper))
    stratum = ", ".join(given)
    average = f"Σ_{{{stratum}}} P({stratum}) · " if given else ""
    return Bounds(
        method="instrument",
        instrument=instrument,
        adjust_for=given,
        lower=lower,
        upper=upper,
        estimand=(
            f"{average}max of {len(lower)} sums of P({treatment}, {outcome} | {', '.join((instrument, *given))}) ≤ "
            f"{_effect(treatment, outcome)} ≤ {average}min of {len(upper)} such sums"
        ),
        assumptions=(EXCLUSION, KNOWN_RANGE, CONSISTENCY),
    )


def _effect(treatment: str, outcome: str) -> str:
    return f"E[{outcome} | do({treatment}=1)] − E[{outcome} | do({treatment}=0)]"
