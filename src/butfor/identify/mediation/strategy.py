"""Mediation as a strategy: what the estimators of direct and indirect effects consume."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from butfor.core.serial import public_value
from butfor.graph.causal_graph import Edge
from butfor.identify.expression import ONE, Expression, to_latex, to_text, to_unicode, variables_of
from butfor.identify.mediation.interventional import InterventionalEffects
from butfor.identify.mediation.natural import NaturalEffects
from butfor.identify.mediation.path_specific import PathSpecificEffect
from butfor.identify.proof import ProofStep, listed
from butfor.identify.strategies import CONSISTENCY, GRAPH, POSITIVITY, Strategy


@public_value
@dataclass(frozen=True, kw_only=True)
class MediationStrategy(Strategy):
    """Split the effect into what goes through mediators, or along paths, and the rest.

    Attributes:
        effects: "natural", "interventional" or "path-specific".
        mediators: what carries the indirect effect.
        edges: the arrows of a path-specific effect.
        formula: `expression` is the mediation formula with `adjust_for`; otherwise it is a general one.
        expression: P(outcome) when the treatment is at its value directly (or along the paths), and at its prime
            through the mediators (or along everything else).
        columns: the columns of the expression beside treatment and outcome.
        proof: how it follows.
    """

    effects: str = "natural"
    mediators: tuple[str, ...] = ()
    edges: tuple[Edge, ...] = ()
    formula: bool = False
    expression: Expression = ONE
    columns: tuple[str, ...] = ()
    proof: tuple[ProofStep, ...] = ()

    kind: ClassVar[str] = "mediation"

    @property
    def uses(self) -> tuple[str, ...]:
        """The columns of the expression."""
        return self.columns

    def describe(self) -> str:
        """The strategy in a sentence."""
        if self.edges:
            return f"Follow the effect along {', '.join(f'{a} -> {b}' for a, b in self.edges)}: {self.estimand}."
        drawn = ", drawn at random" if self.effects == "interventional" else ""
        return f"Split the effect into what goes through {listed(self.mediators)}{drawn} and the rest: {self.estimand}."

    def to_dict(self) -> dict[str, Any]:
        """The record that `butfor identify --json` prints."""
        return {
            **super().to_dict(),
            "effects": self.effects,
            "mediators": list(self.mediators),
            "edges": [list(e) for e in self.edges],
            "formula": self.formula,
            "expression": to_text(self.expression),
            "latex": to_latex(self.expression),
            "proof": [asdict(step) for step in self.proof],
        }


def mediation_strategy(found: NaturalEffects | InterventionalEffects | PathSpecificEffect) -> MediationStrategy | None:
    """The strategy of what was identified; None for what was not.

    >>> from butfor.graph.causal_graph import CausalGraph
    >>> from butfor.identify.mediation.natural import identify_natural_effects
    >>> found = identify_natural_effects(CausalGraph.from_any("x -> m -> y; x -> y"), "x", "y", "m")
    >>> mediation_strategy(found).describe()
    "Split the effect into what goes through m and the rest: Σ_{m} P(y | x, m) P(m | x')."
    """
    if found.expression is None:
        return None
    asked = {found.treatment, found.outcome}
    effects, mediators, edges, adjust_for = "natural", (), (), None
    match found:
        case NaturalEffects():
            mediators, adjust_for = found.mediators, found.adjust_for
        case InterventionalEffects():
            effects, mediators = "interventional", found.mediators
        case PathSpecificEffect():
            effects, edges = "path-specific", found.edges
    return MediationStrategy(
        adjust_for=adjust_for or (),
        minimal=adjust_for is not None,
        estimand=to_unicode(found.expression),
        assumptions=(GRAPH, POSITIVITY, CONSISTENCY) if effects == "interventional" else found.assumptions,
        effects=effects,
        mediators=mediators,
        edges=edges,
        formula=adjust_for is not None,
        expression=found.expression,
        columns=tuple(dict.fromkeys(v.name for v in variables_of(found.expression) if v.name not in asked)),
        proof=found.proof,
    )
