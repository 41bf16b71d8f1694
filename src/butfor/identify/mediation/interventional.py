"""Interventional direct and indirect effects: mediators drawn at random from their distribution under x'.

The randomised analogue of a natural effect does not ask what a unit's own mediators would be under x'; it draws them
from all units that are alike in some covariates: Σ_{m,c} P(y | do(x, m), c) P(m | do(x'), c) P(c) (VanderWeele,
Vansteelandt and Robins 2014, doi:10.1097/EDE.0000000000000034). No independence across worlds is needed, so it is often
identified where natural effects are not: where the treatment acts on what confounds mediators and outcome.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from butfor.core.errors import InvalidSetting
from butfor.core.serial import public_value
from butfor.graph.causal_graph import CausalGraph
from butfor.graph.districts import latent_projection
from butfor.identify.direct_effects import check_roles
from butfor.identify.expression import Expression, Probability, Variable, product, to_unicode, total
from butfor.identify.expression.expression import substituted, with_clear_names
from butfor.identify.general.effect import GeneralEffect, identify_effect
from butfor.identify.general.hedge import Hedge
from butfor.identify.mediation.contrast import Contrast, in_world, names_of
from butfor.identify.proof import ProofStep, hedge_proof, listed
from butfor.identify.query import Query


@public_value
@dataclass(frozen=True)
class InterventionalEffects:
    """Direct and indirect effects with mediators drawn at random, or why they do not follow.

    Attributes:
        treatment: the treatment.
        outcome: the outcome.
        mediators: what is drawn, jointly.
        given: covariates in which the units of a draw are alike; they are part of what is asked.
        expression: P(outcome) under `treatment`, with mediators drawn as under the treatment's prime; or None.
        hedge: why one of its parts is not identified, where there is such a structure.
        proof: how it follows, or why it does not.
    """

    treatment: str
    outcome: str
    mediators: tuple[str, ...]
    given: tuple[str, ...]
    expression: Expression | None
    hedge: Hedge | None
    proof: tuple[ProofStep, ...]

    @property
    def identified(self) -> bool:
        """Do both parts of the expression follow from what is observed?"""
        return self.expression is not None

    @property
    def contrasts(self) -> tuple[Contrast, ...]:
        """Direct, indirect and overall effect; the first two add up to the third, which need not be the total effect."""
        if self.expression is None:
            return ()
        mixed, treated, control = (
            in_world(self.expression, self.treatment, direct=d, mediated=m) for d, m in ((0, 1), (0, 0), (1, 1))
        )
        return (
            Contrast("interventional direct effect", mixed, control),
            Contrast("interventional indirect effect", treated, mixed),
            Contrast("overall effect", treated, control),
        )

    def describe(self) -> str:
        """What is asked, in a sentence."""
        alike = f" among units alike in {listed(self.given)}" if self.given else ""
        return (
            f"Set {self.treatment}, and draw {listed(self.mediators)} at random from what it is under "
            f"{self.treatment}'{alike}."
        )


def identify_interventional_effects(
    graph: CausalGraph,
    treatment: str,
    outcome: str,
    mediators: Iterable[str] | str,
    *,
    given: Iterable[str] | str = (),
) -> InterventionalEffects:
    """Direct and indirect effects with mediators drawn at random, from what is observed.

    Each part, P(outcome | do(treatment, mediators), given) and P(mediators | do(treatment), given), is identified
    by the complete algorithm; "not identified" means that one of them is not. Draws from all units (`given=()`) are
    identified whenever draws from alike units are.

    Args:
        graph: the graph.
        treatment: the treatment.
        outcome: the outcome.
        mediators: what is drawn, jointly.
        given: covariates in which the units of a draw are alike, effects of neither treatment nor mediators.

    Raises:
        InvalidSetting: for covariates that treatment or mediators act on, a latent node in a role, selected rows.
        RoleConflict: for a node in two roles.

    >>> graph = CausalGraph.from_any("x -> l -> m -> y; x -> m; x -> y; l -> y")
    >>> str(identify_interventional_effects(graph, "x", "y", "m").expression)
    "sum_{m} P(m | x') sum_{l} P(y | x, l, m) P(l | x)"
    """
    m, c = names_of(mediators), names_of(given)
    check_roles(graph, treatment=(treatment,), outcome=(outcome,), mediator=m, covariate=c)
    query = Query((treatment, *m), (outcome,), c)
    acted_on = [n for n in c if n in graph.descendants({treatment, *m})]
    if acted_on:
        raise InvalidSetting(
            f"The covariate {acted_on[0]!r} is an effect of treatment or mediators; a draw among units that are alike "
            "needs what the treatment does not change.",
            hint=f"leave {acted_on[0]!r} out of given",
        )
    draw = Query((treatment,), m, c)
    parts = [identify_effect(graph, q.treatments, q.outcomes, c) for q in (query, draw)]
    expression = _expression(graph, treatment, m, c, parts)
    failed = next(((p, q) for p, q in zip(parts, (query, draw), strict=True) if not p.identified), None)
    proof = _proof(query, draw, expression) if failed is None else hedge_proof(failed[1], failed[0])
    return InterventionalEffects(
        treatment, outcome, m, c, expression, None if failed is None else failed[0].hedge, tuple(proof)
    )


def _expression(
    graph: CausalGraph, treatment: str, mediators: tuple[str, ...], given: tuple[str, ...], parts: list[GeneralEffect]
) -> Expression | None:
    answer, draw = (part.expression for part in parts)
    if answer is None or draw is None:
        return None
    x = Variable(treatment)
    order = [Variable(n) for n in latent_projection(graph).topological_order if n in {*mediators, *given}]
    covariates = [v for v in order if v.name in given]
    weight = [Probability(tuple(covariates))] if covariates else []
    mixed = product([answer, substituted(draw, {x: x.primed()}), *weight])
    return with_clear_names(total(order, mixed))


def _proof(query: Query, draw: Query, expression: Expression | None) -> list[ProofStep]:
    answer = "" if expression is None else f"The effect is {to_unicode(expression)}."
    return [
        ProofStep(f"{query} follows from the data: the answer to {listed(query.treatments)}.", "general algorithm"),
        ProofStep(f"{draw} follows from the data: what the mediators are drawn from.", "general algorithm"),
        ProofStep(
            "The draw is at random, so its outcome is the answer to each value, weighted by how often it is drawn.",
            "definition of the randomised analogue",
        ),
        ProofStep(answer, "law of total probability"),
    ]
