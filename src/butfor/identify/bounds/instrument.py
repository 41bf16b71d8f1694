"""The bounds that an instrument gives, as arrays of weights on P(treatment, outcome | instrument)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from butfor.core.errors import InvalidSetting
from butfor.graph.causal_graph import CausalGraph
from butfor.identify.bounds.closed_form import ClosedForm, LinearExpression, closed_form
from butfor.identify.bounds.counterfactual import Counterfactual
from butfor.identify.bounds.response_model import ResponseModel

FloatArray = NDArray[np.float64]
GRAPH = CausalGraph.from_any("z -> x -> y; x <-> y")
# Levels of the instrument that one formula is searched for; more are taken in groups of as many.
TOGETHER = 3
MOST_LEVELS = 12


@dataclass(frozen=True, eq=False)
class Expressions:
    """Several sums constant + Σ weight · P(x, y | z).

    Attributes:
        constant: one per sum.
        weights: sums × levels of the instrument × arms × 2.
    """

    constant: FloatArray
    weights: FloatArray

    def values(self, probabilities: FloatArray) -> FloatArray:
        """The sums, on P(x, y | z) (… × levels × arms × 2): … × sums."""
        return self.constant + np.einsum("...zxy,jzxy->...j", probabilities, self.weights)


@dataclass(frozen=True, eq=False)
class InstrumentForm:
    """P(Y(1) = 1) − P(Y(0) = 1) lies between the largest of `lower` and the smallest of `upper`.

    Attributes:
        constraints: an instrument makes none of these exceed zero.
    """

    lower: Expressions
    upper: Expressions
    constraints: Expressions


@lru_cache(maxsize=16)
def instrument_closed_form(levels: int = 2, arms: int = 2) -> ClosedForm:
    """The formula for an instrument z, a treatment x of which arms 1 and 0 are compared, and a binary outcome y.

    >>> form = instrument_closed_form()
    >>> len(form.lower), len(form.upper)
    (8, 8)
    """
    query = Counterfactual.effect("x", "y")
    return closed_form(ResponseModel.of(GRAPH, query, levels={"z": levels, "x": arms}), query)


@lru_cache(maxsize=16)
def instrument_form(levels: int, arms: int = 2) -> InstrumentForm:
    """The same as arrays, for any number of levels of the instrument.

    Up to three levels it is the complete formula. More levels are taken three at a time: valid, as each three of them
    are an instrument themselves; with a treatment of two arms nothing is lost (checked by complete search for four
    levels, by linear programs on random models for more).

    Args:
        levels: of the instrument.
        arms: 2, or 3 where arm 2 stands for all that are not compared.

    Raises:
        InvalidSetting: for fewer than 2 levels, more than 12, or another number of arms.
    """
    if not 2 <= levels <= MOST_LEVELS or arms not in (2, 3):
        raise InvalidSetting(
            f"The instrument has {levels} levels; instrument bounds need 2 to {MOST_LEVELS}.",
            hint="merge levels of the instrument, or cut it into a few groups",
        )
    together = min(levels, TOGETHER if arms == 2 else 2)
    form = instrument_closed_form(together, arms)
    groups = list(combinations(range(levels), together))
    lower, upper, constraints = (
        _spread(side, groups, levels, arms) for side in (form.lower, form.upper, form.constraints)
    )
    return InstrumentForm(lower, upper, constraints)


def _spread(
    expressions: Iterable[LinearExpression], groups: list[tuple[int, ...]], levels: int, arms: int
) -> Expressions:
    """The expressions of a few levels, for each group of as many of all levels, each once."""
    found: dict[tuple[float, bytes], FloatArray] = {}
    for e in expressions:
        own = np.array([float(w) for w in e.weights]).reshape(-1, arms, 2)
        for group in groups:
            wide = np.zeros((levels, arms, 2))
            wide[list(group)] = own
            found.setdefault((float(e.constant), wide.tobytes()), wide)
    constants = np.array([constant for constant, _ in found])
    return Expressions(constants, np.array(list(found.values())).reshape(-1, levels, arms, 2))
