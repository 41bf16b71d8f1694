"""The counterfactuals that people ask for most, as queries."""

from __future__ import annotations

from collections.abc import Iterable

from butfor.identify.counterfactual.events import CounterfactualEvent, CounterfactualQuery
from butfor.identify.expression import Variable

Names = str | Iterable[str]


def effect_on_the_treated(treatment: Names, outcome: Names) -> CounterfactualQuery:
    """P(y_{x} | x'): the outcome that those with one value of the treatment would have had under another one.

    Less P(y | x'), this is the effect of treatment on the treated (Shpitser and Pearl 2009, UAI, arXiv:1205.2615).

    Args:
        treatment: one variable or several.
        outcome: one variable or several.

    >>> print(effect_on_the_treated("discount", "bought"))
    P(bought_{discount} | discount')
    """
    return CounterfactualQuery(_had(outcome, 0, treatment, 0), _seen(treatment, 1))


def probability_of_necessity(treatment: Names, outcome: Names) -> CounterfactualQuery:
    """PN = P(y'_{x'} | x, y): would the outcome have been absent but for the treatment, where both were seen?

    Pearl 1999 (doi:10.1023/A:1005233831499); Tian and Pearl 2000 (doi:10.1023/A:1018912507879).

    >>> print(probability_of_necessity("x", "y"))
    P(y'_{x'} | x, y)
    """
    return CounterfactualQuery(_had(outcome, 1, treatment, 1), (*_seen(treatment, 0), *_seen(outcome, 0)))


def probability_of_sufficiency(treatment: Names, outcome: Names) -> CounterfactualQuery:
    """PS = P(y_{x} | x', y'): would the treatment have brought the outcome about, where neither was seen?

    Pearl 1999 (doi:10.1023/A:1005233831499); Tian and Pearl 2000 (doi:10.1023/A:1018912507879).

    >>> print(probability_of_sufficiency("x", "y"))
    P(y_{x} | x', y')
    """
    return CounterfactualQuery(_had(outcome, 0, treatment, 0), (*_seen(treatment, 1), *_seen(outcome, 1)))


def probability_of_necessity_and_sufficiency(treatment: Names, outcome: Names) -> CounterfactualQuery:
    """PNS = P(y_{x}, y'_{x'}): does the outcome come with the treatment, and only with it?

    Pearl 1999 (doi:10.1023/A:1005233831499); Tian and Pearl 2000 (doi:10.1023/A:1018912507879).

    >>> print(probability_of_necessity_and_sufficiency("x", "y"))
    P(y_{x}, y'_{x'})
    """
    return CounterfactualQuery((*_had(outcome, 0, treatment, 0), *_had(outcome, 1, treatment, 1)))


def _values(names: Names, primes: int) -> tuple[Variable, ...]:
    return tuple(Variable(n, primes) for n in ((names,) if isinstance(names, str) else names))


def _seen(names: Names, primes: int) -> tuple[CounterfactualEvent, ...]:
    return tuple(map(CounterfactualEvent, _values(names, primes)))


def _had(outcome: Names, value: int, treatment: Names, to: int) -> tuple[CounterfactualEvent, ...]:
    do = _values(treatment, to)
    return tuple(CounterfactualEvent(v, do) for v in _values(outcome, value))
