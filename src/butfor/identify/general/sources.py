"""Identification from several incomplete sources: experiments, other populations, studies that measured less.

Each district's factor may come from any source in which it behaves as in the population that is asked about: the source
does not intervene in it, and no difference between the populations points into it (g-identification: Lee, Correa and
Bareinboim 2019, arXiv:1906.08840 [UAI]; transport: Lee, Correa and Bareinboim 2020, doi:10.1609/aaai.v34i06.6582).
Where the graph has selected nodes, observation shows the rows that they chose, and nothing else does.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from butfor.core.errors import GraphSyntax, InvalidSetting
from butfor.core.serial import public_value
from butfor.graph.causal_graph import CausalGraph
from butfor.graph.districts import ancestors_within, district_of, districts, latent_projection
from butfor.identify.expression import Expression
from butfor.identify.general.c_factors import Kernel, Route, factor_along, find_route
from butfor.identify.general.effect import (
    MOST_NODES,
    GeneralEffect,
    combine,
    is_readable,
    loose_ends,
    pose,
    without_loose_ends,
)
from butfor.identify.general.selection import Recovery, recover

Nodes = frozenset[str]


@public_value
@dataclass(frozen=True)
class Experiment:
    """A distribution that is at hand.

    Args:
        do: the variables that were set; none for an observational study.
        population: where; "" is the population that the question is about.
        differs: variables whose mechanism differs there (the selection nodes of a selection diagram point at them).
        measured: the columns that the study has; None for all.
    """

    do: tuple[str, ...] = ()
    population: str = ""
    differs: tuple[str, ...] = ()
    measured: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if self.differs and not self.population:
            raise InvalidSetting(
                "A source in the population that is asked about cannot differ from it; another one needs a name.",
                hint='Experiment(population="trial", differs=("age",))',
            )

    @classmethod
    def from_text(cls, text: str) -> Experiment:
        """A source from text: `[population] [do(a, b)] [differs(c)] [measured(d, e)]`.

        Raises:
            GraphSyntax: for other text.

        >>> Experiment.from_text("trial do(x) differs(age)")
        Experiment(do=('x',), population='trial', differs=('age',), measured=None)
        """
        parts = re.fullmatch(
            r"\s*(?P<population>[^()]*?)\s*(?P<clauses>(?:\b(?:do|differs|measured)\s*\([^()]*\)\s*)*)", text
        )
        if parts is None or not text.strip():
            raise GraphSyntax(
                f"The source is {text!r}; a source needs a population, do(...), differs(...) or measured(...).",
                hint="trial do(x) differs(age) measured(x, y)",
            )
        clauses = dict(re.findall(r"(do|differs|measured)\s*\(([^()]*)\)", parts["clauses"]))
        if any(not inside.strip() for inside in clauses.values()):
            raise GraphSyntax(f"The source {text!r} names nothing in a bracket; it needs names there.", hint="do(x)")
        names = {word: tuple(n.strip() for n in inside.split(",") if n.strip()) for word, inside in clauses.items()}
        return cls(names.get("do", ()), parts["population"], names.get("differs", ()), names.get("measured"))

    def describe(self) -> str:
        """The source in a few words."""
        what = f"an experiment on {', '.join(self.do)}" if self.do else "observation"
        of = f" of {', '.join(self.measured)}" if self.measured is not None else ""
        return what + of + (f" in {self.population}" if self.population else "")


OBSERVATION = Experiment()


@dataclass(frozen=True)
class Piece:
    """The factor of one district, and where it comes from.

    Attributes:
        graph: the columns that the source has, and what it would show of them.
        way: from the source to the factor.
        varying: the nodes that vary in the source.
    """

    target: Nodes
    source: Experiment
    graph: CausalGraph
    way: Route | Recovery
    varying: Nodes = frozenset()

    @cached_property
    def factor(self) -> Expression:
        """The factor in terms of the source."""
        if isinstance(self.way, Recovery):
            return self.way.factor(self.graph)
        fixed = frozenset(self.source.do)
        return factor_along(self.way, Kernel(self.graph, self.varying, fixed, self.source.population))


@dataclass(frozen=True)
class Mosaic:
    """An effect put together from several sources.

    Attributes:
        query: what is asked.
        districts: what must be known.
        pieces: for each district where it comes from; None where no source gives it.
        sources: what is at hand.
    """

    query: GeneralEffect
    districts: tuple[Nodes, ...]
    pieces: tuple[Piece | None, ...]
    sources: tuple[Experiment, ...] = ()

    @property
    def identified(self) -> bool:
        """Does the effect follow from the sources?"""
        return all(p is not None for p in self.pieces)

    @property
    def missing(self) -> tuple[str, ...]:
        """The first district that no source gives, in the order of the graph."""
        lost = next((d for d, p in zip(self.districts, self.pieces, strict=True) if p is None), frozenset[str]())
        return tuple(n for n in self.query.graph.nodes if n in lost)

    @cached_property
    def _effect(self) -> Expression | None:
        pieces = [p for p in self.pieces if p is not None]
        if len(pieces) < len(self.pieces) or len(self.query.ancestral) > MOST_NODES:
            return None
        return combine(self.query, [p.factor for p in pieces])

    @cached_property
    def weights(self) -> Experiment | None:
        """The source of the weights in an average over variables on whose values the effect does not depend.

        None where there are no such variables; or no source that shows how they vary: the expression has them then.
        """
        loose = () if self._effect is None else loose_ends(self.query, self._effect)
        names = {v.name for v in loose}
        showing = [s for s in self.sources if not s.do and (s.measured is None or names <= set(s.measured))]
        needed = [p.source for p in self.pieces if p is not None]
        showing.sort(key=lambda s: (s not in needed, s.population != ""))
        return showing[0] if loose and showing else None

    @property
    def used(self) -> tuple[Experiment, ...]:
        """The sources that are needed."""
        needed = (*(p.source for p in self.pieces if p is not None), self.weights)
        return tuple(dict.fromkeys(s for s in needed if s is not None))

    @cached_property
    def expression(self) -> Expression | None:
        """The effect in terms of the sources; None where there is none, or none that anybody could read."""
        if self._effect is None:
            return None
        loose = loose_ends(self.query, self._effect) if self.weights is not None else ()
        found = without_loose_ends(self._effect, loose, "" if self.weights is None else self.weights.population)
        return found if is_readable(found) else None


def identify_from(
    graph: CausalGraph,
    sources: Sequence[Experiment],
    treatments: Iterable[str],
    outcomes: Iterable[str],
    given: Iterable[str] = (),
) -> Mosaic:
    """P(outcomes | do(treatments), given) from the sources alone; name `OBSERVATION` among them if it is there.

    >>> graph = CausalGraph.from_any("z -> x -> y; z <-> x; z <-> y")
    >>> str(identify_from(graph, [OBSERVATION, Experiment(do=("z",))], ["x"], ["y"]).expression)
    'sum_{z} P(y | do(z), x) P(z)'
    """
    check_sources(graph, sources)
    query = pose(graph, treatments, outcomes, given)
    needed = tuple(districts(query.graph, query.random))
    pieces = tuple(_piece(graph, query.graph, d, sources) for d in needed)
    return Mosaic(query, needed, pieces, tuple(sources))


def check_sources(graph: CausalGraph, sources: Iterable[Experiment]) -> None:
    """Refuse a source that speaks of what the graph does not have.

    Raises:
        UnknownNode: with the nearest name.
    """
    for source in sources:
        for name in (*source.do, *source.differs, *(source.measured or ())):
            graph.check(name, role="source")


def _piece(graph: CausalGraph, projected: CausalGraph, target: Nodes, sources: Sequence[Experiment]) -> Piece | None:
    for source in sources:
        if graph.selected and source == OBSERVATION:
            recovery = recover(projected, target)
            if recovery.exists:
                return Piece(target, source, projected, recovery)
            continue
        fixed = frozenset(projected.check(n, role="experiment") for n in source.do)
        if target & (fixed | set(source.differs)):
            continue
        seen = projected
        if source.measured is not None:
            known = frozenset(source.measured) | fixed
            needed = target | {p for n in target for p in projected.parents(n)}
            if not needed <= known:
                continue
            lost = frozenset(graph.nodes) - known
            seen = latent_projection(replace(graph, latent=graph.latent | lost, selected=frozenset()))
        varying = ancestors_within(seen, target, frozenset(seen.nodes) - fixed)
        route = find_route(seen, target, district_of(seen, next(iter(target)), varying))
        if route.exists:
            return Piece(target, source, seen, route, varying)
    return None
