"""Early-stopped, shallow gradient boosting (scikit-learn's histogram trees, loaded when first used)."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from butfor.core.errors import InvalidSetting
from butfor.core.rng import Seed, seed_of
from butfor.nuisance.learner import Learner

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class BoostingPredictor:
    """A fitted booster; classes that were not seen get probability zero."""

    model: Any
    classes: int

    def predict(self, matrix: FloatArray) -> FloatArray:
        """Expected target, or probabilities (rows × classes)."""
        if self.classes == 0:
            return np.asarray(self.model.predict(matrix), dtype=float)
        return spread_classes(self.model.predict_proba(matrix), self.model.classes_, self.classes)


@dataclass(frozen=True, kw_only=True)
class Boosting(Learner):
    """Gradient boosting of shallow trees, stopped when a validation share no longer improves.

    Boosting at library defaults is a bad propensity model: it is overconfident. Shallow trees and early stopping are
    what make it usable.

    Args:
        classes: number of classes; 0 for regression. Set by the cross-fitter.
        leaves: leaves of a tree.
        learning_rate: shrinkage.
        rounds: most trees.
        patience: rounds without improvement before it stops.
        validation: share of the training rows that decide when to stop.
    """

    classes: int = 0
    leaves: int = 8
    learning_rate: float = 0.1
    rounds: int = 300
    patience: int = 10
    validation: float = 0.15

    def __post_init__(self) -> None:
        if self.leaves < 2 or self.rounds < 1 or not 0 < self.learning_rate <= 1 or not 0 < self.validation < 1:
            raise InvalidSetting(
                f"{self!r} is out of range; boosting needs leaves ≥ 2, rounds ≥ 1, and rates between 0 and 1.",
                hint="Boosting() has working settings",
            )

    def fit(
        self, matrix: FloatArray, target: FloatArray, weights: FloatArray | None, *, rng: Seed
    ) -> BoostingPredictor:
        """Learn from rows."""
        trees = import_module("sklearn.ensemble")
        kind = trees.HistGradientBoostingClassifier if self.classes else trees.HistGradientBoostingRegressor
        seen = np.unique(target)
        smallest = int(np.bincount(target.astype(int)).min()) if self.classes else len(target)
        model = kind(
            max_leaf_nodes=self.leaves,
            learning_rate=self.learning_rate,
            max_iter=self.rounds,
            min_samples_leaf=max(5, min(20, len(target) // 20)),
            early_stopping=len(target) >= 100 and (len(seen) > 2 or smallest >= 10),
            validation_fraction=self.validation,
            n_iter_no_change=self.patience,
            random_state=seed_of(rng),
        )
        model.fit(matrix, target.astype(int) if self.classes else target, sample_weight=weights)
        return BoostingPredictor(model, self.classes)


def spread_classes(found: FloatArray, seen: NDArray[Any], classes: int) -> FloatArray:
    """Probabilities of all classes from those that a model saw."""
    out = np.zeros((len(found), classes))
    out[:, np.asarray(seen, dtype=int)] = found
    return out
