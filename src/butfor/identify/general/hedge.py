"""Hedges: the structure that makes an effect impossible to identify, and its check.

Two nested sets of nodes F ⊃ F' that hidden causes hold together, with the same last nodes R, where the treatment is
in F and not in F', and R acts on the outcome: then two models agree on everything that can be observed and differ in
the effect (Shpitser and Pearl 2006, https://cdn.aaai.org/AAAI/2006/AAAI06-191.pdf, theorem 4).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from butfor.core.serial import public_value
from butfor.graph.causal_graph import CausalGraph
from butfor.graph.districts import ancestors_within, district_of, latent_projection

Nodes = frozenset[str]


@public_value
@dataclass(frozen=True)
class Hedge:
    """The pair of sets that proves that an effect is not identified.

    Attributes:
        outer: F, which holds some of the treatments.
        inner: F', which holds none.
    """

    outer: tuple[str, ...]
    inner: tuple[str, ...]

    def explain(self, treatments: Iterable[str]) -> str:
        """The reason in a sentence."""
        inside = ", ".join(n for n in self.outer if n in set(treatments))
        tied = " and ".join(filter(None, [", ".join(self.outer[:-1]), self.outer[-1]]))
        return (
            f"Hidden common causes hold {tied} together, and setting {inside} does not part them: two models can agree "
            "on all data and differ in the effect."
        )


def is_hedge(graph: CausalGraph, hedge: Hedge, treatments: Iterable[str], outcomes: Iterable[str]) -> bool:
    """Does the pair prove that P(outcomes | do(treatments)) is not identified?"""
    projected = latent_projection(graph)
    x, y = frozenset(treatments), frozenset(outcomes)
    outer, inner = frozenset(hedge.outer), frozenset(hedge.inner)
    if not (inner < outer and outer <= frozenset(projected.nodes) and outer & x and not inner & x):
        return False
    tied = all(district_of(projected, next(iter(f)), f) == f for f in (outer, inner))
    # With every node of F an ancestor of F' inside F, the last nodes of both forests are those of F'.
    roots = frozenset(n for n in inner if not set(projected.children(n)) & inner)
    rooted = ancestors_within(projected, roots, outer) == outer and ancestors_within(projected, roots, inner) == inner
    acting = roots <= ancestors_within(projected, y, frozenset(projected.nodes) - x)
    return tied and rooted and acting
