"""Direct effects with mediators held fixed: the coefficient of an arrow, and the controlled direct effect.

Two questions that share a name:

- *The coefficient of the arrow x -> y in a linear model.* A set Z gives it as the coefficient of x in the regression of
  y on x and Z if it holds no descendant of y and separates x and y once the arrow x -> y is taken away (single-door
  criterion, Pearl 2009, Causality, theorem 5.3.1). Mediators may be in Z, and so may effects of the treatment.
- *The controlled direct effect*, without any model: P(y | do(x, m)), what the treatment does while the mediators are
  set to m. It is an effect of several treatments at once: it follows by adjustment if a set is valid for {x, m}, and
  otherwise whenever the general algorithm identifies it, for instance where the treatment acts on what confounds
  mediator and outcome (Robins 1986; Pearl 2001, arXiv:1301.2300).

In a linear model without interactions, with every mediator held fixed, both are the same number.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from butfor.core.diagnostic import Assumption
from butfor.core.errors import InvalidSetting, RoleConflict
from butfor.core.serial import public_value
from butfor.graph.causal_graph import CausalGraph
from butfor.graph.separators import minimal_separators
from butfor.identify.adjustment import AdjustmentProblem, minimal_adjustment_sets
from butfor.identify.expression import Expression, to_unicode
from butfor.identify.general.effect import GeneralEffect, identify_effect
from butfor.identify.general.hedge import Hedge
from butfor.identify.proof import ProofStep, general_proof, hedge_proof
from butfor.identify.query import Query
from butfor.identify.strategies import CONSISTENCY, GRAPH, POSITIVITY

Nodes = frozenset[str]


@dataclass(frozen=True)
class ArrowProblem:
    """One arrow of a linear model, and the graph without it.

    Args:
        graph: the graph.
        treatment: where the arrow starts.
        outcome: where it ends; the graph need not have the arrow (its coefficient is zero then).

    Raises:
        InvalidSetting: for a latent node in a role, or a graph with selected rows.
    """

    graph: CausalGraph
    treatment: str
    outcome: str

    def __post_init__(self) -> None:
        check_roles(self.graph, treatment=(self.treatment,), outcome=(self.outcome,))

    @cached_property
    def without(self) -> CausalGraph:
        """The graph without the arrow."""
        arrow = (self.treatment, self.outcome)
        return self.graph.replaced(directed=tuple(e for e in self.graph.directed if e != arrow))

    @cached_property
    def candidates(self) -> Nodes:
        """Measured nodes that the outcome does not act on."""
        after = self.graph.descendants({self.outcome})
        return frozenset(self.graph.observed) - after - {self.treatment}

    def is_valid(self, adjust_for: Iterable[str]) -> bool:
        """Is the coefficient of the arrow that of the treatment in the regression on treatment and these?"""
        z = frozenset(map(self.graph.check, adjust_for))
        return z <= self.candidates and self.without.is_separated({self.treatment}, {self.outcome}, z)


def single_door_sets(
    graph: CausalGraph,
    treatment: str,
    outcome: str,
    *,
    must_include: Iterable[str] = (),
    never: Iterable[str] = (),
) -> Iterator[tuple[str, ...]]:
    """Every minimal set whose regression gives the coefficient of treatment -> outcome in a linear model.

    Args:
        graph: the graph.
        treatment: the treatment.
        outcome: the outcome.
        must_include: nodes that every set holds.
        never: nodes that no set may hold.

    Raises:
        InvalidSetting: for a latent node in a role, or a graph with selected rows.

    >>> graph = CausalGraph.from_any("z -> x -> y; z -> i -> y; x -> i")
    >>> list(single_door_sets(graph, "x", "y"))
    [('i',)]
    """
    problem = ArrowProblem(graph, treatment, outcome)
    forced, refused = (frozenset(map(graph.check, names)) for names in (must_include, never))
    if not forced <= problem.candidates:
        return
    allowed = problem.candidates - refused
    for found in minimal_separators(problem.without, {treatment}, {outcome}, allowed=allowed, always=forced):
        yield tuple(n for n in graph.nodes if n in found | forced)


@public_value
@dataclass(frozen=True)
class ControlledDirectEffect:
    """P(outcome | do(treatment, mediators)), or why it does not follow.

    Attributes:
        treatment: the treatment.
        outcome: the outcome.
        mediators: what is held fixed.
        expression: the effect in terms of what is observed, a function of treatment, mediators and outcome; or None.
        adjust_for: a minimal set that is valid for treatment and mediators jointly; None when there is none and the
            expression is the general one.
        hedge: why the effect is not identified.
        proof: how it follows, or why it does not.
    """

    treatment: str
    outcome: str
    mediators: tuple[str, ...]
    expression: Expression | None
    adjust_for: tuple[str, ...] | None
    hedge: Hedge | None
    proof: tuple[ProofStep, ...]

    @property
    def identified(self) -> bool:
        """Does the effect follow from what is observed?"""
        return self.expression is not None

    @property
    def assumptions(self) -> tuple[Assumption, ...]:
        """What must be true; nothing across worlds."""
        return (GRAPH, POSITIVITY, CONSISTENCY)

    @property
    def query(self) -> Query:
        """What is asked, as an effect of several treatments."""
        return Query((self.treatment, *self.mediators), (self.outcome,))

    def __str__(self) -> str:
        answer = "not identified" if self.expression is None else to_unicode(self.expression)
        return f"{self.query} = {answer}" if self.identified else f"{self.query}: {answer}"


def identify_controlled_direct_effect(
    graph: CausalGraph, treatment: str, outcome: str, mediators: Iterable[str] | str
) -> ControlledDirectEffect:
    """What the treatment does while the mediators are set: P(outcome | do(treatment, mediators)).

    Complete: where it says "not identified", two models agree on all data and differ in the effect.

    Args:
        graph: the graph.
        treatment: the treatment.
        outcome: the outcome.
        mediators: the nodes that are held fixed.

    Raises:
        InvalidSetting: for a latent node in a role, or a graph with selected rows.
        RoleConflict: for a node in two roles.
        UnknownNode: for a name that the graph does not have.

    >>> graph = CausalGraph.from_any("x -> l -> m -> y; x -> m; x -> y; l -> y")
    >>> print(identify_controlled_direct_effect(graph, "x", "y", "m"))
    P(y | do(x, m)) = Σ_{l} P(y | x, l, m) P(l | x)
    """
    fixed = (mediators,) if isinstance(mediators, str) else tuple(mediators)
    check_roles(graph, treatment=(treatment,), outcome=(outcome,), mediator=fixed)
    query = Query((treatment, *fixed), (outcome,))
    found = identify_effect(graph, query.treatments, query.outcomes)
    return ControlledDirectEffect(
        treatment,
        outcome,
        query.treatments[1:],
        found.expression,
        next(controlled_direct_effect_sets(graph, treatment, outcome, fixed), None),
        found.hedge,
        tuple(_proof(graph, query, found)),
    )


def controlled_direct_effect_sets(
    graph: CausalGraph, treatment: str, outcome: str, mediators: Iterable[str] | str
) -> Iterator[tuple[str, ...]]:
    """Every minimal set W with P(outcome | do(treatment, mediators)) = Σ_w P(outcome | treatment, mediators, w) P(w).

    >>> graph = CausalGraph.from_any("z -> x -> y; z -> i -> y; x -> i; c -> i; c -> y")
    >>> list(controlled_direct_effect_sets(graph, "x", "y", "i"))
    [('c',)]
    """
    fixed = (mediators,) if isinstance(mediators, str) else tuple(mediators)
    check_roles(graph, treatment=(treatment,), outcome=(outcome,), mediator=fixed)
    return minimal_adjustment_sets(AdjustmentProblem.of(graph, {treatment, *fixed}, {outcome}))


def check_roles(graph: CausalGraph, **roles: tuple[str, ...]) -> None:
    """Direct and indirect effects are defined between measured nodes, for everybody and not for the rows of a choice.

    Raises:
        RoleConflict: for a node in two roles.
        InvalidSetting: for a hidden node, or a graph with selected rows.
        UnknownNode: for a name that the graph does not have.
    """
    seen: dict[str, str] = {}
    for role, names in roles.items():
        for name in names:
            if graph.check(name, role=role) in graph.latent:
                raise InvalidSetting(
                    f"Node {name!r} is latent; direct and indirect effects need measured nodes.",
                    hint="measure it, or ask about its measured effects",
                )
            if seen.setdefault(name, role) != role:
                raise RoleConflict(
                    f"Node {name!r} is {seen[name]} and {role}; direct and indirect effects need nodes in one role.",
                    hint=f"leave {name!r} out of one of them",
                )
    if graph.selected:
        raise InvalidSetting(
            f"The graph selects rows by {', '.join(sorted(graph.selected))}; direct and indirect effects need the rows "
            "of everybody.",
            hint="identify the total effect, which may be recovered from selected rows, or drop the selected nodes",
        )


def _proof(graph: CausalGraph, query: Query, found: GeneralEffect) -> list[ProofStep]:
    return general_proof(graph, query, found) if found.identified else hedge_proof(query, found)
