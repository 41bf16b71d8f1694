"""ID* and IDC*: what would have been, from what was seen.

The counterfactual graph puts all worlds of the query side by side; its districts are independent once causes are given,
and each is the probability of one interventional distribution, or no experiment shows it (Shpitser and Pearl 2008,
https://jmlr.org/papers/v9/shpitser08a.html; Correa, Lee and Bareinboim 2021, arXiv:2107.03190). Conditions are divided
out after what is independent of the outcomes has been cancelled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from butfor.core.errors import InvalidSetting, NotIdentified
from butfor.core.serial import public_value
from butfor.graph.causal_graph import CausalGraph
from butfor.graph.districts import latent_projection
from butfor.identify.counterfactual.events import CounterfactualQuery
from butfor.identify.counterfactual.factors import CounterfactualFactor
from butfor.identify.counterfactual.parsing import parse_counterfactual
from butfor.identify.counterfactual.reasons import Found, impossible_proof, proof_of
from butfor.identify.counterfactual.worlds import CounterfactualGraph, Indices, Nodes, counterfactual_graph
from butfor.identify.expression import ZERO, Expression, Zero, product, ratio, to_unicode, total
from butfor.identify.expression.expression import with_clear_names
from butfor.identify.general.sources import OBSERVATION, Experiment
from butfor.identify.proof import ProofStep

Block = tuple[Nodes, ...]
# Simplifying estimands over more nodes than this takes minutes.
LARGEST = 500


@public_value
@dataclass(frozen=True)
class CounterfactualIdentification:
    """Whether and how a counterfactual probability follows from what is at hand.

    Attributes:
        query: what was asked.
        interventional: the probability in terms of experiments, or None when no experiments suffice.
        expression: the probability in terms of what is at hand, or None.
        reason: why it does not follow; "" when it does.
        component: the part that fails: nodes that hidden causes tie together, under the values of their causes.
        proof: why it is so, step by step.
    """

    query: CounterfactualQuery
    interventional: Expression | None
    expression: Expression | None
    reason: str = ""
    component: tuple[str, ...] = ()
    proof: tuple[ProofStep, ...] = ()

    @property
    def identified(self) -> bool:
        """Does the probability follow from what is at hand?"""
        return self.expression is not None

    @property
    def is_impossible(self) -> bool:
        """Do the events contradict each other, whatever the model?"""
        return isinstance(self.expression, Zero)

    def require(self) -> Expression:
        """The probability in terms of what is at hand.

        Raises:
            NotIdentified: with the reason.
        """
        if self.expression is None:
            raise NotIdentified(
                f"{self.query} is not identified. {self.reason}",
                hint="ask for the effect instead, or for bounds" if self.interventional is None else self._experiment(),
            )
        return self.expression

    def _experiment(self) -> str:
        return f"run the experiments of {self.interventional}, and pass them as sources"

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain data, estimands as text that parses back."""
        return {
            "query": str(self.query),
            "identified": self.identified,
            "interventional": None if self.interventional is None else str(self.interventional),
            "expression": None if self.expression is None else str(self.expression),
            "reason": self.reason,
            "component": list(self.component),
            "proof": [asdict(step) for step in self.proof],
        }

    def __str__(self) -> str:
        verdict = f"{self.query} is not identified. {self.reason}"
        if self.expression is not None:
            verdict = f"{self.query} = {to_unicode(self.expression)}"
        elif self.interventional is not None:
            verdict += f"\nExperiments would give it: {self.query} = {to_unicode(self.interventional)}"
        lines = [verdict, "", "Why"]
        for i, step in enumerate(self.proof, 1):
            lines.append(f"{i:3}. {step.words}")
            detail = ": ".join(filter(None, (step.rule, step.symbols)))
            lines += [f"     {detail}"] if detail else []
        return "\n".join(lines)


