"""From a learned graph to an adjustment set: whether there is one, why not, and how surely."""

from __future__ import annotations

import html
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

from butfor.core.effort import Effort
from butfor.core.errors import GraphError, NotIdentified
from butfor.discovery.classes import STEPS, possible_parents
from butfor.graph.marked_graph import MarkedGraph
from butfor.identify.generalised_adjustment import GeneralisedAdjustment

# Minimal sets among which the smallest is sought.
MOST_SETS = 100
MOST_SHOWN = 6


@dataclass(frozen=True)
class ProposedAdjustment:
    """What a learned graph says about one effect, and what the resamples say of that.

    Shares are of the resamples from which a graph was learned; None without resamples.

    Attributes:
        answer: the criterion in the learned graph: amenable or not, and why.
        adjust_for: the set in question: the smallest valid one unless another was asked about; None when there is none.
        valid: whether it is valid in the learned graph.
        share_amenable: with a graph in which some set is valid.
        share_valid: with a graph in which `adjust_for` is valid.
        share_without_effect: with a graph in which the treatment does not cause the outcome.
        share_contradictory: with a graph whose edges contradict each other, so that it says nothing.
        possible: for graphs without hidden causes, every set of direct causes that the treatment may have in the class:
            adjusting for each in turn gives every effect that the class allows (IDA). A set with the outcome in it
            stands for an effect of zero. Empty for a PAG.
        complete: whether `possible` lists all of them.
    """

    treatment: str
    outcome: str
    answer: GeneralisedAdjustment
    adjust_for: tuple[str, ...] | None
    valid: bool
    share_amenable: float | None
    share_valid: float | None
    share_without_effect: float | None
    share_contradictory: float | None
    possible: tuple[tuple[str, ...], ...]
    complete: bool

    @property
    def amenable(self) -> bool:
        """Is some set valid in the learned graph, as far as the directions of its edges go?"""
        return self.answer.amenable

    @property
    def may_cause(self) -> bool:
        """May the treatment cause the outcome, in the learned graph?"""
        return _may_cause(self.answer)

    def require(self) -> tuple[str, ...]:
        """The columns to adjust for.

        Raises:
            NotIdentified: when the learned graph has no valid set, or not the one in question.
        """
        if self.adjust_for is None or not self.valid:
            raise NotIdentified(
                f"The effect of {self.treatment!r} on {self.outcome!r} does not follow from the learned graph. "
                f"{self._verdict()}",
                hint="say what is known of the order in time, Knowledge(tiers=…), or draw the graph",
            )
        return self.adjust_for

    def to_text(self) -> str:
        """The answer in sentences."""
        return "\n".join([*self._sentences(), *(f"  {line}" for line in self._sets_in_words())])

    def __str__(self) -> str:
        return self.to_text()

    def _repr_html_(self) -> str:
        sets = "".join(f"<li>{html.escape(line)}</li>" for line in self._sets_in_words())
        return f"<p>{html.escape(' '.join(self._sentences()))}</p>" + (f"<ul>{sets}</ul>" if sets else "")

    def _sentences(self) -> list[str]:
        lines = [f"If the learned graph is right: {self._verdict()}"]
        if self.share_amenable is not None:
            lines.append(f"Some set is valid in the graphs of {self.share_amenable:.0%} of the resamples.")
        if self.share_valid is not None:
            lines.append(f"This set is valid in those of {self.share_valid:.0%}.")
        if self.share_without_effect is not None:
            lines.append(f"The treatment does not cause the outcome in those of {self.share_without_effect:.0%}.")
        if self.share_contradictory:
            lines.append(f"The graphs of {self.share_contradictory:.0%} contradict themselves.")
        if not self.valid and self.possible:
            lines.append(f"Each graph of the class adjusts for the direct causes of {self.treatment}, which may be:")
        return lines

    def _verdict(self) -> str:
        effect = f"the effect of {self.treatment} on {self.outcome}"
        if not self.may_cause:
            return f"{self.treatment} does not cause {self.outcome}."
        if not self.amenable:
            return f"No set of columns identifies {effect} in every graph of the class: {self.answer.why}."
        if self.adjust_for is None:
            return f"No set of columns identifies {effect}: every set leaves a path open, or holds an effect."
        names = ", ".join(self.adjust_for) or "nothing"
        if self.valid:
            return f"Adjusting for {names} identifies {effect}."
        return f"Adjusting for {names} does not identify {effect}."

    def _sets_in_words(self) -> list[str]:
        if self.valid:
            return []
        lines = [
            f"{', '.join(found) or 'none'}{'  (then the effect is zero)' * (self.outcome in found)}"
            for found in self.possible[:MOST_SHOWN]
        ]
        more = len(self.possible) - MOST_SHOWN
        return [*lines, f"and {more} more"] if more > 0 else lines


def answer(
    graph: MarkedGraph,
    resampled: Iterable[tuple[MarkedGraph | None, int]],
    treatment: str,
    outcome: str,
    adjust_for: tuple[str, ...] | None,
) -> ProposedAdjustment:
    """What a graph and the graphs of resamples (None where edges form a cycle) say about one effect."""
    task = GeneralisedAdjustment.of(graph, [treatment], [outcome])
    chosen = smallest(task) if adjust_for is None else adjust_for
    counts = dict.fromkeys(("all", "amenable", "valid", "without", "contradictory"), 0)
    for other, count in resampled:
        counts["all"] += count
        try:
            found = None if other is None else GeneralisedAdjustment.of(other, [treatment], [outcome])
        except GraphError:
            found = None
        if found is None:
            counts["contradictory"] += count
            continue
        counts["amenable"] += count * (found.amenable and found.is_valid(found.canonical))
        counts["valid"] += count * (chosen is not None and found.is_valid(chosen))
        counts["without"] += count * (not _may_cause(found))
    share = {name: count / counts["all"] if counts["all"] else None for name, count in counts.items()}
    effort = Effort(STEPS)
    parents = tuple(possible_parents(graph, treatment, effort)) if graph.kind == "pdag" else ()
    return ProposedAdjustment(
        treatment=treatment,
        outcome=outcome,
        answer=task,
        adjust_for=chosen,
        valid=chosen is not None and task.is_valid(chosen),
        share_amenable=share["amenable"],
        share_valid=None if chosen is None else share["valid"],
        share_without_effect=share["without"],
        share_contradictory=share["contradictory"],
        possible=parents,
        complete=not effort.exhausted,
    )


def smallest(task: GeneralisedAdjustment) -> tuple[str, ...] | None:
    """A valid set with as few columns as any of the first hundred minimal ones; None when there is none."""
    return min(islice(task.minimal_sets(), MOST_SETS), key=len, default=None)


def _may_cause(task: GeneralisedAdjustment) -> bool:
    return not task.outcomes.isdisjoint(task.graph.possible_descendants(task.treatments))
