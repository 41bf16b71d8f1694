"""Models from elsewhere: scikit-learn estimators, and predictions that were made before."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from importlib import import_module
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
        """The predictions, checked.

        Raises:
            InvalidSetting: when they are not finite numbers of this shape.
        """
        array = np.asarray(self.predictions, dtype=float)
        if array.shape != shape or not np.isfinite(array).all():
            raise InvalidSetting(
                f"OutOfFold predictions have shape {array.shape}; this model needs finite values of shape {shape}.",
                hint="one row of predictions per row used, one column per arm",
            )
        return array

    def probabilities(self, n: int, classes: int) -> FloatArray:
        """The predictions as probabilities of each arm; of two arms, the second one's may be given alone.

        Raises:
            InvalidSetting: when they are not n × classes probabilities that sum to one.
        """
        alone = classes == 2 and np.ndim(self.predictions) == 1
        array = self.values((n,) if alone else (n, classes))
        array = np.column_stack([1.0 - array, array]) if alone else array
        if array.min() < 0.0 or not np.allclose(array.sum(axis=1), 1.0, rtol=0.0, atol=1e-6):
            raise InvalidSetting(
                f"OutOfFold predictions run from {array.min():g} to {array.max():g}; a treatment model needs "
                "probabilities that sum to one over the arms.",
                hint="OutOfFold(probability_of_the_second_arm), or one column per arm",
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
        model = import_module("sklearn.base").clone(self.estimator)
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

    Args:
        classes: how many arms to predict the probability of; 0 for a number.

    Raises:
        InvalidSetting: for anything else, and for a model that predicts the wrong kind of thing.
    """
    if isinstance(model, Learner):
        fits = model.for_classes if classes else model.for_numbers
    else:
        methods = ("fit", "get_params", "predict_proba" if classes else "predict")
        found = all(callable(getattr(model, name, None)) for name in methods)
        # A classifier asked for a number would answer with a class, not with its probability.
        fits = found and not isinstance(model, type) and bool(classes or not hasattr(model, "predict_proba"))
    if not fits:
        raise InvalidSetting(
            f"{model!r} cannot predict {'probabilities' if classes else 'numbers'}; this model needs "
            f"{'a classifier with fit and predict_proba' if classes else 'a regressor with fit and predict'}.",
            hint="LogisticModel()" if classes else "LinearModel()",
        )
    return model if isinstance(model, Learner) else Wrapped(model, classes)
