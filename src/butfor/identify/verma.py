"""Verma constraints: what hidden causes imply beyond independences (Tian and Pearl 2002, arXiv:1301.0608).

The factor of a district can only depend on the district and its causes. Where its expression holds other variables too,
the data must not let it change with them.
"""

from __future__ import annotations

from collections.abc import Iterator

from butfor.core.effort import Effort
from butfor.graph.causal_graph import CausalGraph
from butfor.graph.districts import ancestors_within, district_of, districts, latent_projection
from butfor.identify.expression import Probability, to_unicode
from butfor.identify.general.c_factors import Kernel, Route, factor_along
from butfor.identify.implications import VermaConstraint

Nodes = frozenset[str]
Steps = tuple[tuple[Nodes, Nodes], ...]
# Factors written in a search that nobody has bounded.
MOST_STEPS = 20_000
LONGEST = 300


def verma_constraints(graph: CausalGraph, *, effort: Effort | None = None) -> Iterator[VermaConstraint]:
    """Every constraint of the kind, one district after the other; the search ends with the effort.

    Constraints of more than a few hundred probabilities are left out: no data can contradict them.

    >>> print(*verma_constraints(CausalGraph.from_any("a -> b -> c -> d; b <-> d")))
    Σ_{b} P(d | a, b, c) P(b | a) does not depend on a
    """
    projected = latent_projection(graph)
    effort = effort or Effort(MOST_STEPS)
    kernel = Kernel(projected, frozenset(projected.nodes))
    for start in districts(projected):
        yield from _inside(projected, kernel, start, effort)


def _inside(graph: CausalGraph, kernel: Kernel, start: Nodes, effort: Effort) -> Iterator[VermaConstraint]:
    seen = {start}
    queue: list[tuple[Nodes, Steps]] = [(start, ())]
    for district, steps in queue:
        for node in sorted(district):
            if not effort.spend(len(start) if len(start) > 1 else 0):
                return
            ancestral = ancestors_within(graph, {node}, district)
            following = district_of(graph, node, ancestral)
            if following in seen:
                continue
            seen.add(following)
            way = (*steps, (ancestral, following))
            queue.append((following, way))
            expression = factor_along(Route(following, start, way), kernel)
            own = following | {p for n in following for p in graph.parents(n)}
            idle = {v.name for v in expression.free} - own
            if idle and not isinstance(expression, Probability) and expression.size <= LONGEST:
                yield VermaConstraint(to_unicode(expression), tuple(n for n in graph.nodes if n in idle))
