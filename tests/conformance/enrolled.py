"""Every estimator that must obey the laws: one line each."""

from __future__ import annotations

from dataclasses import dataclass

import butfor as bf
from butfor.estimators.base import Estimator

LINEAR = {"outcome_model": bf.LinearModel(), "propensity_model": bf.LogisticModel()}


@dataclass(frozen=True)
class Enrolled:
    """An estimator with the kinds of treatment and the estimands that it answers."""

    estimator: Estimator
    treatments: tuple[str, ...] = ("binary", "arms")
    estimands: tuple[bf.Estimand, ...] = (bf.ATE(),)
    exact: bool = True

    @property
    def id(self) -> str:
        return repr(self.estimator)


ALL = (
    Enrolled(bf.DifferenceInMeans()),
    Enrolled(bf.OLS(), ("binary", "arms", "amount")),
    Enrolled(bf.OLS(powers=2), ("binary", "arms", "amount")),
    Enrolled(bf.Lin(), estimands=(bf.ATE(), bf.ATT(), bf.ATC())),
    Enrolled(bf.IPW(), estimands=(bf.ATE(), bf.ATT(), bf.ATC(), bf.ATO(), bf.ATE(trim=0.1))),
    Enrolled(bf.AIPW(**LINEAR), estimands=(bf.ATE(), bf.ATT(), bf.ATC(), bf.ATO(), bf.ATE(trim=0.1))),
    Enrolled(bf.AIPW(folds=2), estimands=(bf.ATE(),), exact=False),
    Enrolled(bf.PartiallyLinear(outcome_model=bf.LinearModel(), treatment_model=bf.LogisticModel())),
    Enrolled(bf.PartiallyLinear(outcome_model=bf.LinearModel(), treatment_model=bf.LinearModel()), ("amount",)),
)
