"""Random graphs with hidden nodes, the same for every contestant, and a few published ones on which peers hang."""

from __future__ import annotations

import random
from dataclasses import dataclass

MEAN_DEGREE, HIDDEN_SHARE = 3.0, 0.2


@dataclass(frozen=True)
class Case:
    """A graph with a question.

    Attributes:
        nodes: causes before effects.
        edges: (cause, effect) pairs.
        hidden: nodes that were not measured.
    """

    nodes: tuple[str, ...]
    edges: tuple[tuple[str, str], ...]
    hidden: frozenset[str]
    treatment: str
    outcome: str


def random_case(size: int, seed: int) -> Case:
    """A random acyclic graph in which the outcome is a descendant of the treatment."""
    draw = random.Random(seed)
    nodes = [f"v{i}" for i in range(size)]
    edges: set[tuple[str, str]] = set()
    while len(edges) < MEAN_DEGREE * size / 2:
        i, j = sorted(draw.sample(range(size), 2))
        edges.add((nodes[i], nodes[j]))
    children: dict[str, list[str]] = {n: [] for n in nodes}
    for a, b in sorted(edges):
        children[a].append(b)
    while True:
        treatment = draw.choice(nodes[: size // 2 + 1])
        reached, stack = {treatment}, [treatment]
        while stack:
            for child in children[stack.pop()]:
                if child not in reached:
                    reached.add(child)
                    stack.append(child)
        effects = sorted(reached - {treatment})
        if effects:
            break
    outcome = draw.choice(effects)
    hidden = frozenset(n for n in nodes if n not in (treatment, outcome) and draw.random() < HIDDEN_SHARE)
    return Case(tuple(nodes), tuple(sorted(edges)), hidden, treatment, outcome)


def complete(size: int) -> Case:
    """Every pair joined."""
    nodes = [f"v{i}" for i in range(size)]
    edges = tuple((a, b) for i, a in enumerate(nodes) for b in nodes[i + 1 :])
    return Case(tuple(nodes), edges, frozenset(), nodes[1], nodes[-1])


def schipf2010() -> Case:
    """Schipf and others 2010 as drawn in dagitty (gui/js/example-dags.js): testosterone and diabetes."""
    edges = "A>S A>PA A>WC A>U A>TT S>TT S>T2DM WC>TT WC>U WC>T2DM U>TT U>T2DM PA>WC PA>T2DM TT>T2DM"
    pairs = tuple((a, b) for a, _, b in (e.partition(">") for e in edges.split()))
    return Case(("A", "S", "PA", "WC", "U", "TT", "T2DM"), pairs, frozenset(), "TT", "T2DM")
