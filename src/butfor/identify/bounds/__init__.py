"""Bounds of effects that the graph does not identify: what the data say all the same."""

from butfor.identify.bounds.causation import Causation, Interval, probabilities_of_causation
from butfor.identify.bounds.closed_form import ClosedForm, LinearExpression, closed_form
from butfor.identify.bounds.counterfactual import Counterfactual, Event
from butfor.identify.bounds.instrument import Expressions, InstrumentForm, instrument_closed_form, instrument_form
from butfor.identify.bounds.program import GraphBounds, contradiction, graph_bounds
from butfor.identify.bounds.response_model import ResponseModel
from butfor.identify.bounds.strategy import Bounds, bounds_for, instrument_bounds, natural_bounds

__all__ = [
    "Bounds",
    "Causation",
    "ClosedForm",
    "Counterfactual",
    "Event",
    "Expressions",
    "GraphBounds",
    "InstrumentForm",
    "Interval",
    "LinearExpression",
    "ResponseModel",
    "bounds_for",
    "closed_form",
    "contradiction",
    "graph_bounds",
    "instrument_bounds",
    "instrument_closed_form",
    "instrument_form",
    "natural_bounds",
    "probabilities_of_causation",
]
