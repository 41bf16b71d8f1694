"""What is multiplied with an equation so that its error drops out: a node, its residual, or its part that is clean.

Node z serves the equation of y if z is uncorrelated with the error of y. It does so

- when no half-trek leads from y to z (Foygel, Draisma and Drton 2012, doi:10.1214/12-AOS1012);
- less what causes with known coefficients bring to it, when half-treks from y end in these causes only (auxiliary
  variables: Chen, Pearl and Bareinboim 2016, ijcai.org/Proceedings/16/Papers/507.pdf);
- as the residual given W, when W separates it from the error of y (Brito and Pearl 2002, arXiv:1301.0560).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from butfor.core.effort import Effort
from butfor.core.serial import public_value
from butfor.graph.causal_graph import CausalGraph, Edge
from butfor.graph.separators import minimal_separators

# Separating sets that are tried for each node.
MOST_SETS = 4


class Numbers(Protocol):
    """Covariances, in floating point or modulo a prime."""

    def between(self, first: str, second: str) -> Any:
        """The covariance of two nodes."""
        ...

    def solve(self, matrix: list[list[Any]], right: list[Any]) -> list[Any]:
        """The solution of a regular system."""
        ...


@public_value
@dataclass(frozen=True)
class Moment:
    """What an equation is multiplied with.

    Attributes:
        node: the instrument.
        less: causes of it whose known part is taken away.
        given: columns on which it is regressed; the residual is what counts.

    >>> print(Moment("z"), Moment("z", less=("a",)), Moment("z", given=("w",)), sep="; ")
    z; z − λ(a→z) a; z | w
    """

    node: str
    less: tuple[str, ...] = ()
    given: tuple[str, ...] = ()

    def __str__(self) -> str:
        bar = f" | {', '.join(self.given)}" if self.given else ""
        return cleaned(self.node, self.less) + bar


def cleaned(node: str, less: Iterable[str]) -> str:
    """A node less what these causes bring to it, in words."""
    return " − ".join([node, *(f"λ({cause}→{node}) {cause}" for cause in less)])


Weights = Mapping[str, Any]


def cleaned_weights(node: str, less: Sequence[str], coefficients: Mapping[Edge, Any]) -> Weights:
    """A node less what these causes bring to it, as a sum of nodes."""
    return {node: 1, **{cause: -coefficients[cause, node] for cause in less}}


def weights(moment: Moment, numbers: Numbers, coefficients: Mapping[Edge, Any]) -> Weights:
    """The moment as a sum of nodes."""
    if not moment.given:
        return cleaned_weights(moment.node, moment.less, coefficients)
    table = [[numbers.between(a, b) for b in moment.given] for a in moment.given]
    slopes = numbers.solve(table, [numbers.between(a, moment.node) for a in moment.given])
    return {moment.node: 1, **{n: -b for n, b in zip(moment.given, slopes, strict=True)}}


def covariance(first: Weights, second: Weights, numbers: Numbers) -> Any:
    """The covariance of two sums of nodes."""
    return sum(a * b * numbers.between(m, n) for m, a in first.items() for n, b in second.items())


def plain_moments(graph: CausalGraph, node: str, known: Mapping[Edge, object]) -> Iterator[Moment]:
    """What serves the equation of a node, given nothing.

    Args:
        graph: a graph without latent nodes.
        node: the effect of the equation.
        known: arrows whose coefficients are known.
    """
    tied = {node, *graph.spouses(node)}
    reached = graph.descendants(tied)
    for other in graph.nodes:
        less = tuple(p for p in graph.parents(other) if p in reached)
        if other not in tied and all((p, other) in known for p in less):
            yield Moment(other, less)


def conditional_moments(graph: CausalGraph, node: str, effort: Effort) -> Iterator[Moment]:
    """What serves the equation of a node given a minimal set; the search ends with the effort."""
    error = f"error of {node}"
    while error in graph.nodes:
        error += "'"
    explicit = CausalGraph(
        (*graph.nodes, error),
        (*graph.directed, (error, node)),
        tuple((error if a == node else a, error if b == node else b) for a, b in graph.bidirected),
    )
    plain = {m.node for m in plain_moments(graph, node, {}) if not m.less}
    for other in graph.nodes:
        if other == node or other in plain:
            continue
        found = minimal_separators(explicit, {error}, {other}, allowed=graph.nodes)
        for _ in range(MOST_SETS):
            separator = next(found, None)
            if not effort.spend((len(graph.nodes) + len(graph.directed)) // 4 + len(separator or ()) ** 2):
                return
            if separator is None:
                break
            yield Moment(other, given=tuple(n for n in graph.nodes if n in separator))
