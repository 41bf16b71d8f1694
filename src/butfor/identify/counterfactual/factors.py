"""Counterfactual factors: what hidden causes tie together in a counterfactual graph, as one experiment where it can be.

Once every node is seen under fixed values of its causes, districts are independent of each other, and each factor is a
probability in one interventional distribution unless it needs a variable in two states at once (Correa, Lee and
Bareinboim 2021, arXiv:2107.03190).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from butfor.graph.causal_graph import CausalGraph
from butfor.identify.counterfactual.worlds import CounterfactualNode, Nodes
from butfor.identify.expression import Expression, Probability, Variable
from butfor.identify.expression.expression import substituted
from butfor.identify.general.effect import identify_effect
from butfor.identify.general.sources import OBSERVATION, Experiment, identify_from


@dataclass(frozen=True)
class Conflict:
    """A variable that a factor needs in two states at once.

    Attributes:
        name: the variable.
        first, second: its two values, in words.
        where: the nodes that need them.
    """

    name: str
    first: str
    second: str
    where: tuple[CounterfactualNode, CounterfactualNode]

    def explain(self) -> str:
        """The reason in a sentence."""
        one, other = self.where
        if self.name == one.value.name:
            return (
                f"The query needs units with {self.first} and how {other.value.name} responds to {self.second} in the "
                f"same units, while hidden causes tie {self.name} and {other.value.name}."
            )
        if one.value.name == other.value.name:
            return (
                f"The query needs {one.value.name} of the same units twice, under {self.first} and under {self.second}."
            )
        return (
            f"The query needs {one.value.name} under {self.first} and {other.value.name} under {self.second} in the "
            f"same units, while hidden causes tie {one.value.name} and {other.value.name}."
        )


@dataclass(frozen=True)
class CounterfactualFactor:
    """Some nodes of a counterfactual graph that hidden causes tie together.

    Attributes:
        graph: the causal graph, over measured nodes.
        nodes: causes before effects.
        asked: the values that the query names; all others are open.
    """

    graph: CausalGraph
    nodes: Nodes
    asked: frozenset[Variable]

    @cached_property
    def conflict(self) -> Conflict | None:
        """Why no experiment shows the factor."""
        own: dict[str, CounterfactualNode] = {}
        for node in self.nodes:
            copy = own.setdefault(node.value.name, node)
            for first, second in zip(copy.causes, node.causes, strict=True):
                if first != second:
                    return self._conflict(first, second, copy, node)
        needed = {name: (node.value, node) for name, node in own.items()}
        for node in self.nodes:
            for cause in node.causes:
                value, place = needed.setdefault(cause.name, (cause, node))
                if value != cause:
                    return self._conflict(value, cause, place, node)
        return None

    def _conflict(
        self, first: Variable, second: Variable, one: CounterfactualNode, other: CounterfactualNode
    ) -> Conflict:
        words = [str(v) if v in self.asked else f"{v.name} as it comes" for v in (first, second)]
        return Conflict(first.name, words[0], words[1], (one, other))

    @cached_property
    def causes(self) -> tuple[Variable, ...]:
        """What an experiment has to set."""
        inside = {n.value.name for n in self.nodes}
        found = dict.fromkeys(v for n in self.nodes for v in n.causes if v.name not in inside)
        place = {n: i for i, n in enumerate(self.graph.topological_order)}
        return tuple(sorted(found, key=lambda v: place[v.name]))

    @property
    def interventional(self) -> Probability:
        """The factor as an experiment shows it."""
        return Probability(tuple(n.value for n in reversed(self.nodes)), (), self.causes)

    def from_sources(self, sources: Sequence[Experiment]) -> Expression | None:
        """The factor in terms of what is at hand, or None."""
        outcomes = [n.value.name for n in self.nodes]
        found = identify_from(self.graph, sources, [v.name for v in self.causes], outcomes).expression
        if found is None:
            return None
        return substituted(found, {Variable(v.name): v for v in (*self.causes, *(n.value for n in self.nodes))})

    def missing(self, sources: Sequence[Experiment]) -> str:
        """Why it does not follow from what is at hand, in a sentence."""
        if tuple(sources) == (OBSERVATION,):
            causes = [v.name for v in self.causes]
            hedge = identify_effect(self.graph, causes, [n.value.name for n in self.nodes]).hedge
            if hedge is not None:
                return hedge.explain(causes)
        at_hand = "; ".join(s.describe() for s in sources) or "nothing"
        return f"{self.interventional} does not follow from what is at hand ({at_hand})."

    def __str__(self) -> str:
        return f"P({', '.join(map(str, reversed(self.nodes)))})"