def identify_counterfactual(
    graph: CausalGraph, query: CounterfactualQuery | str, sources: Sequence[Experiment] = (OBSERVATION,)
) -> CounterfactualIdentification:
    """Whether and how the probability of events in several worlds follows from what is at hand.

    Where it does not, the graph leaves the probability open when variables may have any number of values. Where x has
    two values, P(y_{x}, x') = P(y_{x}) - P(x, y) follows from the effect P(y_{x}) although its own factor may not.

    Args:
        graph: the causal graph, perhaps with latent nodes.
        query: the events, or text such as `P(y_{x} | x')`.
        sources: the distributions at hand; observation unless said otherwise.

    Raises:
        InvalidSetting: for a condition that cannot happen, for graphs of selected rows, and for queries that depend on
            more than 500 nodes.
        UnknownNode: for a node that the graph does not have.
        RoleConflict: for a node that was not measured.

    References:
        Shpitser and Pearl 2008, JMLR 9:1941-1979. Correa, Lee and Bareinboim 2021, arXiv:2107.03190.

    >>> found = identify_counterfactual(CausalGraph.from_any("x -> m -> y; x <-> y"), "P(y_{x} | x')")
    >>> str(found.expression)
    "sum_{m} P(y | x', m) P(m | x)"
    >>> identify_counterfactual(CausalGraph.from_any("x -> y"), "P(y_{x}, y'_{x'})").reason
    "The query needs y of the same units twice, under x and under x'."
    """
    asked = parse_counterfactual(query, graph) if isinstance(query, str) else query.checked(graph)
    if graph.selected:
        chosen = ", ".join(sorted(graph.selected))
        raise InvalidSetting(
            f"The graph has selected nodes ({chosen}); counterfactual identification needs all rows.",
            hint="take the mark off when every row is in the data",
        )
    projected = latent_projection(graph)
    indices = Indices(set(asked.values))
    below = counterfactual_graph(projected, asked.given, indices)
    if below is None:
        raise InvalidSetting(
            f"The condition of {asked} cannot happen; a conditional probability needs a condition that can.",
            hint="leave out an event behind the bar",
        )
    above = counterfactual_graph(projected, asked.events, indices)
    if above is None:
        return CounterfactualIdentification(asked, ZERO, ZERO, proof=(impossible_proof(asked),))
    if len(above.nodes) > LARGEST:
        raise InvalidSetting(
            f"The query depends on {len(above.nodes):,} nodes in all its worlds; counterfactual identification needs "
            f"at most {LARGEST}.",
            hint="leave measured mediators out of the graph: with_latent(...) keeps what they do",
        )
    return _answer(graph, asked, above, below, tuple(sources))


def _answer(
    graph: CausalGraph,
    query: CounterfactualQuery,
    above: CounterfactualGraph,
    below: CounterfactualGraph,
    sources: tuple[Experiment, ...],
) -> CounterfactualIdentification:
    tops, bottoms = above.blocks(), below.blocks()
    shared = {frozenset(b) for b in tops} & {frozenset(b) for b in bottoms}
    parts = [[b for b in blocks if frozenset(b) not in shared] for blocks in (tops, bottoms)]
    asked = frozenset(query.values)
    sides = [[CounterfactualFactor(above.graph, c, asked) for b in blocks for c in b] for blocks in parts]
    factors = {f.nodes: f for side in sides for f in side}
    conflict = next((f for f in factors.values() if f.conflict is not None), None)
    known: dict[Nodes, Expression | None] = {}
    if conflict is None:
        known = {c: f.from_sources(sources) for c, f in factors.items()}
    lost = conflict or next((factors[c] for c, e in known.items() if e is None), None)
    reason = ""
    if lost is not None:
        reason = lost.missing(sources) if lost.conflict is None else lost.conflict.explain()
    found = Found(
        interventional=None if conflict else _assembled(parts, {c: f.interventional for c, f in factors.items()}),
        expression=None if lost else _assembled(parts, {c: e for c, e in known.items() if e is not None}),
        above=tuple(sides[0]),
        below=tuple(sides[1]),
        known={factors[c]: e for c, e in known.items()},
        lost=lost,
        reason=reason,
        cancelled=tuple(n for b in shared for c in b for n in c),
    )
    proof = proof_of(graph, query, above, found)
    component = () if lost is None else tuple(map(str, lost.nodes))
    return CounterfactualIdentification(query, found.interventional, found.expression, reason, component, tuple(proof))


def _assembled(parts: list[list[Block]], factors: dict[Nodes, Expression]) -> Expression:
    """Numerator over denominator, each a product of blocks summed over what is open in them."""
    above, below = (product(_summed(block, factors) for block in blocks) for blocks in parts)
    return with_clear_names(ratio(above, below))


def _summed(block: Block, factors: dict[Nodes, Expression]) -> Expression:
    open_values = [n.value for nodes in block for n in nodes if not n.fixed]
    return total(open_values, product(factors[nodes] for nodes in block))
