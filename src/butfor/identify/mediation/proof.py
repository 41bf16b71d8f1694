"""Why an effect across worlds is identified, or why it cannot be, step by step."""

from __future__ import annotations

from butfor.identify.expression import Expression, to_unicode
from butfor.identify.mediation.cross_world import CrossWorld
from butfor.identify.proof import ProofStep, general_proof, hedge_proof, listed
from butfor.identify.query import Query


def nested(treatment: str, outcome: str, mediators: tuple[str, ...]) -> str:
    """The symbol of a natural effect.

    >>> nested("x", "y", ("m",))
    "P(y(x, m(x')))"
    """
    inner = ", ".join(f"{n}({treatment}')" for n in mediators)
    return f"P({outcome}({treatment}, {inner}))"


def cross_world_proof(world: CrossWorld, asked: str) -> list[ProofStep]:
    """Why the general algorithm gives the distribution across worlds, or what stands in its way.

    Args:
        world: what is asked.
        asked: its symbol.
    """
    x, query = world.treatment, Query((world.treatment,), (world.outcome,))
    if not world.effect.identified:
        return hedge_proof(query, world.effect)
    if world.recanting is not None:
        rule = "recanting witness" if world.recanting.is_witness else "recanting district"
        return [
            ProofStep(world.recanting.explain(x), f"{rule} criterion", f"W = {{{', '.join(world.recanting.nodes)}}}")
        ]
    steps = general_proof(world.graph, query, world.effect)
    order = world.graph.topological_order
    sees: list[str] = []
    for route in world.effect.routes:
        part = listed([n for n in order if n in route.target])
        if world.sees_active(route):
            sees.append(f"{part} responds to {x}")
        elif world.sees_baseline(route):
            sees.append(f"{part} responds to {x}'")
    words = f"Across the two worlds, each part responds to one value only: {'; '.join(sees) or 'none to any'}."
    steps.append(ProofStep(words, "recanting district criterion"))
    if world.expression is not None:
        words = f"Hence {asked} = {to_unicode(world.expression)}."
        steps.append(ProofStep(words, "the same product, each part with the value that it sees"))
    return steps


def mediation_formula_proof(
    treatment: str, outcome: str, mediators: tuple[str, ...], adjust_for: tuple[str, ...], expression: Expression
) -> list[ProofStep]:
    """Why the mediation formula holds with these covariates."""
    x, y, m = treatment, outcome, ", ".join(mediators)
    w = ", ".join(adjust_for)
    given, bar = (f"Given {listed(adjust_for)}, n", f" | {w}") if adjust_for else ("N", "")
    steps: list[ProofStep] = []
    if adjust_for:
        words = f"Neither {x} nor {listed(mediators)} acts on {listed(adjust_for)}."
        steps.append(ProofStep(words, "mediation condition 1"))
    steps += [
        ProofStep(
            f"{given}othing but causation connects {x} with {listed(mediators)} and {y}.",
            "mediation condition 2, rule 2 of do-calculus",
            f"({m}, {y} ⊥ {x}{bar}) in the graph without arrows out of {x}",
        ),
        ProofStep(
            f"{given}othing but causation and {x} connects {listed(mediators)} with {y}: what {y} would be for each "
            f"value of {listed(mediators)} is independent of what {listed(mediators)} would be under {x}'.",
            "mediation condition 3, cross-world independence",
            f"({y} ⊥ {m}{bar}) in the graph without arrows out of {x}, {m}",
        ),
    ]
    steps.append(ProofStep(f"Hence {nested(x, y, mediators)} = {to_unicode(expression)}.", "mediation formula"))
    return steps
