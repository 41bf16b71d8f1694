"""Two worlds that an effect compares, and what all effects across worlds assume."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from butfor.core.diagnostic import Assumption
from butfor.core.serial import public_value
from butfor.identify.expression import Expression, Variable
from butfor.identify.expression.expression import substituted

CROSS_WORLD = Assumption(
    "cross-world independence",
    "What the outcome would be under one value of the treatment and what the mediators would be under another are tied "
    "by nothing but the common causes in the graph.",
    "No experiment can test it. Ask what else could link the two; compare the interventional effects, which do not "
    "need it.",
)


@public_value
@dataclass(frozen=True)
class Contrast:
    """An effect: the distribution of the outcome in one world against that in another.

    The effect on the mean is Σ_y y (higher - lower).

    Attributes:
        name: what the effect is called.
        higher: P(outcome) in the first world.
        lower: P(outcome) in the second.
    """

    name: str
    higher: Expression
    lower: Expression


def names_of(nodes: Iterable[str] | str) -> tuple[str, ...]:
    """One name or several."""
    return (nodes,) if isinstance(nodes, str) else tuple(dict.fromkeys(nodes))


def in_world(expression: Expression, treatment: str, *, direct: int, mediated: int) -> Expression:
    """The expression with x where it has `treatment` as told by `direct` and x' as told by `mediated`: 0 for x, 1 for x'."""
    x = Variable(treatment)
    values = (x, x.primed())
    return substituted(expression, {x: values[direct], x.primed(): values[mediated]})
