"""Models from elsewhere: scikit-learn estimators, and predictions that were made before."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from butfor.core.errors import InvalidSetting
from butfor.core.rng import Seed, seed_of
from butfor.nuisance.boosting import spread_classes
from butfor.nuisance.learner import Learner

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class OutOfFold(Learner):
    """Predictions that were made elsewhere, by models that did not see the row they predict.

    Args:
        predictions: one per row, or rows × arms, in the order of the rows used.
    """

    predictions: ArrayLike

    def __repr__(self) -> str:
        return f"OutOfFold(shape={np.shape(self.predictions)})"

    def fit(self, matrix: FloatArray, target: FloatArray, weights: FloatArray | None, *, rng: Seed) -> Any:
        """Nothing can be learned anew from given predictions."""
        raise InvalidSetting(
            "OutOfFold holds predictions, not a model; it cannot be fitted to other rows or another treatment.",
            hint="give a learner such as LinearModel() where refits are needed",
        )

    def values(self, shape: tuple[int, ...]) -> FloatArray:
        """The predictions, checked."""
        array = np.asarray(self.predictions, dtype=float)
        if len(shape) == 2 and shape[1] == 2 and array.ndim == 1:
            array = np.column_stack([1.0 - array, array])
        if array.shape != shape or not np.isfinite(array).all():
            raise InvalidSetting(
                f"OutOfFold predictions have shape {np.shape(self.predictions)}; this model needs finite values of "
                f"shape {shape}.",
                hint="one row of predictions per row used, one column per arm",
            )
        return array


@dataclass(frozen=True)
class WrappedPredictor:
    """A fitted scikit-learn model."""

    model: Any
    classes: int

    def predict(self, matrix: FloatArray) -> FloatArray:
        """Expected target, or probabilities (rows × classes)."""
        if self.classes == 0:
            return np.asarray(self.model.predict(matrix), dtype=float).reshape(-1)
        return spread_classes(self.model.predict_proba(matrix), self.model.classes_, self.classes)


@dataclass(frozen=True, eq=False)
class Wrapped(Learner):
    """A scikit-learn estimator; it is cloned before every fit."""

    estimator: Any
    classes: int = 0

    def __repr__(self) -> str:
        return f"Wrapped({self.estimator!r}, classes={self.classes})"

    def fit(self, matrix: FloatArray, target: FloatArray, weights: FloatArray | None, *, rng: Seed) -> WrappedPredictor:
        """Learn from rows, with weights where the estimator takes them."""
        from sklearn.base import clone

        model = clone(self.estimator)
        if "random_state" in model.get_params() and model.get_params()["random_state"] is None:
            model.set_params(random_state=seed_of(rng))
        takes_weights = "sample_weight" in inspect.signature(model.fit).parameters
        if weights is not None and not takes_weights:
            raise InvalidSetting(
                f"{type(model).__name__} takes no sample_weight; a weighted analysis needs it.",
                hint="choose another learner, or leave weights out",
            )
        goal = target.astype(int) if self.classes else target
        model.fit(matrix, goal, **({} if weights is None else {"sample_weight": weights}))
        return WrappedPredictor(model, self.classes)


def as_learner(model: Any, *, classes: int) -> Learner:
    """A learner from what the user gave: ours, a scikit-learn estimator, or `OutOfFold`.

    Raises:
        InvalidSetting: for anything else, and for a regressor where probabilities are needed.
    """
    if isinstance(model, Learner):
        return model
    needed = "predict_proba" if classes else "predict"
    if not all(callable(getattr(model, name, None)) for name in ("fit", "get_params", needed)):
        raise InvalidSetting(
            f"{model!r} is not a {'classifier' if classes else 'regressor'}; a nuisance model needs fit and {needed}.",
            hint="LogisticModel()" if classes else "LinearModel()",
        )
    return Wrapped(model, classes)
