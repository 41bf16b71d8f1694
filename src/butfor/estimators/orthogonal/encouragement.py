"""What an instrument with two levels does to a column, doubly robust."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from butfor.core.diagnostic import Diagnostic
from butfor.core.errors import MethodMismatch, SeparatedPropensity
from butfor.data.sample import Sample
from butfor.estimators.orthogonal.residuals import Split
from butfor.estimators.orthogonal.wald import require_instrument
from butfor.inference.doubly_robust import doubly_robust_scores
from butfor.nuisance.crossfit import cross_fit_outcome_by_arm, cross_fit_propensity
from butfor.nuisance.defaults import default_outcome_model, default_propensity_model
from butfor.nuisance.learner import Learner
from butfor.nuisance.overlap import lift

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ArmChances:
    """P(arm | X) of a treatment or an instrument (rows × arms), above the floor."""

    values: FloatArray
    diagnostics: tuple[Diagnostic, ...]
    words: str


def require_two_levels(sample: Sample, title: str) -> None:
    """Refuse an instrument with more than two levels.

    Raises:
        MethodMismatch: with the method that can.
    """
    instrument = require_instrument(sample)
    if instrument.kind != "binary":
        raise MethodMismatch(
            f"Instrument {instrument.name!r} has more than two levels; {title} needs two.",
            hint="PartiallyLinearIV() takes any number of levels, and numbers",
        )


def instrument_chances(encouraged: Sample, model: Learner | None, floor: float, split: Split) -> ArmChances:
    """P(Z = z | X) (rows × 2), no lower than the floor.

    Args:
        encouraged: the sample with the instrument in the place of the treatment.
    """
    name = encouraged.treatment.name
    found = cross_fit_propensity(encouraged, model or default_propensity_model(), split.folds, split.seed, split.cache)
    try:
        lifted, notes = lift(found.values, floor)
    except SeparatedPropensity:
        raise SeparatedPropensity(
            f"The covariates all but decide instrument {name!r}; each level needs units of every kind.",
            hint="remove the covariate that decides the instrument",
        ) from None
    message = "{:.1%} of the rows have a level of the instrument {!r} with a probability below {:g}, taken as {:g}."
    told = (replace(n, name="instrument-floor", message=message.format(n.value, name, floor, floor)) for n in notes)
    return ArmChances(lifted, tuple(told), found.words)


def level_difference(
    encouraged: Sample, chances: ArmChances, model: Learner | None, split: Split
) -> tuple[FloatArray, str]:
    """Γ_1 − Γ_0 (rows) of the outcome of the sample between the levels of the instrument, and the model in words."""
    learner = model or default_outcome_model()
    found = cross_fit_outcome_by_arm(encouraged, learner, split.folds, split.seed, split.cache)
    scores = doubly_robust_scores(encouraged, found.values, chances.values)
    return scores[:, 1] - scores[:, 0], found.words
