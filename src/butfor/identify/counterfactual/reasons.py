"""Why a counterfactual is identified, or why it cannot be, step by step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from butfor.graph.causal_graph import CausalGraph
from butfor.identify.counterfactual.events import CounterfactualEvent, CounterfactualQuery
from butfor.identify.counterfactual.factors import CounterfactualFactor
from butfor.identify.counterfactual.worlds import CounterfactualGraph, CounterfactualNode
from butfor.identify.expression import Expression, to_unicode
from butfor.identify.proof import ProofStep, listed


@dataclass(frozen=True)
class Found:
    """What the algorithm found.

    Attributes:
        interventional, expression: the probability in terms of experiments and of what is at hand, where they exist.
        above, below: the factors of numerator and denominator.
        known: each factor in terms of what is at hand.
        lost: the factor that fails.
        reason: why, in a sentence.
        cancelled: nodes of factors that numerator and denominator share.
    """

    interventional: Expression | None
    expression: Expression | None
    above: tuple[CounterfactualFactor, ...]
    below: tuple[CounterfactualFactor, ...]
    known: Mapping[CounterfactualFactor, Expression | None]
    lost: CounterfactualFactor | None
    reason: str
    cancelled: tuple[CounterfactualNode, ...]

    @property
    def factors(self) -> tuple[CounterfactualFactor, ...]:
        """Both, each once."""
        return tuple(dict.fromkeys((*self.above, *self.below)))


def impossible_proof(query: CounterfactualQuery) -> ProofStep:
    """Why events cannot happen together."""
    return ProofStep(
        "The events cannot happen together: one unit would have two values of a variable under the same causes.",
        "consistency and effectiveness",
        f"{query} = 0",
    )


def proof_of(
    graph: CausalGraph, query: CounterfactualQuery, made: CounterfactualGraph, found: Found
) -> Iterator[ProofStep]:
    """The steps of the algorithm for this query."""
    if graph.latent:
        hidden = [n for n in graph.nodes if n in graph.latent]
        words = f"What was not measured ({listed(hidden)}) is replaced by what it does to the measured."
        yield ProofStep(words, "latent projection")
    yield _worlds(query)
    yield _side_by_side(query, made)
    if found.cancelled:
        names = listed([str(n) for n in found.cancelled])
        words = f"What decides {names} has no bearing on the outcome given the conditions, and is left out."
        yield ProofStep(words, "division by the probability of the conditions")
    yield _split(found)
    if found.lost is not None and found.lost.conflict is not None:
        yield ProofStep(
            found.reason, "inconsistent counterfactual factor (Correa, Lee and Bareinboim 2021)", str(found.lost)
        )
        return
    for factor in found.factors:
        yield _experiment(factor)
    for factor in found.factors:
        yield from _from_sources(factor, found)
    if found.expression is not None:
        yield ProofStep(f"Hence {query} = {to_unicode(found.expression)}.", "products of the parts, summed")


def _worlds(query: CounterfactualQuery) -> ProofStep:
    worlds = dict.fromkeys(e.do for e in query.events)
    names = [f"the one with {listed(list(map(str, do)))} set" if do else "the one that is" for do in worlds]
    many = f"{len(names)} worlds of the same units" if len(names) > 1 else "one world"
    return ProofStep(f"The query speaks of {many}: {'; '.join(names)}.", "structural counterfactuals")


def _side_by_side(query: CounterfactualQuery, made: CounterfactualGraph) -> ProofStep:
    joint = f"P({', '.join(str(n) for n in reversed(made.nodes))})" if made.nodes else "1"
    opened = ", ".join(str(n.value) for n in made.nodes if not n.fixed)
    index = f"Σ_{{{opened}}} " if opened else ""
    asked = CounterfactualQuery(query.events)
    words = (
        "Side by side, with every copy that must agree made one, they come down to these nodes, each under its causes."
    )
    return ProofStep(words, "counterfactual graph (Shpitser and Pearl 2008)", f"{asked} = {index}{joint}")


def _split(found: Found) -> ProofStep:
    parts = [listed([n.value.name for n in f.nodes]) for f in found.above]
    words = "Nothing is left to find."
    if parts:
        many = "falls into parts that share no hidden cause" if len(parts) > 1 else "is one part"
        words = f"Under given causes, what is left {many}: {'; '.join(parts)}."
    if found.below:
        words += " It is divided by the probability of the conditions."
    above, below = (" ".join(map(str, side)) for side in (found.above, found.below))
    return ProofStep(
        words, "counterfactual factorisation", " / ".join(filter(None, (above or "1" * bool(below), below)))
    )


def _experiment(factor: CounterfactualFactor) -> ProofStep:
    names = listed([str(n.value) for n in factor.nodes])
    causes = [str(CounterfactualEvent(v)) for v in factor.causes]
    seen = f"an experiment that sets {listed(causes)} shows {names}" if causes else f"plain observation shows {names}"
    words = f"No variable is needed in two states at once, so {seen}."
    return ProofStep(words, "consistency", f"{factor} = {to_unicode(factor.interventional)}")


def _from_sources(factor: CounterfactualFactor, found: Found) -> Iterator[ProofStep]:
    known = found.known[factor]
    if known is None:
        if factor == found.lost:
            rule = "identification of c-factors (Huang and Valtorta 2006)"
            yield ProofStep(found.reason, rule, str(factor.interventional))
    elif known != factor.interventional:
        names = listed([n.value.name for n in factor.nodes])
        words = f"What is at hand tells what that experiment would show of {names}."
        rule = "identification of c-factors (Tian and Pearl 2003)"
        yield ProofStep(words, rule, f"{to_unicode(factor.interventional)} = {to_unicode(known)}")
