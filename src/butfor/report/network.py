"""A causal graph as it is drawn: what role each node plays, and which nodes share one box."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from butfor.graph.causal_graph import CausalGraph
from butfor.question.question import Question

MANY_ALIKE = 4


class Role(StrEnum):
    """What a node is to the question; the value is what the drawing says under its name."""

    TREATMENT = "treatment"
    OUTCOME = "outcome"
    ADJUSTED = "adjusted for"
    MEDIATOR = "mediator"
    LATENT = "not measured"
    SELECTED = "selects rows"
    OTHER = ""


@dataclass(frozen=True)
class Group:
    """One box: a node, or several of the same role with the same neighbours."""

    names: tuple[str, ...]
    role: Role


def roles(graph: CausalGraph, question: Question, adjusted: Collection[str]) -> dict[str, Role]:
    """The role of each node."""
    between = on_causal_paths(graph, question)

    def role(name: str) -> Role:
        if name == question.treatment:
            return Role.TREATMENT
        if name == question.outcome:
            return Role.OUTCOME
        if name in graph.latent:
            return Role.LATENT
        if name in adjusted:
            return Role.ADJUSTED
        if name in between:
            return Role.MEDIATOR
        return Role.SELECTED if name in graph.selected else Role.OTHER

    return {name: role(name) for name in graph.nodes}


def on_causal_paths(graph: CausalGraph, question: Question) -> frozenset[str]:
    """The nodes on directed paths from treatment to outcome, both included where there is one."""
    return graph.descendants({question.treatment}) & graph.ancestors({question.outcome})


def grouped(graph: CausalGraph, role_of: dict[str, Role]) -> tuple[Group, ...]:
    """Boxes: many nodes with one role and the same neighbours share one, which keeps a large graph readable."""
    alike: dict[object, list[str]] = {}
    for name, role in role_of.items():
        neighbours = (frozenset(graph.parents(name)), frozenset(graph.children(name)), frozenset(graph.spouses(name)))
        alike.setdefault((role, *neighbours), []).append(name)
    boxes: list[Group] = []
    for names in alike.values():
        role = role_of[names[0]]
        if len(names) >= MANY_ALIKE:
            boxes.append(Group(tuple(names), role))
        else:
            boxes.extend(Group((name,), role) for name in names)
    return tuple(boxes)


def condensed(graph: CausalGraph, groups: Collection[Group]) -> CausalGraph:
    """The graph of the boxes, each under its first name."""
    kept = {group.names[0] for group in groups}
    return CausalGraph(
        tuple(n for n in graph.nodes if n in kept),
        tuple((a, b) for a, b in graph.directed if a in kept and b in kept),
        tuple((a, b) for a, b in graph.bidirected if a in kept and b in kept),
    )
