"""A sample whose times end early, completed by learned hazards of the event and of leaving sight."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from butfor.core.diagnostic import Assumption, Diagnostic
from butfor.core.errors import InvalidSetting
from butfor.core.table import format_number
from butfor.data.sample import Sample
from butfor.nuisance.cache import NuisanceCache
from butfor.nuisance.censored import Completed, Quantity, complete, floor_note
from butfor.nuisance.folds import Folds
from butfor.nuisance.hazards import HazardLearning, default_hazard_model
from butfor.nuisance.learner import Learner
from butfor.nuisance.spells import MOST_POINTS, Clock

FloatArray = NDArray[np.float64]

# The default horizon is the last time to which this share of every arm was in sight.
LEAST_IN_SIGHT = 0.1

INDEPENDENT_CENSORING = Assumption(
    "independent-censoring",
    "Among units alike in treatment and covariates, those who leave sight have the same future as those who stay.",
    "Ask why units left sight; let an event that ends sight count as the event, and compare.",
)


@dataclass(frozen=True, eq=False)
class Answers:
    """What was asked of the curves, completed outcomes, and what there is to say of the models."""

    names: tuple[str, ...]
    completed: Completed
    words: tuple[str, ...]
    notes: tuple[Diagnostic, ...]


@dataclass(frozen=True, eq=False)
class Completion:
    """How outcomes are completed.

    Attributes:
        survival_model, censoring_model: of the event and of leaving sight in an interval; None stands for the default.
        intervals: of the models, at most.
        floor: of the chance to be in sight.
        folds: of the rows; without covariates nothing is learned on them.
    """

    survival_model: Learner | None
    censoring_model: Learner | None
    intervals: int
    floor: float
    folds: Folds
    seed: int
    cache: NuisanceCache | None

    def answers(self, sample: Sample, times: tuple[float, ...], horizon: float | None) -> Answers:
        """The restricted mean to a horizon, then survival to each time; without both, to the last time in sight.

        Raises:
            InvalidSetting: for times that an arm did not reach.
        """
        assert sample.event is not None
        if horizon is None and not times:
            horizon = last_in_sight(sample)
        marks = [*times, *(() if horizon is None else (horizon,))]
        refuse_unseen(sample, marks)
        most = MOST_POINTS if sample.covariates.matrix.shape[1] > 0 else None
        clock = Clock.of(sample.outcome, sample.event, marks, _weights(sample), most)
        quantities = [Quantity.survival(clock, t, f"survival to {t:g}") for t in times]
        if horizon is not None:
            quantities.insert(0, Quantity.restricted_mean(clock, horizon, f"mean to {horizon:g}"))
        event, event_words = self._hazards(self.survival_model).by_arm(sample, clock.event)
        sight, sight_words = self._hazards(self.censoring_model).by_arm(sample, clock.sight)
        found = complete(clock, sample.treatment.codes, event, sight, tuple(quantities), self.floor)
        return Answers(
            tuple(q.name for q in quantities),
            found,
            (
                f"event at a time, given arm and covariates: {event_words}",
                f"loss of sight at a time, given arm and covariates: {sight_words}",
            ),
            floor_note(found.floored, self.floor),
        )

    def _hazards(self, model: Any) -> HazardLearning:
        return HazardLearning(model or default_hazard_model(), self.intervals, self.folds, self.seed, self.cache)


def check_times(times: Iterable[float], horizon: float | None, intervals: int, title: str) -> None:
    """Positive times, at least one interval."""
    asked = [*times, *(() if horizon is None else (horizon,))]
    if not all(0.0 < t < np.inf for t in asked):
        raise InvalidSetting(
            f"The times asked about are {asked}; {title} needs positive ones.", hint="leave them out for a default"
        )
    if intervals < 1:
        raise InvalidSetting(f"intervals is {intervals}; hazards need at least 1.", hint="intervals=20")


def last_in_sight(sample: Sample) -> float:
    """The last time to which the least share of every arm was in sight."""
    weights, codes = _weights(sample), sample.treatment.codes
    last: list[float] = []
    for arm in range(sample.treatment.arms):
        own = codes == arm
        order = np.argsort(-sample.outcome[own], kind="stable")
        reached = np.cumsum(weights[own][order])
        place = int(np.searchsorted(reached, LEAST_IN_SIGHT * reached[-1] * (1.0 - 1e-12)))
        last.append(float(sample.outcome[own][order][place]))
    if min(last) <= 0.0:
        raise InvalidSetting(
            f"Outcome {sample.outcome_name!r} is 0 for nine tenths of an arm; a restricted mean needs times to come.",
            hint="times= or horizon=",
        )
    return min(last)


def refuse_unseen(sample: Sample, marks: Iterable[float]) -> None:
    """Refuse times at which an arm has no row in sight.

    Raises:
        InvalidSetting: with the last time that can be asked about.
    """
    treatment = sample.treatment
    arms = sorted({code for pair in treatment.contrasts for code in pair})
    last = {arm: float(sample.outcome[treatment.codes == arm].max()) for arm in arms}
    short = min(last, key=lambda arm: last[arm])
    asked = max(marks)
    if asked > last[short]:
        raise InvalidSetting(
            f"The last time asked about is {asked:g}; no row with {treatment.name} = {treatment.levels[short]!r} was "
            f"in sight after {format_number(last[short])}.",
            hint=f"ask about times up to {last[short]:g}",
        )


def _weights(sample: Sample) -> FloatArray:
    return np.ones(sample.n) if sample.weights is None else sample.weights
