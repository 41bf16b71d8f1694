"""Why an effect is identified, or why it cannot be: steps that name their rule, in words and in symbols."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from butfor.core.serial import public_value
from butfor.graph.causal_graph import CausalGraph
from butfor.identify.adjustment import AdjustmentProblem
from butfor.identify.expression import Expression, to_unicode
from butfor.identify.general.c_factors import Kernel, Route, factor_along
from butfor.identify.general.effect import GeneralEffect
from butfor.identify.general.selection import Recovery
from butfor.identify.general.sources import OBSERVATION, Mosaic, Piece
from butfor.identify.query import Query


@public_value
@dataclass(frozen=True)
class ProofStep:
    """One step.

    Attributes:
        words: for everybody.
        rule: the rule of do-calculus, lemma or criterion.
        symbols: what a methodologist checks.
    """

    words: str
    rule: str = ""
    symbols: str = ""

    def __str__(self) -> str:
        reason = ": ".join(filter(None, (self.rule, self.symbols)))
        return f"{self.words} [{reason}]" if reason else self.words


def listed(names: tuple[str, ...] | list[str]) -> str:
    """Names in a sentence."""
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]])) if names else "nothing"


def adjustment_proof(
    problem: AdjustmentProblem, query: Query, adjust_for: tuple[str, ...], estimand: str
) -> list[ProofStep]:
    """Why adjusting for the set gives the effect."""
    x, y = query.treatment, query.outcome
    steps: list[ProofStep] = []
    between = [n for n in problem.graph.nodes if n in problem.causal - problem.outcomes]
    if between:
        words = f"The effect runs through {listed(between)}; these and what they cause must not be adjusted for."
        steps.append(ProofStep(words, "adjustment criterion (a)", f"Z ∩ Forb({x}, {y}) = ∅"))
    path = problem.backdoor.open_path(problem.treatments, problem.outcomes, problem.graph.selected)
    if path is None:
        words = f"No other path connects {x} and {y}, so nothing has to be blocked."
        steps.append(ProofStep(words, "rule 2 of do-calculus", f"({y} ⊥ {x}) in the graph without arrows out of {x}"))
    else:
        words = f"{x} and {y} are also connected without causation, for instance by {path}."
        steps.append(ProofStep(words, "m-connection", path))
        if adjust_for:
            words = f"Given {', '.join(adjust_for)}, every such path is blocked."
            symbols = f"({y} ⊥ {x} | {', '.join(adjust_for)}) in the proper back-door graph"
            steps.append(ProofStep(words, "adjustment criterion (b), m-separation", symbols))
    if problem.graph.selected:
        chosen = ", ".join(sorted(problem.graph.selected))
        words = f"Once {x} is set, {y} does not depend on {chosen}, so the selected rows speak for all."
        steps.append(ProofStep(words, "selection criterion", f"({y} ⊥ {chosen} | {x}) where nothing causes {x}"))
    steps.append(ProofStep(f"Hence {query} = {estimand}.", "adjustment formula"))
    return steps


def front_door_proof(
    query: Query, mediators: tuple[str, ...], given: tuple[str, ...], estimand: str
) -> list[ProofStep]:
    """Why the mediators give the effect."""
    x, y, m = query.treatment, query.outcome, listed(mediators)
    inside = f" given {listed(given)}" if given else ""
    bar = f" | {', '.join(given)}" if given else ""
    return [
        ProofStep(f"Every directed path from {x} to {y} passes through {m}.", "front-door condition 1"),
        ProofStep(
            f"Nothing but causation connects {x} and {m}{inside}: what {x} does to {m} can be seen.",
            "front-door condition 2, rule 2",
            f"({', '.join(mediators)} ⊥ {x}{bar}) in the graph without arrows out of {x}",
        ),
        ProofStep(
            f"Among units with the same {x}, nothing but causation connects {m} and {y}{inside}: what {m} does to {y} "
            f"can be seen after adjusting for {x}.",
            "front-door condition 3, rules 2 and 3",
            f"({y} ⊥ {', '.join(mediators)} | {', '.join((x, *given))}) in the graph without arrows out of {m}",
        ),
        ProofStep(f"Hence, put together, {query} = {estimand}.", "front-door formula"),
    ]


def general_proof(graph: CausalGraph, query: Query, found: GeneralEffect) -> list[ProofStep]:
    """Why the general algorithm gives the effect, district by district."""
    order = [n for n in found.graph.topological_order if n in found.ancestral]
    steps = [*_before(graph, query, found), _split(query, found, [r.target for r in found.routes])]
    kernel = Kernel(found.graph, found.ancestral)
    for route in found.routes:
        steps.extend(_route_steps(kernel, route, order))
    return [*steps, *_hence(query, found.expression)]


def mosaic_proof(graph: CausalGraph, query: Query, found: Mosaic) -> list[ProofStep]:
    """Why the sources give the effect, district by district."""
    asked = found.query
    steps = [*_before(graph, query, asked), _split(query, asked, found.districts)]
    for piece in found.pieces:
        if piece is None:
            continue
        order = [n for n in piece.graph.topological_order if n in asked.ancestral]
        if isinstance(piece.way, Recovery):
            steps.extend(_recovery_steps(piece, piece.way, order))
        elif piece.source == OBSERVATION:
            steps.extend(_route_steps(Kernel(piece.graph, piece.varying), piece.way, order))
        else:
            target = [n for n in order if n in piece.target]
            words = f"How {listed(target)} responds is the same in {piece.source.describe()}, which shows it."
            symbols = f"Q[{', '.join(target)}] = {to_unicode(piece.factor)}"
            steps.append(ProofStep(words, "general identifiability", symbols))
    return [*steps, *_hence(query, found.expression)]


def _recovery_steps(piece: Piece, way: Recovery, order: list[str]) -> list[ProofStep]:
    chosen = listed([n for n in piece.graph.nodes if n in piece.graph.selected])
    steps: list[ProofStep] = []
    for look in way.rounds[:-1]:
        free = listed([n for n in look.order if n in look.free])
        words = f"{free} does not act on {chosen}, and behaves in the chosen rows as in all: a division parts it off."
        steps.append(ProofStep(words, "recovery from selection", f"Q[{free}] from P(· | {chosen} = 1)"))
    target = [n for n in order if n in way.target]
    words = f"Now {listed(target)} is not tied to {chosen}: how it responds can be read off the chosen rows."
    symbols = f"Q[{', '.join(target)}] = {to_unicode(piece.factor)}"
    return [*steps, ProofStep(words, "recovery from selection", symbols)]


def _before(graph: CausalGraph, query: Query, found: GeneralEffect) -> list[ProofStep]:
    """What is set aside before the effect is split."""
    steps: list[ProofStep] = []
    hidden = [n for n in graph.nodes if n in graph.latent - graph.selected]
    if hidden:
        words = f"What was not measured ({listed(hidden)}) is replaced by what it does to the measured."
        steps.append(ProofStep(words, "latent projection"))
    if found.exchanged:
        names = listed(sorted(found.exchanged))
        words = f"Observing {names} tells the same as setting it."
        steps.append(ProofStep(words, "rule 2 of do-calculus"))
    dropped = [n for n in found.graph.nodes if n not in found.ancestral | found.graph.selected]
    if dropped:
        words = f"{listed(dropped)} cannot influence the answer and is left out."
        steps.append(ProofStep(words, "rule 3 of do-calculus", f"only ancestors of {query.outcome} matter"))
    return steps


def _hence(query: Query, expression: Expression | None) -> list[ProofStep]:
    if expression is None:
        return []
    return [ProofStep(f"Hence {query} = {to_unicode(expression)}.", "products of the parts, summed")]


def _split(query: Query, found: GeneralEffect, districts: Iterable[frozenset[str]]) -> ProofStep:
    order = [n for n in found.graph.topological_order if n in found.ancestral]
    parts = [[n for n in order if n in d] for d in districts]
    summed = [n for n in order if n in found.random - found.outcomes]
    factors = " ".join(f"Q[{', '.join(p)}]" for p in parts)
    index = f"Σ_{{{', '.join(summed)}}} " if summed else ""
    many = "these parts, which share no hidden cause: " if len(parts) > 1 else "one part: "
    words = (
        f"With {query.treatment} set, what leads to {query.outcome} falls into {many}{'; '.join(map(listed, parts))}."
    )
    return ProofStep(words, "district factorisation", f"{query} = {index}{factors}")


def _route_steps(kernel: Kernel, route: Route, order: list[str]) -> list[ProofStep]:
    target, start = ([n for n in order if n in s] for s in (route.target, route.start))
    name = f"Q[{', '.join(target)}]"
    if not route.steps:
        formula = to_unicode(kernel.factor(route.start))
        words = f"How {listed(target)} responds can be read off the data."
        return [ProofStep(words, "district factor", f"{name} = {formula}")]
    steps = [
        ProofStep(
            f"{listed(target)} shares hidden causes with {listed([n for n in start if n not in target])}; "
            "together their response can be read off the data.",
            "district factor",
            f"Q[{', '.join(start)}] = {to_unicode(kernel.factor(route.start))}",
        )
    ]
    taken: tuple[tuple[frozenset[str], frozenset[str]], ...] = ()
    district = route.start
    for ancestral, following in route.steps:
        taken = (*taken, (ancestral, following))
        gone = [n for n in order if n in district - ancestral]
        parted = [n for n in order if n in ancestral - following]
        rules: list[str] = []
        if gone:
            rules.append(f"Sum out {listed(gone)}, which acts on none of the rest.")
        if parted:
            kept = listed([n for n in order if n in following])
            rules.append(f"No hidden cause ties {kept} to {listed(parted)} any more, so a division parts them.")
        formula = to_unicode(factor_along(Route(following, route.start, taken), kernel))
        inside = ", ".join(n for n in order if n in following)
        rule = " and ".join(
            filter(None, ("ancestral reduction" if gone else "", "district division" if parted else ""))
        )
        steps.append(ProofStep(" ".join(rules), rule, f"Q[{inside}] = {formula}"))
        district = following
    return steps


def hedge_proof(query: Query, found: GeneralEffect) -> list[ProofStep]:
    """Why no amount of data of this kind can give the effect."""
    hedge = found.hedge
    if hedge is None:
        return []
    steps = [_split(query, found, [r.target for r in found.routes])]
    outer, inner = ", ".join(hedge.outer), ", ".join(hedge.inner)
    steps.append(
        ProofStep(
            hedge.explain(found.treatments), "hedge (Shpitser and Pearl 2006)", f"F = {{{outer}}}, F' = {{{inner}}}"
        )
    )
    return steps
