"""The nuisance models that are used when none is given."""

from __future__ import annotations

from butfor.nuisance.boosting import Boosting
from butfor.nuisance.constant import ConstantModel
from butfor.nuisance.linear import LinearModel
from butfor.nuisance.logistic import LogisticModel
from butfor.nuisance.mix import Mix


def default_outcome_model() -> Mix:
    """Cross-validated mix of ridge regression and early-stopped boosting."""
    return Mix(learners=(LinearModel(penalty=None), Boosting()))


def default_propensity_model() -> Mix:
    """Cross-validated mix of ridge logit and early-stopped boosting, calibrated."""
    return Mix(learners=(LogisticModel(penalty=None), Boosting()), calibrated=True)


def default_effect_model() -> Mix:
    """Cross-validated mix of the same effect for all, ridge regression and early-stopped boosting."""
    return Mix(learners=(ConstantModel(), LinearModel(penalty=None), Boosting()))
