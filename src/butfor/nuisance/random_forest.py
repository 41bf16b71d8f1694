"""Random forests as nuisance models: expected values, or the probability of each class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from butfor.core.errors import InvalidSetting
from butfor.core.rng import Seed, seed_of
from butfor.data.content import rank_key
from butfor.native.forest import Columns, Forest, Growth, Kind, grow_forest
from butfor.nuisance.learner import Learner

FloatArray = NDArray[np.float64]

# Classes whose shares one forest averages together.
TOGETHER = 6


@dataclass(frozen=True, eq=False)
class ForestPredictor:
    """Grown forests: one for numbers, one for every six classes."""

    forests: tuple[Forest, ...]
    classes: int

    def predict(self, matrix: FloatArray) -> FloatArray:
        """Expected target, or probabilities (rows × classes)."""
        found = np.column_stack([forest.predict(matrix).value for forest in self.forests])
        if self.classes == 0:
            return found[:, 0]
        shares = np.maximum(found, 0.0)
        return shares / shares.sum(axis=1, keepdims=True)


@dataclass(frozen=True, kw_only=True)
class RandomForest(Learner):
    """Average the outcomes of rows that trees put together: jumps and interactions without a formula.

    Covariates may have missing values: a split sends them to the side where they fit better. The order of the rows and
    the units of the covariates do not matter.

    Args:
        classes: number of classes; 0 for regression. Set by the cross-fitter.
        trees: how many.
        subsample: share of the rows that a tree sees, drawn without replacement.
        honesty: share of these that make the averages and choose no splits. Cross-fitting makes 0 safe, and it
            predicts better.
        features: expected number of covariates tried per split; default a third of them, at least 3.
        min_node_size: rows that each child must keep.
        alpha: share of a node's rows that each child must keep.

    References:
        Breiman 2001 (doi:10.1023/A:1010933404324); Athey, Tibshirani and Wager 2019 (doi:10.1214/18-AOS1709).

    >>> import numpy as np
    >>> x = np.linspace(-1.0, 1.0, 400)[:, None]
    >>> step = RandomForest(trees=100).fit(x, (x[:, 0] > 0) * 1.0, None, rng=0)
    >>> step.predict(np.array([[-0.5], [0.5]])).round(6)
    array([0., 1.])
    """

    classes: int = 0
    trees: int = 500
    subsample: float = 0.6
    honesty: float = 0.0
    features: int | None = None
    min_node_size: int = 5
    alpha: float = 0.0

    def __post_init__(self) -> None:
        if self.classes < 0:
            raise InvalidSetting(f"classes is {self.classes}; a forest needs 0 or more.", hint="classes=0")
        _ = self._growth(1)

    def _growth(self, columns: int) -> Growth:
        return Growth(
            trees=self.trees,
            bag_size=1,
            subsample=self.subsample,
            honesty=self.honesty,
            features=self.features or max(3, -(-columns // 3)),
            min_node_size=self.min_node_size,
            alpha=self.alpha,
        )

    def fit(self, matrix: FloatArray, target: FloatArray, weights: FloatArray | None, *, rng: Seed) -> ForestPredictor:
        """Learn from rows; those of weight 0 are left out."""
        if weights is not None:
            seen = weights > 0.0
            matrix, target, weights = matrix[seen], target[seen], weights[seen]
        order = np.argsort(rank_key([*matrix.T, target]), kind="stable")
        outcomes = np.eye(self.classes)[target[order].astype(int)] if self.classes else target[order, None]
        kind = Kind.PROBABILITY if self.classes else Kind.REGRESSION
        rows, kept = matrix[order], None if weights is None else weights[order]
        growth, seed = self._growth(matrix.shape[1]), seed_of(rng)
        forests = tuple(
            grow_forest(kind, Columns(rows, outcomes[:, first : first + TOGETHER], weights=kept), growth, seed=seed)
            for first in range(0, outcomes.shape[1], TOGETHER)
        )
        return ForestPredictor(forests, self.classes)
