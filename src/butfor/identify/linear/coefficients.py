"""Structural coefficients of a linear model, one after the other, by instruments and by missing cycles.

The equation y = Σ_p λ_p p + error, multiplied with moments that the error does not move with, is a linear system; λ_p
follows from it if and only if the column of p is no combination of the others. What is known makes further moments
clean, until nothing more follows. This finds what instrumental sets (Brito and Pearl 2002, arXiv:1301.0560), the
half-trek criterion node by node and edge by edge (Foygel, Draisma and Drton 2012, doi:10.1214/12-AOS1012; Weihs and
others 2018, doi:10.1515/jci-2017-0009) and auxiliary variables find, in polynomial time, because the rank is asked of
all moments at once (the idea of instrumental cutsets: Kumor, Chen and Bareinboim 2019, arXiv:1910.13451).

Every coefficient that is listed is identified for almost all values of the others. One that is not listed may still be:
the general question has no known efficient answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from butfor.core.effort import Effort
from butfor.core.errors import GraphError
from butfor.core.serial import public_value
from butfor.graph.causal_graph import CausalGraph, Edge
from butfor.graph.districts import latent_projection
from butfor.identify.linear.cycles import MissingCycle, Partner, Unknown, missing_cycles
from butfor.identify.linear.generic import PRIME, Echelon, GenericModel, row_reduced
from butfor.identify.linear.moments import (
    Moment,
    Weights,
    cleaned,
    conditional_moments,
    plain_moments,
    weights,
)

# Steps of a search that nobody has bounded: about a second.
MOST_STEPS = 300_000


@public_value
@dataclass(frozen=True)
class Coefficient:
    """How the coefficient of an arrow follows from covariances and from coefficients before it.

    Attributes:
        cause: where the arrow starts.
        effect: where it ends.
        moments: what the equation of the effect is multiplied with.
        together: the causes of the effect that are instrumented together.
        less: other causes of the effect, whose known part is taken away first.
        cycle: the missing cycle that gives the coefficient, where moments do not.
        partner: the coefficient with two values from which this one follows.
    """

    cause: str
    effect: str
    moments: tuple[Moment, ...] = ()
    together: tuple[str, ...] = ()
    less: tuple[str, ...] = ()
    cycle: MissingCycle | None = None
    partner: Partner | None = None

    @property
    def edge(self) -> Edge:
        """The arrow."""
        return self.cause, self.effect

    @property
    def rule(self) -> str:
        """How it follows: "instrument", "propagation" (what is known cleans an instrument) or "missing cycle"."""
        if not self.moments:
            return "missing cycle"
        return "propagation" if any(m.less for m in self.moments) else "instrument"

    @property
    def solutions(self) -> int:
        """How many values fit the covariances: one or two."""
        return 2 if self.partner is not None else 1 if self.cycle is None else self.cycle.solutions

    @property
    def needs(self) -> frozenset[Edge]:
        """The arrows whose coefficients have to be known before."""
        own = {(p, self.effect) for p in self.less} | {(p, m.node) for m in self.moments for p in m.less}
        if self.cycle is not None:
            own |= self.cycle.needs
        if self.partner is not None:
            own |= self.partner.needs
        return frozenset(own)

    def __str__(self) -> str:
        name, y = f"λ({self.cause}→{self.effect})", cleaned(self.effect, self.less)
        if self.cycle is not None:
            return f"{name} solves {self.cycle}"
        if self.partner is not None:
            return f"{name} follows from {self.partner}"
        if len(self.moments) == len(self.together) == 1:
            moment = self.moments[0]
            bar = f" | {', '.join(moment.given)}" if moment.given else ""
            z = cleaned(moment.node, moment.less)
            return f"{name} = Cov({y}, {z}{bar}) / Cov({self.cause}, {z}{bar})"
        z, x = "; ".join(map(str, self.moments)), ", ".join(self.together)
        return f"{name} from Cov(({z}), {y}) = Cov(({z}), ({x})) λ({x}→{self.effect})"


@public_value
@dataclass(frozen=True)
class LinearCoefficients:
    """What a linear model with this graph reveals.

    Attributes:
        coefficients: those that follow, in an order in which they can be computed; with two values last.
        undecided: the other arrows between measured nodes.
        complete: the search did not end for want of effort.
    """

    coefficients: tuple[Coefficient, ...]
    undecided: tuple[Edge, ...] = ()
    complete: bool = True

    def get(self, cause: str, effect: str) -> Coefficient | None:
        """The coefficient of an arrow, if it follows."""
        return next((c for c in self.coefficients if c.edge == (cause, effect)), None)

    def needed_for(self, edges: Iterable[Edge]) -> tuple[Coefficient, ...]:
        """The coefficients of these arrows and all that they are computed from."""
        wanted = set(edges)
        kept: list[Coefficient] = []
        for found in reversed(self.coefficients):
            if found.edge in wanted:
                wanted |= found.needs
                kept.append(found)
        return tuple(reversed(kept))


def linear_coefficients(
    graph: CausalGraph, *, first: Iterable[str] = (), effort: Effort | None = None
) -> LinearCoefficients:
    """The structural coefficients that the covariances of a linear model with this graph determine.

    Hidden nodes are left out by latent projection; the arrows are those of the projection. No hidden node is ever an
    instrument.

    Args:
        graph: the graph.
        first: effects whose equations are tried first where the effort is short.
        effort: bounds the search.

    Raises:
        GraphError: for a graph with selected nodes: the selected rows do not follow a linear model.

    References:
        Foygel, Draisma and Drton 2012, doi:10.1214/12-AOS1012; Kumor, Chen and Bareinboim 2019, arXiv:1910.13451; van
        der Zander, Wienöbst, Bläser and Liśkiewicz 2022, arXiv:2203.01852.

    >>> for found in linear_coefficients(CausalGraph.from_any("z -> x -> y; x <-> y")).coefficients:
    ...     print(found)
    λ(z→x) = Cov(x, z) / Cov(z, z)
    λ(x→y) = Cov(y, z) / Cov(x, z)
    """
    if graph.selected:
        raise GraphError(
            f"The graph has selected nodes ({', '.join(sorted(graph.selected))}); a linear model needs rows that "
            "nobody has selected.",
            hint="ask for adjustment sets, which know of selection",
        )
    effort = effort or Effort(MOST_STEPS)
    targets = tuple(dict.fromkeys(map(graph.check, first)))
    whole = latent_projection(graph)
    searched = graph
    if targets and _size(graph) > effort.left // 4:
        # What causes the targets follows a linear model of its own.
        searched = _over(graph, graph.ancestors(targets))
    projected = latent_projection(searched)
    if not effort.spend(_size(searched)):
        return LinearCoefficients((), whole.directed, complete=False)
    search = _Search(projected, GenericModel.of(searched), effort)
    search.run([*(n for n in targets if n not in graph.latent), *projected.topological_order])
    found = {c.edge: c for c in (*search.known.values(), *search.two_valued.values())}
    undecided = tuple(e for e in whole.directed if e not in found)
    complete = searched is graph and not effort.exhausted
    return LinearCoefficients(tuple(found.values()), undecided, complete)


def _size(graph: CausalGraph) -> int:
    """What it takes to compute all covariances."""
    return len(graph.nodes) * (len(graph.nodes) + len(graph.directed)) // 16


def _over(graph: CausalGraph, nodes: frozenset[str]) -> CausalGraph:
    """The graph over some nodes."""
    directed, bidirected = (
        tuple(e for e in edges if nodes.issuperset(e)) for edges in (graph.directed, graph.bidirected)
    )
    return CausalGraph(tuple(n for n in graph.nodes if n in nodes), directed, bidirected, graph.latent & nodes)


@dataclass(eq=False)
class _Search:
    """What is known so far."""

    graph: CausalGraph
    model: GenericModel
    effort: Effort
    known: dict[Edge, Coefficient] = field(default_factory=dict[Edge, Coefficient])
    two_valued: dict[Edge, Coefficient] = field(default_factory=dict[Edge, Coefficient])
    conditional: dict[str, list[Moment]] = field(default_factory=dict[str, list[Moment]])
    sums: dict[Moment, Weights] = field(default_factory=dict[Moment, Weights])

    def run(self, order: list[str]) -> None:
        """Every step again until nothing follows: the simple ones first."""
        order = list(dict.fromkeys(order))
        while (
            sum(self.learn(node, self.plain(node)) for node in order)
            or self.by_cycles()
            or any(self.learn(node, self.given_sets(node)) for node in order)
        ):
            pass
        self.two_valued = {c.edge: c for c in self.cycles() if c.solutions == 2}

    def unknown(self, node: str) -> list[str]:
        return [p for p in self.graph.parents(node) if (p, node) not in self.known]

    def plain(self, node: str) -> Iterator[Moment]:
        return plain_moments(self.graph, node, self.known)

    def given_sets(self, node: str) -> Iterator[Moment]:
        if node not in self.conditional:
            self.conditional[node] = list(conditional_moments(self.graph, node, self.effort))
        yield from self.plain(node)
        yield from self.conditional[node]

    def learn(self, node: str, moments: Iterator[Moment]) -> bool:
        """Does an unknown coefficient of the node's equation follow from the moments?"""
        unknown = self.unknown(node)
        if not unknown or not self.effort.spend(len(self.graph.nodes) * len(unknown) // 4 + 1):
            return False
        rows = [(m, self.row(m, unknown)) for m in moments]
        rows = [pair for pair in rows if any(pair[1])]
        # What touches few causes, and is simple, comes first: the instruments are to be few.
        rows.sort(key=lambda pair: (sum(map(bool, pair[1])), len(pair[0].given), len(pair[0].less)))
        basis: list[tuple[Moment, list[int]]] = []
        echelon: Echelon = []
        for moment, row in rows:
            if len(echelon) == len(unknown):
                break
            tried = row_reduced([row], len(unknown), echelon)
            if len(tried) > len(echelon):
                echelon = tried
                basis.append((moment, row))
        found = list(self.solved(node, unknown, basis))
        self.known |= {c.edge: c for c in found}
        return bool(found)

    def solved(self, node: str, unknown: list[str], basis: list[tuple[Moment, list[int]]]) -> Iterator[Coefficient]:
        """The coefficients whose unit vectors are combinations of the rows, each with the rows that it takes."""
        width = len(unknown)
        rows = [[*row, *(int(i == j) for j in range(len(basis)))] for i, (_, row) in enumerate(basis)]
        for pivot, row in row_reduced(rows, width):
            if any(row[i] for i in range(width) if i != pivot):
                continue
            used = [pair for pair, weight in zip(basis, row[width:], strict=True) if weight]
            moments = tuple(m for m, _ in used)
            together = tuple(p for i, p in enumerate(unknown) if any(r[i] for _, r in used))
            rest = [p for p in self.graph.parents(node) if p not in unknown]
            less = tuple(p for p in rest if any(self.row(m, [p])[0] for m in moments))
            yield Coefficient(unknown[pivot], node, moments, together, less)

    def row(self, moment: Moment, columns: list[str]) -> list[int]:
        if not (moment.less or moment.given):
            return [self.model.between(moment.node, p) for p in columns]
        if moment not in self.sums:
            self.sums[moment] = weights(moment, self.model, self.model.coefficients)
        parts = [(self.model.covariances[n], weight) for n, weight in self.sums[moment].items()]
        return [sum(row[p] * weight for row, weight in parts) % PRIME for p in columns]

    def cycles(self) -> Iterator[Coefficient]:
        """Coefficients by missing cycles, among the nodes with one unknown coefficient each."""
        nodes: list[Unknown] = []
        for node in self.graph.nodes:
            if len(unknown := self.unknown(node)) == 1:
                rest = tuple(p for p in self.graph.parents(node) if p not in unknown)
                nodes.append(Unknown(node, unknown[0], rest))
        if not self.effort.spend(len(nodes) ** 2):
            return
        for found in missing_cycles(self.graph, nodes, self.model):
            unknown = found.unknown
            if isinstance(found, MissingCycle):
                yield Coefficient(unknown.cause, unknown.node, cycle=found)
            else:
                yield Coefficient(unknown.cause, unknown.node, partner=found)

    def by_cycles(self) -> bool:
        """Does a missing cycle give a coefficient one value?"""
        found = [c for c in self.cycles() if c.solutions == 1]
        self.known |= {c.edge: c for c in found}
        return bool(found)
