"""The effect in terms of what is seen, for the strategies that have a formula of their own."""

from __future__ import annotations

from butfor.identify.expression import Probability, Variable, product, to_unicode, total
from butfor.identify.query import Query


def adjustment_estimand(query: Query, adjust_for: tuple[str, ...]) -> str:
    """P(outcomes | do(treatments)) without do.

    >>> adjustment_estimand(Query("x", "blood pressure"), ("z",))
    'Σ_{z} P("blood pressure" | x, z) P(z)'
    """
    outcome = Probability.of_names(*query.outcomes, given=(*query.treatments, *adjust_for))
    if not adjust_for:
        return to_unicode(outcome)
    return to_unicode(total(map(Variable, adjust_for), product([outcome, Probability.of_names(*adjust_for)])))


def front_door_estimand(query: Query, mediators: tuple[str, ...], given: tuple[str, ...]) -> str:
    """The front-door formula.

    >>> front_door_estimand(Query("x", "y"), ("m",), ())
    "Σ_{m} P(m | x) Σ_{x'} P(y | x', m) P(x')"
    """
    treatments, outcomes, between, fixed = (
        tuple(map(Variable, names)) for names in (query.treatments, query.outcomes, mediators, given)
    )
    others = tuple(v.primed() for v in treatments)
    inner = total(others, product([Probability(outcomes, (*others, *between, *fixed)), Probability(others, fixed)]))
    weight = [Probability(fixed)] if fixed else []
    outer = product([Probability(between, (*treatments, *fixed)), *weight, inner])
    return to_unicode(total((*between, *fixed), outer))
