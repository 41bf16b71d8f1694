"""Effects along chosen paths: the treatment acts along some arrows, while all others carry its baseline value.

P(Y(π, x, x')) for a set π of arrows; a natural direct or indirect effect is the one along all paths that miss, or that
enter, the mediators (Pearl 2001, arXiv:1301.2300; Avin, Shpitser and Pearl 2005, ijcai.org/Proceedings/05/Papers/0906.pdf;
Shpitser 2013, doi:10.1111/cogs.12058).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from butfor.core.diagnostic import Assumption
from butfor.core.errors import InvalidSetting
from butfor.core.serial import public_value
from butfor.graph.causal_graph import CausalGraph, Edge
from butfor.graph.districts import latent_projection
from butfor.identify.direct_effects import check_roles
from butfor.identify.expression import Expression
from butfor.identify.general.hedge import Hedge
from butfor.identify.mediation.contrast import CROSS_WORLD, Contrast, in_world
from butfor.identify.mediation.cross_world import CrossWorld, Recanting
from butfor.identify.mediation.proof import cross_world_proof
from butfor.identify.proof import ProofStep
from butfor.identify.strategies import CONSISTENCY, GRAPH, POSITIVITY


@public_value
@dataclass(frozen=True)
class PathSpecificEffect:
    """The effect along chosen paths, or why it does not follow.

    Attributes:
        treatment: the treatment.
        outcome: the outcome.
        edges: the chosen arrows.
        expression: P(outcome) when the treatment is `treatment` along these and its prime along all others; or None.
        total: P(outcome | do(treatment)), or None.
        witness: the node or the district that needs both values, when that is the reason.
        hedge: why not even the total effect is identified, when that is the reason.
        assumptions: what must be true.
        proof: how it follows, or why it does not.
    """

    treatment: str
    outcome: str
    edges: tuple[Edge, ...]
    expression: Expression | None
    total: Expression | None
    witness: Recanting | None
    hedge: Hedge | None
    assumptions: tuple[Assumption, ...]
    proof: tuple[ProofStep, ...]

    @property
    def identified(self) -> bool:
        """Does the effect follow from what is observed?"""
        return self.expression is not None

    @property
    def contrasts(self) -> tuple[Contrast, ...]:
        """The effect along the paths, that of all else when these are active, and their sum, the total effect."""
        if self.expression is None or self.total is None:
            return ()
        treated, control = (in_world(self.total, self.treatment, direct=d, mediated=d) for d in (0, 1))
        return (
            Contrast("path-specific effect", self.expression, control),
            Contrast("remaining effect", treated, self.expression),
            Contrast("total effect", treated, control),
        )

    @property
    def explanation(self) -> str:
        """The verdict in a sentence."""
        what = (
            f"The effect of {self.treatment} on {self.outcome} along {', '.join(f'{a} -> {b}' for a, b in self.edges)}"
        )
        return f"{what} is identified." if self.identified else f"{what} is not identified. {self.proof[-1].words}"


def identify_path_specific(
    graph: CausalGraph, treatment: str, outcome: str, paths: Iterable[Sequence[str]]
) -> PathSpecificEffect:
    """The effect along some paths, from what is observed.

    Complete: where it says "not identified", two models agree on all data and differ in the effect.

    Args:
        graph: the graph, perhaps with latent nodes. An arrow between measured nodes stands for all that leads from one
            to the other through hidden ones.
        treatment: the treatment.
        outcome: the outcome.
        paths: paths or single arrows, as sequences of measured nodes. All their arrows are active, and so is every
            directed path that is made of them.

    Raises:
        InvalidSetting: without paths, for an arrow that the graph does not have or that no chosen path from treatment
            to outcome uses, for a latent node in a role, for a graph with selected rows.
        RoleConflict: for a treatment that is the outcome.
        UnknownNode: for a name that the graph does not have.

    >>> graph = CausalGraph.from_any("x -> m -> y; x -> y; m -> k -> y; x -> k")
    >>> str(identify_path_specific(graph, "x", "y", [("x", "y"), ("x", "k", "y")]).expression)
    "sum_{m} P(y | x, m) P(m | x')"
    >>> identify_path_specific(graph, "x", "y", [("x", "m", "y")]).witness.nodes
    ('m',)
    """
    check_roles(graph, treatment=(treatment,), outcome=(outcome,))
    seen = latent_projection(graph)
    edges = _edges(graph, seen, paths)
    world = CrossWorld(seen, treatment, outcome, frozenset(edges))
    _refuse_idle(world)
    symbol = f"P({outcome}({', '.join(f'{a} -> {b}' for a, b in edges)}: {treatment}; otherwise {treatment}'))"
    return PathSpecificEffect(
        treatment,
        outcome,
        edges,
        world.expression,
        world.effect.expression,
        world.recanting if world.effect.identified else None,
        world.effect.hedge,
        (GRAPH, CROSS_WORLD, POSITIVITY, CONSISTENCY),
        tuple(cross_world_proof(world, symbol)),
    )


def _edges(graph: CausalGraph, seen: CausalGraph, paths: Iterable[Sequence[str]]) -> tuple[Edge, ...]:
    chosen: dict[Edge, None] = {}
    for path in paths:
        if isinstance(path, str) or len(path) < 2:
            raise InvalidSetting(
                f"A path is {path!r}; a path-specific effect needs paths of at least two nodes.",
                hint='paths=[("x", "m", "y")]',
            )
        check_roles(graph, path=tuple(path))
        chosen |= dict.fromkeys(zip(path[:-1], path[1:], strict=True))
    arrows = set(seen.directed)
    for a, b in chosen:
        if (a, b) not in arrows:
            raise InvalidSetting(
                f"The graph has no arrow {a} -> {b}; a path-specific effect needs paths of the graph.",
                hint=f"{a} acts directly on {', '.join(seen.children(a)) or 'nothing'}",
            )
    if not chosen:
        raise InvalidSetting(
            "There are no paths; a path-specific effect needs at least one.", hint='paths=[("x", "m", "y")]'
        )
    return tuple(e for e in seen.directed if e in chosen)


def _refuse_idle(world: CrossWorld) -> None:
    """An arrow that no chosen path uses is a slip."""
    chosen = world.graph.replaced(directed=tuple(world.active))
    leading = chosen.ancestors({world.outcome})
    for a, b in world.active:
        if not ({a} <= world.carried | {world.treatment} and b in leading):
            raise InvalidSetting(
                f"The arrow {a} -> {b} is on no chosen path from {world.treatment} to {world.outcome}; every arrow of "
                "a path-specific effect needs to be.",
                hint="give whole paths, or all their arrows",
            )
