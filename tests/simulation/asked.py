"""What is asked of a fit after it was fitted, as if it were an estimator of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import butfor as bf
from butfor.estimators.base import Estimator, Fit
from butfor.estimators.meta.learner import MetaFit
from tests.simulation.worlds import Frame


@dataclass(frozen=True)
class Answer:
    """An estimate where a fit is expected."""

    result: bf.Estimate

    def estimate(self) -> bf.Estimate:
        return self.result


@dataclass(frozen=True)
class Asked:
    """The estimator's fit, and a question to it."""

    estimator: Estimator
    title: str
    ask: Callable[[Fit, Frame], bf.Estimate]

    def fit(self, frame: Frame, **roles: Any) -> Answer:
        return Answer(self.ask(self.estimator.fit(frame, **roles), frame))


@dataclass(frozen=True)
class Honest:
    """Effects learned on one half of the rows, groups of them on the other half."""

    learner: Estimator
    estimator: Estimator
    title: str
    groups: int = 3

    def fit(self, frame: Frame, **roles: Any) -> Answer:
        half = np.arange(len(frame["outcome"])) % 2 == 0
        learned, main = ({name: column[rows] for name, column in frame.items()} for rows in (half, ~half))
        fit = self.learner.fit(learned, **roles)
        assert isinstance(fit, MetaFit)
        return Answer(self.estimator.fit(main, **roles).group_effects(fit.effect(main), groups=self.groups))
