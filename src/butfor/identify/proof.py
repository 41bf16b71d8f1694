"""Why an effect is identified, or why it cannot be: steps that name their rule, in words and in symbols."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from butfor.core.serial import public_value
from butfor.graph.causal_graph import CausalGraph
from butfor.identify.adjustment import AdjustmentProblem
from butfor.identify.expression import Expression, quoted_names, to_unicode
from butfor.identify.general.c_factors import Kernel, Route, factor_along
from butfor.identify.general.effect import GeneralEffect
from butfor.identify.general.selection import Recovery
from butfor.identify.general.sources import OBSERVATION, Mosaic, Piece
from butfor.identify.query import Query

BLOCKED = "adjustment criterion (b), m-separation"
# Names in one sentence; more nobody reads.
MOST_LISTED = 30


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


def agree(names: Sequence[str], one: str, many: str) -> str:
    """The verb that the names need."""
    return one if len(names) == 1 else many


def listed(names: tuple[str, ...] | list[str]) -> str:
    """Names in a sentence, which names at most some of them.

    >>> listed(["a", "b", "c"])
    'a, b and c'
    """
    if len(names) > MOST_LISTED:
        names = [*names[: MOST_LISTED - 1], f"{len(names) - MOST_LISTED + 1:,} more"]
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]])) if names else "nothing"


def separation(first: Iterable[str], second: Iterable[str], given: Iterable[str] = ()) -> str:
    """The symbols of a separation.

    >>> separation(["y"], ["x"], ["z", "shoe size"])
    'y ⊥ x | z, "shoe size"'
    """
    return " | ".join(filter(None, (" ⊥ ".join(map(quoted_names, (first, second))), quoted_names(given))))


def adjustment_proof(
    problem: AdjustmentProblem, query: Query, adjust_for: tuple[str, ...], estimand: str
) -> list[ProofStep]:
    """Why adjusting for the set gives the effect."""
    x, y = query.treatment, query.outcome
    apart = f"({separation(query.outcomes, query.treatments, adjust_for)})"
    steps: list[ProofStep] = []
    between = [n for n in problem.graph.nodes if n in problem.causal and n not in problem.outcomes]
    if between:
        words = f"The effect runs through {listed(between)}; these and what they cause must not be adjusted for."
        symbols = f"Z ∩ Forb({quoted_names(query.treatments)}, {quoted_names(query.outcomes)}) = ∅"
        steps.append(ProofStep(words, "adjustment criterion (a)", symbols))
    path = problem.backdoor.open_path(problem.treatments, problem.outcomes, problem.graph.selected)
    if path is None and not adjust_for:
        words = f"No path between {x} and {y} is open but the causal ones, so nothing has to be blocked."
        steps.append(ProofStep(words, "rule 2 of do-calculus", f"{apart} in the graph without arrows out of {x}"))
    elif path is None:
        words = (
            f"No path between {x} and {y} is open but the causal ones, and {listed(adjust_for)} opens none: adjusting "
            "for it is not needed, and makes the answer more precise."
        )
        steps.append(ProofStep(words, BLOCKED, f"{apart} in the proper back-door graph"))
    else:
        words = f"{x} and {y} are also connected without causation, for instance by {path}."
        steps.append(ProofStep(words, "m-connection", path))
        if adjust_for:
            words = f"Given {', '.join(adjust_for)}, every such path is blocked."
            steps.append(ProofStep(words, BLOCKED, f"{apart} in the proper back-door graph"))
    if problem.graph.selected:
        chosen = sorted(problem.graph.selected)
        words = f"Once {x} is set, {y} does not depend on {', '.join(chosen)}, so the selected rows speak for all."
        symbols = f"({separation(query.outcomes, chosen, query.treatments)}) where nothing causes {x}"
        steps.append(ProofStep(words, "selection criterion", symbols))
    steps.append(ProofStep(f"Hence {query} = {estimand}.", "adjustment formula"))
    return steps


def front_door_proof(
    query: Query, mediators: tuple[str, ...], given: tuple[str, ...], estimand: str
) -> list[ProofStep]:
    """Why the mediators give the effect."""
    x, y, m = query.treatment, query.outcome, listed(mediators)
    inside = f" given {listed(given)}" if given else ""
    return [
        ProofStep(f"Every directed path from {x} to {y} passes through {m}.", "front-door condition 1"),
        ProofStep(
            f"Nothing but causation connects {x} and {m}{inside}: what {x} does to {m} can be seen.",
            "front-door condition 2, rule 2",
            f"({separation(mediators, query.treatments, given)}) without arrows out of {x}",
        ),
        ProofStep(
            f"Among units with the same {x}, nothing but causation connects {m} and {y}{inside}: what {m} does to {y} "
            f"can be seen after adjusting for {x}.",
            "front-door condition 3, rules 2 and 3",
            f"({separation(query.outcomes, mediators, (*query.treatments, *given))}) without arrows out of {m}",
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
            verb = agree(target, "responds", "respond")
            words = f"How {listed(target)} {verb} is the same in {piece.source.describe()}, which shows it."
            symbols = f"Q[{quoted_names(target)}] = {to_unicode(piece.factor)}"
            steps.append(ProofStep(words, "general identifiability", symbols))
    return [*steps, *_hence(query, found.expression)]


def _recovery_steps(piece: Piece, way: Recovery, order: list[str]) -> list[ProofStep]:
    chosen = listed([n for n in piece.graph.nodes if n in piece.graph.selected])
    steps: list[ProofStep] = []
    for look in way.rounds[:-1]:
        names = [n for n in look.order if n in look.free]
        free = listed(names)
        symbols = f"Q[{quoted_names(names)}] from P(· | {chosen} = 1)"
        words = (
            f"{free} {agree(names, 'does', 'do')} not act on {chosen}, and {agree(names, 'behaves', 'behave')} in the "
            "chosen rows as in all: a division parts the rest off."
        )
        steps.append(ProofStep(words, "recovery from selection", symbols))
    target = [n for n in order if n in way.target]
    words = f"Now {listed(target)} {agree(target, 'is', 'are')} not tied to {chosen}: the response is that in all rows."
    symbols = f"Q[{quoted_names(target)}] = {to_unicode(piece.factor)}"
    return [*steps, ProofStep(words, "recovery from selection", symbols)]


def _before(graph: CausalGraph, query: Query, found: GeneralEffect) -> list[ProofStep]:
    """What is set aside before the effect is split."""
    steps: list[ProofStep] = []
    hidden = [n for n in graph.nodes if n in graph.latent and n not in graph.selected]
    if hidden:
        words = f"What was not measured ({listed(hidden)}) is replaced by what it does to the measured."
        steps.append(ProofStep(words, "latent projection"))
    if found.exchanged:
        names = listed(sorted(found.exchanged))
        words = f"Observing {names} tells the same as setting it."
        steps.append(ProofStep(words, "rule 2 of do-calculus"))
    dropped = [n for n in found.graph.nodes if n not in found.ancestral | found.graph.selected]
    if dropped:
        words = f"{listed(dropped)} cannot influence the answer and {agree(dropped, 'is', 'are')} left out."
        steps.append(ProofStep(words, "rule 3 of do-calculus", f"only ancestors of {query.outcome} matter"))
    return steps


def _hence(query: Query, expression: Expression | None) -> list[ProofStep]:
    if expression is None:
        return []
    return [ProofStep(f"Hence {query} = {to_unicode(expression)}.", "products of the parts, summed")]


def _split(query: Query, found: GeneralEffect, districts: Iterable[frozenset[str]]) -> ProofStep:
    order = [n for n in found.graph.topological_order if n in found.ancestral]
    parts = [[n for n in order if n in d] for d in districts]
    summed = [n for n in order if n in found.random and n not in found.outcomes]
    factors = " ".join(f"Q[{quoted_names(p)}]" for p in parts)
    index = f"Σ_{{{quoted_names(summed)}}} " if summed else ""
    many = "these parts, which share no hidden cause: " if len(parts) > 1 else "one part: "
    words = (
        f"With {query.treatment} set, what leads to {query.outcome} falls into {many}{'; '.join(map(listed, parts))}."
    )
    return ProofStep(words, "district factorisation", f"{query} = {index}{factors}")


def _route_steps(kernel: Kernel, route: Route, order: list[str]) -> list[ProofStep]:
    target, start = ([n for n in order if n in s] for s in (route.target, route.start))
    name = f"Q[{quoted_names(target)}]"
    if not route.steps:
        formula = to_unicode(kernel.factor(route.start))
        words = f"How {listed(target)} {agree(target, 'responds', 'respond')} can be read off the data."
        return [ProofStep(words, "district factor", f"{name} = {formula}")]
    steps = [
        ProofStep(
            f"{listed(target)} {agree(target, 'shares', 'share')} hidden causes with "
            f"{listed([n for n in start if n not in target])}; "
            "together their response can be read off the data.",
            "district factor",
            f"Q[{quoted_names(start)}] = {to_unicode(kernel.factor(route.start))}",
        )
    ]
    taken: tuple[tuple[frozenset[str], frozenset[str]], ...] = ()
    district = route.start
    for ancestral, following in route.steps:
        taken = (*taken, (ancestral, following))
        gone = [n for n in order if n in district and n not in ancestral]
        parted = [n for n in order if n in ancestral and n not in following]
        rules: list[str] = []
        if gone:
            rules.append(f"Sum out {listed(gone)}, which {agree(gone, 'acts', 'act')} on none of the rest.")
        if parted:
            kept = listed([n for n in order if n in following])
            rules.append(f"No hidden cause ties {kept} to {listed(parted)} any more, so a division parts them.")
        formula = to_unicode(factor_along(Route(following, route.start, taken), kernel))
        inside = quoted_names(n for n in order if n in following)
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
    outer, inner = quoted_names(hedge.outer), quoted_names(hedge.inner)
    steps.append(
        ProofStep(
            hedge.explain(found.treatments), "hedge (Shpitser and Pearl 2006)", f"F = {{{outer}}}, F' = {{{inner}}}"
        )
    )
    return steps


def zero_proof(query: Query) -> list[ProofStep]:
    """Why an effect is zero."""
    x, y = query.treatment, query.outcome
    words = f"No directed path leads from {x} to {y}: whatever {x} is set to, {y} stays as it is."
    return [ProofStep(words, "rule 3 of do-calculus", f"{query} = P({quoted_names(query.outcomes)})")]


def selection_proof(found: Mosaic, reason: str) -> list[ProofStep]:
    """Why the rows and sources at hand cannot give the effect."""
    missing = found.missing
    words = f"How {listed(missing)} {agree(missing, 'responds', 'respond')} to its causes follows from nothing at hand."
    rule = "recovery from selection, which is complete" if found.query.graph.selected else "general identifiability"
    return [ProofStep(reason or words, rule, f"Q[{quoted_names(missing)}]")]
