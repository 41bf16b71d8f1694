"""Strategies for what the graph does not identify: answers that assume more than it says, and bounds that do not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, islice

from butfor.core.effort import Effort
from butfor.graph.causal_graph import CausalGraph
from butfor.identify.bounds.strategy import Bounds, instrument_bounds, natural_bounds
from butfor.identify.linear.instrument_set import InstrumentSet, instrument_sets
from butfor.identify.proximal import proximal_pairs
from butfor.identify.query import Query
from butfor.identify.strategies import Instrument, Strategy

# Nodes visited in the search for sets of instruments, and for proxies.
SEARCH = 2_000_000
# Strategies of each kind: beyond a few, nobody compares them.
MOST = 5


def further_strategies(graph: CausalGraph, query: Query, known: Sequence[Instrument]) -> Iterator[Strategy]:
    """Sets of instruments in linear models, and pairs of proxies of hidden causes, a few of each.

    Args:
        graph: of everyone, not of chosen rows.
        query: one treatment and one outcome.
        known: single instruments, which are not listed again as sets of one.

    >>> from butfor.graph.causal_graph import CausalGraph
    >>> graph = CausalGraph.from_any("u -> z -> x -> y; u -> w -> y; u -> x; u -> y").with_latent(["u"])
    >>> [s.kind for s in further_strategies(graph, Query("x", "y"), ())]
    ['proximal']
    """
    x, y = query.treatments[0], query.outcomes[0]
    single = {(i.instrument, frozenset(i.given)) for i in known}
    sets = (s for s in instrument_sets(graph, x, y, effort=Effort(SEARCH)) if not _is_single(s, single))
    return chain(islice(sets, MOST), islice(proximal_pairs(graph, x, y, effort=Effort(SEARCH)), MOST))


def _is_single(found: InstrumentSet, single: set[tuple[str, frozenset[str]]]) -> bool:
    one_equation = len(found.route) == len(found.coefficients) == len(found.instruments) == 1
    return one_equation and (found.instruments[0], frozenset(found.given)) in single


def bounds_beside(query: Query, known: Sequence[Instrument]) -> tuple[Bounds, ...]:
    """The natural bounds, and those of each instrument.

    >>> [b.method for b in bounds_beside(Query("x", "y"), ())]
    ['natural']
    """
    x, y = query.treatments[0], query.outcomes[0]
    return (natural_bounds(x, y), *(instrument_bounds(x, y, i.instrument, i.given) for i in known[:MOST]))
