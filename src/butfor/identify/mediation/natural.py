"""Natural direct and indirect effects: the outcome under x with mediators as they would be under x'.

P(Y(x, M(x'))) compares worlds that no experiment shows together (Robins and Greenland 1992; Pearl 2001,
arXiv:1301.2300). It follows by the mediation formula where one set of covariates parts treatment, mediators and outcome
(Pearl 2014, doi:10.1037/a0036434), and beyond that exactly where no node and no district needs both values of the
treatment (Shpitser 2013, doi:10.1111/cogs.12058).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from butfor.core.diagnostic import Assumption
from butfor.core.errors import InvalidSetting
from butfor.core.serial import public_value
from butfor.graph.causal_graph import CausalGraph
from butfor.graph.districts import latent_projection
from butfor.identify.direct_effects import check_roles
from butfor.identify.expression import Expression, Probability, Variable, product, total
from butfor.identify.expression.expression import with_clear_names
from butfor.identify.general.hedge import Hedge
from butfor.identify.mediation.contrast import CROSS_WORLD, Contrast, in_world, names_of
from butfor.identify.mediation.covariates import mediation_set
from butfor.identify.mediation.cross_world import CrossWorld, Recanting
from butfor.identify.mediation.proof import cross_world_proof, mediation_formula_proof, nested
from butfor.identify.proof import ProofStep
from butfor.identify.strategies import CONSISTENCY, GRAPH, POSITIVITY


@public_value
@dataclass(frozen=True)
class NaturalEffects:
    """Natural direct and indirect effects, or why they do not follow.

    Attributes:
        treatment: the treatment.
        outcome: the outcome.
        mediators: what carries the indirect effect, jointly.
        expression: P(outcome) when `treatment` acts directly and the mediators are what they would be under its prime;
            or None.
        total: P(outcome | do(treatment)), or None.
        adjust_for: covariates of the mediation formula; None where the expression is another one.
        witness: the node or the district that needs both values, when that is the reason.
        hedge: why not even the total effect is identified, when that is the reason.
        assumptions: what must be true.
        proof: how it follows, or why it does not.
    """

    treatment: str
    outcome: str
    mediators: tuple[str, ...]
    expression: Expression | None
    total: Expression | None
    adjust_for: tuple[str, ...] | None
    witness: Recanting | None
    hedge: Hedge | None
    assumptions: tuple[Assumption, ...]
    proof: tuple[ProofStep, ...]

    @property
    def identified(self) -> bool:
        """Do the effects follow from what is observed?"""
        return self.expression is not None

    @property
    def contrasts(self) -> tuple[Contrast, ...]:
        """The five effects. Total = natural direct + total indirect = total direct + natural indirect."""
        if self.expression is None or self.total is None:
            return ()
        mixed, other = (in_world(self.expression, self.treatment, direct=d, mediated=1 - d) for d in (0, 1))
        treated, control = (in_world(self.total, self.treatment, direct=d, mediated=d) for d in (0, 1))
        return (
            Contrast("natural direct effect", mixed, control),
            Contrast("natural indirect effect", other, control),
            Contrast("total direct effect", treated, other),
            Contrast("total indirect effect", treated, mixed),
            Contrast("total effect", treated, control),
        )

    @property
    def explanation(self) -> str:
        """The verdict in a sentence."""
        what = f"Natural effects of {self.treatment} on {self.outcome} through {', '.join(self.mediators)}"
        if self.identified:
            how = "by the general algorithm" if self.adjust_for is None else "by the mediation formula"
            alike = f", among units alike in {', '.join(self.adjust_for)}" if self.adjust_for else ""
            return f"{what} are identified {how}{alike}."
        return f"{what} are not identified. {self.proof[-1].words}"


def identify_natural_effects(
    graph: CausalGraph, treatment: str, outcome: str, mediators: Iterable[str] | str
) -> NaturalEffects:
    """P(Y(x, M(x'))) from what is observed, by the mediation formula where it holds, else by the general algorithm.

    Complete: where it says "not identified", two models agree on all data and differ in the effects. Then the
    interventional effects (`identify_interventional_effects`) may still follow.

    Args:
        graph: the graph, perhaps with latent nodes.
        treatment: the treatment.
        outcome: the outcome.
        mediators: one node or several, whose joint response is the indirect effect.

    Raises:
        InvalidSetting: without mediators, for a latent node in a role, for a graph with selected rows.
        RoleConflict: for a node in two roles.
        UnknownNode: for a name that the graph does not have.

    >>> graph = CausalGraph.from_any("c -> x -> m -> y; c -> m; c -> y; x -> y")
    >>> found = identify_natural_effects(graph, "x", "y", "m")
    >>> str(found.expression), found.adjust_for
    ("sum_{c, m} P(y | c, x, m) P(m | c, x') P(c)", ('c',))
    """
    m = names_of(mediators)
    check_roles(graph, treatment=(treatment,), outcome=(outcome,), mediator=m)
    if not m:
        raise InvalidSetting(
            "There are no mediators; natural direct and indirect effects need at least one.",
            hint='identify_natural_effects(graph, "x", "y", ["m"])',
        )
    seen = latent_projection(graph)
    world = CrossWorld(seen, treatment, outcome, frozenset(e for e in seen.directed if e[1] not in m))
    covariates = mediation_set(graph, treatment, outcome, m)
    if covariates is None:
        expression = world.expression
        proof = cross_world_proof(world, nested(treatment, outcome, m))
    else:
        expression = mediation_formula(seen, treatment, outcome, m, covariates)
        proof = mediation_formula_proof(treatment, outcome, m, covariates, expression)
    return NaturalEffects(
        treatment,
        outcome,
        m,
        expression,
        world.effect.expression,
        covariates,
        None if expression is not None else world.recanting,
        world.effect.hedge,
        (GRAPH, CROSS_WORLD, POSITIVITY, CONSISTENCY),
        tuple(proof),
    )


def mediation_formula(
    graph: CausalGraph, treatment: str, outcome: str, mediators: Iterable[str], adjust_for: Iterable[str]
) -> Expression:
    """Σ_{m,w} P(y | x, m, w) P(m | x', w) P(w)."""
    asked, covariates = frozenset(mediators), frozenset(adjust_for)
    order = [Variable(n) for n in graph.topological_order]
    x, y = Variable(treatment), Variable(outcome)
    m, w = ([v for v in order if v.name in names] for names in (asked, covariates))
    seen = [v for v in order if v.name in asked | covariates | {treatment}]
    factors = [Probability((y,), tuple(seen)), Probability(tuple(m), tuple([*w, x.primed()]))]
    whole = product([*factors, *([Probability(tuple(w))] if w else [])])
    return with_clear_names(total([v for v in seen if v != x], whole))
