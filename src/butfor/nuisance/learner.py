"""What a nuisance model is: a learner as frozen settings, a predictor as what it learned."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from butfor.core.rng import Seed

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int32]


class Predictor(Protocol):
    """A fitted model."""

    def predict(self, matrix: FloatArray) -> FloatArray:
        """Expected target of each row; rows × classes for a classifier."""
        ...


class Learner(ABC):
    """A model before it is fitted: frozen, hashable settings with a telling `repr`.

    Attributes:
        for_numbers: whether it can predict an expected value.
        for_classes: whether it can predict the probability of each arm.
    """

    for_numbers: ClassVar[bool] = True
    for_classes: ClassVar[bool] = True

    @abstractmethod
    def fit(self, matrix: FloatArray, target: FloatArray, weights: FloatArray | None, *, rng: Seed) -> Predictor:
        """Learn from rows; `target` holds numbers, or class codes for a classifier."""


@runtime_checkable
class Foldwise(Protocol):
    """A learner that fits all cross-fitting folds together, because most of the work is the same for all."""

    def cross_predict(
        self, matrix: FloatArray, target: FloatArray, folds: IntArray, fold_count: int, weights: FloatArray | None
    ) -> FloatArray:
        """Predictions of each row by the model that did not see its fold."""
        ...
