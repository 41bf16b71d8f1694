"""Estimators that follow the strategy of a graph, with the `fit` of all others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import butfor as bf
from butfor.core.rng import Seed
from butfor.data.dataset import open_dataset
from butfor.estimators.base import Estimator, Fit, Reading, read_rows, take_samples
from butfor.identify.identify import identify
from butfor.identify.strategies import Strategy
from butfor.question.question import Level


@dataclass(frozen=True)
class ByGraph:
    """The estimator on the first strategy of the graph that it can follow, a front door before an expression."""

    estimator: Estimator
    graph: str

    @property
    def title(self) -> str:
        return self.estimator.title

    def fit(
        self,
        frame: Any,
        *,
        treatment: str,
        outcome: str,
        covariates: Sequence[str] = (),
        estimand: bf.Estimand | None = None,
        contrast: tuple[Level, Level] | None = None,
        modifiers: Sequence[str] = (),
        rng: Seed = 0,
        **reading: Any,
    ) -> Fit:
        del covariates  # the graph says which
        question = bf.Question(treatment, outcome, estimand or bf.ATE(), contrast=contrast, modifiers=tuple(modifiers))
        found = identify(question, bf.CausalGraph.from_any(self.graph))
        strategy = next(s for s in found.strategies if self.estimator.accepts(s))
        return fit_strategy(self.estimator, frame, question, strategy, rng=rng, **reading)


def fit_strategy(
    estimator: Estimator, frame: Any, question: bf.Question, strategy: Strategy, *, rng: Seed = 0, **reading: Any
) -> Fit:
    """The estimator on this very strategy."""
    plan, how = [(strategy, estimator)], Reading(**reading)
    rows = read_rows(open_dataset(frame), question, plan, how)
    return estimator.fit_sample(take_samples(rows, question, plan, how)[0], question, strategy, rng=rng)
