"""Linear models: structural coefficients, instrumental sets, missing cycles."""

from butfor.identify.linear.coefficients import Coefficient, LinearCoefficients, linear_coefficients
from butfor.identify.linear.cycles import MissingCycle
from butfor.identify.linear.evaluation import Covariance, coefficient_values
from butfor.identify.linear.instrument_set import InstrumentSet, direct_instrument_set, instrument_sets
from butfor.identify.linear.moments import Moment

__all__ = [
    "Coefficient",
    "Covariance",
    "InstrumentSet",
    "LinearCoefficients",
    "MissingCycle",
    "Moment",
    "coefficient_values",
    "direct_instrument_set",
    "instrument_sets",
    "linear_coefficients",
]
