"""Counterfactuals: what would have been, identified from what was seen and from experiments."""

from butfor.identify.counterfactual.events import CounterfactualEvent, CounterfactualQuery, NaturalValue
from butfor.identify.counterfactual.identify import CounterfactualIdentification, identify_counterfactual
from butfor.identify.counterfactual.parsing import parse_counterfactual
from butfor.identify.counterfactual.queries import (
    effect_on_the_treated,
    probability_of_necessity,
    probability_of_necessity_and_sufficiency,
    probability_of_sufficiency,
)

__all__ = [
    "CounterfactualEvent",
    "CounterfactualIdentification",
    "CounterfactualQuery",
    "NaturalValue",
    "effect_on_the_treated",
    "identify_counterfactual",
    "parse_counterfactual",
    "probability_of_necessity",
    "probability_of_necessity_and_sufficiency",
    "probability_of_sufficiency",
]
