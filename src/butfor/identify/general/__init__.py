"""The general identification of causal effects: from whatever distributions are at hand."""

from butfor.identify.general.effect import GeneralEffect, identify_effect
from butfor.identify.general.hedge import Hedge, is_hedge
from butfor.identify.general.sources import OBSERVATION, Experiment, identify_from

__all__ = ["OBSERVATION", "Experiment", "GeneralEffect", "Hedge", "identify_effect", "identify_from", "is_hedge"]
