"""The mean of the target: what every other learner has to beat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from butfor.core.errors import TooFewRows
from butfor.core.rng import Seed
from butfor.nuisance.learner import Learner

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class ConstantPredictor:
    """One number for every row."""

    value: float

    def predict(self, matrix: FloatArray) -> FloatArray:
        """The mean, whatever the row."""
        return np.full(len(matrix), self.value)


@dataclass(frozen=True, kw_only=True)
class ConstantModel(Learner):
    """The (weighted) mean of the target. As the model of an effect it says that the effect is the same for all.

    >>> import numpy as np
    >>> ConstantModel().fit(np.zeros((3, 1)), np.array([1.0, 2.0, 6.0]), None, rng=0).predict(np.zeros((1, 1)))
    array([3.])
    """

    for_classes: ClassVar[bool] = False

    def fit(
        self, matrix: FloatArray, target: FloatArray, weights: FloatArray | None, *, rng: Seed
    ) -> ConstantPredictor:
        """Learn from rows."""
        total = float(len(target) if weights is None else weights.sum())
        if not total > 0.0:
            raise TooFewRows("No row has weight; a mean needs a row with weight.", hint="weights=None")
        return ConstantPredictor(float(np.average(target, weights=weights)))
