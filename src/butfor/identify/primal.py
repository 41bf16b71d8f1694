"""Effects with a doubly robust estimator: those whose treatment shares no hidden cause with what it acts on directly.

Then the effect needs only the order of the nodes and which of them lie in the treatment's district (Tian and Pearl
2002, theorem 3; Bhattacharya, Nabi and Shpitser 2022, jmlr.org/papers/v23/20-1171.html, who call it primal fixability):

    P(y | do(t)) = Σ_{all but y} Π_{M} P(m | before)|_{T=t} Σ_T Π_{L} P(l | before) P(C),

with C the nodes before the treatment, L its district from itself on, M the other nodes after it.
"""

from __future__ import annotations

from dataclasses import dataclass

from butfor.core.serial import public_value
from butfor.graph.causal_graph import CausalGraph
from butfor.graph.districts import district_of, latent_projection


@public_value
@dataclass(frozen=True)
class Primal:
    """The order in which the estimator goes through the columns.

    Attributes:
        before: columns before the treatment (C).
        after: columns after it, causes first, the outcome last.
        tied: those of `after` that share hidden causes with the treatment (L without the treatment).
    """

    before: tuple[str, ...]
    after: tuple[str, ...]
    tied: frozenset[str] = frozenset()


def primal_structure(graph: CausalGraph, treatment: str, outcome: str) -> Primal | None:
    """The order for one treatment and one outcome; None when a hidden cause ties the treatment to its own effects.

    >>> primal_structure(CausalGraph.from_any("x -> m -> y; x <-> y"), "x", "y")
    Primal(before=(), after=('m', 'y'), tied=frozenset({'y'}))
    """
    projected = latent_projection(graph)
    relevant = projected.ancestors({outcome})
    if treatment not in relevant:
        return None
    district = district_of(projected, treatment, relevant)
    if any(child in district for child in projected.children(treatment)):
        return None
    # Nodes that the treatment does not act on may come before it: fewer densities have to be learned.
    acted_on = projected.descendants({treatment}) & relevant
    order = [n for n in projected.topological_order if n in relevant]
    between = [n for n in order if n in acted_on and n not in (treatment, outcome)]
    after = (*between, outcome)
    before = tuple(n for n in order if n not in acted_on)
    return Primal(before, after, frozenset(district) & frozenset(after))
