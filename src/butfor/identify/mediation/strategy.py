"""Mediation as a strategy: what the estimators of direct and indirect effects consume."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal

from butfor.core.diagnostic import Assumption
from butfor.core.errors import InvalidSetting
from butfor.core.serial import public_value
from butfor.graph.causal_graph import CausalGraph, Edge
from butfor.identify.direct_effects import ControlledDirectEffect, check_roles, identify_controlled_direct_effect
from butfor.identify.expression import (
    ONE,
    Expression,
    Probability,
    Variable,
    product,
    to_latex,
    to_text,
    to_unicode,
    total,
    variables_of,
)
from butfor.identify.mediation.contrast import CROSS_WORLD, names_of
from butfor.identify.mediation.interventional import InterventionalEffects
from butfor.identify.mediation.natural import NaturalEffects, identify_natural_effects, mediation_formula
from butfor.identify.mediation.path_specific import PathSpecificEffect
from butfor.identify.proof import ProofStep, listed
from butfor.identify.strategies import CONSISTENCY, POSITIVITY, Strategy
from butfor.question import Question


@public_value
@dataclass(frozen=True, kw_only=True)
class MediationStrategy(Strategy):
    """Split the effect into what goes through mediators, or along paths, and the rest.

    Attributes:
        effects: "natural", "interventional", "path-specific" or "controlled".
        mediators: what carries the indirect effect.
        edges: the arrows of a path-specific effect.
        formula: `expression` is the mediation formula with `adjust_for` (for controlled effects the adjustment formula
            of treatment and mediators together); otherwise it is a general one.
        expression: P(outcome) when the treatment is at its value directly (or along the paths), and at its prime
            through the mediators (or along everything else); for controlled effects with the mediators set.
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
        if self.effects == "controlled":
            return f"Hold {listed(self.mediators)} at a value and change the treatment: {self.estimand}."
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


def mediation_strategy(
    found: NaturalEffects | InterventionalEffects | PathSpecificEffect | ControlledDirectEffect,
) -> MediationStrategy | None:
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
        case ControlledDirectEffect():
            effects, mediators, adjust_for = "controlled", found.mediators, found.adjust_for
    return MediationStrategy(
        adjust_for=adjust_for or (),
        minimal=adjust_for is not None,
        estimand=to_unicode(found.expression),
        assumptions=found.assumptions,
        effects=effects,
        mediators=mediators,
        edges=edges,
        formula=adjust_for is not None,
        expression=found.expression,
        columns=tuple(dict.fromkeys(v.name for v in variables_of(found.expression) if v.name not in asked)),
        proof=found.proof,
    )


def declared_mediation(
    treatment: str,
    outcome: str,
    mediators: Iterable[str] | str,
    covariates: Iterable[str] | str = (),
    *,
    effects: Literal["natural", "controlled"] = "natural",
) -> MediationStrategy:
    """The strategy on the word of someone who names mediators, and covariates that close every other way.

    Raises:
        InvalidSetting: without mediators.
        RoleConflict: for a column in two roles.

    >>> declared_mediation("x", "y", "m", "c").estimand
    "Σ_{c, m} P(y | c, x, m) P(m | c, x') P(c)"
    """
    m, c = names_of(mediators), names_of(covariates)
    if not m:
        raise InvalidSetting(
            "There are no mediators; direct and indirect effects need at least one.", hint='mediators=["m"]'
        )
    graph = CausalGraph((*c, treatment, *m, outcome))
    check_roles(graph, treatment=(treatment,), outcome=(outcome,), mediator=m, covariate=c)
    among = f"Among units alike in {listed(c)}, nothing" if c else "Nothing"
    said = Assumption(
        "no hidden confounding",
        f"{among} else causes two of {', '.join((treatment, *m, outcome))}, and {treatment} acts on no covariate. "
        "You say so; no graph does.",
        "Ask what else moves mediator and outcome together, above all what the treatment changes; draw a graph.",
    )
    if effects == "natural":
        expression, across = mediation_formula(graph, treatment, outcome, m, c), (CROSS_WORLD,)
    else:
        expression, across = _adjusted(treatment, outcome, m, c), ()
    return MediationStrategy(
        adjust_for=c,
        estimand=to_unicode(expression),
        assumptions=(said, *across, POSITIVITY, CONSISTENCY),
        effects=effects,
        mediators=m,
        formula=True,
        expression=expression,
        columns=(*c, *m),
    )


def ways_through(
    question: Question, graph: CausalGraph | None, mediators: tuple[str, ...], covariates: tuple[str, ...] = ()
) -> tuple[MediationStrategy, ...]:
    """Natural and controlled effects through mediators: by the graph, or on the user's word where there is none."""
    x, y = question.treatment, question.outcome
    if graph is None:
        declared = (declared_mediation(x, y, mediators, covariates, effects=k) for k in ("natural", "controlled"))
        return tuple(declared)
    asks = (identify_natural_effects, identify_controlled_direct_effect)
    return tuple(s for s in (mediation_strategy(ask(graph, x, y, mediators)) for ask in asks) if s is not None)


def _adjusted(treatment: str, outcome: str, mediators: tuple[str, ...], covariates: tuple[str, ...]) -> Expression:
    """Σ_w P(y | x, m, w) P(w)."""
    w, (y, *rest) = [Variable(n) for n in covariates], [Variable(n) for n in (outcome, *covariates, treatment)]
    seen = (*rest, *(Variable(n) for n in mediators))
    return total(w, product([Probability((y,), seen), *([Probability(tuple(w))] if w else [])]))
